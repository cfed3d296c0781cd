import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join, relative } from 'node:path';
import { transform } from 'esbuild';
import { ROOT } from '../../scripts/lib/cache.mjs';
import { run } from '../../scripts/lib/processes.mjs';
import { tool } from '../../scripts/lib/toolchain.mjs';
import { type ProgramResult, runProgram } from './run-program.js';

/** A fenced block of code in a Markdown file. */
export interface Snippet {
  /** The heading it stands under. */
  heading: string;
  /** First word behind the fence: `ts`, `yaml`, `bash`, … */
  language: string;
  code: string;
  /** Line of the fence, counted from 1. */
  line: number;
}

export interface SnippetOptions {
  env?: Record<string, string>;
  /** Files beside the snippet, which is also its working directory. */
  files?: Record<string, string>;
  /** Base URL of a mock model that answers in OpenAI's place. */
  modelURL?: string;
}

const FENCE = /^(`{3,})(\w*)/;
const TYPESCRIPT = /^(ts|typescript)$/;

/** All blocks of a Markdown file of the repository, in their order. */
export function snippetsOf(file: string): Snippet[] {
  const snippets: Snippet[] = [];
  let heading = '';
  let open: (Snippet & { fence: string; lines: string[] }) | undefined;
  readFileSync(join(ROOT, file), 'utf8')
    .split('\n')
    .forEach((text, index) => {
      const [, fence = '', language = ''] = FENCE.exec(text.trimStart()) ?? [];
      if (open) {
        if (fence !== open.fence || language !== '') {
          open.lines.push(text);
          return;
        }
        const { fence: _, lines, ...snippet } = open;
        snippets.push({ ...snippet, code: lines.join('\n') });
        open = undefined;
      } else if (fence !== '') {
        open = { heading, language, code: '', line: index + 1, fence, lines: [] };
      } else if (/^#{1,6} /.test(text)) {
        heading = text.replace(/^#+ /, '').trim();
      }
    });
  return snippets;
}

/** Runs a program of a document word for word, as its reader would, in a folder of its own. */
export async function runSnippet(
  code: string,
  { env, files = {}, modelURL }: SnippetOptions = {},
): Promise<ProgramResult> {
  const folder = makeFolder();
  try {
    const { code: javascript } = await transform(code, { loader: 'ts', target: 'node20' });
    writeFileSync(join(folder, 'snippet.mjs'), javascript);
    for (const [name, text] of Object.entries(files)) writeFileSync(join(folder, name), text);
    return await runProgram(join(relative(ROOT, folder), 'snippet.mjs'), {
      imports: ['test/support/redirect-model.mjs'],
      cwd: folder,
      env: { ...(modelURL !== undefined && { MOCK_MODEL_URL: modelURL }), ...env },
    });
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

/** What the type checker has against the TypeScript among the snippets; empty when nothing. */
export async function typeErrors(file: string): Promise<string> {
  const folder = makeFolder();
  try {
    for (const { language, code, line } of snippetsOf(file)) {
      // Each is a module of its own, whether it imports something or not.
      if (TYPESCRIPT.test(language)) {
        writeFileSync(join(folder, `line-${line}.mts`), `${code}\nexport {};\n`);
      }
    }
    const config = {
      extends: join(ROOT, 'tsconfig.json'),
      compilerOptions: { baseUrl: ROOT, noUnusedLocals: false },
      include: [join(folder, '*.mts')],
      exclude: [],
    };
    writeFileSync(join(folder, 'tsconfig.json'), JSON.stringify(config));
    const { output } = await run(tool('tsc'), ['-p', join(folder, 'tsconfig.json')], {
      cwd: folder,
      quiet: true,
    });
    // The packages are checked elsewhere; the first line of an error names its file.
    return output
      .split(/\n(?=\S)/)
      .filter((error) => error.startsWith('line-'))
      .join('\n');
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

/** Below the repository, where the packages are found; ignored by git. */
function makeFolder(): string {
  const parent = join(ROOT, '.cache');
  mkdirSync(parent, { recursive: true });
  return mkdtempSync(join(parent, 'snippet-'));
}

import { execFile } from 'node:child_process';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { transform } from 'esbuild';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { snippetsOf, typeErrors } from '../../../../test/support/snippets.js';
import { hooks } from '../../src/hooks/index.js';
import { OPTION_NAMES } from '../../src/settings.js';
import { AX_MAJORS, type AxMajor, loadAx } from '../support/ax.js';
import { buildPackage } from '../support/built.js';

const README = 'packages/instrumentation-dspy/README.md';
const PACKAGE = fileURLToPath(new URL('../../', import.meta.url));
const text = readFileSync(join(PACKAGE, 'README.md'), 'utf8');
const snippets = snippetsOf(README);

function code(heading: string, language: string): string {
  const found = snippets.find((one) => one.heading === heading && one.language === language);
  if (found === undefined) throw new Error(`no ${language} under "${heading}"`);
  return found.code;
}

/** A program that answers without a model. */
const APP = `
import * as ax from '@ax-llm/ax';
export const llm = new ax.AxMockAIService({
  features: { functions: false, streaming: false },
  chatResponse: async () => ({ results: [{ index: 0, content: 'Answer: four' }] }),
});
`;
const RUN = `
const { answer: got } = await ax.ax('question:string -> answer:string').forward(llm, { question: 'why?' });
console.log('answer: ' + got);
`;

/** Below the repository, where the packages are found; ignored by git. */
let folder: string;
beforeAll(async () => {
  await buildPackage();
  const parent = join(PACKAGE, '../../.cache');
  mkdirSync(parent, { recursive: true });
  folder = mkdtempSync(join(parent, 'readme-'));
  write('package.json', '{"type":"module"}');
  write('llm.mjs', APP);
  write('app.js', APP + RUN);
  write('app.mjs', APP + RUN);
  write('tracing.mjs', code('With an SDK of your own', 'ts'));
  write('tracing.cjs', code('With an SDK of your own', 'js'));
  const { code: commonJs } = await transform(`(async () => {${RUN}})()`, { format: 'cjs' });
  write(
    'app.cjs',
    `${APP.replace("import * as ax from '@ax-llm/ax'", "const ax = require('@ax-llm/ax')").replace('export ', '')}${commonJs}`,
  );
}, 120_000);
afterAll(() => rmSync(folder, { recursive: true, force: true }));

function write(name: string, content: string): void {
  writeFileSync(join(folder, name), content);
}

interface Run {
  stdout: string;
  stderr: string;
}

/** Runs a command line in the folder; fails when it does. */
function run(command: string): Promise<Run> {
  const { PATH = '' } = process.env;
  const quiet = { OTEL_METRICS_EXPORTER: 'none', OTEL_LOGS_EXPORTER: 'none' };
  const env = { PATH, OTEL_TRACES_EXPORTER: 'console', ...quiet };
  return new Promise((resolve, reject) => {
    execFile('sh', ['-c', command], { cwd: folder, env }, (error, stdout, stderr) =>
      error === null ? resolve({ stdout, stderr }) : reject(new Error(`${error.message}${stderr}`)),
    );
  });
}

/** Runs the TypeScript under a heading, and what follows, in the SDK of the document. */
async function runIn(heading: string, after: string): Promise<string> {
  const { code: javascript } = await transform(`${code(heading, 'ts')}\n${after}`, {
    loader: 'ts',
    target: 'node20',
  });
  write('snippet.mjs', javascript);
  const { stdout, stderr } = await run('node --import ./tracing.mjs snippet.mjs');
  expect(stderr).toBe('');
  return stdout;
}

describe(README, () => {
  it('has code that type-checks', async () => {
    expect(await typeErrors(README)).toBe('');
  }, 120_000);

  it('traces without code', async () => {
    const { stdout } = await run(code('No code', 'sh'));
    expect(stdout).toContain('answer: four');
    expect(stdout).toContain("name: 'chat'");
  });

  it.each(['node --import ./tracing.mjs app.mjs', 'node --require ./tracing.cjs app.cjs'])(
    'traces in an SDK of your own: %s',
    async (command) => {
      const { stdout, stderr } = await run(command);
      expect(stderr).toBe('');
      expect(stdout).toContain('answer: four');
      expect(stdout).toContain("name: 'invoke_workflow AxGen(question -> answer)'");
      expect(text).toContain(command.replace(/^node /, 'node '));
    },
  );

  it('traces an Ax that was loaded first', async () => {
    write(
      'manual.mjs',
      `${code('Bundles, or Ax loaded first', 'ts')}
      const isTraced = () => Symbol.for('@hokusai/instrumentation-dspy original') in ax.AxGen.prototype.forward;
      const before = isTraced();
      instrumentation.disable();
      console.log(before, isTraced());`,
    );
    expect((await run('node manual.mjs')).stdout).toBe('true false\n');
  });

  it('gives executions their session, user and tags', async () => {
    const stdout = await runIn(
      'Sessions, users, tags',
      `import { llm } from './llm.mjs';
      await answer(llm, 'why?', 's1', 'u1');`,
    );
    expect(stdout).toMatch(/'session\.id': 's1'/);
    expect(stdout).toMatch(/'user\.id': 'u1'/);
    expect(stdout).toMatch(/'dspy\.tag\.team': 'support'/);
  });

  it('gives a program metadata', async () => {
    const all = snippets.filter(
      ({ heading, language }) => heading === 'Sessions, users, tags' && language === 'ts',
    );
    write(
      'traced.mjs',
      `${all[1]?.code}
      import { llm } from './llm.mjs';
      await program.forward(llm, { question: 'why?' });`,
    );
    const { stdout } = await run('node --import ./tracing.mjs traced.mjs');
    expect(stdout).toMatch(/'session\.id': 'abc-def'/);
    expect(stdout).toMatch(/metadata: '.*"modelVersion":"v2.1"/);
  });

  it('carries an execution to another process', async () => {
    const stdout = await runIn(
      'Several processes and worker threads',
      `import { trace } from '@opentelemetry/api';
      const tracer = trace.getTracer('t');
      tracer.startActiveSpan('job', (span) => {
        const headers = carrier();
        span.end();
        setImmediate(() => resume(headers, () => {
          const same = trace.getSpan(context.active())?.spanContext().traceId === span.spanContext().traceId;
          console.log('same trace: ' + same);
        }));
      });`,
    );
    expect(stdout).toContain('same trace: true');
  });

  it('samples in the SDK', async () => {
    write('sampling.mjs', `${code('Sampling', 'ts')}\nawait sdk.shutdown();`);
    expect((await run('node sampling.mjs')).stderr).toBe('');
  });

  it('lists every option', () => {
    const section = text.slice(text.indexOf('## Options'), text.indexOf('| environment variable'));
    const named = [...section.matchAll(/^\| `(\w+)`/gm)].map(([, name]) => name);
    expect(named).toEqual(OPTION_NAMES);
  });
});

interface Row {
  /** `Class.method` */
  calls: string[];
  majors: AxMajor[];
  file: string;
  test: string;
}

const rows: Row[] = [
  ...text
    .slice(text.indexOf('## Coverage'), text.indexOf('## Troubleshooting'))
    .matchAll(
      /^\| (?!calls of Ax|-)(.+?) +\| .+? +\| +([\d–]+) +\| \[[\w-]+\]\((\S+)\): (.+?) +\|$/gm,
    ),
].map(([, calls = '', versions = '', file = '', test = '']) => {
  const [from = 0, to = from] = versions.split('–').map(Number);
  return {
    calls: [...calls.matchAll(/`(Ax\w+\.\w+)`/g)].map(([, call]) => call as string),
    majors: AX_MAJORS.filter((major) => major >= from && major <= to),
    file,
    test,
  };
});

describe('the coverage table', () => {
  it('has a row for everything that is hooked', () => {
    const listed = rows.flatMap(({ calls }) => calls);
    const hooked = [...new Set(hooks.map(({ target, method }) => `${target}.${method}`))];
    expect(listed.toSorted()).toEqual(hooked.toSorted());
  });

  it('names the releases that have it', async () => {
    const modules = new Map<AxMajor, Record<string, { prototype?: object }>>();
    for (const major of AX_MAJORS) modules.set(major, await loadAx(major));
    for (const { calls, majors } of rows.filter(({ calls }) => calls.length > 0)) {
      const having = AX_MAJORS.filter((major) =>
        calls.some((call) => {
          const [target = '', method = ''] = call.split('.');
          return method in (modules.get(major)?.[target]?.prototype ?? {});
        }),
      );
      // In an earlier one a class may be there and out of a program's reach.
      expect(having, calls.join()).toEqual(expect.arrayContaining(majors));
      expect(majors.at(-1), calls.join()).toBe(having.at(-1));
    }
  });

  it.each(rows)('has a test: $test', ({ file, test }) => {
    const source = readFileSync(join(PACKAGE, file), 'utf8');
    expect(source).toMatch(new RegExp(`it(\\.each\\([^)]*\\))?\\(\\s*(['"\`])${literal(test)}\\2`));
  });
});

function literal(pattern: string): string {
  return pattern.replace(/[.*+?^${}()|[\]\\]/g, '\\$&');
}

import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { builtinModules } from 'node:module';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { MlflowClient } from '@hokusai/exporter-mlflow';
import { build } from 'esbuild';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type App, createApp } from '../../../packages/mlflow-dspy/test/support/app.js';
import { runNode } from '../../../packages/mlflow-dspy/test/support/process.js';

const PACKAGES = fileURLToPath(new URL('../../../packages', import.meta.url));
const REGISTER = '@hokusai/mlflow-dspy/register';

let app: App;
let folder: string;
beforeAll(async () => {
  app = await createApp();
  folder = mkdtempSync(join(tmpdir(), 'packaging-'));
  for (const [name, code] of Object.entries(PROGRAMS)) writeFileSync(join(app.folder, name), code);
});
afterAll(() => {
  app?.remove();
  rmSync(folder, { recursive: true, force: true });
});

const run = (args: readonly string[], env: Record<string, string> = {}, more = {}) =>
  runNode(args, {
    cwd: app.folder,
    env: { MLFLOW_TRACKING_URI: `file:${join(folder, 'traces')}`, ...env },
    ...more,
  });

/** A program made of the shapes of modules that loader hooks have stumbled over. */
const PROGRAMS = {
  'class.mjs': `
export default class Default { name = 'default class'; }
export class Named extends Default { kind = 'named'; }
`,
  'left.mjs': `export const both = 'left'; export const left = 1; export * from './right.mjs';`,
  'right.mjs': `export const both = 'right'; export const right = 2; export * from './left.mjs';`,
  'star.mjs': `export * from './left.mjs'; export * from './class.mjs'; export * as ns from './right.mjs';`,
  'odd-names.mjs': `
const value = 'odd';
export { value as 'a name with spaces', value as default, value as constructor };
export const then = undefined;
export let live = 1;
export function more() { live++; }
`,
  'awaits.mjs': `export const awaited = await Promise.resolve('awaited');`,
  'common.cjs': `exports.common = class Common { value = 3; }; exports.default = 'common default';`,
  'data.json': '{"data":[1]}',
  'shapes.mjs': `
import * as star from './star.mjs';
import Default, { Named } from './class.mjs';
import * as odd from './odd-names.mjs';
import { awaited } from './awaits.mjs';
import common, { common as Common } from './common.cjs';
import { createRequire } from 'node:module';
import * as fs from 'node:fs';
const require = createRequire(import.meta.url);
odd.more();
const later = await import('./odd-names.mjs');
console.log(JSON.stringify({
  star: Object.keys(star), made: [new Default(), new Named(), new star.Named(), new Common()],
  same: star.Named === Named, odd: Object.keys(odd), live: [odd.live, later.live],
  awaited, common: Object.keys(common), json: require('./data.json'),
  fs: typeof fs.default.readFileSync, ax: typeof (await import('@ax-llm/ax')).AxGen,
}));
`,
  'ask.mjs': `
import { AxMockAIService, ax } from '@ax-llm/ax';
const model = new AxMockAIService({
  features: { functions: false, streaming: false },
  chatResponse: { results: [{ index: 0, content: 'Answer: four', finishReason: 'stop' }] },
});
for (let time = 0; time < 3; time++) {
  const { answer } = await ax('question:string -> answer:string').forward(model, { question: 'q' });
  console.log(answer);
}
`,
  'killed.mjs': `
import { AxMockAIService, ax, flow } from '@ax-llm/ax';
let calls = 0;
const model = new AxMockAIService({
  features: { functions: false, streaming: false },
  chatResponse: async () => {
    if (++calls === 2) {
      // The first step has ended, and its time to be handed on has passed many times over.
      setTimeout(() => console.log('ready'), 400);
      await new Promise(() => setInterval(() => {}, 1_000));
    }
    return { results: [{ index: 0, content: 'Answer: four', finishReason: 'stop' }] };
  },
});
await flow()
  .n('one', 'question:string -> answer:string')
  .n('two', 'question:string -> answer:string')
  .e('one', ({ question }) => ({ question }))
  .e('two', ({ oneResult }) => ({ question: oneResult.answer }))
  .forward(model, { question: 'never answered' });
`,
};

describe('a program of modules of every shape', () => {
  it.each([REGISTER, '@hokusai/instrumentation-dspy/register'])(
    'does with %s what it does without',
    async (register) => {
      const plain = await run(['shapes.mjs']);
      expect(plain).toMatchObject({ code: 0, stderr: '' });
      expect(JSON.parse(plain.stdout)).toMatchObject({ same: true, live: [2, 2], ax: 'function' });
      const { code, stdout, stderr } = await run(['--import', register, 'shapes.mjs'], {
        OTEL_TRACES_EXPORTER: 'none',
      });
      expect({ code, stdout, stderr }).toEqual({ code: 0, stdout: plain.stdout, stderr: '' });
    },
  );
});

describe('a server that is down', () => {
  it.each(['strict', 'throw', 'warn'])(
    'leaves no rejection behind that would end the program (--unhandled-rejections=%s)',
    async (mode) => {
      const { code, stdout, stderr } = await run(
        [`--unhandled-rejections=${mode}`, '--import', REGISTER, 'ask.mjs'],
        {
          MLFLOW_TRACKING_URI: 'http://127.0.0.1:9',
          MLFLOW_DSPY_SPOOL: 'false',
          OTEL_BSP_SCHEDULE_DELAY: '10',
          MLFLOW_DSPY_SHUTDOWN_TIMEOUT: '500',
        },
      );
      expect({ code, stdout }).toEqual({ code: 0, stdout: 'four\nfour\nfour\n' });
      expect(stderr).toContain('127.0.0.1:9');
      expect(stderr).not.toMatch(/[Uu]nhandled|UnhandledPromiseRejection/);
    },
  );
});

describe('a program killed in its middle', () => {
  it('leaves no trace that would be in progress for ever', async () => {
    const directory = join(folder, 'killed');
    const env = {
      MLFLOW_TRACKING_URI: `file:${directory}`,
      OTEL_BSP_SCHEDULE_DELAY: '10',
      MLFLOW_DSPY_BUFFER_SIZE: '1',
    };
    const ended = await run(['--import', REGISTER, 'killed.mjs'], env, { signal: 'SIGKILL' });
    expect(ended.signal).toBe('SIGKILL');
    expect(ended.stdout).toBe('ready\n');
    // One that is finished, so that there is something to read.
    await run(['--import', REGISTER, 'ask.mjs'], env);
    const client = new MlflowClient({ trackingUri: `file:${directory}` });
    const traces = await client.getTraces({ experimentName: 'dspy-traces' }).toArray();
    await client.close();
    expect(traces.map(({ state }) => state)).toEqual(['OK', 'OK', 'OK']);
  });
});

describe('a published package', () => {
  const names = readdirSync(PACKAGES);

  interface Manifest {
    name: string;
    exports: Record<string, unknown>;
    dependencies?: Record<string, string>;
    peerDependencies?: Record<string, string>;
  }

  it.each(names)(
    '%s imports only what its package.json names, by what those packages export',
    async (name) => {
      const root = join(PACKAGES, name);
      const manifest = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as Manifest;
      const files = [...JSON.stringify(manifest.exports).matchAll(/"\.\/(dist\/[^"]+\.c?js)"/g)];
      const { metafile } = await build({
        entryPoints: files.map(([, file]) => join(root, file as string)),
        bundle: true,
        packages: 'external',
        platform: 'node',
        format: 'esm',
        outdir: join(folder, 'unused'),
        entryNames: '[name]-[hash]',
        // Without the paths of the repository's own, which lead to sources.
        tsconfigRaw: '{}',
        metafile: true,
        write: false,
      });
      const imported = Object.values(metafile.inputs)
        .flatMap(({ imports }) => imports)
        .filter(({ external, path }) => external && path !== '<runtime>' && !isBuiltin(path))
        .map(({ path }) => path);
      expect(imported.length).toBeGreaterThan(0);
      const named = { ...manifest.dependencies, ...manifest.peerDependencies };
      expect(
        imported.map(packageOf).filter((one) => one !== manifest.name && !(one in named)),
      ).toEqual([]);
      // Deep paths are somebody else's inside, unless they are exported by name.
      const deep = imported.filter((path) => path !== packageOf(path));
      for (const path of deep) expect(() => import.meta.resolve(path)).not.toThrow();
      expect(deep.filter((path) => /\/(dist|build|src|lib)\//.test(path))).toEqual([]);
    },
  );
});

const isBuiltin = (path: string): boolean =>
  path.startsWith('node:') || builtinModules.includes(path);
const packageOf = (path: string): string =>
  path
    .split('/')
    .slice(0, path.startsWith('@') ? 2 : 1)
    .join('/');

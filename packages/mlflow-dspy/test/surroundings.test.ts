import { cpSync, readFileSync, rmSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { type AddressInfo, createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { MlflowClient } from '@hokusai/exporter-mlflow';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type App, copyInto, createApp } from './support/app.js';
import { runNode } from './support/process.js';

const ROOT_MODULES = fileURLToPath(new URL('../../../node_modules', import.meta.url));
const FIXTURES = fileURLToPath(new URL('./fixtures', import.meta.url));

let app: App;
let folder: string;
beforeAll(async () => {
  app = await createApp();
  copyInto(app.folder, FIXTURES, 'fixtures');
  folder = await mkdtemp(join(tmpdir(), 'surroundings-'));
}, 150_000);
afterAll(async () => {
  app?.remove();
  await rm(folder, { recursive: true, force: true });
});

let count = 0;
async function run(args: readonly string[]) {
  const directory = join(folder, String(count++));
  const { code, stdout, stderr } = await runNode(args, {
    cwd: app.folder,
    env: { MLFLOW_TRACKING_URI: `file:${directory}` },
  });
  return { code, stdout, stderr, traces: () => tracesIn(directory) };
}

async function tracesIn(directory: string) {
  const client = new MlflowClient({ trackingUri: `file:${directory}` });
  const traces = await client.getTraces({ experimentName: 'dspy-traces' }).toArray();
  await client.close();
  return traces.map(({ inputs, spans }) => ({ inputs, types: spans.map(({ type }) => type) }));
}

/** Copies a package of the repository to a place below the app, under its real name. */
function place(installed: string, at: string): () => void {
  const target = join(app.folder, at);
  cpSync(join(ROOT_MODULES, installed), target, { recursive: true });
  return () => rmSync(target, { recursive: true, force: true });
}

const TRACE = { inputs: { question: 'q' }, types: ['CHAIN', 'CHAT_MODEL'] };

// Only an older copy and a newer one do not see each other: the suite on SDK 3.x has the newer one.
const hasOlderApi = /"version": "1\.9\./.test(
  readFileSync(join(ROOT_MODULES, '@opentelemetry', 'api', 'package.json'), 'utf8'),
);

describe.skipIf(!hasOlderApi)('copies of @opentelemetry/api that cannot see each other', () => {
  let remove: () => void;
  beforeAll(() => {
    // What our packages find; the SDK of the repository goes on using its own 1.9.
    remove = place('otel-api-1.10', 'node_modules/@opentelemetry/api');
  });
  afterAll(() => remove());

  it.each([
    ['sdk-before.mjs', 'was registered through @opentelemetry/api 1.9.1, which this package'],
    ['sdk-after.mjs', 'that uses @opentelemetry/api 1.9.1, while 1.10.0 is in use'],
  ])('%s: one warning says so and how to mend it', async (name, message) => {
    const { code, stdout, stderr } = await run([`fixtures/${name}`]);
    expect({ code, stdout }).toEqual({ code: 0, stdout: 'four\n' });
    const lines = stderr.trim().split('\n');
    expect(lines).toEqual([expect.stringContaining(message)]);
    expect(lines[0]).toContain('npm ls @opentelemetry/api');
  });
});

describe('copies of @opentelemetry/api that are alike', () => {
  it.each(['sdk-before.mjs', 'sdk-after.mjs'])('%s: no warning', async (name) => {
    const { code, stdout, stderr } = await run([`fixtures/${name}`]);
    expect({ code, stdout, stderr }).toEqual({ code: 0, stdout: 'four\n', stderr: '' });
  });
});

describe('Ax', () => {
  it('that cannot be instrumented gives one warning, and works', async () => {
    const { code, stdout, stderr } = await run(['fixtures/frozen-ax.mjs']);
    expect({ code, stdout }).toEqual({ code: 0, stdout: 'four\n' });
    expect(stderr).toContain('none of its programs could be instrumented');
    expect(stderr.match(/none of its programs/g)).toHaveLength(1);
  });

  it('at another place than ours is traced by register', async () => {
    const removers = [
      place('ax23', 'other/node_modules/@ax-llm/ax'),
      place('ax23', 'third/node_modules/@ax-llm/ax'),
    ];
    copyInto(app.folder, FIXTURES, 'other/fixtures');
    try {
      const { code, stdout, stderr, traces } = await run([
        '--import',
        '@hokusai/mlflow-dspy/register',
        'other/fixtures/plain.mjs',
      ]);
      expect({ code, stdout, stderr }).toEqual({ code: 0, stdout: 'four\n', stderr: '' });
      expect(await traces()).toEqual([TRACE]);
    } finally {
      for (const remove of removers) remove();
    }
  });
});

describe('an application that does the same by hand', () => {
  it('with its own instrumentation is warned that two configurations compete', async () => {
    const { code, stdout, stderr, traces } = await run(['fixtures/own-instrumentation.mjs']);
    expect({ code, stdout }).toEqual({ code: 0, stdout: 'four\n' });
    expect(stderr.trim().split('\n')).toEqual([
      expect.stringContaining('A DspyInstrumentation of the application is at work already'),
    ]);
    expect(await traces()).toHaveLength(1);
  });

  it('with its own exporter exports once', async () => {
    const { code, stdout, stderr, traces } = await run(['fixtures/own-exporter.mjs']);
    expect({ code, stdout }).toEqual({ code: 0, stdout: 'four\nundefined\n' });
    expect(stderr.trim().split('\n')).toEqual([
      expect.stringContaining('has an MlflowSpanExporter'),
    ]);
    expect(await traces()).toEqual([TRACE]);
  });
});

describe('a webhook that does not answer', () => {
  it('delays the end of the process by no more than the limit, which is said', async () => {
    const silent = createServer(() => {});
    await new Promise<void>((resolve) => silent.listen(0, '127.0.0.1', resolve));
    const { port } = silent.address() as AddressInfo;
    const { code, stdout, stderr, endedAfterMs } = await runNode(
      ['fixtures/alert-to-nowhere.mjs'],
      {
        cwd: app.folder,
        env: {
          MLFLOW_TRACKING_URI: `file:${folder}/webhook`,
          MLFLOW_DSPY_SHUTDOWN_TIMEOUT: '500',
          WEBHOOK: `http://127.0.0.1:${port}`,
        },
      },
    );
    silent.close();
    expect({ code, stdout }).toEqual({ code: 0, stdout: 'four\n' });
    expect(stderr.trim()).toBe(
      '@hokusai/mlflow-dspy: Delivery did not finish within 500 ms (shutdownTimeoutMs): spans or alerts may be lost.',
    );
    expect(endedAfterMs).toBeLessThan(3000);
  });
});

describe('a worker thread', () => {
  it('is traced on its own, and delivers when it ends', async () => {
    const { code, stdout, stderr, traces } = await run(['fixtures/worker.mjs']);
    expect({ code, stdout, stderr }).toEqual({ code: 0, stdout: 'four\nfour\n', stderr: '' });
    expect(await traces()).toEqual([TRACE, TRACE]);
  });
});

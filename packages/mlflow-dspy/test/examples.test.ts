import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { MlflowClient } from '@hokusai/exporter-mlflow';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { collectorOrSkip, startCollector } from '../../../test/support/collector.js';
import { type App, copyInto, createApp } from './support/app.js';
import { runNode } from './support/process.js';

const EXAMPLES = fileURLToPath(new URL('../../../examples', import.meta.url));
const NAME = 'AxGen(question -> answer)';
const ANSWERED = "{ answer: 'four' }\n";
const TRACE = { name: NAME, types: ['CHAIN', 'CHAT_MODEL'], answer: 'four' };

let app: App;
let folder: string;
beforeAll(async () => {
  app = await createApp();
  copyInto(app.folder, EXAMPLES, 'examples');
  folder = await mkdtemp(join(tmpdir(), 'examples-'));
}, 150_000);
afterAll(async () => {
  app?.remove();
  await rm(folder, { recursive: true, force: true });
});

let count = 0;
async function run(args: readonly string[], env: Record<string, string> = {}) {
  const directory = join(folder, String(count++));
  const ended = await runNode(args, {
    cwd: app.folder,
    env: { MLFLOW_TRACKING_URI: `file:${directory}`, OPENAI_API_KEY: undefined, ...env },
    timeoutMs: 100_000,
  });
  return { ...ended, traces: await tracesIn(directory) };
}

async function tracesIn(directory: string) {
  const client = new MlflowClient({ trackingUri: `file:${directory}` });
  try {
    const traces = await client
      .getTraces({ experimentName: 'dspy-traces', orderBy: 'timestamp_ms ASC' })
      .toArray();
    return traces.map(({ name, spans, outputs }) => ({
      name,
      types: spans.map(({ type }) => type),
      answer: (outputs as { answer?: unknown } | undefined)?.answer,
    }));
  } catch (error) {
    return `${error}`;
  } finally {
    await client.close();
  }
}

describe('a way of loading', () => {
  it.each([
    ['esm', ['examples/esm/main.js']],
    ['cjs', ['examples/cjs/main.cjs']],
    [
      'register-esm',
      ['--import', '@hokusai/mlflow-dspy/register', 'examples/register-esm/main.js'],
    ],
    [
      'register-cjs',
      ['--require', '@hokusai/mlflow-dspy/register', 'examples/register-cjs/main.cjs'],
    ],
    [
      'register with --import for CommonJS',
      ['--import', '@hokusai/mlflow-dspy/register', 'examples/register-cjs/main.cjs'],
    ],
    [
      'register with --require for an ES module',
      ['--require', '@hokusai/mlflow-dspy/register', 'examples/register-esm/main.js'],
    ],
  ])(
    '%s: the program does what it did, and is traced',
    async (_, args) => {
      const { code, stdout, stderr, traces } = await run(args);
      expect({ code, stdout, stderr }).toEqual({ code: 0, stdout: ANSWERED, stderr: '' });
      expect(traces).toEqual([TRACE]);
    },
    60_000,
  );

  it.each([
    ['bundle-esbuild', 2],
    ['bundle-rolldown', 2],
    ['bundle-webpack', 1],
  ])(
    '%s: a single file, with nothing beside it',
    async (name, bundles) => {
      const { code, stdout, stderr, traces } = await run([`examples/${name}/main.js`]);
      expect({ code, stdout, stderr }).toEqual({
        code: 0,
        stdout: ANSWERED.repeat(bundles),
        stderr: '',
      });
      expect(traces).toEqual(Array.from({ length: bundles }, () => TRACE));
    },
    120_000,
  );

  it('node-sdk: joins the SDK, whose exporter goes on, and takes in the span around the program', async () => {
    const { code, stdout, stderr, traces } = await run(['examples/node-sdk/main.js']);
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
    for (const name of ['GET /answer', `invoke_workflow ${NAME}`, 'chat gpt-5-mini']) {
      expect(stdout).toContain(`name: '${name}'`);
    }
    expect(traces).toEqual([
      expect.objectContaining({ types: [expect.anything(), 'CHAIN', 'CHAT_MODEL'] }),
    ]);
  }, 60_000);

  it('serverless: every call is delivered when it returns', async () => {
    const { signal, stdout, traces } = await run(['examples/serverless/main.js']);
    expect(signal).toBe('SIGKILL');
    expect(stdout).toBe(
      ['one', 'two', 'three'].map((n) => `{ answer: 'you asked ${n}?' }\n`).join(''),
    );
    expect(traces).toEqual(
      ['one', 'two', 'three'].map((n) => ({ ...TRACE, answer: `you asked ${n}?` })),
    );
  }, 60_000);

  it('processors', async () => {
    const { code, stdout, stderr } = await run(['examples/processors/main.js']);
    expect(code).toBe(0);
    expect(stdout.split('\n').sort()).toEqual([
      '',
      'span CHAIN AxGen(question -> answer)',
      'span LLM gpt-5-mini',
      expect.stringMatching(/^trace AxGen\(question -> answer\): \d+ ms, 160 tokens$/),
    ]);
    expect(stderr).toMatch(
      /^\[mlflow-dspy\] AxGen\(question -> answer\) took \d+ ms \(limit 0 ms\)/,
    );
  }, 60_000);
});

const executable = await collectorOrSkip();
describe.skipIf(executable === undefined)('otlp', () => {
  it.each(['http/protobuf', 'http/json'])(
    'over %s reaches a real collector',
    async (protocol) => {
      const collector = await startCollector(executable as string);
      try {
        const { code, stdout, stderr, traces } = await run(['examples/otlp/main.js'], {
          MLFLOW_TRACKING_URI: '',
          OTEL_TRACES_EXPORTER: 'otlp',
          OTEL_EXPORTER_OTLP_ENDPOINT: collector.url,
          OTEL_EXPORTER_OTLP_PROTOCOL: protocol,
          OTEL_SERVICE_NAME: 'shop',
        });
        expect({ code, stdout, stderr }).toEqual({ code: 0, stdout: ANSWERED, stderr: '' });
        const spans = await collector.spans(2);
        expect(spans.map(({ name }) => name).sort()).toEqual([
          'chat gpt-5-mini',
          `invoke_workflow ${NAME}`,
        ]);
        expect(spans[0]?.resource['service.name']).toBe('shop');
        expect(traces).toContain('no experiment');
      } finally {
        await collector.stop();
      }
    },
    60_000,
  );
});

describe('what the environment alone decides', () => {
  const register = ['--import', '@hokusai/mlflow-dspy/register', 'examples/register-esm/main.js'];
  it.each([
    ['MLFLOW_DSPY_ENABLED', 'false'],
    ['OTEL_SDK_DISABLED', 'true'],
    ['OTEL_NODE_DISABLED_INSTRUMENTATIONS', 'dspy'],
    ['OTEL_TRACES_SAMPLER', 'always_off'],
    ['MLFLOW_DSPY_SAMPLING_RATE', '0'],
  ])(
    '%s=%s: nothing is traced, and the program is as ever',
    async (name, value) => {
      const { code, stdout, stderr, traces } = await run(register, { [name]: value });
      expect({ code, stdout, stderr }).toEqual({ code: 0, stdout: ANSWERED, stderr: '' });
      expect(traces).toContain('no experiment');
    },
    60_000,
  );

  it('OTEL_TRACES_EXPORTER=console prints spans', async () => {
    const { code, stdout } = await run(register, {
      MLFLOW_TRACKING_URI: '',
      OTEL_TRACES_EXPORTER: 'console',
    });
    expect(code).toBe(0);
    expect(stdout).toContain(`name: 'invoke_workflow ${NAME}'`);
  }, 60_000);

  it('a mistake is said on stderr, and nothing else changes', async () => {
    const { code, stdout, stderr, traces } = await run(register, {
      MLFLOW_DSPY_LOG_INPUTS: 'flase',
    });
    expect({ code, stdout }).toEqual({ code: 0, stdout: ANSWERED });
    expect(stderr).toBe(
      '@hokusai/mlflow-dspy: MLFLOW_DSPY_LOG_INPUTS="flase" is not true, 1, yes, on, false, 0, no or off; using false.\n',
    );
    expect(traces).toEqual([TRACE]);
  }, 60_000);
});

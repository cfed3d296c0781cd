import { mkdtemp, rm } from 'node:fs/promises';
import type { AddressInfo } from 'node:net';
import { createServer, type Server } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { MlflowClient } from '@hokusai/exporter-mlflow';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type App, copyInto, createApp } from './support/app.js';
import { type Ended, runNode } from './support/process.js';

const signalExitFirst = fileURLToPath(new URL('./fixtures/signal-exit-first.mjs', import.meta.url));
const SHUTDOWN_MS = 1000;
/** What the machine may add to the limit: start and stop of timers, a busy machine. */
const SLACK_MS = 2000;

let app: App;
let program: string;
let folder: string;
let silent: Server;
let deadUri: string;
let silentUri: string;
let count = 0;

beforeAll(async () => {
  app = await createApp();
  const fixture = fileURLToPath(new URL('./fixtures/ending.mjs', import.meta.url));
  program = copyInto(app.folder, fixture, 'ending.mjs');
  folder = await mkdtemp(join(tmpdir(), 'endings-'));
  // Accepts connections and never answers.
  silent = createServer(() => {});
  await new Promise<void>((resolve) => silent.listen(0, '127.0.0.1', resolve));
  silentUri = `http://127.0.0.1:${(silent.address() as AddressInfo).port}`;
  const closed = createServer();
  await new Promise<void>((resolve) => closed.listen(0, '127.0.0.1', resolve));
  deadUri = `http://127.0.0.1:${(closed.address() as AddressInfo).port}`;
  await new Promise((resolve) => closed.close(resolve));
}, 150_000);
afterAll(async () => {
  app?.remove();
  silent.close();
  await rm(folder, { recursive: true, force: true });
});

const destinations = {
  'the local store': (directory: string) => ({ uri: `file:${directory}`, readable: directory }),
  'a server that is away': (directory: string) => ({ uri: deadUri, readable: directory }),
  'a server that does not answer': (directory: string) => ({ uri: silentUri, readable: directory }),
};

type How = readonly [ending: string, signal: NodeJS.Signals | 'no signal'];

const endings: How[] = [
  ['end of work', 'no signal'],
  ['exit code of the program', 'no signal'],
  ['process.exit', 'no signal'],
  ['exit in beforeExit', 'no signal'],
  ['uncaught exception', 'no signal'],
  ['handled exception', 'no signal'],
  ['unhandled rejection', 'no signal'],
  ['signal', 'SIGTERM'],
  ['signal', 'SIGINT'],
  ['signal with a handler', 'SIGTERM'],
  ['signal with a handler', 'SIGINT'],
  ['signal with a handler for once', 'SIGTERM'],
  ['signal with a handler for once that is put first', 'SIGTERM'],
  ['signal that is ignored', 'SIGTERM'],
  ['signal with signal-exit', 'SIGTERM'],
  ['signal with signal-exit', 'SIGINT'],
];

async function end([ending, signal]: How, env: Record<string, string>, options: string[] = []) {
  const result = await runNode([...options, program, ending], {
    cwd: app.folder,
    ...(signal !== 'no signal' && { signal }),
    env: { MLFLOW_DSPY_SHUTDOWN_TIMEOUT: String(SHUTDOWN_MS), ...env },
  });
  const { code, signal: endedBy, stdout, stderr } = result;
  return {
    ...result,
    // A stack of the fixture is the program's own; what we say is ours.
    visible: {
      code,
      endedBy,
      stdout,
      failed: /Error: (uncaught|unhandled|handled)/.exec(stderr)?.[0],
    },
  };
}

/** Questions of the traces in a folder: the local store and the spool hold the same records. */
async function questionsIn(directory: string): Promise<unknown[]> {
  const client = new MlflowClient({ trackingUri: `file:${directory}` });
  const traces = await client.getTraces({ experimentName: 'dspy-traces' }).toArray();
  await client.close();
  return traces.map(({ inputs }) => inputs);
}

describe.each(Object.entries(destinations))('with %s', (_, destination) => {
  it.concurrent.each(endings)(
    '%s %s',
    async (...how) => {
      const untouched = await end(how, { MLFLOW_DSPY_ENABLED: 'false' });
      const { uri, readable } = destination(join(folder, String(count++)));
      const traced = await end(how, {
        MLFLOW_TRACKING_URI: uri,
        MLFLOW_DSPY_SPOOL_DIRECTORY: readable,
      });
      expect(traced.visible).toEqual(untouched.visible);
      expect(await questionsIn(readable)).toEqual([{ question: 'the last words' }]);
      expect(traced.endedAfterMs - untouched.endedAfterMs).toBeLessThan(SHUTDOWN_MS + SLACK_MS);
    },
    60_000,
  );
});

describe('beside the registration of the instrumentation', () => {
  const registered = ['--import', '@hokusai/instrumentation-dspy/register'];

  it.concurrent.each(endings.filter(([ending]) => ending.startsWith('signal')))(
    '%s %s',
    async (...how) => {
      const untouched = await end(how, { MLFLOW_DSPY_ENABLED: 'false' });
      const directory = join(folder, String(count++));
      const env = {
        MLFLOW_TRACKING_URI: `file:${directory}`,
        OTEL_EXPORTER_OTLP_ENDPOINT: deadUri,
      };
      const traced = await end(how, env, registered);
      expect(traced.visible).toEqual(untouched.visible);
      expect(await questionsIn(directory)).toEqual([{ question: 'the last words' }]);
    },
    60_000,
  );

  it.concurrent.each(['SIGTERM', 'SIGINT'] as const)(
    'signal-exit before it is left alone, %s',
    async (signal) => {
      const run = (env: Record<string, string>) =>
        runNode([copyInto(app.folder, signalExitFirst, 'signal-exit-first.mjs')], { env, signal });
      const untouched = await run({ OTEL_SDK_DISABLED: 'true' });
      const traced = await run({ OTEL_EXPORTER_OTLP_ENDPOINT: deadUri });
      const visible = ({ code, signal, stdout, stderr }: Ended) => ({
        code,
        signal,
        stdout,
        stderr,
      });
      expect(visible(traced)).toEqual(visible(untouched));
    },
    60_000,
  );
});

it.concurrent.each([
  ['is away', () => deadUri],
  ['does not answer', () => silentUri],
])(
  'a collector that %s delays the end for no longer than the limit, which is said',
  async (_, uri) => {
    const env = { OTEL_TRACES_EXPORTER: 'otlp', OTEL_EXPORTER_OTLP_ENDPOINT: uri() };
    const { stderr, endedAfterMs } = await end(['end of work', 'no signal'], env);
    expect(endedAfterMs).toBeLessThan(SHUTDOWN_MS + SLACK_MS);
    expect(stderr).toContain('Delivery did not finish within 1000 ms (shutdownTimeoutMs)');
  },
  60_000,
);

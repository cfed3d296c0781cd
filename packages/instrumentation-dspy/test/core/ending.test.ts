import { type AddressInfo, createServer, type Server } from 'node:net';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { runNode } from '../../../mlflow-dspy/test/support/process.js';
import { buildPackage } from '../support/built.js';

const LIMIT_MS = 5000;
/** What the machine may add to the limit: start and stop of timers, a busy machine. */
const SLACK_MS = 2000;
const NO_OTHER_SIGNALS = { OTEL_METRICS_EXPORTER: 'none', OTEL_LOGS_EXPORTER: 'none' };

const fixtures = fileURLToPath(new URL('../fixtures/', import.meta.url));
let silent: Server;
let silentUrl: string;
let closedUrl: string;

async function listen(server: Server): Promise<string> {
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
}

beforeAll(async () => {
  await buildPackage();
  // Accepts connections and never answers.
  silent = createServer(() => {});
  silentUrl = await listen(silent);
  const closed = createServer();
  closedUrl = await listen(closed);
  await new Promise((resolve) => closed.close(resolve));
}, 150_000);
afterAll(() => {
  silent.close();
});

async function end(
  ending: string,
  signal: NodeJS.Signals | undefined,
  env: Record<string, string>,
) {
  const result = await runNode(['ending.mjs', ending], {
    cwd: fixtures,
    env: { ...NO_OTHER_SIGNALS, ...env },
    ...(signal && { signal }),
  });
  const { code, signal: endedBy, stdout, stderr } = result;
  return { visible: { code, endedBy, stdout, stderr }, endedAfterMs: result.endedAfterMs };
}

const untouched = new Map<string, ReturnType<typeof end>>();

/** The same without tracing. */
function endUntouched(ending: string, signal: NodeJS.Signals | undefined) {
  const run =
    untouched.get(`${ending} ${signal}`) ?? end(ending, signal, { OTEL_SDK_DISABLED: 'true' });
  untouched.set(`${ending} ${signal}`, run);
  return run;
}

interface Ending {
  readonly ending: string;
  readonly signal?: NodeJS.Signals;
}

const handled: Ending[] = [
  { ending: 'signal with a handler', signal: 'SIGTERM' },
  { ending: 'signal with a handler for once', signal: 'SIGTERM' },
  { ending: 'signal with a handler for once that is put first', signal: 'SIGTERM' },
  { ending: 'signal with a handler that leaves it to the next', signal: 'SIGTERM' },
  { ending: 'handler that empties the event loop', signal: 'SIGTERM' },
];
const delayed: Ending[] = [
  { ending: 'end of work' },
  { ending: 'last words of the program' },
  { ending: 'exit code of the program' },
  { ending: 'an await that never settles' },
  { ending: 'long work in beforeExit' },
  { ending: 'signal', signal: 'SIGTERM' },
  { ending: 'signal', signal: 'SIGINT' },
  { ending: 'signal that is repeated', signal: 'SIGTERM' },
  { ending: 'handler that empties the event loop', signal: 'SIGTERM' },
];

describe.each(['first', 'last'])('registered %s', (place) => {
  it.concurrent.each(handled)('a $ending decides when to end', async ({ ending, signal }) => {
    const expected = await endUntouched(ending, signal);
    const traced = await end(ending, signal, { OTEL_TRACES_EXPORTER: 'none', REGISTER: place });
    expect(traced.visible).toEqual(expected.visible);
  });
});

describe.each([
  ['is away', () => ({ OTEL_EXPORTER_OTLP_ENDPOINT: closedUrl })],
  ['does not answer', () => ({ OTEL_EXPORTER_OTLP_ENDPOINT: silentUrl })],
])('with a collector that %s', (_name, collector) => {
  it.concurrent.each(delayed)(
    '$ending is the same, at the latest at the limit',
    async ({ ending, signal }) => {
      const expected = await endUntouched(ending, signal);
      const traced = await end(ending, signal, collector());
      expect(traced.visible).toEqual(expected.visible);
      expect(traced.endedAfterMs - expected.endedAfterMs).toBeLessThan(LIMIT_MS + SLACK_MS);
    },
    60_000,
  );

  it.concurrent('gRPC is let go at the limit too', async () => {
    const env = { ...collector(), OTEL_EXPORTER_OTLP_PROTOCOL: 'grpc' };
    const { visible, endedAfterMs } = await end('end of work', undefined, env);
    expect(visible).toEqual((await endUntouched('end of work', undefined)).visible);
    expect(endedAfterMs).toBeLessThan(LIMIT_MS + SLACK_MS);
  }, 60_000);
});

it.concurrent('a second signal ends at once', async () => {
  const env = { OTEL_EXPORTER_OTLP_ENDPOINT: silentUrl };
  const { endedAfterMs } = await end('signal that is repeated', 'SIGTERM', env);
  expect(endedAfterMs).toBeLessThan(LIMIT_MS);
});

describe('what has ended is delivered', () => {
  it.concurrent.each([
    { ending: 'end of work' },
    { ending: 'an await that never settles' },
    { ending: 'signal', signal: 'SIGTERM' },
    { ending: 'signal with a handler', signal: 'SIGTERM' },
  ] as Ending[])('at the $ending', async ({ ending, signal }) => {
    const { visible } = await end(ending, signal, { OTEL_TRACES_EXPORTER: 'console' });
    expect(visible.stdout).toContain("name: 'the last words'");
  });
});

it.concurrent('a listener of the program for beforeExit is called once where nothing is to be delivered', async () => {
  const { visible } = await end('listener for beforeExit', undefined, { SPANS: '0' });
  expect(visible.stdout).toBe('ready\nbefore the exit\n');
});

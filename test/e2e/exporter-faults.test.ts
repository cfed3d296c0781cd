import { type DropReport, MlflowSpanExporter } from '@hokusai/exporter-mlflow';
import { afterAll, beforeAll, beforeEach, describe, expect, it, vi } from 'vitest';
import {
  exportSpans,
  makeSpan,
  smallTrace,
  traceIdOf,
} from '../../packages/exporter-mlflow/test/support/spans.js';
import { type Fault, type FaultProxy, startFaultProxy } from '../support/fault-proxy.js';
import { MlflowRest } from '../support/mlflow-rest.js';
import { startMlflowServer, type TestMlflowServer } from '../support/mlflow-server.js';

const TRACES = 24;

let server: TestMlflowServer;
let rest: MlflowRest;
let experiments = 0;

beforeAll(async () => {
  server = await startMlflowServer();
  rest = new MlflowRest(server.url);
});
beforeEach(() => {
  vi.spyOn(console, 'warn').mockImplementation(() => undefined);
  return () => vi.restoreAllMocks();
});
afterAll(() => server?.stop());

/** Two of five requests meet the fault, the same ones every time (a linear congruential generator). */
function nowAndThen(fault: Fault): FaultProxy['fault'] {
  let state = 12_345;
  return () => {
    state = (state * 1_103_515_245 + 12_345) % 2 ** 31;
    return state / 2 ** 31 < 0.4 ? fault : undefined;
  };
}

// Most of the time is spent waiting between tries, so they wait together.
describe.concurrent('N traces made, N traces readable, with a fault on two of five requests', () => {
  const faults: Fault[] = [
    'reset',
    'reset mid-response',
    'hang',
    'slow',
    'accepted, then 502',
    { status: 401 },
    { status: 429, headers: { 'retry-after': '1' } },
    { status: 500, body: '{"error_code":"INTERNAL_ERROR","message":"oops"}' },
    { status: 503 },
    { status: 200, headers: { 'content-type': 'text/html' }, body: '<html>sign in</html>' },
  ];
  const named = faults.map(
    (fault) => [typeof fault === 'string' ? fault : `${fault.status}`, fault] as const,
  );

  it.each(named)('%s', { timeout: 180_000 }, async (_, fault) => {
    const proxy = await startFaultProxy(server.url);
    proxy.fault = nowAndThen(fault);
    const experimentName = `faults-${++experiments}`;
    const exporter = new MlflowSpanExporter({
      trackingUri: proxy.url,
      experimentName,
      requestTimeoutMs: 2_000,
    });
    const made = Array.from({ length: TRACES }, (__, index) =>
      smallTrace('QA', index % 4 === 0 ? { metadata: `{"index":"${index}"}` } : {}),
    );
    // In pieces, so that there are requests enough for the fault to meet.
    for (let start = 0; start < TRACES; start += 4) {
      const batch = made.slice(start, start + 4).flat();
      expect(await exportSpans(exporter, batch)).toEqual({ code: 0 });
    }
    await exporter.shutdown();
    await proxy.close();
    const stored = await rest.traces(experimentName, TRACES);
    expect(stored.map(({ id }) => id).sort()).toEqual(
      made.map(([, root]) => traceIdOf(root)).sort(),
    );
    for (const { state, tokens, roots } of stored) {
      expect([state, tokens?.total_tokens, roots[0]?.children.length]).toEqual(['OK', 120, 1]);
    }
    expect(stored.filter(({ metadata }) => 'index' in metadata)).toHaveLength(TRACES / 4);
    expect(exporter.stats()).toMatchObject({ sent: 2 * TRACES, held: 0, dropped: {} });
  });

  it('413 above a size', async () => {
    const experimentName = `faults-${++experiments}`;
    const limited = await startFaultProxy(server.url);
    const exporter = new MlflowSpanExporter({ trackingUri: limited.url, experimentName });
    let refusals = 0;
    limited.fault = (path) =>
      path === '/v1/traces' && refusals++ < 4 ? { status: 413 } : undefined;
    const made = Array.from({ length: TRACES }, () => smallTrace());
    expect(await exportSpans(exporter, made.flat())).toEqual({ code: 0 });
    await exporter.shutdown();
    await limited.close();
    expect(await rest.traces(experimentName, TRACES)).toHaveLength(TRACES);
  });
});

describe('what the server itself refuses', () => {
  it('is found and reported, and costs nothing else', async () => {
    const experimentName = `faults-${++experiments}`;
    const drops: DropReport[] = [];
    const exporter = new MlflowSpanExporter({
      trackingUri: server.url,
      experimentName,
      onDrop: (drop) => drops.push(drop),
    });
    const made = Array.from({ length: TRACES }, () => smallTrace());
    // MLflow adds up what stands in its own attribute, and fails where that is no number.
    const poison = makeSpan({ attributes: { 'mlflow.chat.tokenUsage': '{"input_tokens":"x"}' } });
    const outcome = await exportSpans(exporter, [...made.flat(), poison]);
    await exporter.shutdown();
    expect(await rest.traces(experimentName, TRACES)).toHaveLength(TRACES);
    expect(outcome.code).toBe(1);
    expect(drops).toEqual([
      {
        reason: 'rejected',
        spans: 1,
        traceIds: [traceIdOf(poison)],
        detail: expect.stringContaining(traceIdOf(poison)),
      },
    ]);
    expect(exporter.stats()).toMatchObject({ sent: 2 * TRACES, dropped: { rejected: 1 } });
  });
});

describe('a server that dies and comes back', () => {
  it('has everything that was acknowledged, and the rest is delivered from the spool', async () => {
    const { mkdtemp, rm } = await import('node:fs/promises');
    const { tmpdir } = await import('node:os');
    const { join } = await import('node:path');
    const folder = await mkdtemp(join(tmpdir(), 'hokusai-restart-'));
    const spool = join(folder, 'spool');
    const options = { folder: join(folder, 'server') };
    let own = await startMlflowServer(options);
    const exporter = new MlflowSpanExporter({
      trackingUri: own.url,
      experimentName: 'restart',
      spool,
    });
    const made = Array.from({ length: 30 }, () => smallTrace());
    const exported = async (from: number, to: number) =>
      exportSpans(exporter, made.slice(from, to).flat());
    try {
      expect(await exported(0, 10)).toEqual({ code: 0 });
      const { port } = own;
      const before = exporter.stats().spooled;
      await own.stop();
      expect(await exported(10, 20)).toEqual({ code: 0 });
      expect(exporter.stats().spooled - before).toBe(20);
      own = await startMlflowServer({ ...options, port });
      expect(await exported(20, 30)).toEqual({ code: 0 });
      await vi.waitFor(() => expect(exporter.stats().sent).toBe(60), {
        timeout: 60_000,
        interval: 200,
      });
      const stored = await new MlflowRest(own.url).traces('restart', 30);
      expect(stored.map(({ id }) => id).sort()).toEqual(
        made.map(([, root]) => traceIdOf(root)).sort(),
      );
    } finally {
      await exporter.shutdown();
      await own.stop();
      await rm(folder, { recursive: true, force: true });
    }
  });
});

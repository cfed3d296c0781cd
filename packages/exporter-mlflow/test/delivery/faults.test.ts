import { createServer } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { BinaryWriter } from '@bufbuild/protobuf/wire';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { MlflowSpanExporter } from '../../src/exporter.js';
import { useExporters } from '../support/exporters.js';
import { type Answer, type FakeMlflow, startFakeMlflow } from '../support/fake-mlflow.js';
import { chatSpan, exportSpans, programSpan, smallTrace, traceIdOf } from '../support/spans.js';

let server: FakeMlflow;
beforeEach(async () => {
  server = await startFakeMlflow();
});
afterEach(() => server.close());
const { newExporter, exporters, warnings, drops } = useExporters(() => ({
  trackingUri: server.url,
}));

/** An `ExportTraceServiceResponse`. */
function partialSuccess(rejectedSpans: number, message: string): Buffer {
  const inner = new BinaryWriter().uint32(8).int64(rejectedSpans).uint32(18).string(message);
  return Buffer.from(new BinaryWriter().uint32(10).bytes(inner.finish()).finish());
}

/** So many small traces of two spans each. */
const traces = (count: number) => Array.from({ length: count }, () => smallTrace());

const firstTimes =
  (times: number, answer: Answer) =>
  (_request: unknown, count: number): Answer =>
    count <= times ? answer : undefined;

describe('a fault that passes', () => {
  const soon = new Date(Date.now() + 1_500).toUTCString();
  const faults: [name: string, answer: Answer][] = [
    ['a reset connection', 'reset'],
    ['a server that hangs', 'hang'],
    ['408', { status: 408 }],
    ['425', { status: 425 }],
    ['429', { status: 429 }],
    ['429 with Retry-After in seconds', { status: 429, headers: { 'retry-after': '1' } }],
    ['429 with Retry-After as a date', { status: 429, headers: { 'retry-after': soon } }],
    ['500', { status: 500, body: '{"error_code":"INTERNAL_ERROR","message":"oops"}' }],
    ['502', { status: 502, body: '<html><title>Bad Gateway</title></html>' }],
    ['503', { status: 503 }],
    ['504', { status: 504 }],
    ['401', { status: 401, body: 'unauthorized' }],
    ['403', { status: 403, body: 'Permission denied' }],
    ['a redirect', { status: 302, headers: { location: 'https://sign-in.example/?token=s3cret' } }],
    ['a sign-in page', { status: 200, body: '<html>', headers: { 'content-type': 'text/html' } }],
    ['502 after the server stored everything', { storeAnd: { status: 502 } }],
    ['a reset after the server stored everything', { storeAnd: 'reset' }],
    [
      'a conflict of concurrent writers',
      { status: 400, body: '{"error_code":"BAD_REQUEST","message":"UNIQUE constraint failed"}' },
    ],
  ];

  it.each(faults)(
    '%s: every trace arrives, and one message says what happened',
    async (_, answer) => {
      server.onTraces = firstTimes(2, answer);
      const exporter = newExporter({ requestTimeoutMs: 300 });
      const made = traces(10);
      expect(await exportSpans(exporter, made.flat())).toEqual({ code: 0 });
      for (const [child, root] of made) {
        const spans = server.stored.get(root.spanContext().traceId);
        expect([...(spans?.keys() ?? [])].sort()).toEqual(
          [child.spanContext().spanId, root.spanContext().spanId].sort(),
        );
      }
      expect(exporter.stats()).toMatchObject({ received: 20, sent: 20, held: 0, dropped: {} });
      expect(exporter.stats().retried).toBeGreaterThan(0);
      expect(warnings.length).toBeLessThanOrEqual(1);
      expect(warnings.join()).not.toContain('s3cret');
    },
  );

  it('waits as long as Retry-After says, and not longer than the budget', async () => {
    server.onTraces = firstTimes(1, { status: 429, headers: { 'retry-after': '1' } });
    const exporter = newExporter();
    await exportSpans(exporter, traces(1).flat());
    const [first, second] = server.posts();
    expect((second?.at ?? 0) - (first?.at ?? 0)).toBeGreaterThanOrEqual(990);

    server.onTraces = () => ({ status: 503, headers: { 'retry-after': '3600' } });
    const impatient = newExporter({ retryBudgetMs: 2_000 });
    const started = Date.now();
    expect((await exportSpans(impatient, traces(1).flat())).code).toBe(1);
    expect(Date.now() - started).toBeLessThan(1_000);
    expect(impatient.stats().dropped).toEqual({ retries_exhausted: 2 });
  });

  it('a server that starts later gets everything', async () => {
    const { port, close } = await reservePort();
    const exporter = newExporter({ trackingUri: `http://127.0.0.1:${port}` });
    const done = exportSpans(exporter, traces(3).flat());
    await vi.waitFor(() => expect(warnings.join()).toContain(`127.0.0.1:${port}`));
    await close();
    const late = await startFakeMlflow({ port });
    try {
      expect(await done).toEqual({ code: 0 });
      expect(late.stored.size).toBe(3);
      expect(warnings).toHaveLength(1);
    } finally {
      await exporter.shutdown();
      await late.close();
    }
  });
});

/** A port that refuses connections until it is given up. */
async function reservePort(): Promise<{ port: number; close: () => Promise<void> }> {
  const probe = createServer();
  await new Promise<void>((resolve) => probe.listen(0, '127.0.0.1', resolve));
  const { port } = probe.address() as { port: number };
  await new Promise((resolve) => probe.close(resolve));
  return { port, close: async () => undefined };
}

describe('a fault that stays', () => {
  it('gives up after the budget, says so once, and counts', async () => {
    const { port } = await reservePort();
    const exporter = newExporter({
      trackingUri: `http://127.0.0.1:${port}`,
      retryBudgetMs: 600,
    });
    const outcome = await exportSpans(exporter, traces(5).flat());
    expect(outcome.code).toBe(1);
    expect(outcome.error?.message).toContain('10 of 10 spans lost');
    await exportSpans(exporter, traces(5).flat());
    expect(exporter.stats()).toMatchObject({
      sent: 0,
      held: 0,
      dropped: { retries_exhausted: 20 },
    });
    expect(drops.reduce((sum, { spans }) => sum + spans, 0)).toBe(20);
    // What is wrong and what to do; then the loss, once.
    expect(warnings).toHaveLength(2);
    expect(warnings[0]).toContain(`http://127.0.0.1:${port}`);
    expect(warnings[0]).toContain('MLFLOW_TRACKING_URI');
    expect(warnings[1]).toContain('10 span(s) lost');
  });

  it('waits less for a server that has never taken anything', async () => {
    const { port } = await reservePort();
    const exporter = newExporter({ trackingUri: `http://127.0.0.1:${port}` });
    const started = Date.now();
    expect((await exportSpans(exporter, traces(1).flat())).code).toBe(1);
    expect(Date.now() - started).toBeLessThan(6_000);
    expect(exporter.stats().dropped).toEqual({ retries_exhausted: 2 });
  });

  it('tells of a changed state each time it changes, not of every try', async () => {
    const states: Answer[] = [{ status: 401 }, { status: 401 }, { status: 503 }, { status: 503 }];
    server.onTraces = (_, count) => states[count - 1];
    const exporter = newExporter();
    await exportSpans(exporter, traces(1).flat());
    expect(warnings).toHaveLength(2);
    expect(warnings[0]).toContain('401');
    expect(warnings[0]).toContain('MLFLOW_TRACKING_USERNAME');
    expect(warnings[1]).toContain('503');
  });

  it('tells once of a state that comes and goes', async () => {
    server.onTraces = (_, count) => (count % 2 === 1 ? { status: 503 } : undefined);
    const exporter = newExporter();
    for (let time = 0; time < 4; time++) await exportSpans(exporter, traces(1).flat());
    expect(server.posts()).toHaveLength(8);
    expect(warnings).toHaveLength(1);
  });

  it('shutdown ends in its time although the server hangs, and counts what it leaves', async () => {
    server.onTraces = () => 'hang';
    const exporter = newExporter({ shutdownTimeoutMs: 400 });
    const outcome = exportSpans(exporter, traces(2).flat());
    await vi.waitFor(() => expect(server.posts()).toHaveLength(1));
    const started = Date.now();
    await exporter.shutdown();
    expect(Date.now() - started).toBeLessThan(1_500);
    expect((await outcome).code).toBe(1);
    expect(exporter.stats()).toMatchObject({ sent: 0, held: 0, dropped: { shutdown: 4 } });
    expect(await exportSpans(exporter, traces(1).flat())).toMatchObject({ code: 1 });
    expect(exporter.stats().dropped).toEqual({ shutdown: 6 });
  });

  it('shutdown ends in its time although spans are not mapped yet, and counts them', async () => {
    const exporter = newExporter({ shutdownTimeoutMs: 50 });
    const attributes = Object.fromEntries(
      Array.from({ length: 200 }, (_, key) => [`key${key}`, 'v'.repeat(500)]),
    );
    const made = Array.from({ length: 40_000 }, () => programSpan('QA', { attributes }));
    const outcome = exportSpans(exporter, made);
    const started = Date.now();
    await exporter.shutdown();
    expect(Date.now() - started).toBeLessThan(2_000);
    expect((await outcome).code).toBe(1);
    const { sent, held, dropped } = exporter.stats();
    expect(held).toBe(0);
    expect(dropped.shutdown).toBeGreaterThan(0);
    expect(Object.values(dropped).reduce((sum, spans) => sum + spans, sent)).toBe(40_000);
  });

  it('keeps memory within its bound', async () => {
    server.onTraces = () => 'hang';
    const exporter = newExporter({ maxQueueBytes: 100_000, shutdownTimeoutMs: 100 });
    const big = () => smallTrace('QA', { 'input.value': 'x'.repeat(30_000) });
    const results = Array.from({ length: 10 }, () => exportSpans(exporter, big()));
    await vi.waitFor(() => expect(exporter.stats().dropped.queue_full).toBe(14));
    expect(exporter.stats().bytesHeld).toBeLessThanOrEqual(100_000);
    expect(drops[0]).toMatchObject({ reason: 'queue_full', spans: 2 });
    await exporter.shutdown();
    await Promise.all(results);
    expect(exporter.stats()).toMatchObject({ received: 20, held: 0, bytesHeld: 0 });
  });
});

describe('content that the server refuses', () => {
  const cases: [name: string, answer: Answer][] = [
    [
      '400',
      { status: 400, body: '{"error_code":"INVALID_PARAMETER_VALUE","message":"bad session"}' },
    ],
    ['422', { status: 422, body: '{"detail":"Cannot convert OpenTelemetry span to MLflow span"}' }],
    ['500', { status: 500, body: '{"error_code":"INTERNAL_ERROR","message":"NUL in a string"}' }],
  ];
  it.each(cases)('%s for one trace costs no other trace', async (status, answer) => {
    const made = traces(40);
    const poison = [made[13], made[29]].map((trace) => (trace as (typeof made)[0])[1]);
    const ids = poison.map((root) => root.spanContext().traceId);
    server.onTraces = ({ traceIds }) =>
      ids.some((id) => traceIds.includes(id)) ? answer : undefined;
    const exporter = newExporter();
    const outcome = await exportSpans(exporter, made.flat());
    expect(outcome.code).toBe(1);
    expect(server.stored.size).toBe(38);
    expect(exporter.stats()).toMatchObject({ sent: 76, held: 0, dropped: { rejected: 4 } });
    const told = drops.flatMap(({ traceIds }) => traceIds);
    expect(told.sort()).toEqual(poison.map(traceIdOf).sort());
    expect(drops[0]?.detail).toContain(status);
    expect(warnings.some((text) => ids.some((id) => text.includes(`tr-${id}`)))).toBe(true);
  });

  it('413 halves the request, and cuts long texts of a span that is too large alone', async () => {
    server.onTraces = ({ body }) => (body.byteLength > 40_000 ? { status: 413 } : undefined);
    const exporter = newExporter();
    const made = traces(30);
    const large = smallTrace('Large', {
      'input.value': 'x'.repeat(90_000),
      'input.mime_type': 'text/plain',
    });
    expect(await exportSpans(exporter, [...made.flat(), ...large])).toEqual({ code: 0 });
    expect(server.stored.size).toBe(31);
    const root = server.stored
      .get(large[1].spanContext().traceId)
      ?.get(large[1].spanContext().spanId);
    const text = String(root?.attributes['mlflow.spanInputs']);
    expect(text.length).toBeLessThan(40_000);
    expect(text).toContain('too large for the server');
    expect(root?.attributes['mlflow.traceTag.mlflow.traceName']).toBe('Large');
  });

  const rejecting = (spans: number, message: string): Answer => ({
    status: 200,
    body: partialSuccess(spans, message),
    headers: { 'content-type': 'application/x-protobuf' },
  });

  it.each([
    ['a few', 2, 'too old'],
    ['more than one byte counts', 200, 'too old'],
    ['with a long message', 2, 'x'.repeat(150)],
    ['with a message beyond ASCII', 2, 'naïve'],
  ])('counts spans rejected of an accepted request: %s', async (_, spans, message) => {
    server.onTraces = () => rejecting(spans, message);
    const exporter = newExporter();
    const root = programSpan('QA');
    const made = [...Array.from({ length: 299 }, () => chatSpan(root)), root];
    expect(await exportSpans(exporter, made)).toMatchObject({
      code: 1,
      error: { message: `${spans} of 300 spans lost: ${message}` },
    });
    expect(exporter.stats()).toMatchObject({ sent: 300 - spans, dropped: { rejected: spans } });
    expect(drops).toEqual([
      { reason: 'rejected', spans, traceIds: [traceIdOf(root)], detail: message },
    ]);
  });

  it('names no trace where it may be another one', async () => {
    server.onTraces = () => rejecting(3, 'too old');
    const exporter = newExporter();
    expect((await exportSpans(exporter, traces(2).flat())).code).toBe(1);
    expect(exporter.stats()).toMatchObject({ sent: 1, held: 0, dropped: { rejected: 3 } });
    expect(drops.map(({ spans, traceIds }) => [spans, traceIds])).toEqual([
      [2, []],
      [1, []],
    ]);
  });

  it('takes no more than the request had', async () => {
    server.onTraces = () => rejecting(1_000, 'all of it');
    const exporter = newExporter();
    const [child, root] = smallTrace();
    expect((await exportSpans(exporter, [child, root])).code).toBe(1);
    expect(exporter.stats()).toMatchObject({ sent: 0, held: 0, dropped: { rejected: 2 } });
    expect(drops).toEqual([
      { reason: 'rejected', spans: 2, traceIds: [traceIdOf(root)], detail: 'all of it' },
    ]);
  });

  it('counts rejected spans of a trace that was held in parts once', async () => {
    server.version = '3.12.0';
    server.onTraces = () => rejecting(1, 'too old');
    const exporter = newExporter();
    const [child, root] = smallTrace();
    const held = exportSpans(exporter, [child]);
    expect((await held).code).toBe(0);
    await exportSpans(exporter, [root]);
    expect(exporter.stats()).toMatchObject({ sent: 1, held: 0, dropped: { rejected: 1 } });
  });
});

describe('a run id that is none', () => {
  it('costs neither its trace nor any other, and is named once', async () => {
    const exporter = newExporter();
    const bad = () => smallTrace('QA', { 'dspy.run_id': 'run–1' });
    for (let time = 0; time < 6; time++) {
      expect(await exportSpans(exporter, bad())).toEqual({ code: 0 });
    }
    expect(server.stored.size).toBe(6);
    expect(server.posts().map(({ headers }) => headers['x-mlflow-run-id'])).not.toContain('run–1');
    expect(warnings).toEqual([expect.stringContaining('"run–1"')]);
    await exporter.shutdown();
  });
});

describe('the program around it', () => {
  it('is called back once, whatever its callback and its onDrop do', async () => {
    server.onTraces = () => ({ status: 400, body: '{}' });
    const exporter = newExporter({
      onDrop: () => {
        throw new Error('from onDrop');
      },
    });
    let calls = 0;
    await new Promise<void>((resolve) => {
      exporter.export(traces(1).flat(), () => {
        calls++;
        setTimeout(resolve, 50);
        throw new Error('from the callback');
      });
    });
    expect(calls).toBe(1);
    expect(warnings.filter((text) => text.includes('from onDrop'))).toHaveLength(1);
    expect(warnings.filter((text) => text.includes('from the callback'))).toHaveLength(1);
  });

  it('survives spans that cannot be read', async () => {
    const exporter = newExporter();
    const [child, root] = smallTrace();
    const broken = {
      ...child,
      get attributes(): never {
        throw new Error('from a getter');
      },
    };
    const outcome = await exportSpans(exporter, [broken, root]);
    expect(outcome.code).toBe(1);
    expect(exporter.stats()).toMatchObject({ sent: 1, held: 0, dropped: { unreadable: 1 } });
    expect(server.stored.get(root.spanContext().traceId)?.size).toBe(1);
  });

  it('flush waits until everything is settled', async () => {
    server.onTraces = () => ({ status: 200, delayMs: 200 });
    const exporter = newExporter();
    let settled = false;
    exporter.export(traces(1).flat(), () => {
      settled = true;
    });
    await exporter.forceFlush();
    expect(settled).toBe(true);
  });

  it.each([
    ['a typo', { retryBudgetMS: 5 }, 'did you mean "retryBudgetMs"'],
    ['a bad number', { maxQueueBytes: 'lots' }, 'maxQueueBytes: "lots" is not a number'],
    ['a bad mode', { mode: 'fast' }, 'mode: "fast" is not one of auto, otlp, start+otlp'],
    ['a bad list', { resourceAttributes: 'all' }, 'resourceAttributes: "all" is not a list'],
    ['a bad spool', { spool: true }, 'spool: true is not a folder'],
  ])('%s in the options is one warning', async (_, options, message) => {
    new MlflowSpanExporter(options as never);
    expect(warnings).toHaveLength(1);
    expect(warnings[0]).toContain(message);
  });

  it.each([
    ['no URL', 'localhost:5000', 'write http://localhost:5000'],
    ['empty', '', 'is empty'],
    ['a cloud', 'databricks', 'not supported'],
    ['a database', 'sqlite:///mlflow.db', 'only an MLflow server writes to one'],
  ])('a tracking URI that is %s is one message', async (_, trackingUri, message) => {
    const exporter = newExporter({ trackingUri });
    expect((await exportSpans(exporter, traces(1).flat())).code).toBe(1);
    expect((await exportSpans(exporter, traces(1).flat())).code).toBe(1);
    expect(exporter.stats().dropped).toEqual({ misconfigured: 4 });
    expect(warnings).toEqual([expect.stringContaining(message)]);
  });

  it('reads the environment at the first export', async () => {
    const exporter = new MlflowSpanExporter();
    exporters.push(exporter);
    vi.stubEnv('MLFLOW_TRACKING_URI', server.url);
    vi.stubEnv('MLFLOW_EXPERIMENT_ID', '12');
    vi.stubEnv('MLFLOW_RUN_ID', 'run1');
    try {
      await exportSpans(exporter, traces(1).flat());
    } finally {
      vi.unstubAllEnvs();
    }
    expect(server.posts()[0]?.headers).toMatchObject({
      'x-mlflow-experiment-id': '7',
      'x-mlflow-run-id': 'run1',
    });
    expect(server.requests.map(({ path }) => path)).toContain('/api/2.0/mlflow/experiments/get');
  });
});

describe('the order of things', () => {
  it('sends at most two requests at once, never parts of one trace in both, traces sorted by id', async () => {
    server.onTraces = async () => {
      await sleep(5);
      return undefined;
    };
    const exporter = newExporter();
    const made = traces(300);
    // Children first, roots in later batches, all handed over at once.
    const batches = [made.map(([child]) => child), made.map(([, root]) => root)].flatMap(
      (spans) => [spans.slice(0, 100), spans.slice(100)],
    );
    const outcomes = await Promise.all(batches.map((batch) => exportSpans(exporter, batch)));
    expect(outcomes.every(({ code }) => code === 0)).toBe(true);
    expect(server.concurrency.most).toBeLessThanOrEqual(2);
    expect(server.concurrency.sharedTraces).toEqual([]);
    for (const { traceIds, spans } of server.posts()) {
      expect(traceIds).toEqual([...traceIds].sort());
      expect(traceIds.length).toBeLessThanOrEqual(50);
      expect(spans.length).toBeLessThanOrEqual(500);
    }
    expect([...server.stored.values()].every((spans) => spans.size === 2)).toBe(true);
  });

  it('keeps requests under a megabyte where traces allow', async () => {
    const exporter = newExporter();
    const made = Array.from({ length: 40 }, () =>
      smallTrace('QA', { 'input.value': 'x'.repeat(100_000), 'input.mime_type': 'text/plain' }),
    );
    await exportSpans(exporter, made.flat());
    for (const { body } of server.posts()) expect(body.byteLength).toBeLessThan(1.1 * 1024 * 1024);
    expect(server.stored.size).toBe(40);
  });

  it('does not compress on loopback', async () => {
    const exporter = newExporter();
    await exportSpans(exporter, traces(20).flat());
    expect(server.posts()[0]?.headers['content-encoding']).toBeUndefined();
  });
});

import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { MlflowSpanExporter } from '../../src/exporter.js';
import type { MlflowSpanExporterOptions, SpanLike } from '../../src/types.js';
import { type FakeMlflow, type SeenRequest, startFakeMlflow } from '../support/fake-mlflow.js';
import { chatSpan, exportSpans, makeSpan, programSpan, smallTrace } from '../support/spans.js';

let server: FakeMlflow;
let exporter: MlflowSpanExporter;
let warnings: string[];

beforeEach(async () => {
  server = await startFakeMlflow();
  warnings = [];
  vi.spyOn(console, 'warn').mockImplementation((text: string) => void warnings.push(text));
});

afterEach(async () => {
  await exporter?.shutdown();
  await server.close();
  vi.restoreAllMocks();
});

function use(options: MlflowSpanExporterOptions = {}): MlflowSpanExporter {
  exporter = new MlflowSpanExporter({
    trackingUri: server.url,
    shutdownTimeoutMs: 2_000,
    requestTimeoutMs: 1_000,
    ...options,
  });
  return exporter;
}

const paths = (): string[] =>
  server.requests
    .map(({ method, path }) => `${method} ${path}`)
    .filter((one) => !/experiments|version/.test(one));
const START = 'POST /api/3.0/mlflow/traces';
const OTLP = 'POST /v1/traces';
const evaluation = (parent: SpanLike): SpanLike =>
  makeSpan({
    parent,
    name: 'evaluate exact',
    attributes: {
      'openinference.span.kind': 'EVALUATOR',
      'gen_ai.evaluation.name': 'exact',
      'gen_ai.evaluation.score.value': 1,
    },
  });

describe('a recent server', () => {
  it('gets OTLP alone when the trace needs nothing else, and its source as tags', async () => {
    await exportSpans(
      use(),
      smallTrace('QA', { 'session.id': 'S', 'user.id': 'U', 'dspy.tag.a': 'b' }),
    );
    expect(paths()).toEqual([OTLP]);
    const root = server.posts()[0]?.spans.find(({ parentSpanId }) => !parentSpanId);
    expect(root?.attributes).toMatchObject({
      'mlflow.traceTag.mlflow.source.type': 'LOCAL',
      'mlflow.traceTag.mlflow.source.git.commit': expect.stringMatching(/^[0-9a-f]{40}$/),
    });
  });

  it.each([
    ['metadata', { metadata: '{"git":"abc"}' }],
    ['a client request id', { 'dspy.client_request_id': 'req-1' }],
  ])(
    'gets StartTraceV3 for %s, after the spans: it counts no tokens that come later',
    async (_, attributes) => {
      const [child, root] = smallTrace('QA', attributes);
      await exportSpans(use(), [child, root, ...smallTrace('Other')]);
      expect(paths()).toEqual([OTLP, START]);
      expect(server.started[0]).toMatchObject({
        trace_id: `tr-${root.spanContext().traceId}`,
        state: 'OK',
        execution_duration: expect.stringMatching(/^0\.01\ds$/),
        tags: { 'mlflow.traceName': 'QA' },
        request_preview: '{"question":"q?"}',
        response_preview: '{"answer":"a!"}',
      });
    },
  );

  it('gets scores with the start, and later ones one by one', async () => {
    const [child, root] = smallTrace();
    const early = evaluation(root);
    await exportSpans(use(), [child, early, root]);
    expect(server.started[0]?.assessments).toHaveLength(1);
    expect(server.assessments).toEqual([]);

    await exportSpans(exporter, [evaluation(root)]);
    expect(paths()).toEqual([OTLP, START, OTLP, expect.stringContaining('/assessments')]);
    expect(server.assessments[0]).toMatchObject({
      traceId: `tr-${root.spanContext().traceId}`,
      body: { assessment_name: 'exact', feedback: { value: 1 }, source: { source_type: 'CODE' } },
    });
  });

  it('keeps scores that come before the root until the root comes', async () => {
    const [child, root] = smallTrace();
    await exportSpans(use(), [child, evaluation(root)]);
    expect(paths()).toEqual([OTLP]);
    await exportSpans(exporter, [root]);
    expect(paths()).toEqual([OTLP, OTLP, START]);
    expect(server.started[0]?.assessments).toHaveLength(1);
  });

  it('links prompts after the spans, and keeps the trace where it refuses', async () => {
    server.onOther = ({ path }: SeenRequest) =>
      path.endsWith('/link-prompts')
        ? { status: 400, body: '{"error_code":"INVALID_PARAMETER_VALUE","message":"no"}' }
        : undefined;
    const prompts = '[{"name":"greeting","version":"1"}]';
    const outcome = await exportSpans(use(), smallTrace('QA', { 'dspy.prompts': prompts }));
    expect(outcome.code).toBe(0);
    expect(paths()).toEqual([OTLP, 'POST /api/2.0/mlflow/traces/link-prompts']);
    expect(server.stored.size).toBe(1);
    expect(warnings).toEqual([expect.stringMatching(/greeting\/1.*the trace is stored/)]);
  });

  it('keeps the spans when it refuses the start', async () => {
    server.onOther = ({ method, path }: SeenRequest) =>
      `${method} ${path}` === START
        ? { status: 400, body: '{"error_code":"X","message":"no"}' }
        : undefined;
    const outcome = await exportSpans(use(), smallTrace('QA', { metadata: '{"a":"b"}' }));
    expect(outcome.code).toBe(0);
    expect(server.stored.size).toBe(1);
    expect(warnings).toHaveLength(1);
    expect(warnings[0]).toContain('refused the metadata');
  });

  it('repeats the start, not the spans, when the start finds the server busy', async () => {
    let starts = 0;
    server.onOther = ({ method, path }: SeenRequest) =>
      `${method} ${path}` === START && ++starts === 1 ? { status: 503 } : undefined;
    expect((await exportSpans(use(), smallTrace('QA', { metadata: '{"a":"b"}' }))).code).toBe(0);
    expect(paths()).toEqual([OTLP, START, START]);
  });

  it('gets a big trace in pieces, one after the other', async () => {
    const root = programSpan('Big');
    const spans = Array.from({ length: 1_300 }, () => chatSpan(root));
    await exportSpans(use({ maxSpansPerTrace: 5_000 }), [...spans, root]);
    expect(server.posts().map(({ spans: sent }) => sent.length)).toEqual([500, 500, 301]);
    expect(server.concurrency.most).toBe(1);
  });

  it('stores traces as artifacts where it has no place for spans', async () => {
    server.onTraces = () => ({
      status: 501,
      body: '{"detail":"REST OTLP span logging is not supported"}',
    });
    const [child, root] = smallTrace();
    expect((await exportSpans(use(), [child, root])).code).toBe(0);
    const put = server.requests.find(({ method }) => method === 'PUT');
    expect(put?.path).toContain(`tr-${root.spanContext().traceId}/artifacts/traces.json`);
    expect(JSON.parse(String(put?.body)).spans).toHaveLength(2);
    expect(warnings[0]).toContain(`${server.url}/v1/traces`);
    // Known from now on: the next trace is not tried there.
    await exportSpans(exporter, smallTrace());
    expect(server.posts()).toHaveLength(1);
    expect(exporter.stats()).toMatchObject({ sent: 4, dropped: {} });
  });

  it('waits for the root of a trace that becomes an artifact', async () => {
    server.onTraces = () => ({ status: 404, body: 'Not Found' });
    const [child, root] = smallTrace();
    expect((await exportSpans(use(), [child])).code).toBe(0);
    expect(exporter.stats()).toMatchObject({ held: 1, sent: 0 });
    await exportSpans(exporter, [root]);
    const put = server.requests.find(({ method }) => method === 'PUT');
    expect(JSON.parse(String(put?.body)).spans).toHaveLength(2);
    expect(exporter.stats()).toMatchObject({ held: 0, sent: 2 });
  });

  it('looks up an experiment again that was removed since', async () => {
    let looked = 0;
    server.onOther = ({ path }) => {
      if (!path.includes('experiments/get')) return undefined;
      looked++;
      const experiment = { experiment_id: String(looked), name: 'x', lifecycle_stage: 'active' };
      return { status: 200, body: JSON.stringify({ experiment }) };
    };
    server.onTraces = ({ headers }) =>
      headers['x-mlflow-experiment-id'] === '1'
        ? {
            status: 404,
            body: '{"error_code":"RESOURCE_DOES_NOT_EXIST","message":"No Experiment with id=1 exists"}',
          }
        : undefined;
    expect((await exportSpans(use({ experimentName: 'x' }), smallTrace())).code).toBe(0);
    expect(server.posts().at(-1)?.headers['x-mlflow-experiment-id']).toBe('2');
  });

  it('says once that an experiment is deleted, and does not try again and again', async () => {
    server.onOther = ({ path }) =>
      path.includes('experiments/get')
        ? {
            status: 200,
            body: '{"experiment":{"experiment_id":"1","name":"x","lifecycle_stage":"deleted"}}',
          }
        : undefined;
    const outcome = await exportSpans(use({ experimentName: 'x' }), smallTrace());
    expect(outcome.error?.message).toContain('is deleted');
    expect(exporter.stats().dropped).toEqual({ not_allowed: 2 });
    expect(server.requests.length).toBeLessThan(5);
  });
});

describe('destinations', () => {
  it('come from the span, and the whole trace goes there', async () => {
    const http = makeSpan({ name: 'POST /chat' });
    const program = programSpan('QA', {
      parent: http,
      attributes: { 'dspy.experiment': 'tenant-a', 'dspy.run_id': 'run-a' },
    });
    await exportSpans(use({ experimentName: 'default', runId: 'run-0' }), [
      program,
      http,
      ...smallTrace(),
    ]);
    const names = server.requests
      .filter(({ path }) => path.includes('get-by-name'))
      .map(({ path }) => path);
    expect(names).toHaveLength(2);
    const byRun = Object.fromEntries(
      server.posts().map(({ headers, spans }) => [headers['x-mlflow-run-id'], spans.length]),
    );
    expect(byRun).toEqual({ 'run-a': 2, 'run-0': 2 });
  });
});

describe.each(['3.14.1', '3.12.0', '3.8.1'])('an old server, %s', (version) => {
  beforeEach(() => {
    server.version = version;
  });

  it('gets a trace whole: what comes early waits for the root, then StartTraceV3, then the spans', async () => {
    const [child, root] = smallTrace();
    expect((await exportSpans(use(), [child])).code).toBe(0);
    expect(paths()).toEqual([]);
    expect(exporter.stats()).toMatchObject({ held: 1, sent: 0 });
    expect((await exportSpans(exporter, [root])).code).toBe(0);
    expect(paths()).toEqual([START, OTLP]);
    expect(server.posts()[0]?.spans).toHaveLength(2);
    expect(exporter.stats()).toMatchObject({ held: 0, sent: 2 });
  });

  it('gets spans that end after their root without a second start', async () => {
    const [child, root] = smallTrace();
    await exportSpans(use(), [child, root]);
    await exportSpans(exporter, [makeSpan({ parent: root })]);
    expect(paths()).toEqual([START, OTLP, OTLP]);
  });

  it('gets what is held when the exporter ends', async () => {
    const [child] = smallTrace();
    await exportSpans(use(), [child]);
    await exporter.shutdown();
    expect(paths()).toEqual([START, OTLP]);
    expect(server.started[0]?.state).toBe('OK');
    expect(exporter.stats()).toMatchObject({ held: 0, sent: 1, dropped: {} });
  });
});

describe('a server that adds tokens of a resend up (before 3.12)', () => {
  beforeEach(() => {
    server.version = '3.8.1';
  });

  it('is asked whether the first try arrived, and gets one trace a request', async () => {
    server.onTraces = (_, count) => (count === 1 ? { storeAnd: 'reset' } : undefined);
    server.onOther = ({ method, path }) => {
      const found = /^\/api\/3\.0\/mlflow\/traces\/tr-([0-9a-f]+)$/.exec(path);
      if (method !== 'GET' || !found) return undefined;
      const tags = server.stored.has(found[1] as string)
        ? { 'mlflow.trace.spansLocation': 'TRACKING_STORE' }
        : {};
      return {
        status: 200,
        body: JSON.stringify({ trace: { trace_info: { trace_id: path, tags } } }),
      };
    };
    const made = [smallTrace(), smallTrace(), smallTrace()];
    expect((await exportSpans(use(), made.flat())).code).toBe(0);
    expect(server.posts()).toHaveLength(3);
    expect(server.posts().every(({ traceIds }) => traceIds.length === 1)).toBe(true);
    expect(server.stored.size).toBe(3);
  });
});

describe('mode', () => {
  it('otlp asks for no version and never starts', async () => {
    const [child, root] = smallTrace('QA', { metadata: '{"a":"b"}' });
    await exportSpans(use({ mode: 'otlp' }), [child, evaluation(root), root]);
    expect(paths()).toEqual([OTLP]);
    expect(server.requests.some(({ path }) => path === '/version')).toBe(false);
  });

  it('start+otlp starts every trace', async () => {
    await exportSpans(use({ mode: 'start+otlp' }), smallTrace());
    expect(paths()).toEqual([OTLP, START]);
  });
});

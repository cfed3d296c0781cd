import { MlflowSpanExporter, type SpanLike } from '@hokusai/exporter-mlflow';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import {
  chatSpan,
  exportSpans,
  makeSpan,
  programSpan,
  smallTrace,
} from '../../packages/exporter-mlflow/test/support/spans.js';
import { startFaultProxy } from '../support/fault-proxy.js';
import { startMlflowServer, type TestMlflowServer } from '../support/mlflow-server.js';

const VERSIONS = ['3.12.0', '3.8.1'];

interface Seen {
  state: string;
  name: string;
  request: string;
  response: string;
  client: string | null;
  tags: Record<string, string>;
  metadata: Record<string, string>;
  tokens: Record<string, number> | null;
  assessments: [string, unknown, string | null][];
  spans: {
    name: string;
    type: string;
    inputs: unknown;
    outputs: unknown;
    status: string;
    events: string[];
  }[];
  byRun: string[];
}

/** A trace as that version's own Python client has it. */
async function look(server: TestMlflowServer, id: string, runId = 'none'): Promise<Seen> {
  const text = await server.python(`
import json, mlflow
client = mlflow.MlflowClient()
t = client.get_trace('${id}')
i = t.info
byrun = [x.info.trace_id for x in client.search_traces(experiment_ids=[i.experiment_id], run_id='${runId}')] if '${runId}' != 'none' else []
print(json.dumps({'state': i.state.value, 'name': i.tags.get('mlflow.traceName'), 'request': i.request_preview, 'response': i.response_preview,
  'client': i.client_request_id, 'tags': i.tags, 'metadata': i.trace_metadata, 'tokens': i.token_usage,
  'assessments': sorted([a.name, a.feedback.value, a.rationale] for a in (i.assessments or [])),
  'spans': [{'name': s.name, 'type': s.span_type, 'inputs': s.inputs, 'outputs': s.outputs, 'status': s.status.status_code.value, 'events': [e.name for e in s.events]} for s in t.data.spans],
  'byRun': byrun}))`);
  return JSON.parse(text.trim().split('\n').at(-1) as string) as Seen;
}

const idOf = (span: SpanLike): string => `tr-${span.spanContext().traceId}`;

describe.each(VERSIONS)('MLflow %s', (version) => {
  let server: TestMlflowServer;
  beforeAll(async () => {
    server = await startMlflowServer({ version });
  });
  afterAll(() => server?.stop());

  const newExporter = (trackingUri = server.url, options = {}) =>
    new MlflowSpanExporter({ trackingUri, experimentName: 'old', ...options });

  async function newRun(): Promise<string> {
    const response: Response = await fetch(`${server.url}/api/2.0/mlflow/runs/create`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ experiment_id: '0', start_time: Date.now() }),
    });
    const { run } = (await response.json()) as { run: { info: { run_id: string } } };
    return run.info.run_id;
  }

  it('has the complete record of a trace that came in parts', async () => {
    const runId = await newRun();
    const exporter = newExporter(server.url, { experimentName: undefined, experimentId: '0' });
    const http = makeSpan({ name: 'POST /chat' });
    const program = programSpan('QA', {
      parent: http,
      attributes: {
        'session.id': 'S1',
        'user.id': 'U1',
        'dspy.tag.team': 'ml',
        metadata: '{"git":"abc"}',
        'dspy.client_request_id': 'req-1',
        'dspy.run_id': runId,
      },
    });
    const failed = makeSpan({
      parent: program,
      name: 'broken',
      error: 'boom',
      attributes: { 'gen_ai.operation.name': 'execute_tool' },
      events: [
        {
          name: 'exception',
          time: [1_795_570_000, 0],
          attributes: { 'exception.message': 'boom' },
        },
      ],
    });
    const score = makeSpan({
      parent: program,
      name: 'score',
      attributes: {
        'gen_ai.evaluation.name': 'exact',
        'gen_ai.evaluation.score.value': 0.5,
        'gen_ai.evaluation.explanation': 'why',
      },
    });
    for (const batch of [[chatSpan(program), failed], [program, score], [http]]) {
      expect(await exportSpans(exporter, batch)).toEqual({ code: 0 });
    }
    // After its root: added to what is there.
    expect(await exportSpans(exporter, [makeSpan({ parent: http, name: 'late' })])).toEqual({
      code: 0,
    });
    await exporter.shutdown();
    const seen = await look(server, idOf(http), runId);
    expect(seen).toMatchObject({
      state: 'OK',
      name: 'QA',
      request: '{"question":"q?"}',
      response: '{"answer":"a!"}',
      client: 'req-1',
      tags: { team: 'ml' },
      metadata: {
        git: 'abc',
        'mlflow.trace.session': 'S1',
        'mlflow.trace.user': 'U1',
        'mlflow.sourceRun': runId,
      },
      tokens: { input_tokens: 100, output_tokens: 20, total_tokens: 120 },
      assessments: [['exact', 0.5, 'why']],
      byRun: [idOf(http)],
    });
    const named = Object.fromEntries(seen.spans.map((span) => [span.name, span]));
    expect(Object.keys(named).sort()).toEqual(
      ['POST /chat', 'broken', 'chat gpt-4o-mini', 'invoke_workflow QA', 'late', 'score'].sort(),
    );
    expect(named['chat gpt-4o-mini']?.type).toBe('CHAT_MODEL');
    // 3.8.1 gives a text back as the text it was sent as, also where it is JSON.
    const inputs = named['chat gpt-4o-mini']?.inputs;
    expect(typeof inputs === 'string' ? JSON.parse(inputs) : inputs).toEqual([
      { role: 'user', parts: [{ type: 'text', content: 'q?' }] },
    ]);
    expect(named.broken).toMatchObject({ type: 'TOOL', status: 'ERROR', events: ['exception'] });
  });

  it('counts tokens once, whatever was sent twice', async () => {
    const proxy = await startFaultProxy(server.url);
    vi.spyOn(console, 'warn').mockImplementation(() => undefined);
    let posts = 0;
    proxy.fault = (path) =>
      path === '/v1/traces' && posts++ % 2 === 0 ? 'accepted, then 502' : undefined;
    const exporter = newExporter(proxy.url);
    const made = [smallTrace('A', { metadata: '{"a":"b"}' }), smallTrace('B'), smallTrace('C')];
    expect(await exportSpans(exporter, made.flat())).toEqual({ code: 0 });
    await exporter.shutdown();
    await proxy.close();
    vi.restoreAllMocks();
    expect(posts).toBeGreaterThan(1);
    for (const [, root] of made) {
      const { tokens, spans, name } = await look(server, idOf(root));
      expect([name !== null, tokens?.total_tokens, spans.length]).toEqual([true, 120, 2]);
    }
  });

  it('counts each call once below a span that sums up', async () => {
    const exporter = newExporter();
    const root = programSpan('Agent', {
      attributes: { 'gen_ai.usage.input_tokens': 100, 'gen_ai.usage.output_tokens': 20 },
    });
    await exportSpans(exporter, [chatSpan(root), root]);
    await exporter.shutdown();
    expect((await look(server, idOf(root))).tokens).toMatchObject({ total_tokens: 120 });
  });

  it('has one whole trace of two processes, in either order', async () => {
    for (const [order, name] of [
      ['root first', 'First'],
      ['root last', 'Last'],
    ] as const) {
      const [here, there] = [
        newExporter(),
        newExporter(server.url, { remoteRootTimeoutMs: 1_000 }),
      ];
      const root = programSpan(name, { duration: 100 });
      const local = programSpan('Search', { parent: root, remote: true });
      await exportSpans(there, [chatSpan(local), local]);
      if (order === 'root first') await exportSpans(here, [root]);
      await there.shutdown();
      if (order === 'root last') await exportSpans(here, [root]);
      await here.shutdown();
      const seen = await look(server, idOf(root));
      expect([order, seen.state, seen.spans.length]).toEqual([order, 'OK', 3]);
      expect(seen.tokens).toMatchObject({ total_tokens: 120 });
    }
  });
});

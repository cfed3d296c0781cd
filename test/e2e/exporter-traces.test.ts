import { MlflowSpanExporter, type SpanLike } from '@hokusai/exporter-mlflow';
import { type Attributes, context, SpanKind, trace } from '@opentelemetry/api';
import { NodeSDK } from '@opentelemetry/sdk-node';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import {
  chatSpan,
  exportSpans,
  makeSpan,
  programSpan,
  smallTrace,
  traceIdOf,
} from '../../packages/exporter-mlflow/test/support/spans.js';
import { flatten, MlflowRest, type StoredTrace } from '../support/mlflow-rest.js';
import { startMlflowServer, type TestMlflowServer } from '../support/mlflow-server.js';

let server: TestMlflowServer;
let rest: MlflowRest;
const exporters: MlflowSpanExporter[] = [];
let experiments = 0;

beforeAll(async () => {
  server = await startMlflowServer();
  rest = new MlflowRest(server.url);
});
afterEach(async () => {
  await Promise.all(exporters.splice(0).map((exporter) => exporter.shutdown()));
});
afterAll(() => server?.stop());

const newExperiment = (): string => `exporter-${++experiments}`;

function newExporter(
  experimentName: string,
  options: ConstructorParameters<typeof MlflowSpanExporter>[0] = {},
): MlflowSpanExporter {
  const exporter = new MlflowSpanExporter({ trackingUri: server.url, experimentName, ...options });
  exporters.push(exporter);
  return exporter;
}

async function deliver(exporter: MlflowSpanExporter, ...spans: SpanLike[]): Promise<void> {
  expect(await exportSpans(exporter, spans)).toEqual({ code: 0 });
}

async function only(experiment: string): Promise<StoredTrace> {
  const traces = await rest.traces(experiment, 1);
  expect(traces).toHaveLength(1);
  return traces[0] as StoredTrace;
}

const spanNamed = (stored: StoredTrace, name: string) => {
  const found = flatten(stored.roots).find((span) => span.name === name);
  if (!found) throw new Error(`no span "${name}"`);
  return found;
};

async function spansOfType(experiment: string, type: string): Promise<string[]> {
  return search(experiment, `span.type = '${type}'`);
}

async function search(experiment: string, filter: string): Promise<string[]> {
  const response: Response = await fetch(`${server.url}/api/3.0/mlflow/traces/search`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({
      locations: [
        {
          type: 'MLFLOW_EXPERIMENT',
          mlflow_experiment: { experiment_id: await rest.experimentId(experiment) },
        },
      ],
      filter,
    }),
  });
  const { traces = [] } = (await response.json()) as { traces?: { trace_id: string }[] };
  return traces.map(({ trace_id }) => trace_id);
}

/** Ids of the traces that the server finds with a prompt version. */
async function tracesWithPrompt(experiment: string, prompt: string): Promise<string[]> {
  return search(experiment, `prompt = '${prompt}'`);
}

describe('a trace in MLflow', () => {
  it('is linked to the prompt versions that the program names, once', async () => {
    const experiment = newExperiment();
    const exporter = newExporter(experiment);
    const prompts = JSON.stringify([
      { name: 'greeting', version: 3 },
      { name: 'greeting', version: '3' },
      { version: 'no name' },
    ]);
    const [child, root] = smallTrace('QA', { 'dspy.prompts': prompts });
    await deliver(exporter, child, root);
    // A resend.
    await deliver(exporter, child, root);
    const stored = await only(experiment);
    expect(JSON.parse(stored.tags['mlflow.linkedPrompts'] ?? '')).toEqual([
      { name: 'greeting', version: '3' },
    ]);
    expect(await tracesWithPrompt(experiment, 'greeting/3')).toEqual([stored.id]);
    expect(await tracesWithPrompt(experiment, 'greeting/2')).toEqual([]);
  });

  it('counts all tokens of a trace that comes in several batches and has metadata', async () => {
    const experiment = newExperiment();
    const exporter = newExporter(experiment);
    const root = programSpan('QA', { attributes: { metadata: '{"git":"abc"}' } });
    await deliver(exporter, chatSpan(root));
    await deliver(exporter, chatSpan(root), root);
    const stored = await only(experiment);
    expect(stored.metadata).toMatchObject({ git: 'abc' });
    expect(stored.tokens).toMatchObject({ input_tokens: 200, output_tokens: 40 });
    expect(stored.cost?.total_cost).toBeCloseTo(2 * (100 * 0.15e-6 + 20 * 0.6e-6), 12);
  });

  it('says where it comes from: as tags, and as metadata where it is started', async () => {
    const experiment = newExperiment();
    await deliver(newExporter(experiment), ...smallTrace());
    await deliver(newExporter(experiment, { mode: 'start+otlp' }), ...smallTrace());
    const source = {
      'mlflow.source.type': 'LOCAL',
      'mlflow.source.name': expect.any(String),
      'mlflow.source.git.commit': expect.stringMatching(/^[0-9a-f]{40}$/),
      'mlflow.source.git.branch': expect.any(String),
    };
    const traces = await rest.traces(experiment, 2);
    for (const { tags } of traces) expect(tags).toMatchObject(source);
    const [started, ...others] = traces.filter(({ metadata }) => 'mlflow.source.name' in metadata);
    expect(others).toEqual([]);
    expect(started?.metadata).toMatchObject(source);
    const commit = started?.metadata['mlflow.source.git.commit'];
    const found = (what: string) =>
      search(experiment, `${what}.\`mlflow.source.git.commit\` = '${commit}'`);
    expect(await found('tag')).toHaveLength(2);
    expect(await found('metadata')).toEqual([started?.id]);
  });

  it('is complete, with the stock NodeSDK and the environment alone', async () => {
    const experiment = newExperiment();
    process.env.MLFLOW_TRACKING_URI = server.url;
    process.env.MLFLOW_EXPERIMENT_NAME = experiment;
    const exporter = new MlflowSpanExporter();
    const sdk = new NodeSDK({ traceExporter: exporter, instrumentations: [] });
    sdk.start();
    const tracer = trace.getTracer('e2e');
    const http = tracer.startSpan('POST /chat', { kind: SpanKind.SERVER });
    const below = (parent: typeof http) => trace.setSpan(context.active(), parent);
    const copy = ({ name, kind, attributes }: SpanLike, parent: typeof http) =>
      tracer.startSpan(name, { kind, attributes }, below(parent));
    const [chat, program] = smallTrace('QA', {
      'session.id': 'S1',
      'user.id': 'U1',
      'dspy.tag.team': 'ml',
      metadata: '{"git":"abc"}',
      'dspy.client_request_id': 'req-1',
    });
    const outer = copy(program, http);
    copy(chat, outer).end();
    const failed = tracer.startSpan('execute_tool broken', {}, below(outer));
    failed.recordException(new RangeError('boom'));
    failed.setStatus({ code: 2, message: 'boom' });
    failed.end();
    outer.end();
    http.end();
    await sdk.shutdown();
    trace.disable();
    delete process.env.MLFLOW_TRACKING_URI;
    delete process.env.MLFLOW_EXPERIMENT_NAME;

    const stored = await only(experiment);
    expect(stored).toMatchObject({
      name: 'QA',
      state: 'OK',
      requestPreview: '{"question":"q?"}',
      responsePreview: '{"answer":"a!"}',
      clientRequestId: 'req-1',
      tokens: { input_tokens: 100, output_tokens: 20, total_tokens: 120 },
      session: 'S1',
      user: 'U1',
      tags: { team: 'ml' },
      metadata: { git: 'abc', 'mlflow.source.type': 'LOCAL' },
    });
    expect(stored.cost?.total_cost).toBeCloseTo(0.000027, 9);
    // Of the resource only what the allow-list names.
    expect(
      Object.keys(stored.tags).filter((key) => /^(host|process|telemetry|os)/.test(key)),
    ).toEqual([]);
    expect(stored.roots).toHaveLength(1);
    expect(stored.roots[0]).toMatchObject({
      name: 'POST /chat',
      type: 'UNKNOWN',
      inputs: { question: 'q?' },
      outputs: { answer: 'a!' },
      status: { code: 'OK' },
    });
    expect(spanNamed(stored, 'chat gpt-4o-mini')).toMatchObject({
      type: 'CHAT_MODEL',
      inputs: [{ role: 'user', parts: [{ type: 'text', content: 'q?' }] }],
      outputs: [{ role: 'assistant', parts: [{ type: 'text', content: 'a!' }] }],
    });
    const broken = spanNamed(stored, 'execute_tool broken');
    expect(broken.status).toEqual({ code: 'ERROR', message: 'boom' });
    expect(broken.events[0]).toMatchObject({
      name: 'exception',
      attributes: { 'exception.type': 'RangeError', 'exception.message': 'boom' },
    });
    expect(await spansOfType(experiment, 'CHAT_MODEL')).toEqual([stored.id]);
    expect(exporter.stats()).toMatchObject({ received: 4, sent: 4, held: 0, dropped: {} });

    const seen = await server.python(`
import json, mlflow
t = mlflow.MlflowClient().get_trace('${stored.id}')
print(json.dumps({'state': t.info.state.value, 'tokens': t.info.token_usage, 'spans': len(t.data.spans),
                  'request': json.loads(t.data.request), 'type': [s.span_type for s in t.data.spans if s.name.startswith('chat')][0]}))`);
    expect(JSON.parse(seen)).toEqual({
      state: 'OK',
      tokens: { input_tokens: 100, output_tokens: 20, total_tokens: 120 },
      spans: 4,
      request: { question: 'q?' },
      type: 'CHAT_MODEL',
    });
  });

  it('gives values back as what they were', async () => {
    const experiment = newExperiment();
    const values: [text: string, mime: string, expected: unknown][] = [
      ['3', 'application/json', 3],
      ['2.5', 'application/json', 2.5],
      ['false', 'application/json', false],
      ['"text"', 'application/json', 'text'],
      ['{"a":[1,"2"]}', 'application/json', { a: [1, '2'] }],
      ['[]', 'application/json', []],
      ['3', 'text/plain', '3'],
      ['true', 'text/plain', 'true'],
      ['{"a":1}', 'text/plain', '{"a":1}'],
      ['"quoted"', 'text/plain', '"quoted"'],
      ['[1]', 'text/plain', '[1]'],
      ['{broken', 'text/plain', '{broken'],
      ['plain é😀', 'text/plain', 'plain é😀'],
    ];
    const root = programSpan('Values');
    const tools = values.map(([value, mime], index) =>
      makeSpan({
        parent: root,
        name: `tool ${index}`,
        attributes: {
          'gen_ai.operation.name': 'execute_tool',
          'input.value': value,
          'input.mime_type': mime,
          'output.value': value,
          'output.mime_type': mime,
        },
      }),
    );
    await deliver(newExporter(experiment), ...tools, root);
    const stored = await only(experiment);
    values.forEach(([, , expected], index) => {
      const { inputs, outputs } = spanNamed(stored, `tool ${index}`);
      expect([index, inputs, outputs]).toEqual([index, expected, expected]);
    });
  });

  it('has the cost that a call brings along, links and events with their attributes', async () => {
    const experiment = newExperiment();
    const root = programSpan('QA', {
      links: [
        {
          context: { traceId: 'a'.repeat(32), spanId: 'b'.repeat(16), traceFlags: 1 },
          attributes: { reason: 'evaluation' },
        },
      ],
    });
    const call = chatSpan(root, { attributes: { 'llm.cost.total': 0.5 } });
    await deliver(newExporter(experiment), call, root);
    const stored = await only(experiment);
    expect(stored.cost).toMatchObject({ total_cost: 0.5 });
    const query = new URLSearchParams({ request_id: stored.id });
    const response: Response = await fetch(
      `${server.url}/ajax-api/3.0/mlflow/get-trace-artifact?${query}`,
    );
    const { spans } = (await response.json()) as { spans: { name: string; links?: unknown[] }[] };
    expect(spans.find(({ name }) => name === root.name)?.links).toEqual([
      {
        trace_id: `tr-${'a'.repeat(32)}`,
        span_id: 'b'.repeat(16),
        attributes: { reason: 'evaluation' },
      },
    ]);
  });

  it('may come in any pieces: children first, then the root, then late ones', async () => {
    const experiment = newExperiment();
    const exporter = newExporter(experiment);
    const [chat, root] = smallTrace('QA', { 'session.id': 'S1', 'dspy.tag.a': 'b' });
    await deliver(exporter, chat);
    await deliver(exporter, root);
    await deliver(exporter, chatSpan(root));
    expect(await only(experiment)).toMatchObject({
      name: 'QA',
      state: 'OK',
      session: 'S1',
      tags: { a: 'b' },
      requestPreview: '{"question":"q?"}',
      tokens: { total_tokens: 240 },
    });
  });

  it('shows a program that ends after the root of its HTTP request', async () => {
    const experiment = newExperiment();
    const exporter = newExporter(experiment);
    const http = makeSpan({ name: 'POST /chat', kind: SpanKind.SERVER });
    const program = programSpan('QA', { parent: http, duration: 100 });
    await deliver(exporter, http);
    await deliver(exporter, chatSpan(program), program);
    expect(await only(experiment)).toMatchObject({
      name: 'QA',
      requestPreview: '{"question":"q?"}',
      responsePreview: '{"answer":"a!"}',
      tokens: { total_tokens: 120 },
    });
  });

  it('does not change when it is sent twice', async () => {
    const experiment = newExperiment();
    const [chat, root] = smallTrace('QA', { metadata: '{"git":"abc"}' });
    const score = makeSpan({
      parent: root,
      attributes: { 'gen_ai.evaluation.name': 'exact', 'gen_ai.evaluation.score.value': 1 },
    });
    for (let time = 0; time < 2; time++) {
      const exporter = newExporter(experiment);
      await deliver(exporter, chat, root);
      await deliver(exporter, score);
    }
    const stored = await only(experiment);
    expect(stored.tokens).toMatchObject({ total_tokens: 120 });
    expect(flatten(stored.roots)).toHaveLength(3);
    expect(stored.assessments).toEqual([
      {
        name: 'exact',
        value: 1,
        rationale: undefined,
        source: { source_type: 'CODE', source_id: 'exact' },
      },
    ]);
  });

  it('takes what would be refused: long sessions and names, NUL, lone surrogates, odd tags', async () => {
    const experiment = newExperiment();
    const odd: Attributes = {
      'session.id': `s\0${'é'.repeat(400)}`,
      'user.id': 'u'.repeat(400),
      'dspy.module.name': `n\ud800${'x'.repeat(5_000)}`,
      'dspy.tag.kéy!': 'v'.repeat(9_000),
      'dspy.tag.mlflow.trace.spansLocation': 'ARTIFACT_REPO',
      'mlflow.llm.cost': '{"total_cost":"free"}',
      'mlflow.spanType': 'T'.repeat(900),
      metadata: JSON.stringify({ long: 'm'.repeat(900), 'mlflow.trace.session': 'stolen' }),
      nan: Number.NaN,
    };
    await deliver(newExporter(experiment), ...smallTrace('QA', odd), ...smallTrace('Other'));
    const stored = await rest.traces(experiment, 2);
    expect(stored).toHaveLength(2);
    const mended = stored.find(({ session }) => session !== undefined);
    expect(mended?.session).toBe(`s\ufffd${'é'.repeat(248)}`);
    expect(mended?.name).toHaveLength(4_096);
    expect(mended?.tags.k_y_).toHaveLength(4_096);
    expect(mended?.roots[0]?.attributes['session.id.full']).toBe(`s\ufffd${'é'.repeat(400)}`);
  });

  it('of thousands of spans is folded, and says so', async () => {
    const experiment = newExperiment();
    const root = programSpan('Big');
    const noise = Array.from({ length: 3_000 }, () => makeSpan({ parent: root, name: 'GET' }));
    const calls = Array.from({ length: 30 }, () => chatSpan(root));
    const exporter = newExporter(experiment, { maxSpansPerTrace: 500 });
    await deliver(exporter, ...noise, ...calls, root);
    const stored = await only(experiment);
    expect(flatten(stored.roots)).toHaveLength(500);
    expect(stored.tokens).toMatchObject({ total_tokens: 30 * 120 });
    expect(stored.tags['dspy.folded_spans']).toBe('2531');
    expect(stored.roots[0]?.attributes).toMatchObject({
      'dspy.folded.spans': 2_531,
      'dspy.folded.names': { GET: 2_531 },
    });
    expect(exporter.stats()).toMatchObject({ received: 3_031, sent: 500, folded: 2_531, held: 0 });
  });

  it('of its chosen experiment and run is found there, thirty at once', async () => {
    const names = [newExperiment(), newExperiment(), newExperiment()] as const;
    const runs = await Promise.all(names.map(newRun));
    const exporter = newExporter(names[0]);
    const made = Array.from({ length: 30 }, (_, index) => ({
      which: index % 3,
      spans: smallTrace('QA', {
        'dspy.experiment': names[index % 3] as string,
        'dspy.run_id': runs[index % 3] as string,
      }),
    }));
    await Promise.all(made.map(({ spans }) => deliver(exporter, ...spans)));
    for (const [index, name] of names.entries()) {
      const expected = made
        .filter(({ which }) => which === index)
        .map(({ spans }) => traceIdOf(spans[1]))
        .sort();
      expect((await rest.traces(name, 10)).map(({ id }) => id).sort()).toEqual(expected);
      expect((await rest.traceIdsOfRun(name, runs[index] as string)).sort()).toEqual(expected);
    }
  });

  async function newRun(experiment: string): Promise<string> {
    await deliver(newExporter(experiment), ...smallTrace('first'));
    const id = await rest.experimentId(experiment);
    // The experiment's first trace is only there to make the experiment.
    const [first] = await rest.traces(experiment, 1);
    await fetch(`${server.url}/api/3.0/mlflow/traces/delete-traces`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ experiment_id: id, request_ids: [first?.id] }),
    });
    const response: Response = await fetch(`${server.url}/api/2.0/mlflow/runs/create`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ experiment_id: id, start_time: Date.now() }),
    });
    const { run } = (await response.json()) as { run: { info: { run_id: string } } };
    return run.info.run_id;
  }
});

describe('scores and runs', () => {
  it('scores are assessments, whenever they come', async () => {
    const experiment = newExperiment();
    const exporter = newExporter(experiment);
    const [chat, root] = smallTrace();
    const score = (name: string, attributes: Attributes) =>
      makeSpan({ parent: root, attributes: { 'gen_ai.evaluation.name': name, ...attributes } });
    await deliver(exporter, chat, score('early', { 'gen_ai.evaluation.score.value': 0.5 }));
    await deliver(exporter, score('same', { 'gen_ai.evaluation.score.value': 1 }), root);
    await deliver(
      exporter,
      score('late', {
        'gen_ai.evaluation.score.label': 'good',
        'gen_ai.evaluation.explanation': 'why',
      }),
    );
    const { assessments, state } = await only(experiment);
    expect(state).toBe('OK');
    expect(
      assessments.map(({ name, value, rationale }) => [name, value, rationale]).sort(),
    ).toEqual([
      ['early', 0.5, undefined],
      ['late', 'good', 'why'],
      ['same', 1, undefined],
    ]);
  });

  it('an evaluation is a run with its traces', async () => {
    const experiment = newExperiment();
    const exporter = newExporter(experiment);
    const examples = [smallTrace(), smallTrace()];
    await deliver(exporter, ...examples.flat());
    const evaluation = programSpan('Evaluate', {
      attributes: {
        'dspy.module.type': 'evaluation',
        'dspy.run.kind': 'evaluation',
        'dspy.run.name': 'eval',
        'dspy.run.params': '{"metric":"exact"}',
        'dspy.run.metrics': JSON.stringify([
          { key: 'eval', value: 50, step: 0, timestamp: Date.now() },
        ]),
        'dspy.run.artifacts':
          '{"result_table.json":"{\\"columns\\":[\\"score\\"],\\"data\\":[[1]]}"}',
        'dspy.run.trace_ids': examples.map(([, root]) => root.spanContext().traceId),
      },
    });
    await deliver(exporter, evaluation);
    await deliver(newExporter(experiment), evaluation);
    const runs = await rest.runs(experiment);
    expect(runs).toHaveLength(1);
    expect(runs[0]).toMatchObject({
      name: 'eval',
      status: 'FINISHED',
      params: { metric: 'exact' },
      metrics: { eval: 50 },
    });
    const linked = await rest.traceIdsOfRun(experiment, runs[0]?.id as string);
    expect(linked.sort()).toEqual(examples.map(([, root]) => traceIdOf(root)).sort());
    expect(exporter.stats().runs).toBe(1);
  });
});

describe('spans of other instrumentations', () => {
  const cases: Record<string, { spans: () => [SpanLike, SpanLike]; call: object; root: object }> = {
    'OpenInference (OpenAI below a chain)': {
      spans: () => {
        const root = makeSpan({
          name: 'chain',
          attributes: {
            'openinference.span.kind': 'CHAIN',
            'input.value': 'q?',
            'output.value': 'a!',
            'output.mime_type': 'text/plain',
          },
        });
        const call = makeSpan({
          parent: root,
          name: 'call',
          attributes: {
            'openinference.span.kind': 'LLM',
            'llm.model_name': 'gpt-4o-mini',
            'llm.provider': 'openai',
            'input.value': '{"model":"gpt-4o-mini","messages":[{"role":"user","content":"q?"}]}',
            'input.mime_type': 'application/json',
            'output.value': '{"choices":[{"message":{"role":"assistant","content":"a!"}}]}',
            'output.mime_type': 'application/json',
            'llm.token_count.prompt': 100,
            'llm.token_count.completion': 20,
            'llm.token_count.total': 120,
          },
        });
        return [call, root];
      },
      call: {
        type: 'LLM',
        inputs: { messages: [{ role: 'user', content: 'q?' }] },
        outputs: { choices: [{ message: { content: 'a!' } }] },
      },
      root: { type: 'CHAIN', inputs: 'q?', outputs: 'a!' },
    },
    'OpenTelemetry (OpenAI below an agent that sums up)': {
      spans: () => {
        const root = makeSpan({
          name: 'agent',
          attributes: {
            'gen_ai.operation.name': 'invoke_agent',
            'gen_ai.usage.input_tokens': 100,
            'gen_ai.usage.output_tokens': 20,
          },
        });
        const call = makeSpan({
          parent: root,
          name: 'call',
          attributes: {
            'gen_ai.operation.name': 'chat',
            'gen_ai.provider.name': 'openai',
            'gen_ai.request.model': 'gpt-4o-mini',
            'gen_ai.input.messages': '[{"role":"user","parts":[{"type":"text","content":"q?"}]}]',
            'gen_ai.output.messages':
              '[{"role":"assistant","parts":[{"type":"text","content":"a!"}]}]',
            'gen_ai.usage.input_tokens': 100,
            'gen_ai.usage.output_tokens': 20,
          },
        });
        return [call, root];
      },
      call: {
        type: 'CHAT_MODEL',
        inputs: [{ role: 'user', parts: [{ type: 'text', content: 'q?' }] }],
        outputs: [{ role: 'assistant', parts: [{ type: 'text', content: 'a!' }] }],
      },
      root: { type: 'AGENT' },
    },
    Traceloop: {
      spans: () => {
        const root = makeSpan({
          name: 'workflow',
          attributes: {
            'traceloop.span.kind': 'workflow',
            'traceloop.entity.input': '{"args":["q?"]}',
            'traceloop.entity.output': '"a!"',
          },
        });
        const call = makeSpan({
          parent: root,
          name: 'call',
          attributes: {
            'llm.request.type': 'chat',
            'gen_ai.system': 'OpenAI',
            'gen_ai.request.model': 'gpt-4o-mini',
            'gen_ai.prompt.0.role': 'user',
            'gen_ai.prompt.0.content': 'q?',
            'gen_ai.completion.0.role': 'assistant',
            'gen_ai.completion.0.content': 'a!',
            'gen_ai.usage.prompt_tokens': 100,
            'gen_ai.usage.completion_tokens': 20,
            'llm.usage.total_tokens': 120,
          },
        });
        return [call, root];
      },
      call: {
        type: 'CHAT_MODEL',
        inputs: { messages: [{ role: 'user', content: 'q?' }] },
        outputs: { choices: [{ message: { role: 'assistant', content: 'a!' } }] },
      },
      root: { type: 'WORKFLOW', inputs: { args: ['q?'] } },
    },
    'Vercel AI': {
      spans: () => {
        const root = makeSpan({
          name: 'ai.generateText',
          attributes: {
            'ai.operationId': 'ai.generateText',
            'ai.prompt': '{"prompt":"q?"}',
            'ai.response.text': 'a!',
            'ai.usage.promptTokens': 100,
            'ai.usage.completionTokens': 20,
            'gen_ai.usage.input_tokens': 100,
            'gen_ai.usage.output_tokens': 20,
          },
        });
        const call = makeSpan({
          parent: root,
          name: 'call',
          attributes: {
            'ai.operationId': 'ai.generateText.doGenerate',
            'ai.prompt.messages': '[{"role":"user","content":[{"type":"text","text":"q?"}]}]',
            'ai.response.text': 'a!',
            'gen_ai.system': 'openai.chat',
            'gen_ai.request.model': 'gpt-4o-mini',
            'gen_ai.usage.input_tokens': 100,
            'gen_ai.usage.output_tokens': 20,
          },
        });
        return [call, root];
      },
      call: {
        type: 'CHAT_MODEL',
        inputs: { messages: [{ role: 'user', content: [{ type: 'text', text: 'q?' }] }] },
        outputs: { text: 'a!' },
      },
      root: { type: 'LLM', inputs: { prompt: 'q?' }, outputs: 'a!' },
    },
  };

  it.each(Object.entries(cases))(
    '%s: type, inputs, outputs, tokens once',
    async (_, { spans, call, root }) => {
      const experiment = newExperiment();
      const [inner, outer] = spans();
      await deliver(newExporter(experiment), inner, outer);
      const stored = await only(experiment);
      expect(spanNamed(stored, 'call')).toMatchObject(call);
      expect(stored.roots[0]).toMatchObject(root);
      expect(stored.name).toBe(outer.name);
      expect(stored.tokens).toMatchObject({
        input_tokens: 100,
        output_tokens: 20,
        total_tokens: 120,
      });
      expect(stored.cost?.total_cost).toBeCloseTo(0.000027, 9);
      const type = String((call as { type: string }).type);
      expect(await spansOfType(experiment, type)).toEqual([stored.id]);
    },
  );
});

describe('a trace over two processes', () => {
  const gateway = () => makeSpan({ name: 'POST /ask', kind: SpanKind.SERVER, duration: 300 });
  const search = (parent: SpanLike, options = {}) =>
    programSpan('Search', {
      parent,
      remote: true,
      duration: 50,
      attributes: {
        'dspy.tag.shard': '7',
        metadata: '{"index":"v2"}',
        'dspy.client_request_id': 'from-search',
      },
      ...options,
    });
  const service = (experiment: string) => newExporter(experiment, { remoteRootTimeoutMs: 1_000 });

  async function stateOf(experiment: string): Promise<string[]> {
    const response: Response = await fetch(`${server.url}/api/3.0/mlflow/traces/search`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({
        locations: [
          {
            type: 'MLFLOW_EXPERIMENT',
            mlflow_experiment: { experiment_id: await rest.experimentId(experiment) },
          },
        ],
      }),
    });
    const { traces = [] } = (await response.json()) as { traces?: { state: string }[] };
    return traces.map(({ state }) => state);
  }

  it("is one, with the root's name, state and previews and both sides' tags, metadata and tokens", async () => {
    const experiment = newExperiment();
    const [here, there] = [newExporter(experiment), service(experiment)];
    const root = gateway();
    const client = makeSpan({ name: 'GET /search', kind: SpanKind.CLIENT, parent: root });
    const answer = programSpan('Answer', {
      parent: root,
      attributes: { 'output.value': '{"answer":"all"}' },
    });
    const local = search(client);
    await deliver(there, chatSpan(local), local);
    expect(await stateOf(experiment)).toEqual(['IN_PROGRESS']);
    await deliver(here, client, chatSpan(answer), answer, root);
    await there.shutdown();
    const stored = await only(experiment);
    expect(stored).toMatchObject({
      name: 'Answer',
      state: 'OK',
      responsePreview: '{"answer":"all"}',
      tags: { shard: '7' },
      metadata: { index: 'v2' },
      clientRequestId: 'from-search',
      tokens: { total_tokens: 240 },
    });
    expect(stored.durationMs).toBeGreaterThanOrEqual(300);
    expect(stored.roots).toHaveLength(1);
    expect(flatten(stored.roots)).toHaveLength(6);
  });

  it('keeps the state of a root that failed', async () => {
    const experiment = newExperiment();
    const root = makeSpan({ name: 'POST /ask', error: 'boom' });
    const there = service(experiment);
    await deliver(there, search(root));
    await deliver(newExporter(experiment), root);
    await there.shutdown();
    expect(await only(experiment)).toMatchObject({
      name: 'POST /ask',
      state: 'ERROR',
      tags: { shard: '7' },
    });
  });

  it('whose root is not recorded ends with the state, name and previews of this side', async () => {
    const experiment = newExperiment();
    const failed = search(gateway(), { error: 'boom' });
    await deliver(service(experiment), failed);
    // Not at shutdown: a few seconds after the local root ended.
    expect(await only(experiment)).toMatchObject({
      name: 'Search',
      state: 'ERROR',
      requestPreview: '{"question":"q?"}',
      metadata: { index: 'v2' },
    });
  });

  it('whose root comes after this side closed it gets the name and previews of the root from then on', async () => {
    const experiment = newExperiment();
    const root = gateway();
    const there = service(experiment);
    await deliver(there, search(root));
    await there.shutdown();
    expect(await only(experiment)).toMatchObject({ state: 'OK', name: 'Search' });
    await deliver(newExporter(experiment), root);
    const stored = await only(experiment);
    expect(stored).toMatchObject({ state: 'OK', name: 'POST /ask' });
    expect(flatten(stored.roots)).toHaveLength(2);
  });

  it('that this side closed as OK is in error when its root failed after all', async () => {
    const experiment = newExperiment();
    const root = makeSpan({ name: 'POST /ask', error: 'boom' });
    const client = makeSpan({ name: 'GET /search', kind: SpanKind.CLIENT, parent: root });
    const there = service(experiment);
    await deliver(there, search(client));
    await there.shutdown();
    expect(await only(experiment)).toMatchObject({ state: 'OK' });
    await deliver(newExporter(experiment), client, root);
    expect(await only(experiment)).toMatchObject({ state: 'ERROR', name: 'POST /ask' });
  });
});

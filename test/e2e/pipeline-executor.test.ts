import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type AxAIOpenAIModel, ai } from '@ax-llm/ax';
import {
  createProgram,
  DspyModelLoader,
  DspyPipelineExecutor,
  type ExecutionResult,
  type PipelineExecutorOptions,
  signatures,
} from '@hokusai/dspy-pipeline';
import { autolog, disableAutolog, getAutologClient } from '@hokusai/mlflow-dspy';
import { trace } from '@opentelemetry/api';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import {
  flatten,
  MlflowRest,
  type StoredRun,
  type StoredSpan,
  type StoredTrace,
} from '../support/mlflow-rest.js';
import { startMlflowServer, type TestMlflowServer } from '../support/mlflow-server.js';
import { type MockModel, startMockModel } from '../support/mock-model.js';

let server: TestMlflowServer;
let rest: MlflowRest;
let model: MockModel;
let llm: ReturnType<typeof ai>;
let root: string;

beforeAll(async () => {
  [server, model] = await Promise.all([startMlflowServer(), startMockModel()]);
  rest = new MlflowRest(server.url);
  const config = { model: 'gpt-4o-mini' as AxAIOpenAIModel };
  llm = ai({ name: 'openai', apiKey: 'test', apiURL: model.apiURL, config });
  root = mkdtempSync(join(tmpdir(), 'hokusai-pipeline-e2e-'));
});
afterAll(async () => {
  await getAutologClient()?.flush();
  disableAutolog();
  rmSync(root, { recursive: true, force: true });
  await Promise.all([server?.stop(), model?.stop()]);
});

const inputs = { topic: 'AI safety', purpose: 'a 200-word introduction' };
/** Ax retries by itself; here the executor's retries are looked at. */
const ONCE = { maxRetries: 0, retry: { maxRetries: 0 } };

function executorOf(options: PipelineExecutorOptions = {}): DspyPipelineExecutor {
  return new DspyPipelineExecutor({
    ai: llm,
    trackingUri: server.url,
    logLevel: 'silent',
    ...options,
  });
}

interface Stored {
  traces: StoredTrace[];
  runs: StoredRun[];
}

/** Delivers everything, and reads what an experiment has. */
async function stored(experiment: string, count: number): Promise<Stored> {
  await getAutologClient()?.flush();
  return { traces: await rest.traces(experiment, count), runs: await rest.runs(experiment) };
}

/** Trace and run of each result, in the order of the results. */
async function storedOf(
  experiment: string,
  results: readonly ExecutionResult<unknown>[],
): Promise<Stored> {
  const { traces, runs } = await stored(experiment, results.length);
  expect([traces.length, runs.length]).toEqual([results.length, results.length]);
  const ids = results.map(({ metadata }) => metadata.traceId);
  return {
    traces: ids.map((id) => traces.find((each) => each.id === `tr-${id}`) as StoredTrace),
    runs: ids.map(
      (id) => runs.find(({ tags }) => tags['dspy.run_key']?.startsWith(`${id}:`)) as StoredRun,
    ),
  };
}

/** What every span says of itself, without what differs from call to call. */
function shape({ name, type, inputs: given, outputs, attributes, children }: StoredSpan): unknown {
  const kept = Object.entries(attributes).filter(
    ([key]) => !/^mlflow\.trace|response\.(id|time)|cost|time_to_first/.test(key),
  );
  return {
    name,
    type,
    given,
    outputs,
    attributes: Object.fromEntries(kept),
    children: children.map(shape),
  };
}

describe('the executor with mlflowTracking', () => {
  it('turns tracing on by itself; an execution is one trace, named after the program, and one run', async () => {
    expect(getAutologClient()).toBeUndefined();
    const executor = executorOf();
    model.play(['Draft: Be careful.\nOutline: care']);
    const result = await executor.execute({ program: signatures.DraftText, inputs });
    expect(result.success).toBe(true);

    const { traces, runs } = await stored('dspy-execution', 1);
    expect(traces).toHaveLength(1);
    const [found] = traces;
    expect(found).toMatchObject({
      id: `tr-${result.metadata.traceId}`,
      name: 'DraftText',
      state: 'OK',
      tokens: { input_tokens: 11, output_tokens: 7, total_tokens: 18 },
    });
    const [span] = found?.roots ?? [];
    expect(found?.roots).toHaveLength(1);
    expect(span).toMatchObject({
      name: 'invoke_workflow DraftText',
      type: 'CHAIN',
      inputs,
      outputs: { draft: 'Be careful.', outline: 'care' },
      attributes: {
        'dspy.module.name': 'DraftText',
        'dspy.module.type': 'executor',
        'gen_ai.operation.name': 'invoke_workflow',
        'openinference.span.kind': 'CHAIN',
        'dspy.executor.mode': 'normal',
        'dspy.executor.timeout': 300,
        'dspy.executor.attempts': 1,
        'dspy.executor.cache_hit': false,
        'dspy.outcome': 'completed',
      },
    });
    expect(flatten(span?.children ?? []).map(({ name }) => name)).toEqual([
      'invoke_workflow DraftText',
      'chat gpt-4o-mini',
    ]);
    expect(span?.children[0]?.attributes).toMatchObject({ 'dspy.module.type': 'AxGen' });

    expect(runs).toHaveLength(1);
    expect(runs[0]).toMatchObject({
      name: 'DraftText',
      status: 'FINISHED',
      params: {
        program_name: 'DraftText',
        mode: 'normal',
        input_keys: 'topic, purpose',
        output_draft: 'Be careful.',
        output_outline: 'care',
      },
      metrics: { success: 1 },
    });
    expect(runs[0]?.metrics.execution_time).toBeCloseTo(result.executionTime, 1);
    const linked = await getAutologClient()
      ?.mlflow.getTraces({ runId: runs[0]?.id ?? '' })
      .toArray();
    expect(linked?.map(({ name }) => name)).toEqual(['DraftText']);
  });

  it('shows cache hits, dry runs and refused inputs as what they are', async () => {
    const executor = executorOf({ experimentName: 'kinds' });
    const program = createProgram('DraftText');
    model.play(['Draft: d']);
    const results = [
      await executor.execute({ program, inputs }),
      await executor.execute({ program, inputs }),
      await executor.execute({ program, inputs, mode: 'dryRun' }),
      await executor.execute({ program, inputs: { topic: 't' } as typeof inputs }),
      await executor.execute({ modelId: 'none', inputs }),
    ];

    const { traces, runs } = await storedOf('kinds', results);
    const roots = traces.map((each) => each.roots[0]);
    expect(traces.map(({ roots: [top] }) => flatten(top?.children ?? []).length)).toEqual([
      2, 0, 0, 0, 0,
    ]);
    expect(roots.map((top) => top?.attributes['dspy.executor.cache_hit'])).toEqual([
      false,
      true,
      false,
      false,
      false,
    ]);
    expect(roots.map((top) => top?.attributes['dspy.executor.mode'])).toEqual([
      'normal',
      'normal',
      'dryRun',
      'normal',
      'normal',
    ]);
    expect(traces.map(({ state }) => state)).toEqual(['OK', 'OK', 'OK', 'ERROR', 'ERROR']);
    expect(roots[3]?.status.message).toBe('DraftText: missing required input: purpose');
    expect(traces[4]?.name).toBe('none');
    expect(roots[4]?.attributes['dspy.executor.model_id']).toBe('none');
    expect(
      runs.map(({ status, params, metrics }) => [status, params.mode, metrics.success]),
    ).toEqual([
      ['FINISHED', 'normal', 1],
      ['FINISHED', 'normal', 1],
      ['FINISHED', 'dryRun', 1],
      ['FAILED', 'normal', 0],
      ['FAILED', 'normal', 0],
    ]);
  });

  it('shows attempts, timeouts and aborts', async () => {
    const executor = executorOf({ experimentName: 'endings', cacheEnabled: false });
    const program = createProgram('DraftText', ONCE);
    model.play([{ status: 503, message: 'busy' }, 'Draft: d']);
    const retry = await executor.execute({ program, inputs });
    const hanging = {
      forward: (_: unknown, __: object, { abortSignal }: { abortSignal: AbortSignal }) =>
        new Promise<never>((_resolve, reject) => {
          abortSignal.addEventListener('abort', () => reject(abortSignal.reason));
        }),
    };
    const timeout = await executor.execute({ program: hanging, inputs: {}, timeout: 0.05 });
    const signal = AbortSignal.timeout(50);
    const abort = await executor.execute({ program: hanging, inputs: {}, signal });

    const { traces, runs } = await storedOf('endings', [retry, timeout, abort]);
    const [retried, late, aborted] = traces.map((each) => each.roots[0]);
    expect(retried?.attributes).toMatchObject({
      'dspy.executor.attempts': 2,
      'dspy.outcome': 'completed',
    });
    expect(
      retried?.events.map(({ name, attributes }) => [name, attributes['dspy.attempt.index']]),
    ).toEqual([['dspy.attempt', 1]]);
    expect(retried?.children.map(({ status }) => status.code)).toEqual(['ERROR', 'OK']);
    expect(late?.attributes).toMatchObject({
      'dspy.outcome': 'timeout',
      'dspy.executor.timeout': 0.05,
    });
    expect(late?.status).toMatchObject({ code: 'ERROR', message: 'timeout after 0.05 seconds' });
    expect(aborted?.attributes['dspy.outcome']).toBe('aborted');
    expect(runs.map(({ status }) => status)).toEqual(['FINISHED', 'FAILED', 'KILLED']);
  });

  it('cuts the params of outputs: five of them, 100 characters each', async () => {
    const long = 'x'.repeat(300);
    const many = {
      forward: async () => ({ a: long, b: 1, c: [1, 2], d: { e: true }, f: 'f', g: 'left out' }),
    };
    await executorOf({ experimentName: 'params' }).execute({ program: many, inputs: {} });
    const { runs } = await stored('params', 1);
    const { program_name, mode, input_keys, ...outputs } = runs[0]?.params ?? {};
    expect(outputs).toEqual({
      output_a: 'x'.repeat(100),
      output_b: '1',
      output_c: '[1,2]',
      output_d: '{"e":true}',
      output_f: 'f',
    });
  });

  it('links thirty executions at once each to its own run', async () => {
    const executor = executorOf({ experimentName: 'batch', maxWorkers: 30 });
    model.play(
      ({ messages }) =>
        `Draft: about ${/Topic: (\S+)/.exec(String(messages.at(-1)?.content))?.[1]}`,
    );
    const results = await executor.executeBatch({
      program: createProgram('DraftText', { name: 'Batch' }),
      inputsList: Array.from({ length: 30 }, (_, id) => ({
        topic: id === 13 ? '' : `t${id}`,
        purpose: 'p',
      })),
    });
    expect(results.filter(({ success }) => !success)).toHaveLength(1);
    const { traces, runs } = await stored('batch', 30);
    expect(traces).toHaveLength(30);
    expect(runs).toHaveLength(30);
    const client = getAutologClient()?.mlflow;
    const seen = new Set<string>();
    for (const run of runs) {
      const linked = (await client?.getTraces({ runId: run.id }).toArray()) ?? [];
      expect(linked).toHaveLength(1);
      const outputs = linked[0]?.outputs as { draft?: string } | undefined;
      expect(outputs?.draft).toBe(run.params.output_draft);
      seen.add(linked[0]?.traceId ?? '');
    }
    expect(seen.size).toBe(30);
  });

  it('joins the caller’s trace', async () => {
    const executor = executorOf({ experimentName: 'joined' });
    model.play(['Draft: d']);
    await trace.getTracer('app').startActiveSpan('request', async (span) => {
      await executor.execute({ program: 'DraftText', inputs });
      span.end();
    });
    const { traces, runs } = await stored('joined', 1);
    expect(
      traces[0]?.roots.map(({ name, children }) => [name, children.map((child) => child.name)]),
    ).toEqual([['request', ['invoke_workflow DraftText']]]);
    expect(runs).toHaveLength(1);
  });
});

describe('a loaded program', () => {
  it('is traced exactly like one built in code, under its config’s name and version', async () => {
    writeFileSync(
      join(root, 'writer.yaml'),
      'name: writer\nversion: "2.0"\nsignatures: { Draft: DraftText }\nmodel_config: { model_name: gpt-4o, temperature: 0.5 }\n',
    );
    const loaded = await new DspyModelLoader({ root }).loadFromConfig('writer.yaml');
    const built = createProgram('DraftText', {
      name: 'writer',
      version: '2.0',
      model: 'gpt-4o',
      modelConfig: { temperature: 0.5 },
    });
    model.play(['Draft: d']);
    const executor = executorOf({ experimentName: 'loaded' });
    const results = [
      await executor.execute({ program: built, inputs }),
      await executor.execute({ program: loaded, inputs }),
    ];
    await loaded.forward(llm, inputs);

    const [ofBuilt, ofLoaded] = (await storedOf('loaded', results)).traces;
    expect(ofLoaded?.name).toBe('writer');
    const runParts = /dspy\.run\./;
    const shapes = [ofBuilt, ofLoaded].map((each) => {
      const top = each?.roots[0] as StoredSpan;
      const attributes = Object.entries(top.attributes).filter(([key]) => !runParts.test(key));
      return shape({ ...top, attributes: Object.fromEntries(attributes) });
    });
    expect(shapes[1]).toEqual(shapes[0]);
    const spans = flatten(ofLoaded?.roots ?? []);
    expect(
      spans.map(({ attributes }) => [
        attributes['dspy.module.name'],
        attributes['dspy.module.type'],
        attributes['dspy.module.version'],
      ]),
    ).toEqual([
      ['writer', 'executor', '2.0'],
      ['writer', 'AxGen', '2.0'],
      ['gpt-4o', 'model', undefined],
    ]);
    const [direct] = await rest.traces('dspy-execution', 2).then((all) => all.slice(-1));
    expect(direct?.name).toBe('writer');
    expect(direct?.roots[0]?.attributes).toMatchObject({
      'dspy.module.type': 'AxGen',
      'dspy.module.version': '2.0',
    });
  });

  it('shows every step and pass of a chain, with its signature', async () => {
    writeFileSync(
      join(root, 'chain.yaml'),
      `name: polish
version: "1.0.1"
signatures:
  Judge: { inputs: [text:str], outputs: [verdict:bool] }
chains:
  Polish:
    steps:
      - DraftText
      - { signature: Judge, inputs: { text: draft } }
    max_iterations: 2
    iterate_from: Judge
    until: verdict
`,
    );
    const chain = await new DspyModelLoader({ root }).loadFromConfig('chain.yaml');
    let judged = 0;
    model.play(({ messages }) =>
      String(messages[0]?.content).includes('`Verdict`') ? `Verdict: ${++judged > 1}` : 'Draft: d',
    );
    const executor = executorOf({ experimentName: 'chain' });
    expect(await executor.execute({ program: chain, inputs })).toMatchObject({
      outputs: { verdict: true },
    });
    const { traces } = await stored('chain', 1);
    expect(traces[0]?.name).toBe('polish');
    const [top] = traces[0]?.roots ?? [];
    const [flowSpan] = top?.children ?? [];
    expect(flowSpan?.attributes).toMatchObject({
      'dspy.module.name': 'polish',
      'dspy.module.type': 'AxFlow',
      'dspy.module.version': '1.0.1',
    });
    expect(String(flowSpan?.attributes['dspy.signature'])).toMatch(
      /^topic:string.* -> verdict:boolean$/,
    );
    expect(flowSpan?.children.map(({ name }) => name)).toEqual([
      'invoke_workflow DraftText',
      'invoke_workflow Judge',
      'invoke_workflow Judge',
    ]);
  });
});

describe('tracing settings', () => {
  it('hold for the executor: content', async () => {
    const canary = 'canary-7f3';
    autolog({
      trackingUri: server.url,
      experimentName: 'private',
      logInputs: false,
      logOutputs: false,
    });
    const executor = executorOf();
    const program = createProgram('DraftText', ONCE);
    model.play([`Draft: ${canary}`, { status: 400, message: canary }]);
    const results = [
      await executor.execute({ program, inputs: { topic: canary, purpose: canary } }),
      await executor.execute({ program, inputs: { topic: `${canary} 2`, purpose: canary } }),
    ];
    const { traces, runs } = await storedOf('private', results);
    const text = JSON.stringify({ traces, runs }, (_, value: unknown) =>
      typeof value === 'bigint' ? String(value) : value,
    );
    expect(text).not.toContain(canary);
    expect(runs.map(({ params, metrics }) => [params.input_keys, metrics.success])).toEqual([
      ['topic, purpose', 1],
      ['topic, purpose', 0],
    ]);
  });

  it('hold for the executor: sampling leaves no partial traces', async () => {
    autolog({ trackingUri: server.url, experimentName: 'sampled', samplingRate: 0.5 });
    const executor = executorOf({ cacheEnabled: false });
    model.play(['Draft: d']);
    const results = await executor.executeBatch({
      program: 'DraftText',
      inputsList: Array(60).fill(inputs),
    });
    const ids = results.flatMap(({ metadata }) => metadata.traceId ?? []);
    expect(ids.length).toBeGreaterThan(10);
    expect(ids.length).toBeLessThan(50);
    const { traces, runs } = await stored('sampled', ids.length);
    expect(traces.map(({ id }) => id).sort()).toEqual(ids.map((id) => `tr-${id}`).sort());
    expect(runs).toHaveLength(ids.length);
    for (const { roots } of traces) expect(flatten(roots)).toHaveLength(3);
  });

  it('hold for the executor: filter, and nothing after disableAutolog()', async () => {
    autolog({
      trackingUri: server.url,
      experimentName: 'filtered',
      moduleFilter: (name) => name === 'Kept',
    });
    const executor = executorOf();
    model.play(['Draft: d']);
    const left = await executor.execute({
      program: createProgram('DraftText', { name: 'Left' }),
      inputs,
    });
    const kept = await executor.execute({
      program: createProgram('DraftText', { name: 'Kept' }),
      inputs,
    });
    expect(left.metadata.traceId).toBeUndefined();
    const { traces } = await stored('filtered', 1);
    expect(traces.map(({ id, name }) => [id, name])).toEqual([
      [`tr-${kept.metadata.traceId}`, 'Kept'],
    ]);

    disableAutolog();
    const off = await executor.execute({ program: 'DraftText', inputs });
    expect(off).toMatchObject({ success: true });
    expect(off.metadata.traceId).toBeUndefined();
  });
});

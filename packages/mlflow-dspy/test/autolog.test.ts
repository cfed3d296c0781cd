import { mkdtemp, rm } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { ax } from '@ax-llm/ax';
import { DspyInstrumentation } from '@hokusai/instrumentation-dspy';
import {
  autolog,
  disableAutolog,
  getAutologClient,
  MlflowDspyConfig,
  type MlflowDspyOptions,
  type SpanData,
  type TraceData,
} from '@hokusai/mlflow-dspy';
import { context, diag, trace } from '@opentelemetry/api';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it, vi } from 'vitest';
import { forgetWarnings } from '../src/log.js';
import { mockModel, question, TWO_STEPS_SPANS, twoSteps } from './support/programs.js';

let folder: string;
const warnings: string[] = [];

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'autolog-'));
});
afterAll(() => rm(folder, { recursive: true, force: true }));
beforeEach(() => {
  const nothing = () => {};
  diag.setLogger(
    {
      warn: (text) => warnings.push(text),
      error: (text) => warnings.push(text),
      info: nothing,
      debug: nothing,
      verbose: nothing,
    },
    { suppressOverrideMessage: true },
  );
});
afterEach(async () => {
  const client = getAutologClient();
  disableAutolog();
  await client?.flush();
  vi.unstubAllEnvs();
  forgetWarnings();
  warnings.splice(0);
});

function start(options: MlflowDspyOptions = {}) {
  const client = autolog({ trackingUri: `file:${folder}`, ...options });
  const traces: TraceData[] = [];
  const spans: SpanData[] = [];
  client.addTraceProcessor((data) => traces.push(data));
  client.onSpan((data) => spans.push(data));
  return { client, traces, spans };
}

const ask = (value = 'what?') => question().forward(mockModel(), { question: value });

describe('autolog()', () => {
  it('traces a program that was imported before it, with nothing else to do', async () => {
    const { client, traces } = start();
    expect(await ask('two and two?')).toEqual({ answer: 'four' });
    await client.flush();
    expect(traces).toHaveLength(1);
    expect(traces[0]).toMatchObject({
      name: 'AxGen(question -> answer)',
      state: 'OK',
      inputs: { question: 'two and two?' },
      outputs: { answer: 'four' },
      tokens: { inputTokens: 11, outputTokens: 7, totalTokens: 18 },
    });
    expect(traces[0]?.spans.map(({ type }) => type)).toEqual(['CHAIN', 'LLM']);
    expect(client.stats()).toMatchObject({ received: 2, waiting: 0, dropped: 0 });
    expect(client.stats().exporter).toMatchObject({ sent: 2, dropped: {} });
    expect(warnings).toEqual([]);
  });

  it('is the same client when called again, and doubles nothing', async () => {
    const { client, spans } = start();
    expect(autolog()).toBe(client);
    expect(autolog({ trackingUri: `file:${folder}` })).toBe(client);
    expect(getAutologClient()).toBe(client);
    await ask();
    await client.flush();
    expect(spans).toHaveLength(2);
  });

  it('is one in a process, also for another copy of the package or after a hot reload', async () => {
    const { client, spans } = start();
    vi.resetModules();
    const copy = await import('@hokusai/mlflow-dspy');
    expect(copy.autolog).not.toBe(autolog);
    expect(copy.autolog()).toBe(client);
    expect(copy.getAutologClient()).toBe(client);
    copy.autolog(new copy.MlflowDspyConfig({ trackingUri: `file:${folder}`, logInputs: false }));
    expect(client.config.logInputs).toBe(false);
    await ask();
    await client.flush();
    expect(spans).toHaveLength(2);
    copy.disableAutolog();
    expect(getAutologClient()).toBeUndefined();
  });

  it('without options changes nothing that runs; with options puts them in force', async () => {
    const { client, traces } = start({ samplingRate: 0.5, logInputs: true });
    autolog();
    expect(client.config.samplingRate).toBe(0.5);
    start({ logInputs: false });
    expect(client.config.samplingRate).toBe(1);
    await ask();
    await client.flush();
    expect(traces).toHaveLength(1);
    expect(traces[0]?.inputs).toBeUndefined();
    expect(traces[0]?.outputs).toEqual({ answer: 'four' });
  });

  it('reads the environment without options', async () => {
    vi.stubEnv('MLFLOW_TRACKING_URI', `file:${folder}`);
    vi.stubEnv('MLFLOW_DSPY_LOG_OUTPUTS', 'false');
    vi.stubEnv('MLFLOW_DSPY_EXPERIMENT', 'from-env');
    const client = autolog();
    expect(client.config).toMatchObject({ logOutputs: false, experimentName: 'from-env' });
    const traces: TraceData[] = [];
    client.addTraceProcessor((data) => traces.push(data));
    await ask();
    await client.flush();
    expect(traces.map(({ outputs }) => outputs)).toEqual([undefined]);
  });

  it('that is not enabled has a client, and traces nothing', async () => {
    const { client, spans } = start({ enabled: false });
    expect(client.config.enabled).toBe(false);
    expect(client.mode).toBe('off');
    expect(getAutologClient()?.config.enabled).toBe(false);
    await ask();
    await client.flush();
    expect(spans).toEqual([]);
  });

  it.each([
    ['MLFLOW_DSPY_ENABLED', 'false'],
    ['OTEL_SDK_DISABLED', 'true'],
    ['OTEL_NODE_DISABLED_INSTRUMENTATIONS', 'dspy'],
    ['OTEL_NODE_ENABLED_INSTRUMENTATIONS', 'http'],
  ])('is turned off by %s=%s', async (name, value) => {
    vi.stubEnv(name, value);
    const { client, spans } = start();
    await ask();
    await client.flush();
    expect(client.config.enabled).toBe(false);
    expect(spans).toEqual([]);
  });

  it('exports nothing with OTEL_TRACES_EXPORTER=none, and still tells processors', async () => {
    vi.stubEnv('OTEL_TRACES_EXPORTER', 'none');
    const client = autolog({});
    const traces: TraceData[] = [];
    client.addTraceProcessor((data) => traces.push(data));
    await ask();
    await client.flush();
    expect(traces).toHaveLength(1);
    expect(client.stats()).toEqual({ received: 2, waiting: 0, dropped: 0 });
  });

  it('says once what it cannot use, and never throws', async () => {
    vi.stubEnv('MLFLOW_DSPY_SAMPLING_RATE', '10%');
    const wrong = { trackingUri: `file:${folder}`, logInput: false } as MlflowDspyOptions;
    for (let i = 0; i < 3; i++) expect(() => autolog(wrong)).not.toThrow();
    expect(warnings).toEqual(
      [
        '@hokusai/mlflow-dspy: Unknown option logInput; no inputs are recorded. Did you mean logInputs?',
        '@hokusai/mlflow-dspy: MLFLOW_DSPY_SAMPLING_RATE="10%" is not a number from 0 to 1, such as 0.1 for 10 %; using 1.',
      ].sort((a, b) => b.localeCompare(a)),
    );
    for (const config of [null, 5, 'x', []]) {
      expect(() => autolog(config as never)).not.toThrow();
      disableAutolog();
    }
  });
});

describe('a fault while autolog() puts a configuration in force', () => {
  it('turns tracing off: what the old configuration would record may be what the new one forbids', async () => {
    const { client, spans } = start();
    const fault = vi.spyOn(DspyInstrumentation.prototype, 'setConfig').mockImplementation(() => {
      throw new Error('fault');
    });
    expect(() => autolog({ trackingUri: `file:${folder}`, logInputs: false })).not.toThrow();
    fault.mockRestore();
    await ask();
    await client.flush();
    expect(spans).toEqual([]);
    expect(getAutologClient()).toBeUndefined();
    expect(warnings).toEqual([expect.stringContaining('autolog() failed (fault)')]);
  });
});

describe('disableAutolog()', () => {
  it('stops at once and loses nothing that was recorded', async () => {
    const { client, spans } = start();
    await ask();
    const begun = question().forward(mockModel('Answer: late', 20), { question: 'slow' });
    disableAutolog();
    await ask();
    await begun;
    await client.flush();
    expect(getAutologClient()).toBeUndefined();
    expect(client.mode).toBe('off');
    // What was under way ends as it began, without the model call that came after.
    expect(spans.map(({ type }) => type)).toEqual(['LLM', 'CHAIN', 'CHAIN']);
    const found = await client.mlflow.getTraces({ includeSpans: false }).toArray();
    expect(found.filter(({ inputs }) => JSON.stringify(inputs)?.includes('slow'))).toHaveLength(1);
    await client.mlflow.close();
  });

  it('before autolog() does nothing', () => {
    expect(() => disableAutolog()).not.toThrow();
    expect(getAutologClient()).toBeUndefined();
  });

  it('may be followed by autolog() with another configuration', async () => {
    const first = start();
    disableAutolog();
    const second = start({ samplingRate: 0 });
    expect(second.client).not.toBe(first.client);
    await ask();
    await second.client.flush();
    expect(second.spans).toEqual([]);
    const third = start({ samplingRate: 1, customTags: { run: 'third' } });
    await ask();
    await third.client.flush();
    expect(third.traces.map(({ tags }) => tags)).toEqual([{ run: 'third' }]);
    expect(first.spans).toEqual([]);
  });
});

describe('the content switches of both conventions', () => {
  it.each([
    ['OPENINFERENCE_HIDE_INPUTS', 'true', [false, true]],
    ['OPENINFERENCE_HIDE_INPUTS', 'ture', [false, true]],
    ['OPENINFERENCE_HIDE_OUTPUTS', 'TRUE ', [true, false]],
    ['OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT', 'false', [false, false]],
    ['OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT', 'no_content', [false, false]],
    ['OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT', 'SPAN_ONLY', [true, true]],
  ])('%s=%j takes content away, whatever code says', async (name, value, recorded) => {
    vi.stubEnv(name, value);
    const { client, traces } = start({ logInputs: true, logOutputs: true });
    await ask();
    await client.flush();
    const [trace] = traces;
    expect([trace?.inputs !== undefined, trace?.outputs !== undefined]).toEqual(recorded);
  });
});

describe('what the guide configures', () => {
  it('filters programs by name and type', async () => {
    const { client, traces } = start({ moduleFilter: (name) => name === 'EmailDraft' });
    const draft = ax('question:string -> answer:string');
    class EmailDraft extends (draft.constructor as new (signature: string) => typeof draft) {}
    await new EmailDraft('question:string -> answer:string').forward(mockModel(), {
      question: 'a',
    });
    await ask();
    await client.flush();
    expect(traces.map(({ name }) => name)).toEqual(['EmailDraft']);
  });

  it('traces on a condition', async () => {
    const { client, traces } = start({ traceCondition: ({ question }) => question === 'beta' });
    await ask('beta');
    await ask('other');
    await client.flush();
    expect(traces.map(({ inputs }) => inputs)).toEqual([{ question: 'beta' }]);
  });

  it('sanitizes', async () => {
    const { client, spans } = start({
      inputSanitizer: ({ question, ...rest }) => ({ ...rest, question: `${question}`.slice(0, 4) }),
      outputSanitizer: () => 'hidden',
    });
    await ask('safe then canary');
    await client.flush();
    expect(spans).toHaveLength(2);
    expect(JSON.stringify(spans)).not.toContain('canary');
    expect(spans.at(-1)?.inputs).toEqual({ question: 'safe' });
    expect(spans.at(-1)?.outputs).toBe('hidden');
  });
});

describe('both copies of Ax', () => {
  it('in one process are traced, and both untraced again', async () => {
    const cjs = createRequire(import.meta.url)('@ax-llm/ax') as typeof import('@ax-llm/ax');
    expect(cjs.AxGen).not.toBe((await import('@ax-llm/ax')).AxGen);
    const { client, spans } = start();
    const askCjs = () =>
      cjs.ax('question:string -> answer:string').forward(mockModel(), { question: 'from cjs' });
    await askCjs();
    await ask();
    await client.flush();
    expect(spans.filter(({ type }) => type === 'CHAIN')).toHaveLength(2);
    disableAutolog();
    await askCjs();
    await ask();
    await client.flush();
    expect(spans.filter(({ type }) => type === 'CHAIN')).toHaveLength(2);
  });
});

describe('volume', () => {
  it('a burst of 10,000 executions in one tick loses no span, with default settings', {
    timeout: 120_000,
  }, async () => {
    const { client } = start();
    const executions: Promise<unknown>[] = [];
    // Ax's programs and mock keep state that grows with every call, so they are shared by few.
    for (let i = 0; i < 500; i++) {
      const [program, model] = [question(), mockModel()];
      for (let j = 0; j < 20; j++)
        executions.push(program.forward(model, { question: `${i}.${j}` }));
    }
    await Promise.all(executions);
    await client.flush();
    const { received, waiting, dropped, exporter } = client.stats();
    expect({ received, waiting, dropped }).toEqual({ received: 20_000, waiting: 0, dropped: 0 });
    expect(exporter).toMatchObject({ received: 20_000, sent: 20_000, dropped: {} });
  });

  it.each([
    ['without a trace around them', false],
    ['in traces of the application', true],
  ])(
    '10,000 executions %s at a rate of 0.1 leave no partial trace',
    {
      timeout: 120_000,
    },
    async (_, around) => {
      const { client, spans } = start({ samplingRate: 0.1 });
      const inTrace = (fn: () => Promise<unknown>) => {
        if (!around) return fn();
        const span = trace.getTracer('app').startSpan('request');
        return context.with(trace.setSpan(context.active(), span), fn).finally(() => span.end());
      };
      for (let i = 0; i < 100; i++) {
        const [program, model] = [twoSteps(), mockModel()];
        await Promise.all(
          Array.from({ length: 100 }, () =>
            inTrace(() => program.forward(model, { question: 'q' })),
          ),
        );
      }
      await client.flush();
      const perTrace = new Map<string, number>();
      for (const { traceId, type } of spans) {
        if (type !== 'SPAN') perTrace.set(traceId, (perTrace.get(traceId) ?? 0) + 1);
      }
      expect(new Set(perTrace.values())).toEqual(new Set([TWO_STEPS_SPANS]));
      // Six standard deviations of 10,000 draws at 0.1.
      expect(Math.abs(perTrace.size - 1000)).toBeLessThan(180);
      expect(spans.filter(({ type }) => type === 'SPAN')).toHaveLength(around ? 10_000 : 0);
    },
  );
});

describe('a configuration made before', () => {
  it('is what counts, not what the environment became', () => {
    const config = new MlflowDspyConfig({ trackingUri: `file:${folder}`, samplingRate: 0.3 });
    vi.stubEnv('MLFLOW_DSPY_BUFFER_SIZE', '7');
    const client = autolog(config);
    expect(client.config).toBe(config);
    expect(client.config.traceBufferSize).toBe(100);
  });
});

import * as ax from '@ax-llm/ax';
import { DspyPipelineExecutor } from '@hokusai/dspy-pipeline';
import { autolog, disableAutolog, type SpanData } from '@hokusai/mlflow-dspy';
import {
  type Context,
  context,
  createTraceState,
  diag,
  propagation,
  SpanKind,
  trace,
} from '@opentelemetry/api';
import { AsyncLocalStorageContextManager } from '@opentelemetry/context-async-hooks';
import { W3CTraceContextPropagator } from '@opentelemetry/core';
import {
  BasicTracerProvider,
  type ReadableSpan,
  type Sampler,
  SamplingDecision,
  type Span,
  type SpanProcessor,
} from '@opentelemetry/sdk-trace-base';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { makeSpan, programSpan } from '../../../packages/exporter-mlflow/test/support/spans.js';
import { forgetWarnings } from '../../../packages/mlflow-dspy/src/log.js';
import { describeTrace } from '../../../packages/mlflow-dspy/src/processors/trace-data.js';
import { thrownValues } from '../programs/generators.js';
import { ANSWER, mockModel } from '../programs/world.js';
import { collector, QUESTION, SIGNATURE } from './support/tracing.js';

const said: string[] = [];
beforeEach(() => {
  diag.setLogger(collector(said), { suppressOverrideMessage: true });
});
afterEach(() => {
  disableAutolog();
  for (const api of [trace, context, propagation, diag]) api.disable();
  forgetWarnings();
  said.length = 0;
});

const ask = () =>
  ax.ax(SIGNATURE).forward(
    mockModel(() => {}, [ANSWER]),
    QUESTION,
  );

function watch(): { spans: SpanData[]; flush(): Promise<void>; received(): number } {
  const client = autolog({ exporters: [] });
  const spans: SpanData[] = [];
  client.onSpan((data) => spans.push(data));
  return { spans, flush: () => client.flush(), received: () => client.stats().received };
}

/** As the SDK of an error tracker brings it: decides for itself, adds state, keeps what it sees. */
class TheirSampler implements Sampler {
  readonly asked: string[] = [];
  shouldSample(_: Context, __: string, name: string, kind: SpanKind) {
    this.asked.push(name);
    return {
      decision:
        kind === SpanKind.SERVER ? SamplingDecision.RECORD : SamplingDecision.RECORD_AND_SAMPLED,
      attributes: { 'theirs.sample_rate': 1 },
      traceState: createTraceState('theirs=1'),
    };
  }
  toString(): string {
    return 'TheirSampler';
  }
}

class TheirProcessor implements SpanProcessor {
  readonly ended: ReadableSpan[] = [];
  onStart(span: Span): void {
    span.setAttribute('theirs', true);
  }
  onEnd(span: ReadableSpan): void {
    this.ended.push(span);
  }
  async forceFlush(): Promise<void> {}
  async shutdown(): Promise<void> {}
}

describe('an SDK of someone else on the global provider', () => {
  it.each(['before', 'after'])(
    'that was there %s autolog() costs neither side a span',
    async (when) => {
      const [sampler, processor] = [new TheirSampler(), new TheirProcessor()];
      const register = () => {
        const provider = new BasicTracerProvider({ sampler, spanProcessors: [processor] });
        trace.setGlobalTracerProvider(provider);
        context.setGlobalContextManager(new AsyncLocalStorageContextManager().enable());
        propagation.setGlobalPropagator(new W3CTraceContextPropagator());
      };
      if (when === 'before') register();
      const ours = watch();
      if (when === 'after') register();
      await Promise.all(Array.from({ length: 20 }, ask));
      await ours.flush();
      expect(ours.spans).toHaveLength(40);
      expect(ours.received()).toBe(40);
      expect(processor.ended).toHaveLength(40);
      expect(sampler.asked).toHaveLength(40);
      expect(new Set(ours.spans.map(({ traceId }) => traceId)).size).toBe(20);
      expect(ours.spans.every(({ attributes }) => attributes.theirs === true)).toBe(true);
      expect(said).toEqual([]);
    },
  );
});

describe('a processor that makes a span of every span that ends', () => {
  it('does not go round in circles with ours', async () => {
    const echoes = new Set<string>();
    const echo: SpanProcessor = {
      onStart: () => {},
      onEnd: (span) => {
        if (echoes.has(span.spanContext().spanId)) return;
        const echoed = trace.getTracer('echo').startSpan(`echo of ${span.name}`);
        echoes.add(echoed.spanContext().spanId);
        echoed.end();
      },
      forceFlush: async () => {},
      shutdown: async () => {},
    };
    trace.setGlobalTracerProvider(new BasicTracerProvider({ spanProcessors: [echo] }));
    context.setGlobalContextManager(new AsyncLocalStorageContextManager().enable());
    const ours = watch();
    await ask();
    await ours.flush();
    expect(ours.spans.map(({ name }) => name.startsWith('echo'))).toEqual(
      expect.arrayContaining([true, false]),
    );
    expect(ours.received()).toBe(4);
  });
});

describe('a listener that runs a program', () => {
  it('is not told of that program, and so on for ever', async () => {
    const client = autolog({ exporters: [] });
    let told = 0;
    client.addTraceProcessor(async () => {
      told++;
      await ask();
    });
    await ask();
    await client.flush();
    await client.flush();
    expect(told).toBe(1);
  });
});

describe('a listener that throws what cannot be read', () => {
  it.each<[string, () => unknown]>([
    [
      'an error whose message throws',
      () =>
        Object.defineProperty(new Error('x'), 'message', {
          get() {
            throw new Error('no message');
          },
        }),
    ],
    [
      'a revoked proxy',
      () => {
        const { proxy, revoke } = Proxy.revocable({}, {});
        revoke();
        return proxy;
      },
    ],
    ['an object without prototype', () => Object.create(null)],
    ['a symbol', () => Symbol('s')],
  ])('%s, is reported once, and the process goes on', async (_, thrown) => {
    const client = autolog({ exporters: [] });
    const told: string[] = [];
    client.addTraceProcessor(() => {
      throw thrown();
    });
    client.addTraceProcessor(async () => {
      throw thrown();
    });
    client.addTraceProcessor(({ name }) => told.push(name));
    for (let time = 0; time < 2; time++) {
      await ask();
      await client.flush();
    }
    expect(told).toHaveLength(2);
    expect(said.filter((text) => text.includes('trace processor failed'))).toHaveLength(1);
  });
});

describe('the executor of a program that throws what cannot be read', () => {
  it.each(Object.keys(thrownValues()))(
    '%s, gives a failed result that carries it',
    async (name) => {
      const nothing = () => {};
      const executor = new DspyPipelineExecutor({
        ai: mockModel(nothing, [ANSWER]),
        maxRetries: 0,
        mlflowTracking: false,
        logger: { error: nothing, warn: nothing, info: nothing, debug: nothing },
      });
      const thrown = thrownValues()[name];
      const program = {
        forward: async () => {
          throw thrown;
        },
      };
      const result = await executor.execute({ program: program as never, inputs: {} });
      await executor.shutdown();
      expect(result.success).toBe(false);
      expect(typeof result.error?.message).toBe('string');
      expect(Object.is(result.error?.cause, thrown)).toBe(true);
    },
  );
});

describe('spans that are each other’s parent', () => {
  it('are put in an order all the same', () => {
    const [one, two] = ['a'.repeat(16), 'b'.repeat(16)] as const;
    const traceId = 'c'.repeat(32);
    const start = Date.now();
    const spans = [
      makeSpan({ traceId, spanId: one, parent: two, start }),
      makeSpan({ traceId, spanId: two, parent: one, start }),
      makeSpan({ traceId, spanId: 'd'.repeat(16), parent: 'd'.repeat(16), start }),
    ];
    expect(describeTrace(spans).spans).toHaveLength(3);
  });
});

describe('spans of an SDK 1.x', () => {
  it('have their parents and are one trace to processors', () => {
    const root = programSpan('QA');
    const {
      parentSpanContext: _,
      instrumentationScope: scope,
      ...child
    } = makeSpan({ parent: root });
    const old = {
      ...child,
      parentSpanId: root.spanContext().spanId,
      instrumentationLibrary: scope,
    };
    const { name, spans } = describeTrace([old, root]);
    expect(name).toBe('QA');
    expect(spans.map(({ parentId }) => parentId)).toEqual([undefined, root.spanContext().spanId]);
  });
});

describe('spans that began in one millisecond', () => {
  it('of the same parent come in the order in which they ended, however they arrived', () => {
    const root = programSpan('QA');
    const start = Date.now();
    const calls = Array.from({ length: 5 }, (_, index) =>
      makeSpan({ parent: root, name: `call ${index}`, start, duration: 0.1 * (index + 1) }),
    );
    const spans = describeTrace([...calls.reverse(), root]).spans;
    expect(spans.filter(({ name }) => name.startsWith('call')).map(({ name }) => name)).toEqual([
      'call 0',
      'call 1',
      'call 2',
      'call 3',
      'call 4',
    ]);
  });
});

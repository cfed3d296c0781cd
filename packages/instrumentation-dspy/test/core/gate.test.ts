import { createRequire } from 'node:module';
import * as ax from '@ax-llm/ax';
import { context, trace } from '@opentelemetry/api';
import { afterAll, afterEach, beforeAll, describe, expect, it, vi } from 'vitest';
import { diagnostics } from '../../src/diagnostics.js';
import { DspyInstrumentation, type DspyInstrumentationConfig } from '../../src/index.js';
import { mockService } from '../support/mock-service.js';
import { startTracing, type Tracing } from '../support/tracing.js';

const cjs = createRequire(import.meta.url)('@ax-llm/ax') as typeof ax;

let tracing: Tracing;
beforeAll(() => {
  tracing = startTracing([ax, cjs]);
});
afterEach(() => {
  tracing.instrumentation.setConfig({});
  tracing.reset();
  expect(diagnostics.count()).toBe(0);
});
afterAll(() => tracing.stop());

const QUESTION = { question: 'why?' };
const configure = (config: DspyInstrumentationConfig) => tracing.instrumentation.setConfig(config);
const generator = () => ax.ax('question:string -> answer:string');
const run = (program = generator()) => program.forward(mockService(ax), { question: 'why?' });
const names = () => tracing.spans().map(({ name }) => name);

/** A program whose two steps are generators. */
function flow() {
  return (
    ax
      .flow<{ question: string }>()
      .node('first', 'question:string -> answer:string')
      .node('second', 'question:string -> answer:string')
      // biome-ignore lint/suspicious/noExplicitAny: the state of a flow
      .execute('first', (state: any) => ({ question: state.question }))
      // biome-ignore lint/suspicious/noExplicitAny: the state of a flow
      .execute('second', (state: any) => ({ question: state.question }))
      // biome-ignore lint/suspicious/noExplicitAny: the state of a flow
      .returns((state: any) => ({ answer: state.secondResult.answer }))
  );
}

describe('turned off', () => {
  it('by option, and on again', async () => {
    const original = ax.AxGen.prototype.forward;
    configure({ enabled: false });
    expect(ax.AxGen.prototype.forward).not.toBe(original);
    await run();
    expect(names()).toEqual([]);
    configure({ enabled: true });
    await run();
    expect(names()).toHaveLength(2);
  });

  it('by disable(), in every copy of Ax, and on again by enable()', async () => {
    const { instrumentation } = tracing;
    for (const copy of [ax, cjs]) {
      await copy.ax('question:string -> answer:string').forward(mockService(copy), QUESTION);
    }
    expect(names()).toHaveLength(4);
    tracing.reset();
    instrumentation.disable();
    for (const copy of [ax, cjs]) {
      expect(copy.AxGen.prototype.forward.name).toBe('forward');
      await copy.ax('question:string -> answer:string').forward(mockService(copy), QUESTION);
    }
    expect(names()).toEqual([]);
    instrumentation.enable();
    await run();
    expect(names()).toHaveLength(2);
  });

  it('by disable() while a call is under way: the call is traced to its end', async () => {
    let release = (): void => {};
    const before = () =>
      new Promise<void>((resolve) => {
        release = resolve;
      });
    const running = generator().forward(mockService(ax, { before }), QUESTION);
    await vi.waitFor(() => expect(release).toHaveLength(1));
    tracing.instrumentation.disable();
    release();
    await running;
    expect(names()).toHaveLength(2);
    expect(tracing.span(/^invoke/).attributes['dspy.outcome']).toBe('completed');
    tracing.instrumentation.enable();
  });

  it('leaves no trace of itself on the prototypes', () => {
    const { instrumentation } = tracing;
    instrumentation.disable();
    const before = Object.getOwnPropertyDescriptor(ax.AxGen.prototype, 'forward');
    instrumentation.enable();
    instrumentation.disable();
    expect(Object.getOwnPropertyDescriptor(ax.AxGen.prototype, 'forward')).toEqual(before);
    instrumentation.enable();
    const { value } = Object.getOwnPropertyDescriptor(ax.AxGen.prototype, 'forward') ?? {};
    expect([value.name, value.length]).toEqual(['forward', 3]);
  });
});

describe('twice instrumented', () => {
  it('by the same instrumentation or another, makes one span', async () => {
    tracing.instrumentation.manuallyInstrument(ax);
    const other = new DspyInstrumentation();
    other.manuallyInstrument(ax);
    await run();
    expect(names()).toHaveLength(2);
    other.disable();
    await run();
    expect(names()).toHaveLength(4);
  });

  it('a subclass that calls super.forward makes one span, of its own name', async () => {
    class Polite extends ax.AxGen<{ question: string }, { answer: string }> {
      override async forward(...args: Parameters<ax.AxGen['forward']>) {
        // biome-ignore lint/suspicious/noExplicitAny: passes on what it was given
        return (await super.forward(...(args as [any, any, any]))) as { answer: string };
      }
    }
    await run(new Polite('question:string -> answer:string') as never);
    expect(tracing.tree()).toBe('invoke_workflow Polite\n  chat');
    expect(tracing.span(/Polite/).attributes['dspy.module.type']).toBe('Polite');
  });
});

describe('samplingRate', () => {
  it('at a rate of 0 runs nothing in a context, which would have Node watch every promise', async () => {
    configure({ samplingRate: 0 });
    // The SDK is looked at anew.
    tracing.instrumentation.setTracerProvider(tracing.provider);
    const within = vi.spyOn(context, 'with');
    try {
      await run();
      expect(within).not.toHaveBeenCalled();
    } finally {
      within.mockRestore();
    }
  });

  it('0 makes no span', async () => {
    configure({ samplingRate: 0 });
    await run();
    expect(names()).toEqual([]);
  });

  it('decides whole executions', async () => {
    configure({ samplingRate: 0.5 });
    const program = flow();
    for (let i = 0; i < 200; i++) await program.forward(mockService(ax), { question: 'why?' });
    const byTrace = new Map<string, number>();
    for (const span of tracing.spans()) {
      const { traceId } = span.spanContext();
      byTrace.set(traceId, (byTrace.get(traceId) ?? 0) + 1);
    }
    expect(new Set(byTrace.values())).toEqual(new Set([5]));
    expect(byTrace.size).toBeGreaterThan(60);
    expect(byTrace.size).toBeLessThan(140);
  });

  it('decides by the trace id where there is one, and leaves other spans their parent', async () => {
    configure({ samplingRate: 0.5 });
    const kept: boolean[] = [];
    for (const low of ['00000000000001', 'ffffffffffffff']) {
      const parent = {
        traceId: `0123456789abcdef01${low}`,
        spanId: '0123456789abcdef',
        traceFlags: 1,
      };
      let inside: string | undefined;
      const service = mockService(ax, {
        before: async () => {
          inside = trace.getActiveSpan()?.spanContext().spanId;
        },
      });
      tracing.reset();
      await context.with(trace.setSpanContext(context.active(), parent), () =>
        generator().forward(service, { question: 'why?' }),
      );
      kept.push(names().length > 0);
      if (names().length === 0) expect(inside).toBe(parent.spanId);
    }
    expect(kept).toEqual([false, true]);
  });

  it('follows a parent that is not sampled', async () => {
    configure({ samplingRate: 0.999999 });
    const parent = {
      traceId: 'ffffffffffffffffffffffffffffffff',
      spanId: '0123456789abcdef',
      traceFlags: 0,
    };
    await context.with(trace.setSpanContext(context.active(), parent), () => run());
    expect(names()).toEqual([]);
  });
});

describe('moduleFilter', () => {
  it('leaves a program out; what is below attaches to the nearest traced ancestor', async () => {
    const seen: [string, string][] = [];
    configure({
      moduleFilter: (name, type) => {
        seen.push([name, type]);
        return name !== 'first';
      },
    });
    await flow().forward(mockService(ax), { question: 'why?' });
    const [root, ...below] = tracing.tree().split('\n');
    expect(root).toBe('invoke_workflow AxFlow(question -> firstAnswer, secondAnswer)');
    expect(below.sort()).toEqual(['    chat', '  chat', '  invoke_workflow second']);
    expect(seen).toContainEqual(['first', 'AxGen']);
    expect(seen).toContainEqual(['AxFlow(question -> firstAnswer, secondAnswer)', 'AxFlow']);
  });

  it('of the outermost program leaves its parts as executions of their own', async () => {
    configure({ moduleFilter: (name) => name === 'second' });
    await flow().forward(mockService(ax), { question: 'why?' });
    expect(tracing.tree()).toBe('invoke_workflow second\n  chat');
  });

  it('that throws traces the program', async () => {
    configure({
      moduleFilter: () => {
        throw new Error('filter');
      },
    });
    expect(await run()).toEqual({ answer: 'four' });
    expect(names()).toHaveLength(2);
  });
});

describe('traceCondition', () => {
  it('decides once an execution, by the inputs of its outermost program', async () => {
    const seen: unknown[] = [];
    configure({
      traceCondition: (inputs, info) => {
        seen.push([inputs, info.type]);
        return inputs.question === 'debug';
      },
    });
    await flow().forward(mockService(ax), { question: 'why?' });
    expect(names()).toEqual([]);
    await flow().forward(mockService(ax), { question: 'debug' });
    expect(names()).toHaveLength(5);
    expect(seen).toEqual([
      [{ question: 'why?' }, 'AxFlow'],
      [{ question: 'debug' }, 'AxFlow'],
    ]);
  });

  it('that throws traces the execution', async () => {
    configure({
      traceCondition: () => {
        throw new Error('condition');
      },
    });
    await run();
    expect(names()).toHaveLength(2);
  });
});

describe('logIntermediateSteps: false', () => {
  it('leaves the outermost program and its model calls, with tokens and cost', async () => {
    configure({ logIntermediateSteps: false });
    await flow().forward(mockService(ax), { question: 'why?' });
    expect(tracing.tree()).toBe(
      'invoke_workflow AxFlow(question -> firstAnswer, secondAnswer)\n  chat\n  chat',
    );
    expect(tracing.span(/AxFlow/).attributes).toMatchObject({
      'dspy.usage.model_calls': 2,
      'dspy.usage.total_tokens': 36,
    });
  });
});

import { AsyncLocalStorage } from 'node:async_hooks';
import * as axModule from '@ax-llm/ax';
import { context, createContextKey, trace } from '@opentelemetry/api';
import { BasicTracerProvider } from '@opentelemetry/sdk-trace-base';
import { afterAll, afterEach, beforeAll, describe, expect, it, vi } from 'vitest';
import { diagnostics } from '../../src/diagnostics.js';
import { traced } from '../../src/index.js';
import { viewOf } from '../../src/view.js';
import { loadAx } from '../support/ax.js';
import { mockService } from '../support/mock-service.js';
import { startTracing, type Tracing } from '../support/tracing.js';
import { unhandledIn } from '../support/unhandled.js';

// biome-ignore lint/suspicious/noExplicitAny: programs and services here are what the types of Ax do not allow
const ax: any = axModule;
const SIGNATURE = 'question:string -> answer:string';
const QUESTION = { question: 'why?' };

let tracing: Tracing;
beforeAll(() => {
  tracing = startTracing([ax]);
});
afterEach(() => {
  vi.restoreAllMocks();
  tracing.instrumentation.setConfig({});
  tracing.reset();
  expect(diagnostics.count()).toBe(0);
});
afterAll(() => tracing.stop());

describe('a promise of the program', () => {
  it('that is handled already is no unhandled one', async () => {
    const forward = () => {
      const rejected = Promise.reject(new Error('seen'));
      rejected.catch(() => {});
      return rejected;
    };
    const program = traced({ forward });
    expect(await unhandledIn(() => void program.forward())).toEqual([]);
    expect(tracing.spans()[0]?.status.message).toBe('seen');
  });

  it('that is kept is the same one every time', async () => {
    const kept = Promise.resolve('kept');
    const program = traced({ forward: () => kept });
    expect(program.forward()).toBe(kept);
    expect(await program.forward()).toBe('kept');
  });

  it('that nobody handles stays unhandled where it is new', async () => {
    const program = traced({
      forward: async () => {
        throw new Error('unseen');
      },
    });
    expect(await unhandledIn(() => void program.forward())).toEqual(['unseen']);
  });

  it('may be a thenable that its receiver freezes', async () => {
    // biome-ignore lint/suspicious/noThenProperty: what is tested
    const thenable = { then: (take: (value: number) => void) => take(4) };
    const program = traced({ forward: () => thenable });
    expect(await Object.freeze(program.forward())).toBe(4);
  });
});

describe('values of the application in the context', () => {
  const KEY = createContextKey('of the application');

  it('are those of who reads a stream', async () => {
    const seen: unknown[] = [];
    const service = mockService(ax);
    const { chat } = service;
    service.chat = (...args: unknown[]) => {
      seen.push(context.active().getValue(KEY));
      return Reflect.apply(chat, service, args);
    };
    const stream = new ax.AxGen(SIGNATURE).streamingForward(service, QUESTION);
    await context.with(context.active().setValue(KEY, 'at the reading'), async () => {
      for await (const _ of stream) seen.push(context.active().getValue(KEY));
    });
    expect(new Set(seen)).toEqual(new Set(['at the reading']));
    expect(tracing.tree()).toMatch(/^invoke_workflow.*\n {2}chat/);
  });

  it('are those of the caller where the parent is given', async () => {
    const parent = tracing.provider.getTracer('app').startSpan('parent');
    const given = trace.setSpan(context.active().setValue(KEY, 'of the parent'), parent);
    const seen: unknown[] = [];
    const service = mockService(ax, {
      before: async () => seen.push(context.active().getValue(KEY)),
    });
    await context.with(context.active().setValue(KEY, 'of the caller'), () =>
      new ax.AxGen(SIGNATURE).forward(service, QUESTION, { traceContext: given }),
    );
    parent.end();
    expect(seen).toEqual(['of the caller']);
    expect(tracing.span(/^invoke/).parentSpanContext?.spanId).toBe(parent.spanContext().spanId);
  });

  it('and so are those in an AsyncLocalStorage', async () => {
    const storage = new AsyncLocalStorage<string>();
    const seen: unknown[] = [];
    const service = mockService(ax, { before: async () => seen.push(storage.getStore()) });
    const stream = new ax.AxGen(SIGNATURE).streamingForward(service, QUESTION);
    await storage.run('at the reading', async () => {
      for await (const _ of stream);
    });
    expect(seen).toEqual(['at the reading']);
  });
});

describe('a tracer that is set', () => {
  const native = () => new BasicTracerProvider().getTracer('native');
  const calling = (service: object) => {
    const seen: unknown[] = [];
    const tool = {
      name: 'look',
      description: 'Looks something up',
      parameters: { type: 'object', properties: {} },
      func: async (_: unknown, extra: { ai?: unknown }) => {
        seen.push(extra.ai);
        return 'found';
      },
    };
    return { seen, service, tool };
  };
  const answers = () => {
    let calls = 0;
    return async () => ({
      results: [
        calls++ === 0
          ? {
              index: 0,
              content: '',
              finishReason: 'function_call',
              functionCalls: [
                { id: '1', type: 'function', function: { name: 'look', params: '{}' } },
              ],
            }
          : { index: 0, content: 'Answer: four', finishReason: 'stop' },
      ],
    });
  };

  it.each([12, 19, 24] as const)(
    'leaves tools the service of the program, Ax %i',
    async (major) => {
      // biome-ignore lint/suspicious/noExplicitAny: the types of Ax differ from major to major
      const copy: any = major === 24 ? ax : await loadAx(major);
      if (copy !== ax) tracing.instrumentation.manuallyInstrument(copy);
      const service = new copy.AxMockAIService({
        features: { functions: true, streaming: false },
        chatResponse: answers(),
        options: { tracer: native() },
      });
      const { seen, tool } = calling(service);
      const program = new copy.AxGen(SIGNATURE, { functions: [tool] });
      await program.forward(service, QUESTION, { tracer: native() });
      expect(seen).toEqual([service]);
      expect(seen[0]).toBe(service);
    },
  );

  it('cannot be taken from a frozen service, which works all the same', async () => {
    // biome-ignore lint/suspicious/noExplicitAny: see above
    const copy: any = await loadAx(19);
    tracing.instrumentation.manuallyInstrument(copy);
    const service = new copy.AxMockAIService({
      features: { functions: false, streaming: false },
      chatResponse: { results: [{ index: 0, content: 'Answer: four', finishReason: 'stop' }] },
    });
    Object.defineProperty(service, 'tracer', { get: native });
    const program = new copy.AxGen(SIGNATURE);
    expect(await program.forward(service, QUESTION)).toEqual({ answer: 'four' });
  });
});

it('what is sampled does not hang on the Math.random of the program', async () => {
  tracing.instrumentation.setConfig({ samplingRate: 0.5 });
  // Were it drawn from there, every execution would be sampled.
  vi.spyOn(Math, 'random').mockReturnValue(0.25);
  const runs = 40;
  for (let i = 0; i < runs; i++) await new ax.AxGen(SIGNATURE).forward(mockService(ax), QUESTION);
  const programs = tracing.spans().filter(({ name }) => name.startsWith('invoke'));
  expect(programs.length).toBeGreaterThan(0);
  expect(programs.length).toBeLessThan(runs);
});

describe('what stands in the place of a method', () => {
  it('looks like it', () => {
    const { forward } = ax.AxGen.prototype;
    expect(Object.getPrototypeOf(forward)).toBe(Object.getPrototypeOf(async () => {}));
    expect(Object.keys(forward)).toEqual([]);
    expect(
      Object.getOwnPropertySymbols(forward).filter((key) => isEnumerable(forward, key)),
    ).toEqual([]);
    expect(() => new forward()).toThrow(TypeError);
  });

  it('needs no bind of the method', () => {
    const method = Object.assign(() => 'ran', { bind: undefined });
    expect((viewOf({ method }, () => undefined).method as () => string)()).toBe('ran');
  });
});

function isEnumerable(object: object, key: PropertyKey): boolean {
  return Object.getOwnPropertyDescriptor(object, key)?.enumerable === true;
}

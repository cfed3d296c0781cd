import * as ax from '@ax-llm/ax';
import type { Span, Tracer } from '@opentelemetry/api';
import { afterAll, afterEach, beforeAll, describe, expect, it, vi } from 'vitest';
import { diagnostics } from '../../src/diagnostics.js';
import { Operation } from '../../src/execution/operation.js';
import { hooks } from '../../src/hooks/index.js';
import { mockService } from '../support/mock-service.js';
import { startTracing, type Tracing } from '../support/tracing.js';

let tracing: Tracing;
beforeAll(() => {
  tracing = startTracing([ax]);
});
afterEach(() => {
  vi.restoreAllMocks();
  diagnostics.reset();
  tracing.reset();
});
afterAll(() => tracing.stop());

const boom = (): never => {
  throw new Error('a fault of ours');
};

const tool = {
  name: 'getAge',
  description: 'Looks up the age of a thing',
  parameters: {
    type: 'object' as const,
    properties: { key: { type: 'string' as const, description: 'the key' } },
  },
  func: async () => 20,
};

/** A program with a tool, a model call that calls it, and a result that is known. */
async function run(): Promise<unknown> {
  let calls = 0;
  const service = new ax.AxMockAIService({
    features: { functions: true, streaming: false },
    chatResponse: async () => ({
      results: [
        calls++ === 0
          ? {
              index: 0,
              content: '',
              finishReason: 'function_call' as const,
              functionCalls: [
                {
                  id: 'call_1',
                  type: 'function' as const,
                  function: { name: 'getAge', params: '{"key":"k"}' },
                },
              ],
            }
          : { index: 0, content: 'Answer: four', finishReason: 'stop' as const },
      ],
    }),
  });
  const generator = ax.ax('question:string -> answer:string', { functions: [tool] });
  return generator.forward(service as never, { question: 'why?' });
}

async function stream(): Promise<unknown> {
  const values: unknown[] = [];
  const generator = ax.ax('question:string -> answer:string');
  for await (const { delta } of generator.streamingForward(mockService(ax), { question: 'why?' })) {
    values.push(delta);
  }
  return values;
}

const RESULTS: [() => Promise<unknown>, unknown][] = [
  [run, { answer: 'four' }],
  [stream, [{ answer: 'four' }]],
];

describe('a fault of ours', () => {
  const methods = [
    'recordInput',
    'recordOutput',
    'json',
    'set',
    'attempt',
    'addModelCall',
    'end',
    'fail',
  ] as const;

  it.each(methods)('in Operation.%s never reaches the program, and is counted', async (name) => {
    vi.spyOn(Operation.prototype, name).mockImplementation(boom);
    for (const [program, result] of RESULTS) expect(await program()).toEqual(result);
    if (!['attempt', 'fail'].includes(name)) expect(diagnostics.count()).toBeGreaterThan(0);
  });

  it.each([
    'setAttribute',
    'setAttributes',
    'addEvent',
    'setStatus',
    'end',
    'spanContext',
  ] as const)('of the SDK in Span.%s never reaches the program', async (name) => {
    const broken = brokenSpan(name);
    const restore = useTracer(() => broken);
    for (const [program, result] of RESULTS) expect(await program()).toEqual(result);
    restore();
  });

  it('of the SDK in startSpan never reaches the program', async () => {
    const restore = useTracer(boom);
    for (const [program, result] of RESULTS) expect(await program()).toEqual(result);
    expect(diagnostics.count('begin')).toBeGreaterThan(0);
    restore();
  });
});

describe('a program that fails', () => {
  it('fails with its own error when recording that fails too', async () => {
    vi.spyOn(Operation.prototype, 'fail').mockImplementation(boom);
    const own = new Error('mine');
    const service = mockService(ax, {
      before: async () => {
        throw own;
      },
    });
    const generator = ax.ax('question:string -> answer:string');
    await expect(generator.forward(service, { question: 'why?' })).rejects.toMatchObject({
      cause: own,
    });
  });
});

describe('a version of Ax without some of what is hooked', () => {
  it('is traced as far as it goes', async () => {
    const { AxFlow: _flow, AxAgent: _agent, AxJSRuntime: _runtime, ...less } = ax;
    const debug = vi.spyOn(diagnostics, 'debug');
    tracing.instrumentation.disable();
    tracing.instrumentation.manuallyInstrument({ ...less, AxMCPClient: class {} });
    tracing.instrumentation.enable();
    expect(debug.mock.calls.flat().join('\n')).toMatch(/AxFlow\.forward is not there/);
    expect(await run()).toEqual({ answer: 'four' });
    expect(tracing.spans().length).toBeGreaterThan(0);
  });

  it('has its hooks by name: a table of classes and methods', () => {
    for (const { target, method, wrap } of hooks) {
      expect([typeof target, typeof method, typeof wrap]).toEqual(['string', 'string', 'function']);
    }
    const names = hooks.map(({ target, method }) => `${target}.${method}`);
    expect(new Set(names).size).toBe(names.length);
  });
});

describe('diagnostics', () => {
  it('say what failed and never what the program had', () => {
    const said: string[] = [];
    vi.spyOn(console, 'error').mockImplementation((text) => void said.push(String(text)));
    diagnostics.fault('somewhere', new Error('CANARY'));
    diagnostics.fault('somewhere', { toString: boom });
    expect(diagnostics.count('somewhere')).toBe(2);
    expect(said.join()).not.toContain('CANARY');
  });
});

/** A span of which one method throws. */
function brokenSpan(name: keyof Span): Span {
  const span = {
    spanContext: () => ({ traceId: '1'.repeat(32), spanId: '1'.repeat(16), traceFlags: 1 }),
    isRecording: () => true,
  } as Record<string, unknown>;
  for (const method of ['setAttribute', 'setAttributes', 'addEvent', 'setStatus', 'end']) {
    span[method] ??= () => span;
  }
  span[name] = boom;
  return span as unknown as Span;
}

function useTracer(startSpan: () => Span): () => void {
  const instrumentation = tracing.instrumentation as unknown as { _tracer: Tracer };
  const before = instrumentation._tracer;
  instrumentation._tracer = { ...before, startSpan } as Tracer;
  return () => {
    instrumentation._tracer = before;
  };
}

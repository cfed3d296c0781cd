import * as ax from '@ax-llm/ax';
import { context, propagation, ROOT_CONTEXT, trace } from '@opentelemetry/api';
import { W3CTraceContextPropagator } from '@opentelemetry/core';
import type { ReadableSpan } from '@opentelemetry/sdk-trace-base';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it, vi } from 'vitest';
import { diagnostics } from '../../src/diagnostics.js';
import { traced, withTraceContext } from '../../src/index.js';
import { mockService } from '../support/mock-service.js';
import { startTracing, type Tracing } from '../support/tracing.js';

let tracing: Tracing;
beforeAll(() => {
  tracing = startTracing([ax]);
});
beforeEach(() => diagnostics.reset());
afterEach(() => {
  tracing.instrumentation.setConfig({});
  tracing.reset();
  expect(diagnostics.count()).toBe(0);
});
afterAll(() => tracing.stop());

const QUESTION = { question: 'why?' };
const generator = () => ax.ax('question:string -> answer:string');
const run = (options = {}) => generator().forward(mockService(ax), QUESTION, options);
const spanOf = (span: ReadableSpan) => span.spanContext().spanId;

describe('withTraceContext', () => {
  const values = {
    sessionId: 'session-1',
    userId: 'user-1',
    tags: { team: 'ml', stage: 'test' },
    metadata: { version: 2, nested: { a: [1] } },
    runId: 'run-1',
    experimentName: 'experiment-1',
    clientRequestId: 'request-1',
    prompts: [{ name: 'greeting', version: 3 }],
  };

  it('puts identity on every span and the rest on the outermost', async () => {
    await withTraceContext(values, () => run());
    const identity = {
      'session.id': 'session-1',
      'gen_ai.conversation.id': 'session-1',
      'user.id': 'user-1',
      'dspy.run_id': 'run-1',
      'dspy.experiment': 'experiment-1',
    };
    for (const span of tracing.spans()) expect(span.attributes).toMatchObject(identity);
    expect(tracing.span(/^invoke/).attributes).toMatchObject({
      'tag.tags': ['team:ml', 'stage:test'],
      'dspy.tag.team': 'ml',
      'dspy.tag.stage': 'test',
      metadata: '{"version":2,"nested":{"a":[1]}}',
      'dspy.client_request_id': 'request-1',
      'dspy.prompts': '[{"name":"greeting","version":"3"}]',
    });
    const keys = Object.keys(tracing.span(/^chat/).attributes).join();
    expect(keys).not.toMatch(/tag|metadata|client_request|prompts/);
  });

  it('returns and throws what its function does', async () => {
    expect(withTraceContext({}, () => 42)).toBe(42);
    const error = new Error('mine');
    expect(() =>
      withTraceContext({}, () => {
        throw error;
      }),
    ).toThrow(error);
  });

  it('adds up: inner values go before, tags and metadata key by key', async () => {
    await withTraceContext({ sessionId: 'outer', userId: 'u', tags: { a: '1', b: '1' } }, () =>
      withTraceContext({ sessionId: 'inner', tags: { b: '2' } }, () => run()),
    );
    expect(tracing.span(/^invoke/).attributes).toMatchObject({
      'session.id': 'inner',
      'user.id': 'u',
      'tag.tags': ['a:1', 'b:2'],
    });
  });

  it('joins the tags of the options', async () => {
    tracing.instrumentation.setConfig({ customTags: { env: 'test' } });
    await withTraceContext({ tags: { team: 'ml' } }, () => run());
    expect(tracing.span(/^invoke/).attributes['tag.tags']).toEqual(['env:test', 'team:ml']);
  });

  it('keeps concurrent executions apart', async () => {
    await Promise.all(
      Array.from({ length: 30 }, (_, index) =>
        withTraceContext({ runId: `run-${index}` }, async () => {
          await new Promise((resolve) => setTimeout(resolve, Math.random() * 5));
          await run();
        }),
      ),
    );
    const runs = new Map<string, Set<unknown>>();
    for (const span of tracing.spans()) {
      const { traceId } = span.spanContext();
      runs.set(traceId, (runs.get(traceId) ?? new Set()).add(span.attributes['dspy.run_id']));
    }
    expect(runs.size).toBe(30);
    expect([...runs.values()].every((ids) => ids.size === 1)).toBe(true);
  });

  it('reaches across timers', async () => {
    await withTraceContext(
      { sessionId: 'timer' },
      () =>
        new Promise<void>((resolve) => {
          setTimeout(() => void run().then(() => resolve()), 1);
        }),
    );
    expect(tracing.span(/^invoke/).attributes['session.id']).toBe('timer');
  });

  it('gives way to the session and user that a call names itself', async () => {
    await withTraceContext(values, () => run({ sessionId: 'own', usageContext: { userId: 'me' } }));
    for (const span of tracing.spans()) {
      expect(span.attributes).toMatchObject({
        'session.id': 'own',
        'gen_ai.conversation.id': 'own',
        'user.id': 'me',
      });
    }
  });

  it('holds no credentials, whatever their names in the settings', async () => {
    tracing.instrumentation.setConfig({ redactKeys: ['ssn'] });
    const private_ = {
      tags: { site: 'https://me:canary@host', header: 'Bearer canary1234567', token: 'canary' },
      metadata: { ssn: 'canary', deep: [{ SSN: 'canary', apiKey: 'canary' }], kept: 'stays' },
    };
    await withTraceContext({ ...private_, tags: { ...private_.tags, ssn: 'canary' } }, () => run());
    const { attributes } = tracing.span(/^invoke/);
    expect(JSON.stringify(attributes)).not.toContain('canary');
    expect(attributes).toMatchObject({
      'dspy.tag.site': 'https://host',
      'dspy.tag.header': 'Bearer [REDACTED]',
      'dspy.tag.token': '[REDACTED]',
      'dspy.tag.ssn': '[REDACTED]',
      metadata: expect.stringContaining('"kept":"stays"'),
    });
  });

  it('is serialised once for all executions in it, and not before one is recorded', async () => {
    let reads = 0;
    const metadata = {
      toJSON() {
        reads++;
        return 'read';
      },
    };
    await withTraceContext({ metadata: { metadata } }, async () => {
      expect(reads).toBe(0);
      await run();
      await run();
      expect(reads).toBe(1);
      tracing.instrumentation.setConfig({ redactKeys: ['metadata'] });
      await run();
    });
    const programs = tracing.spans().filter(({ name }) => name.startsWith('invoke'));
    expect(programs.map(({ attributes }) => attributes.metadata)).toEqual([
      '{"metadata":"read"}',
      '{"metadata":"read"}',
      '{"metadata":"[REDACTED]"}',
    ]);
    expect(reads).toBe(1);
  });

  it('says of what is below an execution only what was given there', async () => {
    const inner = traced({ forward: () => withTraceContext({ metadata: { b: 1 } }, () => run()) });
    tracing.instrumentation.setConfig({ customTags: { env: 'test' } });
    await withTraceContext({ metadata: { a: 1 } }, () => inner.forward());
    expect(tracing.span('invoke_workflow Object').attributes).toMatchObject({
      metadata: '{"a":1}',
      'tag.tags': ['env:test'],
    });
    const { attributes } = tracing.span(/AxGen/);
    expect(attributes.metadata).toBe('{"a":1,"b":1}');
    expect(attributes).not.toHaveProperty('tag.tags');
  });

  it('names what it does not know', () => {
    const warn = vi.spyOn(diagnostics, 'warnOnce');
    withTraceContext({ sesionId: 'x' } as object, () => {});
    expect(warn).toHaveBeenCalledWith(
      'trace context sesionId',
      expect.stringMatching(/"sesionId" is unknown.*sessionId/),
    );
    vi.restoreAllMocks();
  });
});

describe('traced', () => {
  it('gives the executions of a program metadata, a user and a session', async () => {
    const program = traced(generator()).setMetadata({ user_id: '12345', modelVersion: 'v2.1' });
    program.setMetadata({ sessionId: 'abc-def' });
    expect(await program.forward(mockService(ax), QUESTION)).toEqual({ answer: 'four' });
    expect(tracing.tree()).toBe('invoke_workflow AxGen(question -> answer)\n  chat');
    const { attributes } = tracing.span(/^invoke/);
    expect(attributes).toMatchObject({ 'user.id': '12345', 'session.id': 'abc-def' });
    expect(JSON.parse(String(attributes.metadata))).toEqual({
      user_id: '12345',
      modelVersion: 'v2.1',
      sessionId: 'abc-def',
    });
  });

  it('traces a program that Ax knows nothing of', async () => {
    const inner = generator();
    const plain = {
      forward: async (question: string) => inner.forward(mockService(ax), { question }),
      async *streamingForward(question: string) {
        yield `${question} and`;
        yield 'so on';
      },
    };
    const program = traced(plain);
    expect(await program.forward('why?')).toEqual({ answer: 'four' });
    expect(tracing.tree()).toBe(
      'invoke_workflow Object\n  invoke_workflow AxGen(question -> answer)\n    chat',
    );
    expect(tracing.span('invoke_workflow Object').attributes).toMatchObject({
      'input.value': 'why?',
      'output.value': '{"answer":"four"}',
      'dspy.usage.model_calls': 1,
    });
    tracing.reset();
    const chunks: string[] = [];
    for await (const chunk of program.streamingForward('why?')) chunks.push(chunk);
    expect(chunks).toEqual(['why? and', 'so on']);
    expect(tracing.span(/^invoke/).attributes).toMatchObject({ 'dspy.stream.chunks': 2 });
  });

  it('runs untraced when nothing is instrumented', async () => {
    tracing.instrumentation.disable();
    expect(await traced({ forward: async () => 1 }).forward()).toBe(1);
    expect(tracing.spans()).toEqual([]);
    tracing.instrumentation.enable();
  });
});

describe('parents', () => {
  it('are right in parallel executions and parallel branches', async () => {
    const inside: (string | undefined)[] = [];
    const service = () =>
      mockService(ax, {
        before: async () => {
          await new Promise((resolve) => setTimeout(resolve, Math.random() * 5));
          inside.push(trace.getActiveSpan()?.spanContext().spanId);
        },
      });
    await Promise.all(Array.from({ length: 20 }, () => generator().forward(service(), QUESTION)));
    const calls = tracing.spans().filter(({ name }) => name === 'chat');
    const programs = tracing.spans().filter(({ name }) => name.startsWith('invoke'));
    expect(new Set(inside)).toEqual(new Set(calls.map(spanOf)));
    expect(new Set(calls.map(({ parentSpanContext }) => parentSpanContext?.spanId))).toEqual(
      new Set(programs.map(spanOf)),
    );
  });

  it('are spans of the application too, above and below', async () => {
    const tracer = trace.getTracer('app');
    await tracer.startActiveSpan('request', async (span) => {
      await generator().forward(
        mockService(ax, { before: async () => tracer.startSpan('query').end() }),
        QUESTION,
      );
      span.end();
    });
    expect(tracing.tree()).toBe(
      'request\n  invoke_workflow AxGen(question -> answer)\n    chat\n      query',
    );
  });

  it('keep what the application put into the context, and let it add to it', async () => {
    const key = Symbol('own');
    const seen: unknown[] = [];
    const service = mockService(ax, {
      before: async () => {
        seen.push(context.active().getValue(key));
        const changed = context.active().setValue(key, 'changed');
        seen.push(changed.getValue(key), trace.getSpan(changed) !== undefined);
        seen.push(changed.deleteValue(key).getValue(key));
      },
    });
    await context.with(context.active().setValue(key, 'mine'), () =>
      generator().forward(service, QUESTION),
    );
    expect(seen).toEqual(['mine', 'changed', true, undefined]);
  });

  it('survive a recursion deeper than any stack of contexts', async () => {
    const program = traced({
      async forward(depth: number): Promise<number> {
        return depth === 0 ? 0 : 1 + (await program.forward(depth - 1));
      },
    });
    expect(await program.forward(300)).toBe(300);
    const spans = tracing.spans();
    expect(spans).toHaveLength(301);
    for (let i = 1; i < spans.length; i++) {
      expect(spans[i]?.parentSpanContext?.spanId).toBe(spanOf(spans[i - 1] as ReadableSpan));
    }
  });

  it('reach another process through W3C traceparent', async () => {
    propagation.setGlobalPropagator(new W3CTraceContextPropagator());
    const carrier: Record<string, string> = {};
    const service = mockService(ax, {
      before: async () => propagation.inject(context.active(), carrier),
    });
    await generator().forward(service, QUESTION);
    const call = tracing.span(/^chat/);
    expect(carrier.traceparent).toBe(
      `00-${call.spanContext().traceId}-${call.spanContext().spanId}-01`,
    );
    tracing.reset();
    // What the other process does with what it was sent.
    await context.with(propagation.extract(ROOT_CONTEXT, carrier), () => run());
    const program = tracing.span(/^invoke/);
    expect(program.spanContext().traceId).toBe(call.spanContext().traceId);
    expect(program.parentSpanContext?.spanId).toBe(call.spanContext().spanId);
    propagation.disable();
  });

  it('are taken from traceContext where the call names it', async () => {
    const span = trace.getTracer('app').startSpan('given');
    await run({ traceContext: trace.setSpan(ROOT_CONTEXT, span) });
    span.end();
    expect(tracing.span(/^invoke/).parentSpanContext?.spanId).toBe(span.spanContext().spanId);
  });
});

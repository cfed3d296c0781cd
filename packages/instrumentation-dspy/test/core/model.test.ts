import * as ax from '@ax-llm/ax';
import { context, createContextKey, trace } from '@opentelemetry/api';
import type { ReadableSpan } from '@opentelemetry/sdk-trace-base';
import { afterAll, afterEach, beforeAll, describe, expect, it, vi } from 'vitest';
import { diagnostics } from '../../src/diagnostics.js';
import { mockService } from '../support/mock-service.js';
import { startTracing, type Tracing } from '../support/tracing.js';

const INFERENCE = createContextKey('opentelemetry.genai.inference_span');
const USAGE = {
  ai: 'mock',
  model: 'mock-model',
  tokens: {
    promptTokens: 100,
    completionTokens: 20,
    totalTokens: 130,
    cacheReadTokens: 6,
    cacheCreationTokens: 4,
    reasoningTokens: 8,
  },
};

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

const generator = () => ax.ax('question:string -> answer:string');
const QUESTION = { question: 'why?' };
const namesOf = (span: ReadableSpan) => Object.keys(span.attributes);

describe('a model call', () => {
  it('says in the context that it is reported, and is the parent of what it does', async () => {
    let seen: unknown;
    const service = mockService(ax, {
      before: async () => {
        seen = context.active().getValue(INFERENCE);
        trace.getTracer('http').startSpan('POST').end();
      },
    });
    await generator().forward(service, QUESTION);
    const call = tracing.span('chat');
    expect((seen as typeof call).spanContext()).toEqual(call.spanContext());
    expect(tracing.span('POST').parentSpanContext).toMatchObject({
      spanId: call.spanContext().spanId,
    });
    expect(context.active().getValue(INFERENCE)).toBeUndefined();
  });

  it('that someone else reports is no second model call: its tokens are theirs', async () => {
    const theirs = context.active().setValue(INFERENCE, trace.getTracer('theirs').startSpan('x'));
    await context.with(theirs, () =>
      generator().forward(mockService(ax, { response: { modelUsage: USAGE } }), QUESTION),
    );
    const call = tracing.span('chat');
    expect(call.attributes['openinference.span.kind']).toBe('CHAIN');
    expect(namesOf(call).join()).not.toMatch(/usage|token_count|cost/);
    expect(tracing.span(/^invoke/).attributes['dspy.usage.input_tokens']).toBeUndefined();
  });

  it('has every count, and its program the sums', async () => {
    vi.spyOn(ax.AxMockAIService.prototype, 'getEstimatedCost').mockReturnValue(0.25);
    await generator().forward(mockService(ax, { response: { modelUsage: USAGE } }), QUESTION);
    expect(tracing.span('chat').attributes).toMatchObject({
      'gen_ai.usage.input_tokens': 110,
      'gen_ai.usage.output_tokens': 20,
      'gen_ai.usage.cache_read.input_tokens': 6,
      'gen_ai.usage.cache_creation.input_tokens': 4,
      'gen_ai.usage.cache_write.input_tokens': 4,
      'gen_ai.usage.reasoning.output_tokens': 8,
      'llm.token_count.prompt': 110,
      'llm.token_count.completion': 20,
      'llm.token_count.total': 130,
      'llm.token_count.prompt_details.cache_read': 6,
      'llm.token_count.prompt_details.cache_write': 4,
      'llm.token_count.completion_details.reasoning': 8,
      'llm.cost.total': 0.25,
    });
    expect(tracing.span(/^invoke/).attributes).toMatchObject({
      'dspy.usage.model_calls': 1,
      'dspy.usage.input_tokens': 110,
      'dspy.usage.output_tokens': 20,
      'dspy.usage.total_tokens': 130,
      'dspy.usage.cache_read_tokens': 6,
      'dspy.usage.cache_write_tokens': 4,
      'dspy.usage.reasoning_tokens': 8,
      'dspy.usage.cost': 0.25,
    });
  });

  it('with a long history and many tools stays within the limit of the SDK', async () => {
    const text = 'x'.repeat(5000);
    const history = Array.from({ length: 120 }, (_, index) => [
      { role: 'user' as const, content: `question ${index} ${text}` },
      {
        role: 'assistant' as const,
        functionCalls: [
          { id: `c${index}`, type: 'function' as const, function: { name: 'f', params: '{}' } },
        ],
      },
      { role: 'function' as const, functionId: `c${index}`, result: text },
    ]).flat();
    const functions = Array.from({ length: 40 }, (_, index) => ({
      name: `tool${index}`,
      description: 'does something',
      parameters: { type: 'object' as const, properties: {} },
    }));
    await mockService(ax).chat(
      {
        chatPrompt: [{ role: 'system', content: 'Be brief.' }, ...history],
        functions,
      },
      { stream: false },
    );
    const call = tracing.span('chat');
    expect(call.droppedAttributesCount).toBe(0);
    expect(call.attributes).toMatchObject({
      'gen_ai.usage.input_tokens': 11,
      'llm.token_count.total': 18,
      'dspy.outcome': 'completed',
      'llm.output_messages.0.message.content': 'Answer: four',
      'llm.input_messages.0.message.content': 'Be brief.',
    });
    expect(call.attributes['dspy.truncated']).toEqual(
      expect.arrayContaining([
        'gen_ai.input.messages',
        'input.value',
        'llm.input_messages',
        'llm.tools',
      ]),
    );
    const json = String(call.attributes['gen_ai.input.messages']);
    expect(Buffer.byteLength(json)).toBeLessThanOrEqual(65_536);
    const messages = JSON.parse(json);
    expect(messages[0]).toEqual({
      role: 'system',
      parts: [{ type: 'text', content: 'Be brief.' }],
    });
    expect(messages.at(-1)).toMatchObject({ role: 'tool', parts: [{ id: 'c119' }] });
  });

  it('has the parameters of its own request, whatever the calls before had', async () => {
    const [one, other] = [mockService(ax), mockService(ax)];
    const requests: [unknown, object][] = [
      [one, { temperature: 0.1 }],
      [other, { temperature: 0.2, maxTokens: 7 }],
      [one, { temperature: 0.2 }],
      [one, { temperature: 0.1 }],
    ];
    for (const [service, modelConfig] of requests) {
      // biome-ignore lint/suspicious/noExplicitAny: a mock service
      await (service as any).chat(
        { chatPrompt: [{ role: 'user', content: 'hi' }], modelConfig },
        { stream: false },
      );
    }
    const parameters = tracing
      .spans()
      .map(({ attributes }) => [
        attributes['gen_ai.request.temperature'],
        attributes['gen_ai.request.max_tokens'],
        JSON.parse(String(attributes['llm.invocation_parameters'])),
      ]);
    expect(parameters).toEqual([
      [0.1, undefined, { temperature: 0.1, stream: false }],
      [0.2, 7, { temperature: 0.2, maxTokens: 7, stream: false }],
      [0.2, undefined, { temperature: 0.2, stream: false }],
      [0.1, undefined, { temperature: 0.1, stream: false }],
    ]);
  });
});

describe('the description of a program', () => {
  const described = () => {
    const { attributes } = tracing.span(/^invoke/);
    tracing.reset();
    return [attributes['dspy.signature'], attributes['dspy.instruction']];
  };

  it('follows a change of its signature, and is its own beside an equal one', async () => {
    const program = generator();
    const signature = program.getSignature();
    signature.setDescription('Answer in one word, as briefly as you can');
    program.setSignature(signature);
    await program.forward(mockService(ax), QUESTION);
    expect(described()).toEqual([
      '"Answer in one word, as briefly as you can" question:string -> answer:string',
      'Answer in one word, as briefly as you can',
    ]);
    await generator().forward(mockService(ax), QUESTION);
    expect(described()).toEqual(['question:string -> answer:string', undefined]);
    program.setInstruction('Be kind to whoever asks you something');
    await program.forward(mockService(ax), QUESTION);
    expect(described()[1]).toBe('Be kind to whoever asks you something');
  });
});

describe('a model call that its provider refused', () => {
  it('names the request, so that the provider can be asked', async () => {
    const refused = Object.assign(new Error('overloaded'), { status: 529, requestId: 'req_01A' });
    const service = mockService(ax, { before: () => Promise.reject(refused) });
    await expect(generator().forward(service, QUESTION)).rejects.toThrow();
    expect(tracing.span('chat').attributes).toMatchObject({
      'http.response.status_code': 529,
      'dspy.provider.request_id': 'req_01A',
      'error.type': '529',
    });
  });
});

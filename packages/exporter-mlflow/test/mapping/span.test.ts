import type { Attributes, Link } from '@opentelemetry/api';
import { describe, expect, it } from 'vitest';
import { mapSpan } from '../../src/mapping/span.js';
import type { SpanLike } from '../../src/types.js';
import { hrTime, makeSpan, type SpanOptions } from '../support/spans.js';

const map = (options: SpanOptions = {}) => {
  const mapped = mapSpan(makeSpan(options), {});
  if (!mapped) throw new Error('not mapped');
  return mapped.record;
};
const attributesOf = (attributes: Attributes) => map({ attributes }).attributes;

describe('span types', () => {
  it.each([
    ['chat', { 'gen_ai.operation.name': 'chat', 'openinference.span.kind': 'LLM' }, 'CHAT_MODEL'],
    ['embeddings', { 'gen_ai.operation.name': 'embeddings' }, 'EMBEDDING'],
    ['tool', { 'gen_ai.operation.name': 'execute_tool' }, 'TOOL'],
    [
      'agent',
      { 'gen_ai.operation.name': 'invoke_agent', 'openinference.span.kind': 'AGENT' },
      'AGENT',
    ],
    ['retrieval, which servers do not know', { 'gen_ai.operation.name': 'retrieval' }, 'RETRIEVER'],
    [
      'workflow, which servers do not know',
      { 'gen_ai.operation.name': 'invoke_workflow' },
      'CHAIN',
    ],
    [
      'metric',
      { 'gen_ai.operation.name': 'invoke_workflow', 'openinference.span.kind': 'EVALUATOR' },
      'EVALUATOR',
    ],
    ['optimizer', { 'dspy.module.type': 'optimizer', 'openinference.span.kind': 'CHAIN' }, 'TASK'],
    ['OpenInference LLM', { 'openinference.span.kind': 'LLM' }, 'LLM'],
    ['OpenInference reranker', { 'openinference.span.kind': 'RERANKER' }, 'RERANKER'],
    ['Traceloop workflow', { 'traceloop.span.kind': 'workflow' }, 'WORKFLOW'],
    ['Traceloop model call', { 'llm.request.type': 'chat' }, 'CHAT_MODEL'],
    ['Vercel AI', { 'ai.operationId': 'ai.generateText' }, 'LLM'],
    ['Vercel AI model call', { 'ai.operationId': 'ai.streamText.doStream' }, 'CHAT_MODEL'],
    ['Vercel AI tool', { 'ai.operationId': 'ai.toolCall' }, 'TOOL'],
    ['Langfuse', { 'langfuse.observation.type': 'generation' }, 'LLM'],
    ['Laminar', { 'lmnr.span.type': 'EXECUTOR' }, 'AGENT'],
    ['its own', { 'mlflow.spanType': '"MEMORY"', 'openinference.span.kind': 'LLM' }, 'MEMORY'],
    ['nothing known', { 'http.request.method': 'GET' }, 'UNKNOWN'],
    ['a key of Object', { 'openinference.span.kind': 'constructor' }, 'UNKNOWN'],
    ['null', { 'mlflow.spanType': 'null', 'openinference.span.kind': 'TOOL' }, 'TOOL'],
  ])('%s', (_, attributes, type) => {
    expect(attributesOf(attributes as Attributes)['mlflow.spanType']).toBe(type);
  });

  it('is cut to the width of the column', () => {
    expect(attributesOf({ 'mlflow.spanType': 'x'.repeat(900) })['mlflow.spanType']).toHaveLength(
      500,
    );
  });
});

describe('inputs and outputs', () => {
  const output = (value: string, mime?: string) =>
    attributesOf({ 'output.value': value, ...(mime ? { 'output.mime_type': mime } : {}) })[
      'mlflow.spanOutputs'
    ];
  const JSON_TYPE = 'application/json';

  it.each([
    ['an object stays JSON', '{"a":1}', JSON_TYPE, '{"a":1}'],
    ['a list stays JSON', '[1]', JSON_TYPE, '[1]'],
    ['a number becomes one', '3', JSON_TYPE, 3],
    ['a fraction becomes one', '2.5', JSON_TYPE, 2.5],
    ['a boolean becomes one', 'true', JSON_TYPE, true],
    ['a JSON text becomes the text', '"hi"', JSON_TYPE, 'hi'],
    ['null stays as it is', 'null', JSON_TYPE, 'null'],
    ['no JSON at all stays text', 'oops', JSON_TYPE, 'oops'],
    ['text stays text', 'hello', 'text/plain', 'hello'],
    ['text that is a number stays text', '3', 'text/plain', '3'],
    ['text that looks like an object is put in quotes', '{"a":1}', 'text/plain', '"{\\"a\\":1}"'],
    ['text in quotes is put in quotes', '"hi"', 'text/plain', '"\\"hi\\""'],
    ['text that only begins like an object stays', '{oops', 'text/plain', '{oops'],
    ['without a type an object is JSON', '{"a":1}', undefined, '{"a":1}'],
    ['without a type a number is text', '3', undefined, '3'],
  ])('%s', (_, value, mime, expected) => {
    expect(output(value, mime)).toBe(expected);
  });

  it('takes the place of what it was read from, and of flattened and renamed copies', () => {
    const messages = JSON.stringify([{ role: 'user', parts: [{ type: 'text', content: 'q?' }] }]);
    const attributes = attributesOf({
      'openinference.span.kind': 'LLM',
      'gen_ai.operation.name': 'chat',
      'input.value': messages,
      'input.mime_type': JSON_TYPE,
      'gen_ai.input.messages': messages,
      'llm.input_messages.0.message.role': 'user',
      'llm.input_messages.0.message.content': 'q?',
    });
    expect(attributes).toEqual({
      'openinference.span.kind': 'LLM',
      'gen_ai.operation.name': 'chat',
      'mlflow.spanType': 'CHAT_MODEL',
      'mlflow.spanInputs': messages,
    });
  });

  it('keeps other content beside it', () => {
    const attributes = attributesOf({
      'input.value': '{"prompt":"short"}',
      'gen_ai.input.messages': '[{"role":"user","parts":[]}]',
    });
    expect(attributes['mlflow.spanInputs']).toBe('{"prompt":"short"}');
    expect(attributes['gen_ai.input.messages']).toBe('[{"role":"user","parts":[]}]');
  });

  it('puts system instructions in front of the messages', () => {
    const attributes = attributesOf({
      'gen_ai.system_instructions': '[{"type":"text","content":"Be kind."}]',
      'gen_ai.input.messages': '[{"role":"user","parts":[{"type":"text","content":"q?"}]}]',
    });
    expect(JSON.parse(String(attributes['mlflow.spanInputs']))).toEqual([
      { role: 'system', parts: [{ type: 'text', content: 'Be kind.' }] },
      { role: 'user', parts: [{ type: 'text', content: 'q?' }] },
    ]);
  });

  it('reads what OpenInference flattens', () => {
    const attributes = attributesOf({
      'openinference.span.kind': 'LLM',
      'llm.input_messages.0.message.role': 'system',
      'llm.input_messages.0.message.content': 'Be kind.',
      'llm.input_messages.1.message.role': 'user',
      'llm.input_messages.1.message.contents.0.message_content.type': 'text',
      'llm.input_messages.1.message.contents.0.message_content.text': 'What is it?',
      'llm.input_messages.1.message.contents.1.message_content.type': 'image',
      'llm.input_messages.1.message.contents.1.message_content.image.image.url': 'http://x/y.png',
      'llm.input_messages.10.message.role': 'user',
      'llm.input_messages.10.message.content': 'last',
      'llm.output_messages.0.message.role': 'assistant',
      'llm.output_messages.0.message.tool_calls.0.tool_call.id': 'c1',
      'llm.output_messages.0.message.tool_calls.0.tool_call.function.name': 'look',
      'llm.output_messages.0.message.tool_calls.0.tool_call.function.arguments': '{"at":1}',
    });
    expect(JSON.parse(String(attributes['mlflow.spanInputs']))).toEqual({
      messages: [
        { role: 'system', content: 'Be kind.' },
        {
          role: 'user',
          content: [
            { type: 'text', text: 'What is it?' },
            { type: 'image_url', image_url: { url: 'http://x/y.png' } },
          ],
        },
        { role: 'user', content: 'last' },
      ],
    });
    expect(JSON.parse(String(attributes['mlflow.spanOutputs']))).toEqual({
      choices: [
        {
          index: 0,
          message: {
            role: 'assistant',
            tool_calls: [
              { id: 'c1', type: 'function', function: { name: 'look', arguments: '{"at":1}' } },
            ],
          },
        },
      ],
    });
    expect(attributes['mlflow.message.format']).toBe('openai');
    expect(Object.keys(attributes).some((key) => key.startsWith('llm.'))).toBe(false);
  });

  it('recognises requests and answers of the OpenAI API', () => {
    const attributes = attributesOf({
      'openinference.span.kind': 'LLM',
      'input.value': '{"model":"gpt-4o","messages":[{"role":"user","content":"q?"}]}',
      'input.mime_type': JSON_TYPE,
    });
    expect(attributes['mlflow.message.format']).toBe('openai');
  });

  it('reads Traceloop', () => {
    const call = attributesOf({
      'llm.request.type': 'chat',
      'gen_ai.system': 'OpenAI',
      'gen_ai.prompt.0.role': 'user',
      'gen_ai.prompt.0.content': '[{"type":"text","text":"q?"}]',
      'gen_ai.completion.0.content': 'a!',
      'gen_ai.completion.0.finish_reason': 'stop',
      'gen_ai.usage.prompt_tokens': 11,
      'gen_ai.usage.completion_tokens': 7,
      'llm.usage.total_tokens': 18,
      'gen_ai.response.model': 'gpt-4o-2024-08-06',
    });
    expect(JSON.parse(String(call['mlflow.spanInputs']))).toEqual({
      messages: [{ role: 'user', content: [{ type: 'text', text: 'q?' }] }],
    });
    expect(JSON.parse(String(call['mlflow.spanOutputs'])).choices[0].message).toEqual({
      role: 'assistant',
      content: 'a!',
    });
    expect(call).toMatchObject({
      'mlflow.spanType': 'CHAT_MODEL',
      'mlflow.llm.model': 'gpt-4o-2024-08-06',
      'mlflow.llm.provider': 'openai',
      'mlflow.chat.tokenUsage': '{"input_tokens":11,"output_tokens":7,"total_tokens":18}',
    });
    const workflow = attributesOf({
      'traceloop.span.kind': 'workflow',
      'traceloop.entity.input': '{"args":["q?"],"kwargs":{}}',
      'traceloop.entity.output': '"a!"',
    });
    expect(workflow['mlflow.spanInputs']).toBe('{"args":["q?"],"kwargs":{}}');
  });

  it('reads Vercel AI', () => {
    const call = attributesOf({
      'ai.operationId': 'ai.generateText.doGenerate',
      'ai.model.id': 'gpt-4o-mini',
      'ai.model.provider': 'openai.chat',
      'ai.prompt.messages': '[{"role":"user","content":[{"type":"text","text":"q?"}]}]',
      'ai.prompt.tools': ['{"type":"function","name":"add"}'],
      'ai.response.text': 'a!',
      'ai.response.finishReason': 'stop',
      'ai.usage.promptTokens': 11,
      'ai.usage.completionTokens': 7,
      'gen_ai.system': 'openai.chat',
      'gen_ai.usage.input_tokens': 11,
      'gen_ai.usage.output_tokens': 7,
    });
    expect(JSON.parse(String(call['mlflow.spanInputs']))).toEqual({
      messages: [{ role: 'user', content: [{ type: 'text', text: 'q?' }] }],
      tools: [{ type: 'function', name: 'add' }],
    });
    expect(JSON.parse(String(call['mlflow.spanOutputs']))).toEqual({
      text: 'a!',
      finishReason: 'stop',
    });
    expect(call).toMatchObject({
      'mlflow.message.format': 'vercel_ai',
      'mlflow.llm.provider': 'openai',
      'mlflow.chat.tokenUsage': '{"input_tokens":11,"output_tokens":7,"total_tokens":18}',
    });
    const tool = attributesOf({
      'ai.operationId': 'ai.toolCall',
      'ai.toolCall.args': '{"a":1}',
      'ai.toolCall.result': '3',
    });
    expect(tool).toMatchObject({ 'mlflow.spanInputs': '{"a":1}', 'mlflow.spanOutputs': '3' });
  });

  it('reads documents and embedded texts', () => {
    const retriever = attributesOf({
      'openinference.span.kind': 'RETRIEVER',
      'input.value': 'q?',
      'retrieval.documents.0.document.content': 'text',
      'retrieval.documents.0.document.id': 'd1',
      'retrieval.documents.0.document.score': 0.5,
      'retrieval.documents.0.document.metadata': '{"page":3}',
    });
    expect(JSON.parse(String(retriever['mlflow.spanOutputs']))).toEqual([
      { page_content: 'text', id: 'd1', metadata: { page: 3, score: 0.5 } },
    ]);
    const embedding = attributesOf({
      'gen_ai.operation.name': 'embeddings',
      'embedding.embeddings.0.embedding.text': 'one',
      'embedding.embeddings.1.embedding.text': 'two',
    });
    expect(embedding['mlflow.spanInputs']).toBe('["one","two"]');
  });

  it("leaves values under MLflow's own names alone", () => {
    const attributes = attributesOf({ 'mlflow.spanInputs': '{"a":1}', 'input.value': 'other' });
    expect(attributes).toMatchObject({ 'mlflow.spanInputs': '{"a":1}', 'input.value': 'other' });
  });
});

describe('tools, tokens, cost, model', () => {
  it('writes tools in the shape of the OpenAI API', () => {
    const parameters = { type: 'object', properties: {} };
    const fromOtel = attributesOf({
      'gen_ai.tool.definitions': JSON.stringify([
        { type: 'function', name: 'add', description: 'adds', parameters },
      ]),
    });
    const fromOpenInference = attributesOf({
      'llm.tools.0.tool.json_schema': JSON.stringify({
        type: 'function',
        function: { name: 'add', description: 'adds', parameters },
      }),
    });
    const expected = [
      { type: 'function', function: { name: 'add', description: 'adds', parameters } },
    ];
    for (const attributes of [fromOtel, fromOpenInference]) {
      expect(JSON.parse(String(attributes['mlflow.chat.tools']))).toEqual(expected);
      expect(Object.keys(attributes).sort()).toEqual(['mlflow.chat.tools', 'mlflow.spanType']);
    }
  });

  it.each([
    [
      'a total that is missing is the sum',
      { 'gen_ai.usage.input_tokens': 5, 'gen_ai.usage.output_tokens': 7 },
      { input_tokens: 5, output_tokens: 7, total_tokens: 12 },
    ],
    [
      'cache reads and writes, under both names',
      {
        'gen_ai.usage.input_tokens': 9,
        'gen_ai.usage.output_tokens': 1,
        'gen_ai.usage.cache_read.input_tokens': 4,
        'gen_ai.usage.cache_creation.input_tokens': 2,
      },
      {
        input_tokens: 9,
        output_tokens: 1,
        total_tokens: 10,
        cache_read_input_tokens: 4,
        cache_creation_input_tokens: 2,
      },
    ],
    ['digits as text', { 'gen_ai.usage.input_tokens': '5' }, { input_tokens: 5, total_tokens: 5 }],
  ])('%s', (_, attributes, usage) => {
    expect(
      JSON.parse(String(attributesOf(attributes as Attributes)['mlflow.chat.tokenUsage'])),
    ).toEqual(usage);
  });

  it.each([
    ['zeros', { 'gen_ai.usage.input_tokens': 0, 'gen_ai.usage.output_tokens': 0 }],
    ['no number', { 'gen_ai.usage.input_tokens': 'many' }],
    ['not a number', { 'gen_ai.usage.input_tokens': Number.NaN }],
    ['less than nothing', { 'gen_ai.usage.input_tokens': -1 }],
  ])('%s are unknown counts', (_, attributes) => {
    expect(attributesOf(attributes as Attributes)['mlflow.chat.tokenUsage']).toBeUndefined();
  });

  it.each([
    ['a total', { 'llm.cost.total': 0.5 }, { total_cost: 0.5 }],
    [
      'parts',
      { 'llm.cost.prompt': 1, 'llm.cost.completion': 2 },
      { input_cost: 1, output_cost: 2, total_cost: 3 },
    ],
    [
      'what the server would refuse',
      { 'mlflow.llm.cost': '{"total_cost":"free"}', 'llm.cost.total': 1 },
      { total_cost: 1 },
    ],
  ])('cost: %s', (_, attributes, cost) => {
    expect(JSON.parse(String(attributesOf(attributes as Attributes)['mlflow.llm.cost']))).toEqual(
      cost,
    );
  });

  it('drops a cost that is no number', () => {
    expect(
      attributesOf({ 'mlflow.llm.cost': '{"total_cost":"free"}' })['mlflow.llm.cost'],
    ).toBeUndefined();
  });

  it.each([
    ['gcp.gemini', 'gemini'],
    ['aws.bedrock', 'bedrock'],
    ['azure.ai.openai', 'azure'],
    ['OpenAI', 'openai'],
    ['anthropic.messages', 'anthropic'],
    ['my.own', 'my.own'],
  ])('provider %s is priced as %s', (provider, priced) => {
    expect(attributesOf({ 'gen_ai.provider.name': provider })['mlflow.llm.provider']).toBe(priced);
  });
});

describe('what databases and servers refuse', () => {
  it('is mended everywhere', () => {
    const record = map({
      name: 'a\0b\ud83d',
      error: 'boom\0',
      attributes: {
        'k\0': 'v\0',
        list: ['x\0', 'y\udc00'],
        nan: Number.NaN,
        infinite: Number.POSITIVE_INFINITY,
        numbers: [1, Number.NaN],
      },
      events: [
        { name: 'e\0', time: hrTime(Date.now()), attributes: { 'exception.message': 'm\0' } },
      ],
    });
    expect(record.name).toBe('a\ufffdb\ufffd');
    expect(record.status.message).toBe('boom\ufffd');
    expect(record.attributes).toMatchObject({
      'k\ufffd': 'v\ufffd',
      list: ['x\ufffd', 'y\ufffd'],
      nan: 'NaN',
      infinite: 'Infinity',
      numbers: [1, null],
    });
    expect(record.events[0]).toMatchObject({
      name: 'e\ufffd',
      attributes: { 'exception.message': 'm\ufffd' },
    });
  });

  it.each(['session.id', 'gen_ai.conversation.id', 'user.id'])(
    '%s is cut, the whole kept',
    (key) => {
      const long = 'é'.repeat(300);
      const attributes = attributesOf({ [key]: long });
      expect(attributes[key]).toBe('é'.repeat(250));
      expect(attributes[`${key}.full`]).toBe(long);
    },
  );

  it('never cuts a character in two', () => {
    const attributes = attributesOf({ 'session.id': `${'x'.repeat(249)}😀` });
    expect(attributes['session.id']).toBe('x'.repeat(249));
  });
});

describe('the span itself', () => {
  it('has a status of OK or ERROR', () => {
    expect(map().status).toEqual({ code: 1 });
    expect(map({ error: 'boom' }).status).toEqual({ code: 2, message: 'boom' });
  });

  it('keeps nanoseconds', () => {
    const span = {
      ...makeSpan(),
      startTime: [1_795_570_000, 123_456_789],
      endTime: [1_795_570_001, 1],
    };
    const record = mapSpan(span as SpanLike, {})?.record;
    expect(record?.startTimeUnixNano).toBe(1_795_570_000_123_456_789n);
    expect(record?.endTimeUnixNano).toBe(1_795_570_001_000_000_001n);
  });

  it('that never ended, ends when it started', () => {
    const span = { ...makeSpan(), endTime: [0, 0] } as SpanLike;
    const record = mapSpan(span, {})?.record;
    expect(record?.endTimeUnixNano).toBe(record?.startTimeUnixNano);
  });

  it('is read in the shape of SDK 1.x', () => {
    const {
      parentSpanContext: _,
      instrumentationScope: scope,
      ...span
    } = makeSpan({
      parent: 'b7ad6b7169203331',
    });
    const record = mapSpan(
      { ...span, parentSpanId: 'b7ad6b7169203331', instrumentationLibrary: scope } as SpanLike,
      {},
    )?.record;
    expect(record).toMatchObject({ parentSpanId: 'b7ad6b7169203331', scope: { name: 'tests' } });
  });

  it.each([
    ['zero ids', '0'.repeat(32), '0'.repeat(16)],
    ['no hex', 'z'.repeat(32), 'z'.repeat(16)],
  ])('with %s is not mapped', (_, traceId, spanId) => {
    expect(mapSpan(makeSpan({ traceId, spanId }), {})).toBeUndefined();
  });

  it('is left as it was', () => {
    const span = makeSpan({
      attributes: { 'input.value': '{"a":1}', 'session.id': 'x'.repeat(300), list: ['a'] },
    });
    const before = structuredClone(span.attributes);
    mapSpan(span, {});
    expect(span.attributes).toEqual(before);
  });
});

describe('what OTLP cannot carry', () => {
  it.each([
    ['before 1970', [-5, 0], 0n],
    ['beyond what the database holds', [1e15, 0], 2n ** 63n - 1n],
  ] as const)('a time %s becomes the nearest that it can', (_, [seconds, nanos], expected) => {
    const time: [number, number] = [seconds, nanos];
    const span = {
      ...makeSpan({ events: [{ name: 'e', time }] }),
      startTime: time,
      endTime: time,
    };
    const record = mapSpan(span, {})?.record;
    expect(record?.startTimeUnixNano).toBe(expected);
    expect(record?.endTimeUnixNano).toBe(expected);
    expect(record?.events[0]?.timeUnixNano).toBe(expected);
  });

  it('a link without valid ids is left out', () => {
    const good = { traceId: 'a'.repeat(32), spanId: 'b'.repeat(16), traceFlags: 1 };
    const contexts = [good, { ...good, traceId: 'zz' }, {}, undefined, { ...good, spanId: '' }];
    const links = contexts.map((context) => ({ context })) as unknown as Link[];
    expect(map({ links }).links).toEqual([
      { traceId: good.traceId, spanId: good.spanId, attributes: {} },
    ]);
  });
});

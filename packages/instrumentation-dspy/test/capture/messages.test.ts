import { describe, expect, it } from 'vitest';
import {
  createStreamAssembler,
  finishReasons,
  messagesToJson,
  toInputMessages,
  toOutputMessages,
  toToolDefinitions,
} from '../../src/capture/messages.js';

const png = `iVBORw0KGgo${'A1b+'.repeat(1000)}`;

describe('toInputMessages', () => {
  it('puts every kind of Ax prompt into the shape of the conventions', () => {
    expect(
      toInputMessages([
        { role: 'system', content: 'Be brief', cache: true },
        {
          role: 'user',
          name: 'ann',
          content: [
            { type: 'text', text: 'Look' },
            { type: 'image', mimeType: 'image/png', image: png },
            { type: 'audio', data: 'aGVs'.repeat(50), format: 'wav' },
            {
              type: 'file',
              filename: 'report.pdf',
              mimeType: 'application/pdf',
              data: 'aGVs'.repeat(50),
            },
            { type: 'file', fileUri: 'gs://b/f.pdf', mimeType: 'application/pdf' },
            { type: 'url', url: 'https://x.org' },
            { type: 'novel', anything: 1 },
          ],
        },
        {
          role: 'assistant',
          thought: 'hm',
          content: 'Calling',
          functionCalls: [
            { id: 'c1', type: 'function', function: { name: 'add', params: '{"a":1}' } },
            { id: 'c2', type: 'function', function: { name: 'now' } },
          ],
        },
        { role: 'function', functionId: 'c1', result: '42', isError: false },
        { role: 'assistant', content: '' },
      ]),
    ).toEqual([
      { role: 'system', parts: [{ type: 'text', content: 'Be brief' }] },
      {
        role: 'user',
        name: 'ann',
        parts: [
          { type: 'text', content: 'Look' },
          { type: 'text', content: '<image/png 3.0 kB>' },
          { type: 'text', content: '<audio/wav 150 bytes>' },
          { type: 'text', content: 'report.pdf <application/pdf 150 bytes>' },
          { type: 'uri', modality: 'file', mime_type: 'application/pdf', uri: 'gs://b/f.pdf' },
          { type: 'uri', modality: 'file', uri: 'https://x.org' },
          { type: 'text', content: '{"type":"novel","anything":1}' },
        ],
      },
      {
        role: 'assistant',
        parts: [
          { type: 'reasoning', content: 'hm' },
          { type: 'text', content: 'Calling' },
          { type: 'tool_call', id: 'c1', name: 'add', arguments: { a: 1 } },
          { type: 'tool_call', id: 'c2', name: 'now' },
        ],
      },
      { role: 'tool', parts: [{ type: 'tool_call_response', id: 'c1', response: '42' }] },
      { role: 'assistant', parts: [{ type: 'text', content: '' }] },
    ]);
  });

  it('keeps media on request', () => {
    expect(
      toInputMessages(
        [{ role: 'user', content: [{ type: 'image', mimeType: 'image/png', image: png }] }],
        { keepMedia: true },
      ),
    ).toEqual([
      {
        role: 'user',
        parts: [{ type: 'blob', modality: 'image', mime_type: 'image/png', content: png }],
      },
    ]);
  });

  it('leaves arguments that are no JSON as they are', () => {
    const [message] = toInputMessages([
      {
        role: 'assistant',
        functionCalls: [
          { id: 'c', function: { name: 'f', params: '{"a":' } },
          { id: 'd', function: { name: 'g', params: { a: 1 } } },
        ],
      },
    ]);
    expect(message?.parts).toEqual([
      { type: 'tool_call', id: 'c', name: 'f', arguments: '{"a":' },
      { type: 'tool_call', id: 'd', name: 'g', arguments: { a: 1 } },
    ]);
  });

  it.each([[undefined], [null], ['text'], [{}], [[null]], [[{ role: 5, content: 5 }]]])(
    'takes %j without a throw',
    (prompt) => {
      expect(Array.isArray(toInputMessages(prompt))).toBe(true);
    },
  );

  it('looks at a bounded part of an endless history', () => {
    const history = Array.from({ length: 100_000 }, (_, index) => ({
      role: 'user',
      content: `m${index}`,
    }));
    const messages = toInputMessages(history);
    expect(messages).toHaveLength(1001);
    expect(messages[0]?.parts).toEqual([{ type: 'text', content: 'm0' }]);
    expect(messages[1]?.parts).toEqual([{ type: 'text', content: '[+99000 messages]' }]);
    expect(messages.at(-1)?.parts).toEqual([{ type: 'text', content: 'm99999' }]);
  });
});

describe('toOutputMessages', () => {
  it('gives every choice with its thought, tool calls, media, citations and finish reason', () => {
    const response = {
      results: [
        {
          index: 0,
          thought: 'hm',
          content: 'Four',
          citations: [{ url: 'https://x.org', title: 'X' }],
          finishReason: 'stop',
        },
        {
          index: 1,
          functionCalls: [
            { id: 'c1', type: 'function', function: { name: 'add', params: '{"a":1}' } },
          ],
          finishReason: 'function_call',
        },
        {
          index: 2,
          images: [{ data: png, mimeType: 'image/png' }, { url: 'https://x.org/i.png' }],
          audio: { transcript: 'hello', data: 'aGVs'.repeat(50), format: 'mp3' },
        },
        {
          index: 3,
          thoughtBlocks: [
            { data: 'a', encrypted: false },
            { data: 'xyz', encrypted: true },
          ],
          content: '',
          finishReason: 'length',
        },
      ],
    };
    expect(toOutputMessages(response)).toEqual([
      {
        role: 'assistant',
        parts: [
          { type: 'reasoning', content: 'hm' },
          { type: 'text', content: 'Four' },
        ],
        finish_reason: 'stop',
        citations: [{ url: 'https://x.org', title: 'X' }],
      },
      {
        role: 'assistant',
        parts: [{ type: 'tool_call', id: 'c1', name: 'add', arguments: { a: 1 } }],
        finish_reason: 'tool_call',
      },
      {
        role: 'assistant',
        parts: [
          { type: 'text', content: '<image/png 3.0 kB>' },
          { type: 'uri', modality: 'image', uri: 'https://x.org/i.png' },
          { type: 'text', content: 'hello' },
          { type: 'text', content: '<audio/mp3 150 bytes>' },
        ],
      },
      { role: 'assistant', parts: [{ type: 'reasoning', content: 'a' }], finish_reason: 'length' },
    ]);
    expect(finishReasons(response)).toEqual(['stop', 'tool_call', 'length']);
  });

  it.each([[undefined], [null], [{}], [{ results: 'x' }], [{ results: [null] }]])(
    'takes %j without a throw',
    (response) => {
      expect(Array.isArray(toOutputMessages(response))).toBe(true);
      expect(finishReasons(response)).toEqual([]);
    },
  );
});

describe('toToolDefinitions', () => {
  it('gives name, description and schema, and not the function', () => {
    expect(
      toToolDefinitions([
        { name: 'add', description: 'Adds', parameters: { type: 'object' }, func: () => 1 },
        { name: 'now' },
        null,
      ]),
    ).toEqual([
      { type: 'function', name: 'add', description: 'Adds', parameters: { type: 'object' } },
      { type: 'function', name: 'now' },
      { type: 'function', name: '' },
    ]);
  });
});

describe('messagesToJson', () => {
  const history = (count: number, size: number) =>
    toInputMessages([
      { role: 'system', content: `Rules ${'r'.repeat(size)}` },
      ...Array.from({ length: count }, (_, index) => ({
        role: 'user',
        content: `message ${index} ${'x'.repeat(size)}`,
      })),
    ]);

  it('gives what fits as it is', () => {
    const messages = history(3, 10);
    expect(messagesToJson(messages)).toEqual({
      json: JSON.stringify(messages),
      truncated: false,
      texts: messages.map(({ parts }) => parts.map((part) => 'content' in part && part.content)[0]),
    });
  });

  it.each([
    [2000, 100],
    [5000, 1000],
    [1500, 5000],
    [400, 50],
  ])('within %i bytes keeps the first and the last of messages of %i', (maxBytes, size) => {
    const { json, truncated } = messagesToJson(history(50, size), { maxBytes });
    expect(truncated).toBe(true);
    expect(Buffer.byteLength(json)).toBeLessThanOrEqual(maxBytes);
    const messages = JSON.parse(json) as { role: string; parts: { content: string }[] }[];
    expect(json).toContain('message 49');
    expect(messages[0]?.role).toBe('system');
    expect(messages[1]?.parts[0]?.content).toBe(`[+${51 - (messages.length - 1)} messages]`);
  });

  it('stays within any budget', () => {
    for (let maxBytes = 16; maxBytes < 600; maxBytes += 7) {
      const { json } = messagesToJson(history(5, 200), { maxBytes });
      expect(Buffer.byteLength(json)).toBeLessThanOrEqual(maxBytes);
      JSON.parse(json);
    }
  });
});

describe('createStreamAssembler', () => {
  it('puts text, thoughts, tool calls, ids, citations and usage together', () => {
    const assembler = createStreamAssembler();
    expect(assembler.started).toBe(false);
    assembler.push({ results: [{ index: 0, content: '' }], remoteId: 'r1' });
    expect(assembler.started).toBe(false);
    for (const chunk of [
      {
        results: [
          { index: 0, thought: 'h' },
          { index: 1, content: 'Zwei' },
        ],
      },
      { results: [{ index: 0, thought: 'm', content: 'Fo' }] },
      {
        results: [
          {
            index: 0,
            content: 'ur',
            citations: [{ url: 'u' }],
            functionCalls: [
              { id: 'a', function: { name: 'add', params: '{"x"' } },
              { id: 'b', function: { name: 'now', params: '' } },
            ],
          },
        ],
      },
      {
        results: [
          {
            index: 0,
            citations: [{ url: 'u' }, { url: 'v' }],
            functionCalls: [{ id: 'a', function: { name: '', params: ':1}' } }],
          },
        ],
      },
      {
        results: [{ index: 0, finishReason: 'function_call' }],
        modelUsage: {
          ai: 'A',
          model: 'm',
          tokens: { promptTokens: 5, completionTokens: 1, totalTokens: 6 },
        },
      },
      {
        results: [],
        modelUsage: {
          ai: 'A',
          model: 'm',
          tokens: { promptTokens: 0, completionTokens: 7, totalTokens: 7 },
        },
        remoteRequestId: 'q1',
      },
    ])
      assembler.push(chunk);
    expect(assembler.started).toBe(true);
    const response = assembler.response();
    expect(toOutputMessages(response)).toEqual([
      {
        role: 'assistant',
        finish_reason: 'tool_call',
        citations: [{ url: 'u' }, { url: 'v' }],
        parts: [
          { type: 'reasoning', content: 'hm' },
          { type: 'text', content: 'Four' },
          { type: 'tool_call', id: 'a', name: 'add', arguments: { x: 1 } },
          { type: 'tool_call', id: 'b', name: 'now', arguments: '' },
        ],
      },
      { role: 'assistant', parts: [{ type: 'text', content: 'Zwei' }] },
    ]);
    expect(response).toMatchObject({
      remoteId: 'r1',
      remoteRequestId: 'q1',
      modelUsage: { model: 'm', tokens: { promptTokens: 5, completionTokens: 7, totalTokens: 7 } },
    });
  });

  it('does not see what Ax appends to the objects of its own chunks', () => {
    const assembler = createStreamAssembler();
    const call = { id: 'a', function: { name: 'f', params: '{"x"' } };
    assembler.push({ results: [{ index: 0, functionCalls: [call] }] });
    call.function.params += ':1}';
    assembler.push({
      results: [{ index: 0, functionCalls: [{ id: 'a', function: { name: '', params: ':1}' } }] }],
    });
    expect(toOutputMessages(assembler.response())[0]?.parts).toEqual([
      { type: 'tool_call', id: 'a', name: 'f', arguments: { x: 1 } },
    ]);
  });

  it('takes results without an index, whole arguments and odd chunks', () => {
    const assembler = createStreamAssembler();
    for (const chunk of [
      undefined,
      null,
      'x',
      {},
      { results: [null, 5] },
      { results: [{ content: 'a' }, { content: 'b' }] },
      {
        results: [
          {
            functionCalls: [
              { id: 'a', function: { name: 'f', params: { x: 1 } } },
              { id: 'a', function: { params: { x: 2 } } },
              null,
            ],
          },
        ],
      },
      {
        get results() {
          throw new Error('no');
        },
      },
    ])
      assembler.push(chunk);
    const [first, second] = toOutputMessages(assembler.response());
    expect(first?.parts[0]).toEqual({ type: 'text', content: 'a' });
    expect(first?.parts[1]).toEqual({ type: 'tool_call', id: 'a', name: 'f', arguments: { x: 2 } });
    expect(second?.parts).toEqual([{ type: 'text', content: 'b' }]);
  });

  it('holds a bounded amount of an endless answer', () => {
    const assembler = createStreamAssembler(1000);
    for (let index = 0; index < 10_000; index++)
      assembler.push({
        results: [
          { index: 0, content: 'chunk ' },
          { index, content: 'x' },
        ],
      });
    const response = assembler.response();
    expect(response.results[0]?.content?.length).toBeLessThan(1010);
    expect(response.results.length).toBeLessThanOrEqual(128);
  });
});

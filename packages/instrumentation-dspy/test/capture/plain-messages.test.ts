import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { messagesToJson, type OutputMessage } from '../../src/capture/messages.js';
import { createKeyMatcher } from '../../src/capture/redact.js';
import { serialize, serializeText } from '../../src/capture/serialize.js';
import { fuzzCases } from '../support/fuzz.js';

fuzzCases();

const texts = fc.oneof(
  fc.string({ unit: 'grapheme', maxLength: 120 }),
  fc
    .array(fc.integer({ min: 0, max: 0xffff }), { maxLength: 80 })
    .map((units) => String.fromCharCode(...units)),
  fc
    .constantFrom(
      'data:image/png;base64,',
      'see data:image/png;base64,',
      'iVBORw0KGgo',
      'http://u:p@h/?key=x',
      '{"password":"x","n":1}',
      '[{"token":1},',
      'You are a helpful assistant.\n',
    )
    .chain((head) =>
      fc
        .constantFrom('', 'aB3+'.repeat(40), ' and text of some length after it')
        .map((tail) => head + tail),
    ),
);
const message: fc.Arbitrary<OutputMessage> = fc
  .record({
    role: fc.constantFrom('system', 'user', 'assistant', 'tool', 'od"d'),
    content: texts,
    finish: fc.constantFrom(undefined, undefined, 'stop', 'le"ngth'),
    name: fc.constantFrom(undefined, undefined, undefined, 'ann'),
  })
  .map(({ role, content, finish, name }) => {
    const made: OutputMessage = { role, parts: [{ type: 'text', content }] };
    if (finish !== undefined) made.finish_reason = finish;
    if (name !== undefined) made.name = name;
    return made;
  });
const matchers = [
  undefined,
  createKeyMatcher(),
  createKeyMatcher(['content']),
  createKeyMatcher(['n']),
];

describe('messages of one text each', () => {
  it('are recorded as any value is, however often they come', () => {
    fc.assert(
      fc.property(
        fc.array(message, { maxLength: 5 }),
        fc.constantFrom(...matchers),
        fc.boolean(),
        (messages, isSensitiveKey, keepMedia) => {
          const options = { isSensitiveKey, keepMedia, maxBytes: 65_536 };
          const expected = serialize(messages, options);
          for (let call = 0; call < 3; call++) {
            const { texts, ...recorded } = messagesToJson(messages, options);
            expect(recorded).toEqual(expected);
            if (texts === undefined) continue;
            expect(texts).toEqual(
              messages.map(({ parts: [part] }) =>
                part?.type === 'text' ? serializeText(part.content, options).text : undefined,
              ),
            );
          }
        },
      ),
    );
  });

  it('never exceed the budget', () => {
    fc.assert(
      fc.property(
        fc.array(message, { maxLength: 5 }),
        fc.integer({ min: 16, max: 3000 }),
        (messages, maxBytes) => {
          const { json } = messagesToJson(messages, { maxBytes });
          expect(Buffer.byteLength(json)).toBeLessThanOrEqual(maxBytes);
          JSON.parse(json);
        },
      ),
    );
  });

  it('give their texts, so that they are looked through once', () => {
    const system = `Rules: ${'be brief. '.repeat(20)}`;
    const messages = [
      { role: 'system', parts: [{ type: 'text' as const, content: system }] },
      { role: 'user', parts: [{ type: 'text' as const, content: 'http://u:p@h/x' }] },
    ];
    expect(messagesToJson(messages).texts).toEqual([system, 'http://h/x']);
  });

  it('are redacted where a redactor of texts is given', () => {
    const { json, texts } = messagesToJson(
      [{ role: 'user', parts: [{ type: 'text', content: 'I am Ann' }] }],
      { redactText: (text) => text.replaceAll('Ann', '[REDACTED]') },
    );
    expect(json).toBe('[{"role":"user","parts":[{"type":"text","content":"I am [REDACTED]"}]}]');
    expect(texts).toBeUndefined();
  });
});

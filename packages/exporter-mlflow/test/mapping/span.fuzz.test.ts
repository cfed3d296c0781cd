import type { Attributes } from '@opentelemetry/api';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { mapSpan } from '../../src/mapping/span.js';
import { TraceBook } from '../../src/mapping/trace-book.js';
import { encodeTraceRequest } from '../../src/otlp/encode.js';
import { decodeSpans } from '../support/otlp-decode.js';
import { hrTime, makeSpan } from '../support/spans.js';

/** Keys that the mapping reads, beside any others. */
const key = fc.oneof(
  fc.constantFrom(
    'input.value',
    'input.mime_type',
    'output.value',
    'gen_ai.input.messages',
    'gen_ai.operation.name',
    'gen_ai.usage.input_tokens',
    'gen_ai.tool.definitions',
    'gen_ai.evaluation.name',
    'gen_ai.evaluation.score.value',
    'llm.token_count.total',
    'llm.cost.total',
    'llm.input_messages.0.message.role',
    'llm.input_messages.0.message.contents.0.message_content.text',
    'llm.input_messages.0',
    'llm.tools.0.tool.json_schema',
    'retrieval.documents.0.document.metadata',
    'mlflow.spanType',
    'mlflow.llm.cost',
    'mlflow.chat.tokenUsage',
    'dspy.module.name',
    'dspy.run.kind',
    'dspy.run.metrics',
    'dspy.run.trace_ids',
    'dspy.tag.x',
    'dspy.experiment',
    'tag.tags',
    'metadata',
    'session.id',
    'user.id',
    'ai.operationId',
    'ai.prompt.messages',
    'traceloop.span.kind',
    '__proto__',
    'constructor',
    '',
  ),
  fc.string({ unit: 'binary', maxLength: 20 }),
);
const text = fc.oneof(
  fc.string({ unit: 'binary' }),
  fc.json(),
  fc.constantFrom('chat', 'ai.generateText.doGenerate', '[', '{"', 'null', '"', '\ud800', 'a\0b'),
);
const value = fc.oneof(
  text,
  fc.double(),
  fc.integer(),
  fc.boolean(),
  fc.bigInt(),
  fc.array(fc.oneof(text, fc.double(), fc.boolean(), fc.constant(null), fc.constant(undefined))),
  fc.constantFrom(
    null,
    undefined,
    Symbol('q'),
    () => 1,
    Object.create(null),
    new Date(Number.NaN),
    {
      toJSON() {
        throw new TypeError('no');
      },
    },
  ),
  fc.object(),
);
const attributes = fc
  .array(fc.tuple(key, value), { maxLength: 12 })
  .map((entries) => Object.fromEntries(entries) as Attributes);

describe('any span', () => {
  it('is mapped, put into a trace, and written so that it reads back', async () => {
    await fc.assert(
      fc.asyncProperty(
        text,
        attributes,
        attributes,
        fc.boolean(),
        async (name, own, ofEvent, failed) => {
          const span = makeSpan({
            name,
            attributes: own,
            events: [{ name: 'gen_ai.evaluation.result', time: hrTime(1), attributes: ofEvent }],
            ...(failed ? { error: 'boom' } : {}),
          });
          const mapped = mapSpan(span, {});
          if (!mapped) throw new Error('not mapped');
          const book = new TraceBook({
            experiment: {},
            tags: {},
            metadata: {},
            maxSpansPerTrace: 10,
            remoteRootTimeoutMs: 1,
            complain: () => undefined,
          });
          const { record } = book.add([mapped], 0).trace;
          const [read] = decodeSpans(await encodeTraceRequest(record.spans));
          expect(read?.spanId).toBe(span.spanContext().spanId);
          expect(typeof read?.attributes['mlflow.spanType']).toBe('string');
          const written = JSON.stringify(read, (_, item) => (typeof item === 'bigint' ? '' : item));
          expect(written.includes('\\u0000')).toBe(false);
          expect(JSON.stringify(record.info).includes('\\u0000')).toBe(false);
          for (const label of [
            ...Object.values(record.info.tags),
            ...Object.values(record.info.metadata),
          ]) {
            expect(typeof label).toBe('string');
            expect(label.isWellFormed()).toBe(true);
          }
        },
      ),
      { numRuns: 500 },
    );
  });
});

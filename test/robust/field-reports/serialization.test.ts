import { once } from 'node:events';
import { type AddressInfo, connect, createServer, type Socket } from 'node:net';
import * as ax from '@ax-llm/ax';
import { traceCall, withTraceContext } from '@hokusai/instrumentation-dspy';
import { JsonTraceSerializer, ProtobufTraceSerializer } from '@opentelemetry/otlp-transformer';
import type { ReadableSpan } from '@opentelemetry/sdk-trace-base';
import { describe, expect, it } from 'vitest';
import { decodeTraceRequest } from '../../../packages/exporter-mlflow/test/support/otlp-decode.js';
import { startTracing } from '../../../packages/instrumentation-dspy/test/support/tracing.js';
import { ANSWER, CALL, mockModel, tool } from '../programs/world.js';
import { QUESTION, SIGNATURE, textsOf, useTracing } from './support/tracing.js';

const traced = useTracing();
const model = (...answers: Parameters<typeof mockModel>[1]) => mockModel(() => {}, answers);

/** A model whose counts are no numbers, as they are where an undefined one was added to. */
function countless(): ax.AxAIService {
  return new ax.AxMockAIService({
    features: { functions: false, streaming: false },
    chatResponse: {
      results: [{ index: 0, content: ANSWER, finishReason: 'stop' }],
      modelUsage: {
        ai: 'mock',
        model: 'mock',
        tokens: {
          promptTokens: Number.NaN,
          completionTokens: Number.POSITIVE_INFINITY,
          totalTokens: Number.NaN,
        },
      },
    },
  }) as unknown as ax.AxAIService;
}

describe('numbers that JSON does not have', () => {
  async function run(): Promise<ReadableSpan[]> {
    await withTraceContext(
      { metadata: { score: Number.NaN, most: Number.POSITIVE_INFINITY } },
      () =>
        ax
          .ax('amount:number -> answerText:string')
          .forward(
            countless(),
            { amount: Number.NaN },
            { modelConfig: { temperature: Number.NaN, topP: Number.POSITIVE_INFINITY } },
          ),
    );
    return traced.tracing.spans();
  }

  it('are no attribute of any span', async () => {
    const spans = await run();
    expect(spans).toHaveLength(2);
    const numbers = spans.flatMap(({ attributes }) =>
      Object.entries(attributes).filter(([, value]) => typeof value === 'number'),
    );
    expect(numbers.filter(([, value]) => !Number.isFinite(value))).toEqual([]);
    expect(traced.tracing.span(/^chat/).attributes).not.toHaveProperty('gen_ai.usage.input_tokens');
    expect(traced.tracing.span(/^invoke/).attributes.metadata).toBe(
      '{"score":"NaN","most":"Infinity"}',
    );
  });

  it('are no double of an OTLP request, in JSON or protobuf', async () => {
    const spans = await run();
    const json = Buffer.from(JsonTraceSerializer.serializeRequest(spans) ?? []).toString();
    expect(json).toContain('"NaN');
    expect(json).not.toContain('"doubleValue":null');
    const decoded = decodeTraceRequest(
      ProtobufTraceSerializer.serializeRequest(spans) ?? new Uint8Array(),
    );
    const doubles: unknown[] = [];
    JSON.stringify(decoded, (key, value) => {
      if (key === 'doubleValue') doubles.push(value);
      return typeof value === 'bigint' ? String(value) : value;
    });
    expect(doubles.filter((value) => !Number.isFinite(value))).toEqual([]);
  });
});

describe('text that databases refuse', () => {
  const BAD = 'frame\u0000by\ud83d';

  it('is in nothing that an execution records, names and keys included', async () => {
    class Named extends ax.AxGen<{ questionText: string }, { answerText: string }> {}
    const lookUp = {
      ...tool(() => BAD),
      description: `Looks something up ${BAD}`,
    };
    const calls = { calls: [{ name: 'lookUp', args: { key: BAD } }] };
    traced.tracing.instrumentation.setConfig({ customTags: { [BAD]: BAD } });
    const run = (service: ax.AxAIService) =>
      withTraceContext(
        {
          sessionId: BAD,
          userId: BAD,
          tags: { [`tag ${BAD}`]: BAD },
          metadata: { [BAD]: BAD },
          runId: BAD,
          experimentName: BAD,
          clientRequestId: BAD,
          prompts: [{ name: BAD, version: BAD }],
        },
        () =>
          new Named(SIGNATURE, { functions: [lookUp], traceLabel: BAD }).forward(service, {
            questionText: BAD,
          }),
      );
    await run(model(calls, `Answer Text: ${BAD}`));
    await expect(run(model({ throws: new Error(BAD, { cause: BAD }) }))).rejects.toThrow();
    await traceCall(
      { name: BAD, type: BAD, version: BAD, attributes: { [BAD]: BAD } },
      async (span) => {
        span.setAttributes({ [`own ${BAD}`]: BAD });
        span.attemptFailed(1, new Error(BAD));
      },
    );
    const spans = traced.tracing.spans();
    expect(spans.length).toBeGreaterThanOrEqual(7);
    const refused = textsOf(spans).filter((text) => text.includes('\0') || !text.isWellFormed());
    expect(refused).toEqual([]);
    expect(textsOf(spans).some((text) => text.includes('frame\ufffdby'))).toBe(true);
  });
});

describe('values that OpenTelemetry does not take', () => {
  it('are recorded as JSON, and the SDK has nothing to warn of', async () => {
    const odd = {
      none: null,
      empty: {},
      mixed: [1, 'a', null, { deep: [undefined] }],
      call: () => 1,
      when: new Date(0),
    };
    await withTraceContext({ metadata: odd, tags: { count: 1, none: null } as never }, () =>
      ax
        .ax('anyRecord:json -> answerText:string', { functions: [tool(() => odd)] })
        .forward(model(CALL, ANSWER), { anyRecord: odd }),
    );
    const expected = {
      none: null,
      empty: {},
      mixed: [1, 'a', null, { deep: [null] }],
      call: '[Function: call]',
      when: '1970-01-01T00:00:00.000Z',
    };
    const { attributes } = traced.tracing.span(/^invoke/);
    expect(JSON.parse(String(attributes['input.value']))).toEqual({ anyRecord: expected });
    expect(JSON.parse(String(attributes.metadata))).toEqual(expected);
    const result = traced.tracing.span(/^execute_tool/).attributes['output.value'];
    expect(JSON.parse(String(result))).toEqual(expected);
    expect(traced.said).toEqual([]);
  });
});

describe('a client with open connections', () => {
  it('that a tool is given or returns is described in a bounded text, and left alone', async () => {
    const server = createServer();
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    const socket = connect((server.address() as AddressInfo).port, '127.0.0.1');
    await once(socket, 'connect');
    class Pool {
      readonly size = 1;
      readonly connections: Socket[] = [socket];
      readonly server = server;
      reads = 0;
      get secret(): number {
        return ++this.reads;
      }
    }
    const pool = new Pool();
    await ax
      .ax('anyRecord:json -> answerText:string', { functions: [tool(() => ({ pool }))] })
      .forward(model(CALL, ANSWER), { anyRecord: { size: 1 }, pool } as never);
    socket.destroy();
    server.close();
    for (const text of [
      traced.tracing.span(/^invoke/).attributes['input.value'],
      traced.tracing.span(/^execute_tool/).attributes['output.value'],
    ]) {
      expect(text).toContain('[Socket]');
      expect(String(text).length).toBeLessThan(500);
    }
    expect(pool.reads).toBe(0);
  });
});

describe('the limit of the SDK on the length of values', () => {
  it.each([200, 1028])(
    'set in code, to %i, leaves JSON that can be read, and says what was cut',
    async (limit) => {
      const limited = startTracing([], {}, { spanLimits: { attributeValueLengthLimit: limit } });
      const before = traced.tracing.instrumentation;
      before.setTracerProvider(limited.provider);
      try {
        const questionText = 'why? '.repeat(2000);
        await ax.ax(SIGNATURE).forward(model(ANSWER), { questionText });
        const spans = limited.spans();
        expect(spans).toHaveLength(2);
        for (const { attributes } of spans) {
          const json = String(attributes['input.value']);
          expect(json.length).toBeLessThanOrEqual(limit);
          expect(() => JSON.parse(json)).not.toThrow();
          expect(attributes['dspy.truncated']).toContain('input.value');
          expect(attributes['output.value']).toBeDefined();
        }
        const messages = limited.span(/^chat/).attributes['gen_ai.input.messages'];
        expect(() => JSON.parse(String(messages))).not.toThrow();
      } finally {
        before.setTracerProvider(traced.tracing.provider);
      }
    },
  );
});

describe('long text outside of attributes', () => {
  it('is cut in events and in the status as well', async () => {
    const long = 'm'.repeat(5_000_000);
    const service = model({ throws: new Error(long) });
    await expect(ax.ax(SIGNATURE).forward(service, QUESTION)).rejects.toThrow();
    await traceCall({ name: 'Own', type: 'executor' }, async (span) => {
      span.attemptFailed(1, new Error(long));
    });
    const spans = traced.tracing.spans();
    expect(spans.flatMap(({ events }) => events).length).toBeGreaterThanOrEqual(3);
    const longest = Math.max(...textsOf(spans).map((text) => text.length));
    expect(longest).toBeLessThanOrEqual(16_384);
  });
});

import { createTraceState, SpanKind } from '@opentelemetry/api';
import { ProtobufTraceSerializer } from '@opentelemetry/otlp-transformer';
import type { ReadableSpan } from '@opentelemetry/sdk-trace-base';
import { describe, expect, it } from 'vitest';
import type { AttributeMap, SpanRecord } from '../../src/internal-types.js';
import { encodeTraceRequest } from '../../src/otlp/encode.js';
import { decodeTraceRequest } from '../support/otlp-decode.js';
import { hrTime, makeSpan, type SpanOptions } from '../support/spans.js';

const nanos = ([seconds, rest]: readonly [number, number]): bigint =>
  BigInt(seconds) * 1_000_000_000n + BigInt(rest);

/** The same span for the stock serializer and for ours. */
function pair(options: SpanOptions & { state?: string } = {}): {
  stock: ReadableSpan;
  ours: SpanRecord;
} {
  const span = makeSpan(options);
  const context = span.spanContext();
  const traceState = options.state === undefined ? undefined : createTraceState(options.state);
  const stock = {
    ...span,
    spanContext: () => (traceState ? { ...context, traceState } : context),
    duration: [0, 0],
    ended: true,
    droppedAttributesCount: 0,
    droppedEventsCount: 0,
    droppedLinksCount: 0,
  } as unknown as ReadableSpan;
  const parent = span.parentSpanContext;
  const ours: SpanRecord = {
    traceId: context.traceId,
    spanId: context.spanId,
    ...(parent ? { parentSpanId: parent.spanId } : {}),
    ...(parent?.isRemote ? { parentIsRemote: true } : {}),
    name: span.name,
    kind: span.kind,
    startTimeUnixNano: nanos(span.startTime),
    endTimeUnixNano: nanos(span.endTime),
    attributes: span.attributes as AttributeMap,
    events: span.events.map((event) => ({
      name: event.name,
      timeUnixNano: nanos(event.time),
      attributes: (event.attributes ?? {}) as AttributeMap,
    })),
    links: span.links.map((link) => ({
      traceId: link.context.traceId,
      spanId: link.context.spanId,
      attributes: (link.attributes ?? {}) as AttributeMap,
    })),
    status: {
      code: span.status.code,
      ...(span.status.message ? { message: span.status.message } : {}),
    },
    ...(options.state === undefined ? {} : { traceState: options.state }),
    resource: span.resource.attributes as AttributeMap,
    scope: { name: 'tests', version: '1.0.0' },
  };
  return { stock, ours };
}

/** Counters of dropped items, which the stock serializer writes even when they are 0, and flags of links. */
function withoutCounters(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(withoutCounters);
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(
    Object.entries(value)
      .filter(([key]) => !/^dropped.*Count$/.test(key))
      .map(([key, inner]) => [key, withoutCounters(inner)]),
  );
}

async function expectSame(spans: { stock: ReadableSpan; ours: SpanRecord }[]): Promise<void> {
  const stock = ProtobufTraceSerializer.serializeRequest(spans.map((one) => one.stock));
  const ours = await encodeTraceRequest(spans.map((one) => one.ours));
  expect(withoutCounters(decodeTraceRequest(ours))).toEqual(
    withoutCounters(decodeTraceRequest(stock as Uint8Array)),
  );
}

describe('encodeTraceRequest against the stock serializer', () => {
  const values: Record<string, AttributeMap> = {
    texts: { empty: '', plain: 'a', long: 'x'.repeat(300), unicode: 'é😀\u2028', nul: 'a\0b' },
    numbers: {
      zero: 0,
      one: 1,
      negative: -1,
      byte: 127,
      twoBytes: 128,
      large: 2 ** 31,
      larger: 2 ** 53 - 1,
      smallest: -(2 ** 53 - 1),
      fraction: 1.5,
      tiny: 5e-324,
    },
    booleans: { yes: true, no: false },
    lists: { texts: ['a', '', 'é'], numbers: [1, 2.5, -3], booleans: [true, false], none: [] },
  };
  it.each(Object.keys(values))('writes %s alike', async (name) => {
    await expectSame([pair({ attributes: values[name] as never })]);
  });

  it.each([
    SpanKind.INTERNAL,
    SpanKind.SERVER,
    SpanKind.CLIENT,
    SpanKind.PRODUCER,
    SpanKind.CONSUMER,
  ])('writes kind %i alike', async (kind) => {
    await expectSame([pair({ kind })]);
  });

  it('writes parents, remote parents and trace state alike', async () => {
    await expectSame([
      pair({ parent: 'b7ad6b7169203331' }),
      pair({ parent: 'b7ad6b7169203331', remote: true }),
      pair({ state: 'vendor=1,other=2' }),
    ]);
  });

  it('writes status, events and links alike', async () => {
    const link = { traceId: 'a'.repeat(32), spanId: 'b'.repeat(16), traceFlags: 1 };
    const { stock, ours } = pair({
      error: 'boom',
      events: [
        {
          name: 'exception',
          time: hrTime(1_795_570_000_123.456),
          attributes: { 'exception.type': 'E' },
        },
        { name: 'bare', time: hrTime(1_795_570_000_124) },
      ],
      links: [{ context: link, attributes: { k: 'v' } }],
    });
    const decoded = decodeTraceRequest(await encodeTraceRequest([ours]));
    const expected = decodeTraceRequest(
      ProtobufTraceSerializer.serializeRequest([stock]) as Uint8Array,
    );
    // The stock serializer also writes the flags of a link's context, which nothing reads.
    expect(withoutCounters(decoded)).toEqual(withoutCounters(dropLinkFlags(expected)));
  });

  it('groups by resource and scope alike', async () => {
    const one = { attributes: { 'service.name': 'one' } };
    const two = { attributes: { 'service.name': 'two' } };
    await expectSame([
      pair({ resource: one }),
      pair({ resource: two }),
      pair({ resource: one, name: 'second of one' }),
    ]);
  });
});

function dropLinkFlags(value: unknown): unknown {
  return JSON.parse(
    JSON.stringify(value, (key, inner: unknown) => {
      if (key === 'links' && Array.isArray(inner)) {
        return inner.map(({ flags: _flags, ...rest }: Record<string, unknown>) => rest);
      }
      return typeof inner === 'bigint' ? `big:${inner}` : inner;
    }),
    (_key, inner: unknown) =>
      typeof inner === 'string' && inner.startsWith('big:') ? BigInt(inner.slice(4)) : inner,
  );
}

describe('encodeTraceRequest', () => {
  it('writes integers beyond the safe range as doubles', async () => {
    const { ours } = pair({ attributes: { huge: 2 ** 60, exponent: 1e300 } });
    const request = JSON.stringify(
      decodeTraceRequest(await encodeTraceRequest([ours])),
      (_, value) => (typeof value === 'bigint' ? String(value) : value),
    );
    expect(request).toContain(`"doubleValue":${2 ** 60}`);
    expect(request).toContain('"doubleValue":1e+300');
  });

  it('gives the event loop its turns while it encodes ten thousand spans', async () => {
    const { ours } = pair({ attributes: { text: 'x'.repeat(1_000), other: 'y'.repeat(500) } });
    const spans = Array.from({ length: 10_000 }, () => ours);
    // Compiled and warm, as in a program that has exported before.
    await encodeTraceRequest(spans.slice(0, 2_000));
    let turns = 0;
    let running = true;
    const count = (): void => {
      turns++;
      if (running) setImmediate(count);
    };
    setImmediate(count);
    await encodeTraceRequest(spans);
    running = false;
    // Slices of 2 ms: dozens on a free machine, some even on a busy one; two without slices.
    expect(turns).toBeGreaterThan(5);
  });
});

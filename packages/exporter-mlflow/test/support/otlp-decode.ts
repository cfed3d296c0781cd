import { BinaryReader } from '@bufbuild/protobuf/wire';

/** Field name, kind, and the message below. Names as in OTLP's JSON form. */
type Field =
  | [
      name: string,
      kind: 'string' | 'hex' | 'bool' | 'uint32' | 'int64' | 'double' | 'fixed64' | 'fixed32',
    ]
  | [name: string, kind: 'message' | 'list', schema: () => Schema];
type Schema = Record<number, Field>;

const anyValue = (): Schema => ({
  1: ['stringValue', 'string'],
  2: ['boolValue', 'bool'],
  3: ['intValue', 'int64'],
  4: ['doubleValue', 'double'],
  5: ['arrayValue', 'message', () => ({ 1: ['values', 'list', anyValue] })],
  6: ['kvlistValue', 'message', () => ({ 1: ['values', 'list', keyValue] })],
  7: ['bytesValue', 'hex'],
});
const keyValue = (): Schema => ({ 1: ['key', 'string'], 2: ['value', 'message', anyValue] });
const resource = (): Schema => ({
  1: ['attributes', 'list', keyValue],
  2: ['droppedAttributesCount', 'uint32'],
});
const scope = (): Schema => ({
  1: ['name', 'string'],
  2: ['version', 'string'],
  3: ['attributes', 'list', keyValue],
  4: ['droppedAttributesCount', 'uint32'],
});
const event = (): Schema => ({
  1: ['timeUnixNano', 'fixed64'],
  2: ['name', 'string'],
  3: ['attributes', 'list', keyValue],
  4: ['droppedAttributesCount', 'uint32'],
});
const link = (): Schema => ({
  1: ['traceId', 'hex'],
  2: ['spanId', 'hex'],
  3: ['traceState', 'string'],
  4: ['attributes', 'list', keyValue],
  5: ['droppedAttributesCount', 'uint32'],
  6: ['flags', 'fixed32'],
});
const span = (): Schema => ({
  1: ['traceId', 'hex'],
  2: ['spanId', 'hex'],
  3: ['traceState', 'string'],
  4: ['parentSpanId', 'hex'],
  5: ['name', 'string'],
  6: ['kind', 'uint32'],
  7: ['startTimeUnixNano', 'fixed64'],
  8: ['endTimeUnixNano', 'fixed64'],
  9: ['attributes', 'list', keyValue],
  10: ['droppedAttributesCount', 'uint32'],
  11: ['events', 'list', event],
  12: ['droppedEventsCount', 'uint32'],
  13: ['links', 'list', link],
  14: ['droppedLinksCount', 'uint32'],
  15: ['status', 'message', () => ({ 2: ['message', 'string'], 3: ['code', 'uint32'] })],
  16: ['flags', 'fixed32'],
});
const scopeSpans = (): Schema => ({
  1: ['scope', 'message', scope],
  2: ['spans', 'list', span],
  3: ['schemaUrl', 'string'],
});
const resourceSpans = (): Schema => ({
  1: ['resource', 'message', resource],
  2: ['scopeSpans', 'list', scopeSpans],
  3: ['schemaUrl', 'string'],
});

export interface DecodedSpan {
  traceId: string;
  spanId: string;
  parentSpanId?: string;
  name: string;
  attributes: Record<string, unknown>;
  status: { code?: number; message?: string };
}

type Message = Record<string, unknown>;

/** An `ExportTraceServiceRequest` as plain objects, every field by its name in OTLP's JSON form. */
export function decodeTraceRequest(bytes: Uint8Array): Message {
  return decode(bytes, { 1: ['resourceSpans', 'list', resourceSpans] });
}

/** Its spans, attributes as plain values. */
export function decodeSpans(bytes: Uint8Array): DecodedSpan[] {
  const request = decodeTraceRequest(bytes) as {
    resourceSpans: { scopeSpans: { spans: Message[] }[] }[];
  };
  return request.resourceSpans
    .flatMap((one) => one.scopeSpans)
    .flatMap((one) => one.spans)
    .map(
      (one) =>
        ({
          ...one,
          attributes: plain((one.attributes ?? []) as KeyValue[]),
        }) as unknown as DecodedSpan,
    );
}

interface KeyValue {
  key: string;
  value: Message;
}

function plain(attributes: readonly KeyValue[]): Record<string, unknown> {
  return Object.fromEntries(
    attributes.map(({ key, value }) => {
      const [one] = Object.values(value ?? {});
      return [key, typeof one === 'bigint' ? Number(one) : one];
    }),
  );
}

function decode(bytes: Uint8Array, schema: Schema): Message {
  const reader = new BinaryReader(bytes);
  // Of a number that is not there proto3 says it is 0; only the status code may be written either way.
  const message: Message = schema[3]?.[0] === 'code' ? { code: 0 } : {};
  while (reader.pos < reader.len) {
    const [number, wireType] = reader.tag();
    const field = schema[number];
    if (field === undefined) throw new Error(`unknown field ${number}, wire type ${wireType}`);
    const [name, kind, below] = field;
    if (kind === 'message') message[name] = decode(reader.bytes(), (below as () => Schema)());
    else if (kind === 'list') {
      message[name] ??= [];
      (message[name] as unknown[]).push(decode(reader.bytes(), (below as () => Schema)()));
    } else if (kind === 'hex') message[name] = Buffer.from(reader.bytes()).toString('hex');
    else message[name] = readScalar(reader, kind);
  }
  return message;
}

function readScalar(reader: BinaryReader, kind: string): unknown {
  switch (kind) {
    case 'string':
      return reader.string();
    case 'bool':
      return reader.bool();
    case 'uint32':
      return reader.uint32();
    case 'int64':
      return BigInt(reader.int64());
    case 'double':
      return reader.double();
    case 'fixed64':
      return BigInt(reader.fixed64());
    default:
      return reader.fixed32();
  }
}

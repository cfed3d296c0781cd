import { BinaryWriter } from '@bufbuild/protobuf/wire';
import type { AttributeMap, AttributeValue, SpanRecord } from '../internal-types.js';
import { slicer } from './slicer.js';

/**
 * `ExportTraceServiceRequest` in protobuf, opentelemetry-proto 1.x:
 * https://github.com/open-telemetry/opentelemetry-proto/blob/main/opentelemetry/proto/trace/v1/trace.proto
 *
 * Tags are `field << 3 | wireType`; wire type 0 varint, 1 fixed 64, 2 length delimited, 5 fixed 32.
 */
const tag = (field: number, wireType: 0 | 1 | 2 | 5): number => (field << 3) | wireType;

const REQUEST_RESOURCE_SPANS = tag(1, 2);
const RESOURCE_SPANS = { resource: tag(1, 2), scopeSpans: tag(2, 2) } as const;
const RESOURCE_ATTRIBUTES = tag(1, 2);
const SCOPE_SPANS = { scope: tag(1, 2), spans: tag(2, 2) } as const;
const SCOPE = { name: tag(1, 2), version: tag(2, 2) } as const;
const SPAN = {
  traceId: tag(1, 2),
  spanId: tag(2, 2),
  traceState: tag(3, 2),
  parentSpanId: tag(4, 2),
  name: tag(5, 2),
  kind: tag(6, 0),
  startTimeUnixNano: tag(7, 1),
  endTimeUnixNano: tag(8, 1),
  attributes: tag(9, 2),
  events: tag(11, 2),
  links: tag(13, 2),
  status: tag(15, 2),
  flags: tag(16, 5),
} as const;
const EVENT = { timeUnixNano: tag(1, 1), name: tag(2, 2), attributes: tag(3, 2) } as const;
const LINK = { traceId: tag(1, 2), spanId: tag(2, 2), attributes: tag(4, 2) } as const;
const STATUS = { message: tag(2, 2), code: tag(3, 0) } as const;
const KEY_VALUE = { key: tag(1, 2), value: tag(2, 2) } as const;
const ANY_VALUE = {
  string: tag(1, 2),
  bool: tag(2, 0),
  int: tag(3, 0),
  double: tag(4, 1),
  array: tag(5, 2),
} as const;
const ARRAY_VALUES = tag(1, 2);

/** `SpanFlags`: W3C sampled bit, "is remote" is known, parent is remote. */
const FLAG_SAMPLED = 0x001;
const FLAG_HAS_IS_REMOTE = 0x100;
const FLAG_IS_REMOTE = 0x200;

/**
 * Encodes the spans of a request in their order, giving the event loop a turn between slices. Spans
 * that share a resource object, and within it a scope, are grouped, so equal resources should be one object.
 */
export async function encodeTraceRequest(spans: readonly SpanRecord[]): Promise<Uint8Array> {
  const writer = new BinaryWriter();
  const parts: Uint8Array[] = [];
  for (const [resource, scopes] of groupSpans(spans)) {
    const scopeParts: Uint8Array[] = [];
    for (const group of scopes.values()) {
      const body: Uint8Array[] = [encodeScope(writer, group.scope)];
      for (const span of group.spans) {
        writeSpan(writer, span);
        if (slicer.isDue()) {
          body.push(writer.finish());
          await slicer.turn();
        }
      }
      body.push(writer.finish());
      // Enclosing messages are framed around finished bytes: fork() and join() at this level would
      // move everything below once more for each level.
      scopeParts.push(...frame(writer, RESOURCE_SPANS.scopeSpans, body));
    }
    parts.push(
      ...frame(writer, REQUEST_RESOURCE_SPANS, [encodeResource(writer, resource), ...scopeParts]),
    );
  }
  return Buffer.concat(parts);
}

interface ScopeGroup {
  scope: SpanRecord['scope'];
  spans: SpanRecord[];
}

function groupSpans(spans: readonly SpanRecord[]): Map<AttributeMap, Map<string, ScopeGroup>> {
  const resources = new Map<AttributeMap, Map<string, ScopeGroup>>();
  for (const span of spans) {
    let scopes = resources.get(span.resource);
    if (scopes === undefined) {
      scopes = new Map();
      resources.set(span.resource, scopes);
    }
    const key = `${span.scope.name}\0${span.scope.version ?? ''}`;
    const group = scopes.get(key);
    if (group === undefined) scopes.set(key, { scope: span.scope, spans: [span] });
    else group.spans.push(span);
  }
  return resources;
}

function frame(writer: BinaryWriter, fieldTag: number, body: readonly Uint8Array[]): Uint8Array[] {
  let length = 0;
  for (const part of body) length += part.byteLength;
  return [writer.uint32(fieldTag).uint32(length).finish(), ...body];
}

function encodeResource(writer: BinaryWriter, resource: AttributeMap): Uint8Array {
  writer.uint32(RESOURCE_SPANS.resource).fork();
  writeAttributes(writer, RESOURCE_ATTRIBUTES, resource);
  return writer.join().finish();
}

function encodeScope(writer: BinaryWriter, scope: SpanRecord['scope']): Uint8Array {
  writer.uint32(SCOPE_SPANS.scope).fork().uint32(SCOPE.name).string(scope.name);
  if (scope.version !== undefined) writer.uint32(SCOPE.version).string(scope.version);
  return writer.join().finish();
}

function writeSpan(writer: BinaryWriter, span: SpanRecord): void {
  writer.uint32(SCOPE_SPANS.spans).fork();
  writeId(writer, SPAN.traceId, span.traceId);
  writeId(writer, SPAN.spanId, span.spanId);
  if (span.traceState !== undefined) writer.uint32(SPAN.traceState).string(span.traceState);
  if (span.parentSpanId !== undefined) writeId(writer, SPAN.parentSpanId, span.parentSpanId);
  writer.uint32(SPAN.name).string(span.name);
  // OTLP counts kinds from 1; 0 is "unspecified".
  writer.uint32(SPAN.kind).uint32(span.kind + 1);
  writer.uint32(SPAN.startTimeUnixNano).fixed64(span.startTimeUnixNano);
  writer.uint32(SPAN.endTimeUnixNano).fixed64(span.endTimeUnixNano);
  writeAttributes(writer, SPAN.attributes, span.attributes);
  for (const event of span.events) {
    writer.uint32(SPAN.events).fork();
    writer.uint32(EVENT.timeUnixNano).fixed64(event.timeUnixNano);
    writer.uint32(EVENT.name).string(event.name);
    writeAttributes(writer, EVENT.attributes, event.attributes);
    writer.join();
  }
  for (const link of span.links) {
    writer.uint32(SPAN.links).fork();
    writeId(writer, LINK.traceId, link.traceId);
    writeId(writer, LINK.spanId, link.spanId);
    writeAttributes(writer, LINK.attributes, link.attributes);
    writer.join();
  }
  writer.uint32(SPAN.status).fork();
  if (span.status.message !== undefined) writer.uint32(STATUS.message).string(span.status.message);
  if (span.status.code !== 0) writer.uint32(STATUS.code).uint32(span.status.code);
  writer.join();
  const flags = FLAG_SAMPLED | FLAG_HAS_IS_REMOTE | (span.parentIsRemote ? FLAG_IS_REMOTE : 0);
  writer.uint32(SPAN.flags).fixed32(flags);
  writer.join();
}

function writeAttributes(writer: BinaryWriter, fieldTag: number, attributes: AttributeMap): void {
  for (const key in attributes) {
    const value = attributes[key];
    if (value === undefined) continue;
    writer.uint32(fieldTag).fork().uint32(KEY_VALUE.key).string(key);
    writer.uint32(KEY_VALUE.value).fork();
    writeAnyValue(writer, value);
    writer.join().join();
  }
}

function writeAnyValue(writer: BinaryWriter, value: AttributeValue): void {
  if (typeof value === 'string') {
    writer.uint32(ANY_VALUE.string).string(value);
  } else if (typeof value === 'number') {
    if (Number.isSafeInteger(value)) writer.uint32(ANY_VALUE.int).int64(value);
    else writer.uint32(ANY_VALUE.double).double(value);
  } else if (typeof value === 'boolean') {
    writer.uint32(ANY_VALUE.bool).bool(value);
  } else {
    writer.uint32(ANY_VALUE.array).fork();
    for (const item of value) {
      writer.uint32(ARRAY_VALUES).fork();
      if (item !== null && item !== undefined) writeAnyValue(writer, item);
      writer.join();
    }
    writer.join();
  }
}

function writeId(writer: BinaryWriter, fieldTag: number, hex: string): void {
  writer.uint32(fieldTag).bytes(Buffer.from(hex, 'hex'));
}

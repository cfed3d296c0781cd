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
 * One for all requests: growing a new one to the size of a request costs as much as writing it. It is
 * empty whenever the event loop gets a turn, so requests encoded at once do not meet in it.
 */
let writer = new BinaryWriter();
/** A writer that has grown for more than this is not kept. */
const MAX_KEPT_BYTES = 1024 * 1024;

/**
 * Encodes the spans of a request in their order, giving the event loop a turn between slices. Spans
 * that share a resource object, and within it a scope, are grouped, so equal resources should be one object.
 */
export async function encodeTraceRequest(spans: readonly SpanRecord[]): Promise<Uint8Array> {
  const parts: Uint8Array[] = [];
  for (const [resource, scopes] of groupSpans(spans)) {
    const scopeParts: Uint8Array[] = [];
    for (const group of scopes.values()) {
      // Enclosing messages are framed around finished bytes: fork() and join() at this level would
      // move everything below once more for each level.
      const body = [finished(() => writeScope(group.scope)), ...(await encodeSpans(group.spans))];
      scopeParts.push(...frame(RESOURCE_SPANS.scopeSpans, body));
    }
    const body = [finished(() => writeResource(resource)), ...scopeParts];
    parts.push(...frame(REQUEST_RESOURCE_SPANS, body));
  }
  return Buffer.concat(parts);
}

async function encodeSpans(spans: readonly SpanRecord[]): Promise<Uint8Array[]> {
  const parts: Uint8Array[] = [];
  for (let next = 0; next < spans.length; ) {
    const part = finished(() => {
      do writeSpan(spans[next++] as SpanRecord);
      while (next < spans.length && !slicer.isDue());
    });
    parts.push(part);
    if (next < spans.length) await slicer.turn();
  }
  return parts;
}

/** What a function writes, which leaves the writer empty whatever happens. */
function finished(write: () => void): Uint8Array {
  try {
    write();
    const bytes = writer.finish();
    if (bytes.byteLength > MAX_KEPT_BYTES) writer = new BinaryWriter();
    return bytes;
  } catch (error) {
    writer = new BinaryWriter();
    throw error;
  }
}

interface ScopeGroup {
  scope: SpanRecord['scope'];
  spans: SpanRecord[];
}

function groupSpans(spans: readonly SpanRecord[]): Map<AttributeMap, Map<string, ScopeGroup>> {
  const resources = new Map<AttributeMap, Map<string, ScopeGroup>>();
  let last: SpanRecord | undefined;
  let group: ScopeGroup | undefined;
  for (const span of spans) {
    if (group && span.scope === last?.scope && span.resource === last.resource) {
      group.spans.push(span);
      continue;
    }
    last = span;
    let scopes = resources.get(span.resource);
    if (scopes === undefined) {
      scopes = new Map();
      resources.set(span.resource, scopes);
    }
    const key = `${span.scope.name}\0${span.scope.version ?? ''}`;
    group = scopes.get(key);
    if (group === undefined) {
      group = { scope: span.scope, spans: [] };
      scopes.set(key, group);
    }
    group.spans.push(span);
  }
  return resources;
}

function frame(fieldTag: number, body: readonly Uint8Array[]): Uint8Array[] {
  let length = 0;
  for (const part of body) length += part.byteLength;
  return [finished(() => writer.uint32(fieldTag).uint32(length)), ...body];
}

function writeResource(resource: AttributeMap): void {
  writer.uint32(RESOURCE_SPANS.resource).fork();
  writeAttributes(RESOURCE_ATTRIBUTES, resource);
  writer.join();
}

function writeScope(scope: SpanRecord['scope']): void {
  writer.uint32(SCOPE_SPANS.scope).fork().uint32(SCOPE.name).string(scope.name);
  if (scope.version !== undefined) writer.uint32(SCOPE.version).string(scope.version);
  writer.join();
}

function writeSpan(span: SpanRecord): void {
  writer.uint32(SCOPE_SPANS.spans).fork();
  writeId(SPAN.traceId, span.traceId);
  writeId(SPAN.spanId, span.spanId);
  if (span.traceState !== undefined) writer.uint32(SPAN.traceState).string(span.traceState);
  if (span.parentSpanId !== undefined) writeId(SPAN.parentSpanId, span.parentSpanId);
  writer.uint32(SPAN.name).string(span.name);
  // OTLP counts kinds from 1; 0 is "unspecified".
  writer.uint32(SPAN.kind).uint32(span.kind + 1);
  writer.uint32(SPAN.startTimeUnixNano).fixed64(span.startTimeUnixNano);
  writer.uint32(SPAN.endTimeUnixNano).fixed64(span.endTimeUnixNano);
  writeAttributes(SPAN.attributes, span.attributes);
  for (const event of span.events) {
    writer.uint32(SPAN.events).fork();
    writer.uint32(EVENT.timeUnixNano).fixed64(event.timeUnixNano);
    writer.uint32(EVENT.name).string(event.name);
    writeAttributes(EVENT.attributes, event.attributes);
    writer.join();
  }
  for (const link of span.links) {
    writer.uint32(SPAN.links).fork();
    writeId(LINK.traceId, link.traceId);
    writeId(LINK.spanId, link.spanId);
    writeAttributes(LINK.attributes, link.attributes);
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

function writeAttributes(fieldTag: number, attributes: AttributeMap): void {
  for (const key in attributes) {
    const value = attributes[key];
    if (value === undefined) continue;
    writer.uint32(fieldTag).fork().uint32(KEY_VALUE.key).string(key);
    writer.uint32(KEY_VALUE.value).fork();
    writeAnyValue(value);
    writer.join().join();
  }
}

function writeAnyValue(value: AttributeValue): void {
  if (typeof value === 'string') {
    writer.uint32(ANY_VALUE.string).string(value);
  } else if (typeof value === 'number') {
    // The varint of a small count is the same, without a detour by way of a bigint.
    if (isUint32(value)) writer.uint32(ANY_VALUE.int).uint32(value);
    else if (Number.isSafeInteger(value)) writer.uint32(ANY_VALUE.int).int64(value);
    else writer.uint32(ANY_VALUE.double).double(value);
  } else if (typeof value === 'boolean') {
    writer.uint32(ANY_VALUE.bool).bool(value);
  } else {
    writer.uint32(ANY_VALUE.array).fork();
    for (const item of value) {
      writer.uint32(ARRAY_VALUES).fork();
      if (item !== null && item !== undefined) writeAnyValue(item);
      writer.join();
    }
    writer.join();
  }
}

const isUint32 = (value: number): boolean => value >>> 0 === value;

const idBytes = { 16: Buffer.alloc(8), 32: Buffer.alloc(16) };

/** @param hex 16 or 32 digits; links may hold anything */
function writeId(fieldTag: number, hex: string): void {
  const bytes = idBytes[hex.length as keyof typeof idBytes];
  const isHex = bytes !== undefined && bytes.write(hex, 'hex') === bytes.byteLength;
  writer.uint32(fieldTag).bytes(isHex ? bytes : Buffer.from(hex, 'hex'));
}

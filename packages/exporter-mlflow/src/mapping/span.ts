import type { Attributes, HrTime, Link } from '@opentelemetry/api';
import type {
  AttributeMap,
  AttributeValue,
  EventRecord,
  LinkRecord,
  SpanRecord,
} from '../internal-types.js';
import type { SpanLike } from '../types.js';
import { writeInputsAndOutputs } from './inputs-outputs.js';
import { capIdentities } from './labels.js';
import { spanTypeOf } from './span-type.js';
import { mend } from './text.js';
import { writeTools } from './tools.js';
import { factsOfKey, TOPIC } from './topics.js';
import { readCost, readModel, readProvider, readUsage, serverReadsUsage } from './usage.js';

const NO_ATTRIBUTES: AttributeMap = Object.freeze({});
const VALID_TRACE_ID = /^(?!0{32})[0-9a-f]{32}$/;
const VALID_SPAN_ID = /^(?!0{16})[0-9a-f]{16}$/;
const NONE = Object.freeze([]) as unknown as never[];
const OK: SpanRecord['status'] = Object.freeze({ code: 1 });
const NO_SCOPE: SpanRecord['scope'] = Object.freeze({ name: '' });
const SPAN_OVERHEAD_BYTES = 200;

const scopes = new WeakMap<object, SpanRecord['scope']>();

/** Gathered while a span is copied. */
interface Gathered {
  /** Estimated, in memory and on the wire. */
  bytes: number;
  /** Bits of `TOPIC`. */
  topics: number;
}

export interface MappedSpan {
  record: SpanRecord;
  /** Bits of `TOPIC`: what its attributes are about. */
  topics: number;
  /** Token counts of its own, after the span's convention. */
  hasUsage: boolean;
  /** Estimated size in memory and on the wire. */
  bytes: number;
}

/**
 * A span as MLflow stores it. Pure: reads the span, changes nothing of it. `undefined` for a span
 * without valid ids (made by the no-op tracer of a second copy of the API).
 *
 * @param resource the allowed part of the span's resource, one object for spans that share it
 */
export function mapSpan(span: SpanLike, resource: AttributeMap): MappedSpan | undefined {
  const { traceId, spanId, traceState } = span.spanContext();
  if (!VALID_TRACE_ID.test(traceId) || !VALID_SPAN_ID.test(spanId)) return undefined;
  const gathered: Gathered = { bytes: SPAN_OVERHEAD_BYTES, topics: 0 };
  const attributes = copyAttributes(span.attributes, gathered);
  const { topics } = gathered;
  const usage = topics & TOPIC.usage ? readUsage(attributes) : undefined;
  if (usage) attributes['mlflow.chat.tokenUsage'] ??= JSON.stringify(usage);
  if (topics & TOPIC.model) writeModel(attributes);
  if (topics & TOPIC.cost) writeCost(attributes);
  attributes['mlflow.spanType'] = spanTypeOf(attributes);
  writeInputsAndOutputs(attributes, (topics & TOPIC.flattened) !== 0);
  if (topics & TOPIC.tools) writeTools(attributes);
  if (topics & TOPIC.identity) capIdentities(attributes);

  const start = toNanos(span.startTime);
  const end = toNanos(span.endTime);
  const record: SpanRecord = {
    traceId,
    spanId,
    name: mend(span.name),
    kind: span.kind,
    startTimeUnixNano: start,
    endTimeUnixNano: notBefore(start, end),
    attributes,
    events: span.events.length === 0 ? NONE : span.events.map((one) => copyEvent(one, gathered)),
    links: span.links.length === 0 ? NONE : span.links.flatMap((one) => copyLink(one, gathered)),
    status: toStatus(span.status),
    resource,
    scope: copyScope(span.instrumentationScope ?? span.instrumentationLibrary),
  };
  const parent = span.parentSpanContext;
  const parentSpanId = parent?.spanId ?? span.parentSpanId;
  if (parentSpanId !== undefined && VALID_SPAN_ID.test(parentSpanId)) {
    record.parentSpanId = parentSpanId;
    if (parent?.isRemote) record.parentIsRemote = true;
  }
  const state = traceState?.serialize();
  if (state) record.traceState = state;
  return { record, topics, hasUsage: usage !== undefined, bytes: gathered.bytes };
}

function writeModel(attributes: AttributeMap): void {
  const model = readModel(attributes);
  if (model !== undefined) attributes['mlflow.llm.model'] ??= model;
  const provider = readProvider(attributes);
  if (provider !== undefined) attributes['mlflow.llm.provider'] ??= provider;
}

function writeCost(attributes: AttributeMap): void {
  const cost = readCost(attributes);
  // Also where the span has one already: it may hold what the server refuses.
  if (cost) attributes['mlflow.llm.cost'] = JSON.stringify(cost);
  else delete attributes['mlflow.llm.cost'];
}

/**
 * Takes token counts and cost from a span whose own numbers sum up those of spans below, so that the
 * trace counts each call once. The empty list keeps servers from reading the span's other attributes, which
 * stay as they are; an empty object would count as a total of 0 for all below (3.15 and newer).
 */
export function dropRolledUpUsage(record: SpanRecord): void {
  const { attributes } = record;
  if (serverReadsUsage(attributes)) attributes['mlflow.chat.tokenUsage'] = '[]';
  else delete attributes['mlflow.chat.tokenUsage'];
  delete attributes['mlflow.llm.cost'];
}

/** The server shows UNSET as it is; a span that did not fail is OK. */
function toStatus(status: SpanLike['status']): SpanRecord['status'] {
  if (status.code !== 2) return OK;
  return { code: 2, ...(status.message ? { message: mend(status.message) } : {}) };
}

function copyEvent(
  event: { name: string; time: HrTime; attributes?: Attributes | undefined },
  gathered: Gathered,
): EventRecord {
  gathered.bytes += event.name.length + 20;
  return {
    name: mend(event.name),
    timeUnixNano: toNanos(event.time),
    attributes: copyAttributes(event.attributes, gathered),
  };
}

/** Nothing of a link without valid ids (to a span of a no-op tracer): it leads nowhere. */
function copyLink({ context, attributes }: Link, gathered: Gathered): LinkRecord | never[] {
  const { traceId, spanId } = context ?? {};
  if (!VALID_TRACE_ID.test(traceId) || !VALID_SPAN_ID.test(spanId)) return NONE;
  return { traceId, spanId, attributes: copyAttributes(attributes, gathered) };
}

/** One copy for all spans of a scope, so that the encoder can group them by identity. */
function copyScope(scope: SpanLike['instrumentationScope']): SpanRecord['scope'] {
  if (scope === undefined) return NO_SCOPE;
  let copy = scopes.get(scope);
  if (copy === undefined) {
    const { name, version } = scope;
    copy = { name, ...(version === undefined ? {} : { version }) };
    scopes.set(scope, copy);
  }
  return copy;
}

function copyAttributes(attributes: Attributes | undefined, gathered: Gathered): AttributeMap {
  if (attributes === undefined) return NO_ATTRIBUTES;
  const copy: AttributeMap = {};
  for (const key in attributes) {
    const value = attributes[key];
    if (value === undefined || value === null) continue;
    const clean = cleanValue(value);
    if (clean === undefined) continue;
    const facts = factsOfKey(key);
    copy[facts.clean] = clean;
    gathered.topics |= facts.topics;
    gathered.bytes += key.length + sizeOf(clean);
  }
  return copy;
}

/**
 * A value as it can be sent. A number that JSON cannot hold makes pages of several backends unreadable
 * and travels as its name; what is no attribute value at all (an SDK that does not check, a hand-made
 * span) becomes text rather than an error.
 */
function cleanValue(value: unknown): AttributeValue | undefined {
  if (typeof value === 'string') return mend(value);
  if (typeof value === 'boolean') return value;
  if (typeof value === 'number') return Number.isFinite(value) ? value : String(value);
  if (Array.isArray(value)) return value.map(cleanItem) as unknown as AttributeValue;
  return typeof value === 'function' ? undefined : toText(value);
}

function cleanItem(item: unknown): string | number | boolean | null {
  if (typeof item === 'string') return mend(item);
  if (typeof item === 'boolean') return item;
  if (typeof item === 'number') return Number.isFinite(item) ? item : null;
  return item === undefined || item === null ? null : (toText(item) ?? null);
}

function toText(value: unknown): string | undefined {
  try {
    const text = typeof value === 'object' ? JSON.stringify(value) : String(value);
    return text === undefined ? undefined : mend(text);
  } catch {
    return '[unreadable]';
  }
}

function sizeOf(value: AttributeValue): number {
  if (typeof value === 'string') return value.length;
  if (typeof value !== 'object') return 8;
  let size = 8;
  for (const item of value) size += typeof item === 'string' ? item.length + 4 : 8;
  return size;
}

/** A span that never ended, or whose clock went back, must not give the trace a negative duration. */
function notBefore(start: bigint, end: bigint): bigint {
  if (end > start) return end;
  return start;
}

/** Times of spans mapped together mostly lie in one second. */
let second = 0;
let nanosOfSecond = 0n;
/** OTLP counts from 1970, and MLflow's database holds no more than 63 bits of it. */
const LATEST = 2n ** 63n - 1n;

function toNanos([seconds, nanos]: HrTime): bigint {
  if (seconds !== second) {
    nanosOfSecond = BigInt(Math.trunc(seconds)) * 1_000_000_000n;
    second = seconds;
  }
  const time = nanosOfSecond + BigInt(Math.trunc(nanos));
  if (time < 0n) return 0n;
  return time > LATEST ? LATEST : time;
}

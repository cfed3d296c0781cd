import type { EventRecord, SpanRecord, TraceRecord } from '../internal-types.js';
import type { StoreRecord } from './records.js';

/** A record as a line of a store file holds it. */
export interface EncodedRecord {
  type: StoreRecord['type'];
  /** Trace id (32 hex), run key or run id. Without white space. */
  key: string;
  /** Milliseconds since the epoch: start of the trace or run; 0 for changes to one. */
  timeMs: number;
  json: string;
}

export function encodeRecord(record: StoreRecord): EncodedRecord {
  const { type, value } = record;
  switch (type) {
    case 'trace':
      return {
        type,
        key: value.info.traceId,
        timeMs: value.info.requestTimeMs,
        json: JSON.stringify({ ...value, spans: value.spans.map(encodeSpan) }),
      };
    case 'run':
      return encoded(type, value.key, value.startTimeMs, value);
    case 'runPatch':
      return encoded(type, value.runId, value.startTimeMs ?? 0, value);
    default:
      return encoded(type, value.traceId, 0, value);
  }
}

function encoded(
  type: StoreRecord['type'],
  key: string,
  timeMs: number,
  value: object,
): EncodedRecord {
  return { type, key: encodeURIComponent(key), timeMs, json: JSON.stringify(value) };
}

/** Throws `SyntaxError` for text that is not JSON; the checksum of the line makes that unlikely. */
export function decodeRecord(type: string, json: string): StoreRecord | undefined {
  switch (type) {
    case 'trace':
      return { type, value: decodeTrace(JSON.parse(json) as WireTrace) };
    case 'run':
    case 'runPatch':
    case 'assessment':
    case 'tags':
      return { type, value: JSON.parse(json) } as StoreRecord;
    default:
      // Written by a later release.
      return undefined;
  }
}

/** Nanoseconds do not fit a JSON number. */
type WireEvent = Omit<EventRecord, 'timeUnixNano'> & { timeUnixNano: string };
type WireSpan = Omit<SpanRecord, 'startTimeUnixNano' | 'endTimeUnixNano' | 'events'> & {
  startTimeUnixNano: string;
  endTimeUnixNano: string;
  events: WireEvent[];
};
type WireTrace = Omit<TraceRecord, 'spans'> & { spans: WireSpan[] };

function encodeSpan(span: SpanRecord): WireSpan {
  return {
    ...span,
    startTimeUnixNano: span.startTimeUnixNano.toString(),
    endTimeUnixNano: span.endTimeUnixNano.toString(),
    events: span.events.map((event) => ({
      ...event,
      timeUnixNano: event.timeUnixNano.toString(),
    })),
  };
}

function decodeTrace(wire: WireTrace): TraceRecord {
  return {
    ...wire,
    spans: wire.spans.map((span) => ({
      ...span,
      startTimeUnixNano: BigInt(span.startTimeUnixNano),
      endTimeUnixNano: BigInt(span.endTimeUnixNano),
      events: span.events.map((event) => ({ ...event, timeUnixNano: BigInt(event.timeUnixNano) })),
    })),
  };
}

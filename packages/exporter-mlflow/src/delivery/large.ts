import type { AttributeMap, SpanRecord, TraceRecord } from '../internal-types.js';
import { cap } from '../mapping/text.js';
import { type Settlement, type TraceParcel, traceParcel } from './parcel.js';

const MIN_TEXT = 1_024;
const MARK = '… [cut: too large for the server]';

/**
 * Smaller parcels for one that the server found too large: half of its spans each, or its one span with
 * its longest texts halved. `undefined` when nothing is left to take away. The trace's information goes
 * with the last part, which holds its root.
 */
export function splitLarge(parcel: TraceParcel): TraceParcel[] | undefined {
  const { record } = parcel;
  if (record.spans.length > 1) {
    const isRoot = (span: SpanRecord) => span.parentSpanId === undefined || span.parentIsRemote;
    const spans = record.spans.toSorted((a, b) => Number(isRoot(a)) - Number(isRoot(b)));
    const middle = Math.ceil(spans.length / 2);
    return shareSettlement(parcel, [
      { ...record, complete: false, spans: spans.slice(0, middle), info: bare(record) },
      { ...record, spans: spans.slice(middle) },
    ]);
  }
  const [span] = record.spans;
  const smaller = span && halveLongest(span);
  return smaller && shareSettlement(parcel, [{ ...record, spans: [smaller] }]);
}

/** The first half of a trace asks for nothing besides its spans. */
function bare({ info }: TraceRecord): TraceRecord['info'] {
  return { ...info, state: 'IN_PROGRESS', assessments: [], prompts: [] };
}

function shareSettlement(parcel: TraceParcel, records: readonly TraceRecord[]): TraceParcel[] {
  let open = records.length;
  let lost = 0;
  let worst: Settlement = { kind: 'sent' };
  return records.map((record) => {
    const part = traceParcel(record, {
      bytes: Math.ceil(parcel.bytes / Math.max(records.length, 2)),
      deadline: parcel.deadline,
      firstDeadline: parcel.firstDeadline,
      fromSpool: parcel.fromSpool,
      parts: [parcel],
      settle: (settlement) => {
        if (settlement.kind === 'dropped') lost += settlement.spans ?? record.spans.length;
        if (worst.kind !== 'dropped' && settlement.kind !== 'sent') worst = settlement;
        if (--open > 0) return;
        parcel.settle(worst.kind === 'dropped' ? { ...worst, spans: lost } : worst);
      },
    });
    part.started = parcel.started;
    part.uncertain = parcel.uncertain;
    return part;
  });
}

function halveLongest(span: SpanRecord): SpanRecord | undefined {
  const maps = [span.attributes, ...span.events.map(({ attributes }) => attributes)];
  let longest = 0;
  for (const map of maps) {
    for (const value of Object.values(map)) {
      if (typeof value === 'string') longest = Math.max(longest, value.length);
    }
  }
  if (longest < MIN_TEXT) return undefined;
  const limit = Math.floor(longest / 2);
  return {
    ...span,
    attributes: {
      ...capTexts(span.attributes, limit),
      'dspy.truncated': truncatedKeys(span, limit),
    },
    events: span.events.map((event) => ({
      ...event,
      attributes: capTexts(event.attributes, limit),
    })),
  };
}

function capTexts(attributes: AttributeMap, limit: number): AttributeMap {
  const capped: AttributeMap = {};
  for (const [key, value] of Object.entries(attributes)) {
    capped[key] =
      typeof value === 'string' && value.length > limit
        ? cap(value, limit - MARK.length) + MARK
        : value;
  }
  return capped;
}

function truncatedKeys({ attributes }: SpanRecord, limit: number): string[] {
  const before = attributes['dspy.truncated'];
  const known = Array.isArray(before) ? (before as string[]) : [];
  const now = Object.entries(attributes)
    .filter(([, value]) => typeof value === 'string' && value.length > limit)
    .map(([key]) => key);
  return [...new Set([...known, ...now])];
}

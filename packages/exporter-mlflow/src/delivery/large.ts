import type { AttributeMap, AttributeValue, SpanRecord, TraceRecord } from '../internal-types.js';
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
      spoolDeadline: parcel.spoolDeadline,
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
  const longest = textsOf(span).reduce((most, { length }) => Math.max(most, length), 0);
  if (longest < MIN_TEXT) return undefined;
  const limit = Math.floor(longest / 2);
  const { message } = span.status;
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
    links: span.links.map((link) => ({ ...link, attributes: capTexts(link.attributes, limit) })),
    status: {
      ...span.status,
      ...(message === undefined ? {} : { message: capText(message, limit) }),
    },
  };
}

/** Everything of a span that may be long: values of attributes, of events and of links, the status. */
function textsOf({ attributes, events, links, status }: SpanRecord): string[] {
  const maps = [attributes, ...[...events, ...links].map((part) => part.attributes)];
  const values: unknown[] = [status.message, ...maps.flatMap((map) => Object.values(map).flat())];
  return values.filter((value): value is string => typeof value === 'string');
}

function capTexts(attributes: AttributeMap, limit: number): AttributeMap {
  const capped: AttributeMap = {};
  for (const [key, value] of Object.entries(attributes)) {
    if (typeof value === 'string') capped[key] = capText(value, limit);
    else if (Array.isArray(value)) capped[key] = capList(value, limit);
    else capped[key] = value;
  }
  return capped;
}

function capList(list: AttributeValue & readonly unknown[], limit: number): AttributeValue {
  return list.map((item) =>
    typeof item === 'string' ? capText(item, limit) : item,
  ) as AttributeValue;
}

function capText(text: string, limit: number): string {
  return text.length > limit ? cap(text, limit - MARK.length) + MARK : text;
}

function truncatedKeys({ attributes }: SpanRecord, limit: number): string[] {
  const before = attributes['dspy.truncated'];
  const known = Array.isArray(before) ? (before as string[]) : [];
  const now = Object.entries(attributes)
    .filter(([, value]) =>
      [value].flat().some((text) => typeof text === 'string' && text.length > limit),
    )
    .map(([key]) => key);
  return [...new Set([...known, ...now])];
}

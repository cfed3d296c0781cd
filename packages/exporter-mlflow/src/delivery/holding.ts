import type { TraceRecord } from '../internal-types.js';
import { shareLoss, type TraceParcel, traceParcel } from './parcel.js';

/** Held traces without their root are sent as they are after this: it was lost with another process. */
const LONGEST_HOLD_MS = 20 * 60_000;

interface HeldTrace {
  parcels: TraceParcel[];
  since: number;
}

/**
 * Parts of traces that wait until the trace is whole. Servers before 3.15 need all of a trace in one go:
 * StartTraceV3 first, with everything that is known, then the spans.
 */
export class Holding {
  readonly #traces = new Map<string, HeldTrace>();

  add(parcel: TraceParcel, now: number): void {
    const held = this.#traces.get(parcel.lane);
    if (held) held.parcels.push(parcel);
    else this.#traces.set(parcel.lane, { parcels: [parcel], since: now });
    parcel.hold();
  }

  /** The parcel that completes a trace, together with the parts that were held. */
  complete(parcel: TraceParcel): TraceParcel {
    const held = this.#take(parcel.lane);
    parcel.isMerged = true;
    return held.length === 0 ? parcel : merge([...held, parcel]);
  }

  /** Traces that have waited too long, or all. */
  release(now: number, all = false): TraceParcel[] {
    const released: TraceParcel[] = [];
    for (const [lane, { since }] of this.#traces) {
      if (!all && now - since < LONGEST_HOLD_MS) continue;
      released.push(asIncomplete(merge(this.#take(lane))));
    }
    return released;
  }

  /** The trace that has waited longest. */
  releaseOldest(): TraceParcel | undefined {
    const [lane] = this.#traces.keys();
    return lane === undefined ? undefined : asIncomplete(merge(this.#take(lane)));
  }

  #take(lane: string): TraceParcel[] {
    const held = this.#traces.get(lane);
    if (held === undefined) return [];
    this.#traces.delete(lane);
    return held.parcels;
  }
}

/** One parcel for all parts; what becomes of it becomes of each. */
function merge(parts: readonly TraceParcel[]): TraceParcel {
  const last = parts.at(-1) as TraceParcel;
  const record: TraceRecord = {
    ...last.record,
    complete: true,
    spans: parts.flatMap((part) => part.record.spans),
  };
  delete record.closing;
  if (parts.some((part) => part.record.remoteRoot)) record.remoteRoot = true;
  const parcel = traceParcel(record, {
    bytes: parts.reduce((sum, { bytes }) => sum + bytes, 0),
    deadline: Math.max(...parts.map(({ deadline }) => deadline)),
    firstDeadline: Math.max(...parts.map(({ firstDeadline }) => firstDeadline)),
    spoolDeadline: Math.max(...parts.map(({ spoolDeadline }) => spoolDeadline)),
    fromSpool: parts.every(({ fromSpool }) => fromSpool),
    parts,
    settle: (settlement) => {
      const isPartial = settlement.kind === 'dropped' && settlement.spans !== undefined;
      const shares = isPartial ? shareLoss(parts, settlement) : undefined;
      for (const part of parts) {
        part.settle(shares ? (shares.get(part) ?? { kind: 'sent' }) : settlement);
      }
    },
  });
  parcel.isMerged = true;
  parcel.uncertain = parts.some(({ uncertain }) => uncertain);
  return parcel;
}

function asIncomplete(parcel: TraceParcel): TraceParcel {
  const { record } = parcel;
  if (record.info.state !== 'IN_PROGRESS') return parcel;
  record.info = {
    ...record.info,
    state: 'ERROR',
    tags: { ...record.info.tags, 'dspy.incomplete': 'the root span never arrived' },
  };
  return parcel;
}

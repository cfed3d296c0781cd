import { describe } from '../diagnostics.js';
import type { RunRecord, TraceRecord } from '../internal-types.js';
import type { StoreRecord } from '../store/records.js';
import type { DropReason } from '../types.js';

/** How the responsibility for a parcel ended. */
export type Settlement =
  /** The server, or the local store, has it. */
  | { kind: 'sent' }
  | { kind: 'spooled' }
  /** Came from the spool and could not be delivered now. */
  | { kind: 'released' }
  | Dropped;

export interface Dropped {
  kind: 'dropped';
  reason: DropReason;
  detail: string;
  /** How many of the parcel's spans, where it is not all; the others are sent. */
  spans?: number;
  /** The spans may be another's of the same request: the server gave only their number. */
  isGuess?: true;
}

interface ParcelBase {
  /** Parcels of one lane never travel at the same time, and keep their order. */
  readonly lane: string;
  readonly spans: number;
  /** Estimated size. */
  readonly bytes: number;
  /** Milliseconds since the epoch after which it is given up or spooled. */
  readonly deadline: number;
  /** The same while no server has ever been reached: most likely there is none. */
  readonly firstDeadline: number;
  /** The same where an open spool can take it: nothing has to wait in memory then. */
  readonly spoolDeadline: number;
  /** Taken from the spool: a failure gives it back at once instead of waiting in memory. */
  readonly fromSpool: boolean;
  /** Tries so far. */
  tries: number;
  /** An earlier try may have reached the server although no answer came back. */
  uncertain: boolean;
  /** Only the first call counts. */
  settle(settlement: Settlement): void;
  /** Called once, after `settle`. */
  whenSettled(listener: () => void): void;
  /** Somebody has answered for it. */
  isSettled(): boolean;
  /** It waits in memory until its trace is whole (servers before 3.15): whoever gave it need not wait. */
  hold(): void;
}

export interface TraceParcel extends ParcelBase {
  readonly type: 'trace';
  readonly record: TraceRecord;
  /** Steps that are done, so that a retry does not repeat them. */
  started: boolean;
  spansSent: boolean;
  /** All parts of its trace that were held are in it. */
  isMerged: boolean;
  /** What the server did not take of its spans, once they are sent. */
  rejected: Dropped | undefined;
}

export interface RunParcel extends ParcelBase {
  readonly type: 'run';
  readonly record: RunRecord;
}

export type Parcel = TraceParcel | RunParcel;

export interface ParcelOptions {
  bytes: number;
  deadline: number;
  firstDeadline?: number;
  spoolDeadline?: number;
  fromSpool?: boolean;
  settle(settlement: Settlement): void;
  hold?: () => void;
  /** Parcels whose settlement this one's is. */
  parts?: readonly Parcel[];
}

export function traceParcel(record: TraceRecord, options: ParcelOptions): TraceParcel {
  return {
    type: 'trace',
    record,
    lane: record.info.traceId,
    spans: record.spans.length,
    started: false,
    spansSent: false,
    isMerged: false,
    rejected: undefined,
    ...common(options),
  };
}

export function runParcel(record: RunRecord, options: ParcelOptions): RunParcel {
  return { type: 'run', record, lane: record.key, spans: 0, ...common(options) };
}

function common(options: ParcelOptions) {
  const { bytes, deadline, fromSpool = false, settle, hold } = options;
  const { firstDeadline = deadline, spoolDeadline = deadline, parts = [] } = options;
  let settled = false;
  let listener: (() => void) | undefined;
  return {
    bytes,
    deadline,
    firstDeadline,
    spoolDeadline,
    fromSpool,
    tries: 0,
    uncertain: false,
    settle(settlement: Settlement): void {
      if (settled) return;
      settled = true;
      settle(settlement);
      listener?.();
    },
    whenSettled(called: () => void): void {
      listener = called;
    },
    isSettled: () => settled || (parts.length > 0 && parts.every((part) => part.isSettled())),
    hold(): void {
      hold?.();
    },
  };
}

export function toStoreRecord(parcel: Parcel): StoreRecord {
  return parcel.type === 'trace'
    ? { type: 'trace', value: parcel.record }
    : { type: 'run', value: parcel.record };
}

/** Writes parcels with a synchronous function and settles them; the number of spans that are lost. */
export function saveParcels(
  parcels: readonly Parcel[],
  settlement: Settlement,
  write: (records: StoreRecord[]) => void,
): number {
  if (parcels.length === 0) return 0;
  try {
    write(parcels.map(toStoreRecord));
    for (const parcel of parcels) parcel.settle(settlement);
    return 0;
  } catch (error) {
    return dropParcels(parcels, 'storage', describe(error));
  }
}

/** What is lost of several parcels together, as the loss of each: of the first ones, since nobody knows whose it is. */
export function shareLoss<T extends Parcel>(
  parcels: readonly T[],
  { spans: lost = Number.POSITIVE_INFINITY, ...loss }: Dropped,
): Map<T, Dropped> {
  const total = parcels.reduce((sum, { spans }) => sum + spans, 0);
  const isGuess = parcels.length > 1 && lost < total;
  const shares = new Map<T, Dropped>();
  let left = lost;
  for (const parcel of parcels) {
    const spans = Math.min(left, parcel.spans);
    left -= spans;
    if (spans > 0) shares.set(parcel, { ...loss, spans, ...(isGuess ? { isGuess } : {}) });
  }
  return shares;
}

/** Settles parcels as dropped; the number of spans in them. */
export function dropParcels(
  parcels: readonly Parcel[],
  reason: DropReason,
  detail: string,
): number {
  for (const parcel of parcels) parcel.settle({ kind: 'dropped', reason, detail });
  return parcels.reduce((sum, { spans }) => sum + spans, 0);
}

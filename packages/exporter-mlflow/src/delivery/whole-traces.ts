import { Holding } from './holding.js';
import type { Parcel, TraceParcel } from './parcel.js';

/** Traces of which parts are in the spool; beyond it the oldest are forgotten. */
const MAX_SPOOLED_TRACES = 10_000;

/**
 * Puts traces together for servers that need them whole, in memory or by way of the spool, and keeps what
 * ends a trace behind the parts of it that are in the spool.
 */
export class WholeTraces {
  readonly #holding = new Holding();
  /** In the order in which they were spooled first. */
  readonly #spooled = new Set<string>();
  readonly #spool: ((parcels: Parcel[]) => void) | undefined;
  readonly #isSpoolOpen: () => boolean;

  constructor(spool: ((parcels: Parcel[]) => void) | undefined, isSpoolOpen: () => boolean) {
    this.#spool = spool;
    this.#isSpoolOpen = isSpoolOpen;
  }

  /** Puts parcels into the spool; false where there is none. */
  spool(parcels: Parcel[]): boolean {
    if (this.#spool === undefined) return false;
    for (const { type, lane } of parcels) {
      if (type !== 'trace') continue;
      this.#spooled.delete(lane);
      this.#spooled.add(lane);
    }
    for (const lane of this.#spooled) {
      if (this.#spooled.size <= MAX_SPOOLED_TRACES) break;
      this.#spooled.delete(lane);
    }
    this.#spool(parcels);
    return true;
  }

  /** Whether the end of a trace has to follow its parts into the spool: sent now it would find no trace. */
  follows(parcel: Parcel): boolean {
    return (
      parcel.type === 'trace' &&
      parcel.record.closing === true &&
      !parcel.fromSpool &&
      this.#spooled.has(parcel.lane)
    );
  }

  /**
   * For servers that need traces whole: the parcel to send, with all parts held of its trace, or nothing
   * while its trace is not whole.
   *
   * @param isEnding nothing will complete the trace any more
   */
  complete(parcel: TraceParcel, now: number, isEnding: boolean): TraceParcel | undefined {
    const { record, lane, fromSpool } = parcel;
    if (record.late || parcel.started || parcel.isMerged) return parcel;
    const isWhole = record.closing || (record.complete && !record.remoteRoot);
    // Parts go through the spool where one is open: held there they outlive the process.
    const belongsInSpool = !fromSpool && (!isWhole || this.#spooled.has(lane));
    if (belongsInSpool && this.#isSpoolOpen() && this.spool([parcel])) {
      if (isWhole) this.#spooled.delete(lane);
      return undefined;
    }
    if (isWhole || isEnding) return this.#holding.complete(parcel);
    this.#holding.add(parcel, now);
    return undefined;
  }

  /** Held traces that have waited too long, or all. */
  release(now: number, all = false): TraceParcel[] {
    return this.#holding.release(now, all);
  }

  releaseOldest(): TraceParcel | undefined {
    return this.#holding.releaseOldest();
  }
}

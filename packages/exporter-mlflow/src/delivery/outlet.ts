import type { Parcel } from './parcel.js';

/** Where parcels go: a server or the local store. Nothing of it throws or rejects. */
export interface Outlet {
  /** Takes responsibility for a parcel, which is settled exactly once. */
  accept(parcel: Parcel): void;
  /** Settles everything within the milliseconds given, or gives it up. */
  end(timeoutMs: number): Promise<void>;
  /**
   * Saves and settles what is not settled, synchronously: the process is about to end. Returns the
   * number of spans that could not be saved.
   */
  saveNow(): number;
  /** Estimated bytes in memory. */
  readonly bytes: number;
}

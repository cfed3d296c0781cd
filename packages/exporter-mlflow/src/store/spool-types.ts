import type { StoreRecord } from './records.js';

/** Why records left the spool without having been delivered. */
export type SpoolDropReason = 'spool_full' | 'spool_expired' | 'spool_corrupt';

export interface SpoolOptions {
  /** Folder of the spool; created when absent. May be shared by processes of one machine or one mounted volume. */
  directory: string;
  /** Most bytes on disk, all processes together; beyond it the oldest records go. Default 256 MiB. */
  maxBytes?: number;
  /** Milliseconds a record may wait. Default 14 days. */
  maxAgeMs?: number;
  /** Bytes after which a new segment file is begun. Default 4 MiB. */
  segmentBytes?: number;
  /**
   * `batch` (default): `put` resolves after the disk has the bytes (`fdatasync`, one for all puts that
   * wait together), so they survive a power cut. `never`: after the operating system has them, so they
   * survive the death of the process but not of the machine.
   */
  fsync?: 'batch' | 'never';
  /** Told of records that left undelivered; never throws into the spool. */
  onDrop?: (reason: SpoolDropReason, records: number) => void;
}

export interface SpoolItem {
  /** Identifies the stored record; give the item back to `ack`, `release` or `bury`. */
  readonly id: string;
  readonly record: StoreRecord;
  /** Size on disk. */
  readonly bytes: number;
  /** Milliseconds since the epoch. */
  readonly storedAtMs: number;
}

export interface SpoolStats {
  /** Records waiting in segments this process owns, taken ones included. */
  waiting: number;
  /** Bytes on disk, segments of other processes and buried records included. */
  bytes: number;
  /** Records this process took over from processes that ended. */
  adopted: number;
  /** Records in the graveyard written by this process. */
  buried: number;
  dropped: Record<SpoolDropReason, number>;
}

/**
 * Records that the server could not take yet, on disk. Several processes may share the folder: each
 * writes segment files of its own and takes over those of processes that ended.
 */
export interface Spool {
  /**
   * Resolves when the records are safe (see `fsync`). Rejects when the disk refuses them, and with
   * {@link SpoolFullError} when they are more than the spool may hold beside other processes'.
   */
  put(records: readonly StoreRecord[]): Promise<void>;
  /**
   * For `process.on('exit')`, where only synchronous work is done (`process.exit()`, an uncaught error):
   * returns when the disk has the records and whatever `put` still had in memory, in a file that the
   * next process to open the spool takes over. The bounds are applied then. Throws when the disk
   * refuses.
   */
  putSync(records: readonly StoreRecord[]): void;
  /** The oldest records that nobody has taken, at most `maxItems` (100) and about `maxBytes` (4 MiB), at least one when there is one. */
  take(limits?: { maxItems?: number; maxBytes?: number }): Promise<SpoolItem[]>;
  /** Delivered: forgotten, also across restarts. */
  ack(items: readonly SpoolItem[]): Promise<void>;
  /** Not delivered: may be taken again at once. */
  release(items: readonly SpoolItem[]): void;
  /** Refused for good: moved to the graveyard (`buried/`, same format, bounded) with the reason, never taken again. */
  bury(items: readonly SpoolItem[], reason: string): Promise<void>;
  /** Takes over segments of processes that ended; returns the number of records gained. Also done on open. */
  adopt(): Promise<number>;
  stats(): SpoolStats;
  /** Waits for pending writes and gives the segments up, so that another process may take them over at once. */
  close(): Promise<void>;
}

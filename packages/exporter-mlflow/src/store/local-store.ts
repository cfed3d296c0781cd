import type { StoreRecord } from './records.js';

export interface LocalStoreOptions {
  /** Folder of the store; created when absent. Several processes may write to it at once. */
  directory: string;
  /** Most bytes on disk; beyond it the oldest segment files go. Default 1 GiB. */
  maxBytes?: number;
  /** Milliseconds a segment file is kept after its last write. Default: no limit. */
  maxAgeMs?: number;
  /** Bytes after which a new segment file is begun. Default 8 MiB. */
  segmentBytes?: number;
  /** As in the spool: `batch` (default) or `never`. */
  fsync?: 'batch' | 'never';
  /** Told when the bounds remove records. */
  onDrop?: (reason: 'store_full' | 'store_expired', records: number) => void;
}

/** Writing half of the local store; reading is in `read-store.ts`. */
export interface LocalStore {
  readonly directory: string;
  /** Resolves when the records are safe (see `fsync`); rejects when the disk refuses them. */
  write(records: readonly StoreRecord[]): Promise<void>;
  /** For `process.on('exit')`: as `putSync` of the spool. */
  writeSync(records: readonly StoreRecord[]): void;
  close(): Promise<void>;
}

export declare function openLocalStore(options: LocalStoreOptions): Promise<LocalStore>;

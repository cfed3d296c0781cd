import { access, mkdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { MlflowConfigError } from '../server/errors.js';
import { withoutTracing } from '../suppress-tracing.js';
import { encodeBatch, type ListedFile, listFiles, parseSegmentName, segmentName } from './files.js';
import type { StoreRecord } from './records.js';
import { SegmentWriter, writeBatchSync } from './segment-writer.js';
import { countFrames } from './store-reader.js';

const MEBIBYTE = 1024 * 1024;
const DEFAULT_MAX_BYTES = 1024 * MEBIBYTE;
const DEFAULT_SEGMENT_BYTES = 8 * MEBIBYTE;
/** A file changed this lately may still be written to by another process. */
const ACTIVE_MS = 60_000;

export interface LocalStoreOptions {
  /** Folder of the store; created when absent. Several processes may write to it at once. */
  directory: string;
  /** Most bytes on disk, all processes together; beyond it the oldest files go. Default 1 GiB. */
  maxBytes?: number;
  /** Milliseconds a file is kept after its last write. Default: no limit. */
  maxAgeMs?: number;
  /** Bytes after which a new segment file is begun. Default 8 MiB. */
  segmentBytes?: number;
  /**
   * `batch` (default): a write resolves after the disk has the bytes (`fdatasync`, one for all writes
   * that wait together), so they survive a power cut. `never`: after the operating system has them, so
   * they survive the death of the process but not of the machine.
   */
  fsync?: 'batch' | 'never';
  /** Told when the bounds remove records; never throws into the store. */
  onDrop?: (reason: 'store_full' | 'store_expired', records: number) => void;
}

/** Writing half of the local store; reading is `StoreReader`. */
export interface LocalStore {
  readonly directory: string;
  /** Resolves when the records are safe (see `fsync`); rejects when the disk refuses them. */
  write(records: readonly StoreRecord[]): Promise<void>;
  /**
   * For `process.on('exit')`, where only synchronous work is done: returns when the disk has the
   * records and whatever `write` still had in memory. Throws when the disk refuses.
   */
  writeSync(records: readonly StoreRecord[]): void;
  /** Waits for pending writes. */
  close(): Promise<void>;
}

/** Rejects with `MlflowConfigError` for a folder that holds Python's file store, and when the folder cannot be made. */
export function openLocalStore(options: LocalStoreOptions): Promise<LocalStore> {
  const { directory } = options;
  return withoutTracing(async () => {
    if (await isPythonFileStore(directory)) {
      throw new MlflowConfigError(
        `trackingUri: ${directory} holds MLflow runs of Python's file store, which this store does not read or write; name another folder`,
      );
    }
    await mkdir(directory, { recursive: true, mode: 0o700 });
    const store = new DirectoryStore(options);
    await store.prune();
    return store;
  });
}

class DirectoryStore implements LocalStore {
  readonly directory: string;
  readonly #options: LocalStoreOptions;
  readonly #maxBytes: number;
  readonly #segmentBytes: number;
  readonly #writer: SegmentWriter;
  #sincePruned = 0;

  constructor(options: LocalStoreOptions) {
    this.directory = options.directory;
    this.#options = options;
    this.#maxBytes = options.maxBytes ?? DEFAULT_MAX_BYTES;
    this.#segmentBytes = Math.min(
      options.segmentBytes ?? DEFAULT_SEGMENT_BYTES,
      Math.ceil(this.#maxBytes / 8),
    );
    this.#writer = new SegmentWriter({
      directory: this.directory,
      segmentBytes: this.#segmentBytes,
      sync: (options.fsync ?? 'batch') === 'batch',
      nameOf: (stem) => segmentName({ stem }),
    });
  }

  async write(records: readonly StoreRecord[]): Promise<void> {
    if (records.length === 0) return;
    const bytes = encodeBatch(records);
    await this.#writer.append(bytes);
    this.#sincePruned += bytes.byteLength;
    if (this.#sincePruned < this.#segmentBytes) return;
    this.#sincePruned = 0;
    // The records are safe; what the bounds find wrong is not this write's failure.
    await this.prune().catch(() => undefined);
  }

  writeSync(records: readonly StoreRecord[]): void {
    const bytes = Buffer.concat([...this.#writer.unwritten(), encodeBatch(records)]);
    if (bytes.byteLength > 0)
      writeBatchSync(this.directory, (stem) => segmentName({ stem }), bytes);
  }

  close(): Promise<void> {
    return this.#writer.rotate();
  }

  /** Applies the bounds. A file that a process may be writing to stays. */
  async prune(): Promise<void> {
    const { maxAgeMs } = this.#options;
    const now = Date.now();
    const files = (await listFiles(this.directory)).filter(({ name }) => parseSegmentName(name));
    let bytes = files.reduce((sum, file) => sum + file.bytes, 0);
    for (const file of files) {
      const expired = maxAgeMs !== undefined && file.modifiedMs < now - maxAgeMs;
      if (!expired && bytes <= this.#maxBytes) continue;
      if (file.name === this.#writer.current) continue;
      if (now - file.modifiedMs < ACTIVE_MS && !this.#isOurs(file)) continue;
      const records = await countFrames(join(this.directory, file.name));
      await rm(join(this.directory, file.name), { force: true });
      this.#writer.ended.delete(file.name);
      bytes -= file.bytes;
      this.#report(expired ? 'store_expired' : 'store_full', records);
    }
  }

  /** Ended files of this process are never written to again. */
  #isOurs({ name }: ListedFile): boolean {
    return this.#writer.ended.has(name);
  }

  #report(reason: 'store_full' | 'store_expired', records: number): void {
    try {
      this.#options.onDrop?.(reason, records);
    } catch {
      // The store goes on.
    }
  }
}

/** `<experiment id>/meta.yaml`, which Python's `file:` store has in its folder. */
async function isPythonFileStore(directory: string): Promise<boolean> {
  try {
    await access(join(directory, '0', 'meta.yaml'));
    return true;
  } catch {
    return false;
  }
}

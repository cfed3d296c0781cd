import { randomBytes } from 'node:crypto';
import { closeSync, constants, fsyncSync, mkdirSync, openSync, writeSync } from 'node:fs';
import { type FileHandle, mkdir, open, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { withoutTracing } from '../suppress-tracing.js';

export interface SegmentWriterOptions {
  directory: string;
  segmentBytes: number;
  /** Whether a write is acknowledged only after `fdatasync`. */
  sync: boolean;
  /** File name from a unique stem that sorts by time. */
  nameOf(stem: string): string;
  /** Told after records are safe. `fileName` is where they are, from `offset` on. */
  onAppended?(fileName: string, offset: number, bytes: Buffer): void;
}

interface Segment {
  path: string;
  name: string;
  file: FileHandle;
  inode: bigint;
  size: number;
}

interface Waiting {
  bytes: Buffer;
  resolve(): void;
  reject(error: unknown): void;
}

const MAX_BATCH_BYTES = 8 * 1024 * 1024;
/** Owner only: the files hold prompts and answers. */
const FILE_MODE = 0o600;
const FOLDER_MODE = 0o700;
const FLAGS = constants.O_CREAT | constants.O_EXCL | constants.O_APPEND | constants.O_WRONLY;

/**
 * Appends lines to files that no other process writes to. Everything that waits while the disk is
 * busy goes in one write and one `fdatasync` (group commit). After a failed write a new file is begun,
 * so that a torn line is always the last of its file.
 */
export class SegmentWriter {
  readonly #options: SegmentWriterOptions;
  #segment: Segment | undefined;
  #waiting: Waiting[] = [];
  #writing: readonly Waiting[] = [];
  #running: Promise<void> | undefined;
  /** Names of the files this writer has ended. */
  readonly ended = new Set<string>();

  constructor(options: SegmentWriterOptions) {
    this.#options = options;
  }

  /** Resolves when the bytes (whole lines) are safe. */
  append(bytes: Buffer): Promise<void> {
    return new Promise((resolve, reject) => {
      this.#waiting.push({ bytes, resolve, reject });
      this.#running ??= withoutTracing(() => this.#drain());
    });
  }

  /** What no disk has acknowledged yet: an exiting process will not see it written. */
  unwritten(): Buffer[] {
    return [...this.#writing, ...this.#waiting].map(({ bytes }) => bytes);
  }

  /** Name of the file being written to. */
  get current(): string | undefined {
    return this.#segment?.name;
  }

  /** Ends the current file; the next append begins another. Waits for pending writes. */
  async rotate(): Promise<void> {
    while (this.#running) await this.#running;
    await this.#end();
  }

  async #end(): Promise<void> {
    const segment = this.#segment;
    if (!segment) return;
    this.#segment = undefined;
    this.ended.add(segment.name);
    await segment.file.close();
  }

  async #drain(): Promise<void> {
    try {
      while (this.#waiting.length > 0) {
        const batch = this.#nextBatch();
        this.#writing = batch;
        try {
          await this.#write(Buffer.concat(batch.map(({ bytes }) => bytes)));
          for (const { resolve } of batch) resolve();
        } catch (error) {
          await this.#end().catch(() => undefined);
          for (const { reject } of batch) reject(error);
        }
        this.#writing = [];
      }
    } catch (error) {
      for (const { reject } of this.#waiting.splice(0)) reject(error);
    }
    // In the same step as the last look: what is appended after it starts the next run.
    this.#running = undefined;
  }

  #nextBatch(): Waiting[] {
    let size = 0;
    let count = 0;
    for (const { bytes } of this.#waiting) {
      if (count > 0 && size + bytes.byteLength > MAX_BATCH_BYTES) break;
      size += bytes.byteLength;
      count++;
    }
    return this.#waiting.splice(0, count);
  }

  async #write(bytes: Buffer): Promise<void> {
    const segment = await this.#usableSegment();
    const offset = segment.size;
    for (let written = 0; written < bytes.byteLength; ) {
      const { bytesWritten } = await segment.file.write(bytes, written);
      written += bytesWritten;
    }
    if (this.#options.sync) await segment.file.datasync();
    segment.size += bytes.byteLength;
    this.#options.onAppended?.(segment.name, offset, bytes);
    if (segment.size >= this.#options.segmentBytes) await this.#end();
  }

  async #usableSegment(): Promise<Segment> {
    const segment = this.#segment;
    // The file may have been removed, or taken over by a process that took this one for dead.
    if (segment && (await inodeOf(segment.path)) === segment.inode) return segment;
    if (segment) await this.#end();
    return this.#begin();
  }

  async #begin(): Promise<Segment> {
    const { directory, sync, nameOf } = this.#options;
    await mkdir(directory, { recursive: true, mode: FOLDER_MODE });
    const name = nameOf(newStem());
    const path = join(directory, name);
    const file = await open(path, FLAGS, FILE_MODE);
    const { ino } = await file.stat({ bigint: true });
    if (sync) await syncFolder(directory);
    this.#segment = { path, name, file, inode: ino, size: 0 };
    return this.#segment;
  }
}

/** Writes a file of its own before it returns. */
export function writeBatchSync(
  directory: string,
  nameOf: (stem: string) => string,
  bytes: Buffer,
): void {
  mkdirSync(directory, { recursive: true, mode: FOLDER_MODE });
  const file = openSync(join(directory, nameOf(newStem())), FLAGS, FILE_MODE);
  try {
    for (let written = 0; written < bytes.byteLength; ) {
      written += writeSync(file, bytes, written);
    }
    fsyncSync(file);
  } finally {
    closeSync(file);
  }
}

/** Sorts by time; unique among processes. */
function newStem(): string {
  return `${String(Date.now()).padStart(14, '0')}-${randomBytes(6).toString('hex')}`;
}

async function inodeOf(path: string): Promise<bigint | undefined> {
  try {
    return (await stat(path, { bigint: true })).ino;
  } catch {
    return undefined;
  }
}

/** A new file survives a power cut only when its folder's entry does. Windows has no such call. */
async function syncFolder(directory: string): Promise<void> {
  try {
    const folder = await open(directory, 'r');
    try {
      await folder.sync();
    } finally {
      await folder.close();
    }
  } catch (error) {
    const code = (error as NodeJS.ErrnoException).code;
    if (code !== 'EPERM' && code !== 'EISDIR' && code !== 'EINVAL') throw error;
  }
}

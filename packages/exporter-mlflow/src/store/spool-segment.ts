import { appendFile, open, readFile, rename, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { decodeRecord } from './codec.js';
import { segmentName } from './files.js';
import { type FrameInfo, readFrame, scanFrames } from './frame.js';
import type { StoreRecord } from './records.js';

interface Waiting {
  length: number;
  storedAtMs: number;
  taken: boolean;
}

/** One file of a spool that this process owns: which of its records still wait, and where they are. */
export class SpoolSegment {
  readonly stem: string;
  readonly #directory: string;
  #name: string;
  #scanned = 0;
  /** By offset, in order. */
  readonly #waiting = new Map<number, Waiting>();
  corrupt = 0;

  constructor(directory: string, stem: string, name: string) {
    this.#directory = directory;
    this.stem = stem;
    this.#name = name;
  }

  /**
   * Takes a file over from a dead owner: the rename succeeds for one process only.
   * `undefined` when another was first.
   */
  static async adopt(
    directory: string,
    stem: string,
    from: string,
    owner: string,
  ): Promise<SpoolSegment | undefined> {
    const name = segmentName({ stem, owner });
    try {
      await rename(join(directory, from), join(directory, name));
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
      throw error;
    }
    const segment = new SpoolSegment(directory, stem, name);
    await segment.#load();
    return segment;
  }

  get size(): number {
    return this.#waiting.size;
  }

  get bytes(): number {
    return this.#scanned;
  }

  get path(): string {
    return join(this.#directory, this.#name);
  }

  get acksPath(): string {
    return join(this.#directory, `${this.stem}${ACKS_SUFFIX}`);
  }

  /** Lines that were just written at `offset`. */
  appended(offset: number, bytes: Buffer): void {
    const { frames } = scanFrames(bytes, offset);
    for (const frame of frames) this.#add(frame);
    this.#scanned = offset + bytes.byteLength;
  }

  /** Offsets that nobody has taken, oldest first. */
  *free(): Generator<{ offset: number; length: number; storedAtMs: number }> {
    for (const [offset, { taken, length, storedAtMs }] of this.#waiting) {
      if (!taken) yield { offset, length, storedAtMs };
    }
  }

  take(offset: number): void {
    const item = this.#waiting.get(offset);
    if (item) item.taken = true;
  }

  release(offset: number): void {
    const item = this.#waiting.get(offset);
    if (item) item.taken = false;
  }

  has(offset: number): boolean {
    return this.#waiting.has(offset);
  }

  /** Records by offset; a damaged one is missing. */
  async read(offsets: readonly number[]): Promise<Map<number, StoreRecord>> {
    const records = new Map<number, StoreRecord>();
    const file = await open(this.path, 'r');
    try {
      for (const offset of offsets) {
        const item = this.#waiting.get(offset);
        if (!item) continue;
        const line = Buffer.allocUnsafe(item.length);
        const { bytesRead } = await file.read(line, 0, item.length, offset);
        const frame = readFrame(line.subarray(0, bytesRead));
        const record = frame && decodeRecord(frame.type, frame.json);
        if (record) records.set(offset, record);
      }
    } finally {
      await file.close();
    }
    return records;
  }

  /** Remembers on disk that these records are done with. */
  async forget(offsets: readonly number[]): Promise<void> {
    const done = offsets.filter((offset) => this.#waiting.delete(offset));
    if (done.length === 0) return;
    // Twice, so that a torn line (127=12) is not taken for another record's.
    await appendFile(this.acksPath, done.map((offset) => `${offset}=${offset}\n`).join(''), {
      mode: 0o600,
    });
  }

  /** Removes the files once nothing waits in them; `false` when there is more after all. */
  async removeIfDone(): Promise<boolean> {
    if (this.#waiting.size > 0) return false;
    const size = await sizeOf(this.path);
    if (size > this.#scanned) {
      // Written by an owner that had been taken for dead.
      await this.#load();
      if (this.#waiting.size > 0) return false;
    }
    await rm(this.path, { force: true });
    await rm(this.acksPath, { force: true });
    return true;
  }

  async #load(): Promise<void> {
    const bytes = await readFile(this.path);
    const { frames, consumed, corrupt } = scanFrames(bytes);
    const done = await this.#readAcks();
    for (const frame of frames) {
      if (frame.offset >= this.#scanned && !done.has(frame.offset)) this.#add(frame);
    }
    this.#scanned = Math.max(this.#scanned, consumed);
    this.corrupt = corrupt;
  }

  #add({ offset, length, storedAtMs }: FrameInfo): void {
    this.#waiting.set(offset, { length, storedAtMs, taken: false });
  }

  async #readAcks(): Promise<Set<number>> {
    const done = new Set<number>();
    let text: string;
    try {
      text = await readFile(this.acksPath, 'latin1');
    } catch {
      return done;
    }
    for (const line of text.split('\n')) {
      const [first, second] = line.split('=');
      if (first !== undefined && first !== '' && first === second) done.add(Number(first));
    }
    return done;
  }
}

export const ACKS_SUFFIX = '.acks';

async function sizeOf(path: string): Promise<number> {
  try {
    return (await stat(path)).size;
  } catch {
    return 0;
  }
}

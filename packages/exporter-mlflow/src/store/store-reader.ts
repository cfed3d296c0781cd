import { open, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { decodeRecord } from './codec.js';
import { listFiles, parseSegmentName } from './files.js';
import { type FrameInfo, readFrame, scanFrames } from './frame.js';
import type { StoreRecord } from './records.js';

/** Where a record is. */
export interface Place {
  file: string;
  offset: number;
  length: number;
}

/** All records of one trace or run, in the order of writing. */
export interface IndexEntry {
  /** Trace id (32 hex), run key or run id. */
  key: string;
  /** Milliseconds since the epoch at which it began; 0 when only changes to it are known. */
  timeMs: number;
  places: Place[];
}

/**
 * Reads the files of a store or a spool, also while other processes write to them. Holds an index of
 * places in memory (about 200 bytes a record), never the records.
 */
export class StoreReader {
  readonly #directory: string;
  /** Bytes of each file that the index covers. */
  readonly #covered = new Map<string, number>();
  readonly #traces = new Map<string, IndexEntry>();
  readonly #runs = new Map<string, IndexEntry>();
  #refreshing: Promise<void> | undefined;
  /** Damaged lines met so far. */
  corrupt = 0;

  constructor(directory: string) {
    this.#directory = directory;
  }

  /** Brings the index up to what the files hold now. */
  refresh(): Promise<void> {
    this.#refreshing ??= this.#refresh().finally(() => {
      this.#refreshing = undefined;
    });
    return this.#refreshing;
  }

  trace(traceId: string): IndexEntry | undefined {
    return this.#traces.get(traceId);
  }

  traces(): IndexEntry[] {
    return [...this.#traces.values()].filter(({ timeMs }) => timeMs > 0);
  }

  run(key: string): IndexEntry | undefined {
    return this.#runs.get(key);
  }

  runs(): IndexEntry[] {
    return [...this.#runs.values()];
  }

  /** Records in the order of `places`; missing ones (removed by the bounds) are left out. */
  async read(places: readonly Place[]): Promise<StoreRecord[]> {
    const records: StoreRecord[] = [];
    let start = 0;
    while (start < places.length) {
      const file = (places[start] as Place).file;
      let end = start + 1;
      while (places[end]?.file === file) end++;
      records.push(...(await this.#readFile(file, places.slice(start, end))));
      start = end;
    }
    return records;
  }

  /** Everything, file by file, in the order of writing. */
  async *records(): AsyncGenerator<StoreRecord> {
    for (const { name } of await listFiles(this.#directory)) {
      if (!parseSegmentName(name)) continue;
      const { frames } = await scanFile(join(this.#directory, name), 0);
      for (const { offset, length } of frames) {
        yield* await this.#readFile(name, [{ file: name, offset, length }]);
      }
    }
  }

  async #refresh(): Promise<void> {
    const present = new Set<string>();
    for (const { name, bytes } of await listFiles(this.#directory)) {
      if (!parseSegmentName(name)) continue;
      present.add(name);
      const covered = this.#covered.get(name) ?? 0;
      if (bytes <= covered) continue;
      const { frames, consumed, corrupt } = await scanFile(join(this.#directory, name), covered);
      this.#covered.set(name, consumed);
      this.corrupt += corrupt;
      for (const frame of frames) this.#add(name, frame);
    }
    const gone = [...this.#covered.keys()].filter((name) => !present.has(name));
    if (gone.length > 0) this.#forget(new Set(gone));
  }

  #add(file: string, { offset, length, type, key, timeMs }: FrameInfo): void {
    const index = type === 'run' || type === 'runPatch' ? this.#runs : this.#traces;
    const name = decodeURIComponent(key);
    let entry = index.get(name);
    if (!entry) {
      entry = { key: name, timeMs, places: [] };
      index.set(name, entry);
    } else if (timeMs > 0 && (entry.timeMs === 0 || timeMs < entry.timeMs)) entry.timeMs = timeMs;
    entry.places.push({ file, offset, length });
  }

  #forget(files: ReadonlySet<string>): void {
    for (const file of files) this.#covered.delete(file);
    for (const index of [this.#traces, this.#runs]) {
      for (const [key, entry] of index) {
        entry.places = entry.places.filter(({ file }) => !files.has(file));
        if (entry.places.length === 0) index.delete(key);
      }
    }
  }

  async #readFile(file: string, places: readonly Place[]): Promise<StoreRecord[]> {
    const records: StoreRecord[] = [];
    let handle: Awaited<ReturnType<typeof open>>;
    try {
      handle = await open(join(this.#directory, file), 'r');
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'ENOENT') return records;
      throw error;
    }
    try {
      for (const { offset, length } of places) {
        const line = Buffer.allocUnsafe(length);
        const { bytesRead } = await handle.read(line, 0, length, offset);
        const frame = readFrame(line.subarray(0, bytesRead));
        const record = frame && decodeRecord(frame.type, frame.json);
        if (record) records.push(record);
      }
    } finally {
      await handle.close();
    }
    return records;
  }
}

/** Number of whole records in a file; 0 when it cannot be read. */
export async function countFrames(path: string): Promise<number> {
  try {
    return scanFrames(await readFile(path)).frames.length;
  } catch {
    return 0;
  }
}

/** Lines from `from` on. A file that vanished meanwhile has none. */
async function scanFile(path: string, from: number): Promise<ReturnType<typeof scanFrames>> {
  let handle: Awaited<ReturnType<typeof open>>;
  try {
    handle = await open(path, 'r');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error;
    return { frames: [], consumed: from, corrupt: 0 };
  }
  try {
    const { size } = await handle.stat();
    const bytes = Buffer.allocUnsafe(Math.max(0, size - from));
    const { bytesRead } = await handle.read(bytes, 0, bytes.byteLength, from);
    return scanFrames(bytes.subarray(0, bytesRead), from);
  } finally {
    await handle.close();
  }
}

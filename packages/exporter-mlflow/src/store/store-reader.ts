import { open, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { decodeRecord } from './codec.js';
import { listFiles, parseSegmentName } from './files.js';
import { type FrameInfo, readFrame, scanFrames } from './frame.js';
import type { StoreRecord } from './records.js';

const RECORDS_AT_ONCE = 64;

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
  #following: Promise<void> | undefined;
  /** Damaged lines met so far. */
  corrupt = 0;

  constructor(directory: string) {
    this.#directory = directory;
  }

  /** Brings the index up to what the files hold now, at the time of the call. */
  refresh(): Promise<void> {
    const running = this.#refreshing;
    if (running) {
      // It may have passed the file that was written to since; one more serves all who wait.
      this.#following ??= running
        .catch(() => undefined)
        .then(() => {
          this.#following = undefined;
          return this.refresh();
        });
      return this.#following;
    }
    this.#refreshing = this.#refresh().finally(() => {
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
    return (await this.#readAll(places)).filter((record) => record !== undefined);
  }

  /** The records of each entry; every file is opened once. */
  async readEach(entries: readonly IndexEntry[]): Promise<StoreRecord[][]> {
    const records = await this.#readAll(entries.flatMap(({ places }) => places));
    let start = 0;
    return entries.map(({ places }) => {
      const own = records.slice(start, start + places.length);
      start += places.length;
      return own.filter((record) => record !== undefined);
    });
  }

  async #readAll(places: readonly Place[]): Promise<(StoreRecord | undefined)[]> {
    const byFile = new Map<string, number[]>();
    for (const [index, { file }] of places.entries()) {
      const indexes = byFile.get(file);
      if (indexes) indexes.push(index);
      else byFile.set(file, [index]);
    }
    const records = new Array<StoreRecord | undefined>(places.length);
    for (const [file, indexes] of byFile) {
      const found = await this.#readFile(
        file,
        indexes.map((index) => places[index] as Place),
      );
      for (const [i, index] of indexes.entries()) records[index] = found[i];
    }
    return records;
  }

  /** Everything, file by file, in the order of writing. */
  async *records(): AsyncGenerator<StoreRecord> {
    for (const { name } of await listFiles(this.#directory)) {
      if (!parseSegmentName(name)) continue;
      const { frames } = await scanFile(join(this.#directory, name), 0);
      const places = frames.map(({ offset, length }) => ({ file: name, offset, length }));
      for (let start = 0; start < places.length; start += RECORDS_AT_ONCE) {
        yield* await this.read(places.slice(start, start + RECORDS_AT_ONCE));
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

  /** A whole line may hold what this release cannot read; it costs only itself, too. */
  #decode(type: string, json: string): StoreRecord | undefined {
    try {
      return decodeRecord(type, json);
    } catch {
      this.corrupt++;
      return undefined;
    }
  }

  /** Aligned with `places`. */
  async #readFile(file: string, places: readonly Place[]): Promise<(StoreRecord | undefined)[]> {
    let handle: Awaited<ReturnType<typeof open>>;
    try {
      handle = await open(join(this.#directory, file), 'r');
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'ENOENT') return [];
      throw error;
    }
    try {
      const records: (StoreRecord | undefined)[] = [];
      for (const { offset, length } of places) {
        const line = Buffer.allocUnsafe(length);
        const { bytesRead } = await handle.read(line, 0, length, offset);
        const frame = readFrame(line.subarray(0, bytesRead));
        records.push(frame && this.#decode(frame.type, frame.json));
      }
      return records;
    } finally {
      await handle.close();
    }
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

import { rmSync } from 'node:fs';
import { mkdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { withoutTracing } from '../suppress-tracing.js';
import { encodeBatch, listFiles, orphanName, parseSegmentName, segmentName } from './files.js';
import { Graveyard } from './graveyard.js';
import { Owner, ownerIdOf } from './owner.js';
import type { StoreRecord } from './records.js';
import { SegmentWriter, writeBatchSync } from './segment-writer.js';
import { ACKS_SUFFIX, SpoolSegment } from './spool-segment.js';
import type { Spool, SpoolDropReason, SpoolItem, SpoolOptions, SpoolStats } from './spool-types.js';

export type { Spool, SpoolItem, SpoolOptions } from './spool-types.js';

const MEBIBYTE = 1024 * 1024;
const DEFAULT_MAX_BYTES = 256 * MEBIBYTE;
const DEFAULT_MAX_AGE_MS = 14 * 24 * 60 * 60 * 1000;
const DEFAULT_SEGMENT_BYTES = 4 * MEBIBYTE;
const DEFAULT_TAKE_ITEMS = 100;
const DEFAULT_TAKE_BYTES = 4 * MEBIBYTE;

/** The records are larger than the room that dropping older ones of this process can make. */
export class SpoolFullError extends Error {
  override readonly name = 'SpoolFullError';
}

/** Opens the folder, takes over what ended processes left there. Rejects when it cannot be written to. */
export function openSpool(options: SpoolOptions): Promise<Spool> {
  return withoutTracing(async () => {
    await mkdir(options.directory, { recursive: true, mode: 0o700 });
    const spool = new DirectorySpool(options);
    await spool.adopt();
    return spool;
  });
}

interface Item extends SpoolItem {
  readonly segment: SpoolSegment;
  readonly offset: number;
}

class DirectorySpool implements Spool {
  readonly #options: Required<Omit<SpoolOptions, 'onDrop'>> & { onDrop: SpoolOptions['onDrop'] };
  readonly #owner: Owner;
  readonly #writer: SegmentWriter;
  readonly #graveyard: Graveyard;
  /** By stem, so that the oldest come first. */
  #segments = new Map<string, SpoolSegment>();
  /** Bytes of the whole folder as last measured, plus what was written since. */
  #bytes = 0;
  #adopted = 0;
  #adopting: Promise<number> | undefined;
  readonly #dropped: Record<SpoolDropReason, number> = {
    spool_full: 0,
    spool_expired: 0,
    spool_corrupt: 0,
  };

  constructor(options: SpoolOptions) {
    const maxBytes = options.maxBytes ?? DEFAULT_MAX_BYTES;
    this.#options = {
      directory: options.directory,
      maxBytes,
      maxAgeMs: options.maxAgeMs ?? DEFAULT_MAX_AGE_MS,
      // Room is made a segment at a time: a small spool needs small ones.
      segmentBytes: Math.min(
        options.segmentBytes ?? DEFAULT_SEGMENT_BYTES,
        Math.ceil(maxBytes / 8),
      ),
      fsync: options.fsync ?? 'batch',
      onDrop: options.onDrop,
    };
    const { directory, segmentBytes } = this.#options;
    this.#owner = new Owner(directory, () => void this.adopt().catch(() => undefined));
    const sync = this.#options.fsync === 'batch';
    this.#writer = new SegmentWriter({
      directory,
      segmentBytes,
      sync,
      nameOf: (stem) => segmentName({ stem, owner: this.#owner.id }),
      onAppended: (name, offset, bytes) => this.#appended(name, offset, bytes),
    });
    this.#graveyard = new Graveyard(join(directory, 'buried'), Math.ceil(maxBytes / 10), sync);
  }

  async put(records: readonly StoreRecord[]): Promise<void> {
    if (records.length === 0) return;
    const bytes = encodeBatch(records);
    // Counted before the first wait, so that puts at one time do not share the same room.
    this.#bytes += bytes.byteLength;
    try {
      await this.#makeRoom();
      await this.#writer.append(bytes);
    } catch (error) {
      this.#bytes -= bytes.byteLength;
      throw error;
    }
  }

  putSync(records: readonly StoreRecord[]): void {
    const bytes = Buffer.concat([...this.#writer.unwritten(), encodeBatch(records)]);
    if (bytes.byteLength > 0) writeBatchSync(this.#options.directory, orphanName, bytes);
  }

  async take(limits: { maxItems?: number; maxBytes?: number } = {}): Promise<SpoolItem[]> {
    const items: Item[] = [];
    for (const [segment, frames] of this.#claim(limits)) {
      const records = await this.#read(segment, frames);
      if (!records) continue;
      const damaged: number[] = [];
      for (const { offset, length, storedAtMs } of frames) {
        const record = records.get(offset);
        if (!record) {
          damaged.push(offset);
          continue;
        }
        const id = `${segment.stem}:${offset}`;
        items.push({ id, record, bytes: length, storedAtMs, segment, offset });
      }
      if (damaged.length > 0) await this.#drop('spool_corrupt', segment, damaged);
    }
    return items;
  }

  /** Marks before the first wait, so that two takers never get the same record. */
  #claim({ maxItems = DEFAULT_TAKE_ITEMS, maxBytes = DEFAULT_TAKE_BYTES }) {
    const claimed = new Map<
      SpoolSegment,
      { offset: number; length: number; storedAtMs: number }[]
    >();
    let count = 0;
    let bytes = 0;
    for (const segment of this.#segments.values()) {
      for (const frame of segment.free()) {
        if (count >= maxItems || (count > 0 && bytes + frame.length > maxBytes)) return claimed;
        segment.take(frame.offset);
        count++;
        bytes += frame.length;
        const frames = claimed.get(segment);
        if (frames) frames.push(frame);
        else claimed.set(segment, [frame]);
      }
    }
    return claimed;
  }

  async #read(
    segment: SpoolSegment,
    frames: { offset: number }[],
  ): Promise<Map<number, StoreRecord> | undefined> {
    try {
      return await segment.read(frames.map(({ offset }) => offset));
    } catch (error) {
      if (this.#segments.get(segment.stem) !== segment) {
        // It had to make room between the claim and the read.
        this.#count('spool_full', frames.length);
        return undefined;
      }
      for (const { offset } of frames) segment.release(offset);
      throw error;
    }
  }

  async ack(items: readonly SpoolItem[]): Promise<void> {
    for (const [segment, offsets] of bySegment(items)) await this.#forget(segment, offsets);
  }

  release(items: readonly SpoolItem[]): void {
    let lost = 0;
    for (const { segment, offset } of items as Item[]) {
      // Its segment had to make room meanwhile.
      if (this.#segments.get(segment.stem) !== segment) lost++;
      else segment.release(offset);
    }
    this.#count('spool_full', lost);
  }

  async bury(items: readonly SpoolItem[], reason: string): Promise<void> {
    await this.#graveyard.add(
      items.map(({ record }) => record),
      reason,
    );
    await this.ack(items);
  }

  adopt(): Promise<number> {
    this.#adopting ??= this.#adopt().finally(() => {
      this.#adopting = undefined;
    });
    return this.#adopting;
  }

  stats(): SpoolStats {
    let waiting = 0;
    for (const segment of this.#segments.values()) waiting += segment.size;
    return {
      waiting,
      bytes: this.#bytes,
      adopted: this.#adopted,
      buried: this.#graveyard.count,
      dropped: { ...this.#dropped },
    };
  }

  async close(): Promise<void> {
    await this.#adopting?.catch(() => undefined);
    try {
      await this.#writer.rotate();
      await this.#graveyard.close();
      for (const segment of [...this.#segments.values()]) await this.#removeIfDone(segment);
    } finally {
      await this.#owner.resign();
    }
  }

  #appended(name: string, offset: number, bytes: Buffer): void {
    const stem = parseSegmentName(name)?.stem as string;
    let segment = this.#segments.get(stem);
    if (!segment) {
      segment = new SpoolSegment(this.#options.directory, stem, name);
      this.#segments.set(stem, segment);
    }
    segment.appended(offset, bytes);
  }

  async #forget(segment: SpoolSegment, offsets: readonly number[]): Promise<void> {
    if (this.#segments.get(segment.stem) !== segment) return;
    await segment.forget(offsets);
    if (segment.size === 0 && segment.path !== this.#currentPath()) {
      await this.#removeIfDone(segment);
    }
  }

  async #removeIfDone(segment: SpoolSegment): Promise<void> {
    if (!(await segment.removeIfDone())) return;
    if (this.#segments.get(segment.stem) === segment) {
      this.#segments.delete(segment.stem);
      this.#bytes = Math.max(0, this.#bytes - segment.bytes);
    }
  }

  #currentPath(): string | undefined {
    const name = this.#writer.current;
    return name === undefined ? undefined : join(this.#options.directory, name);
  }

  async #adopt(): Promise<number> {
    const { directory } = this.#options;
    const files = await listFiles(directory);
    const dead = new Map<string, boolean>();
    let gained = 0;
    for (const { name } of files) {
      const parsed = parseSegmentName(name);
      if (parsed?.owner === undefined || parsed.owner === this.#owner.id) continue;
      const { stem, owner } = parsed;
      let isDead = dead.get(owner);
      if (isDead === undefined) {
        isDead = await this.#owner.isDead(owner);
        dead.set(owner, isDead);
      }
      if (!isDead) continue;
      const segment = await SpoolSegment.adopt(directory, stem, name, this.#owner.id);
      if (!segment) continue;
      this.#segments.set(stem, segment);
      this.#count('spool_corrupt', segment.corrupt);
      gained += segment.size;
      if (segment.size === 0) await this.#removeIfDone(segment);
    }
    await this.#sweep(files);
    if (gained > 0) {
      this.#segments = new Map([...this.#segments].sort(([a], [b]) => (a < b ? -1 : 1)));
    }
    this.#adopted += gained;
    await this.#expire();
    await this.#makeRoom().catch(() => undefined);
    return gained;
  }

  /** Removes what belongs to no segment any more, and measures the rest. */
  async #sweep(files: Awaited<ReturnType<typeof listFiles>>): Promise<void> {
    const { directory } = this.#options;
    const owners = new Set<string>();
    const stems = new Set<string>();
    let bytes = 0;
    for (const { name, bytes: size } of files) {
      bytes += size;
      const parsed = parseSegmentName(name);
      if (!parsed) continue;
      stems.add(parsed.stem);
      if (parsed.owner !== undefined) owners.add(parsed.owner);
    }
    this.#bytes = bytes + (await this.#graveyard.measure());
    for (const { name } of files) {
      const owner = ownerIdOf(name);
      if (owner !== undefined && !owners.has(owner) && (await this.#owner.isDead(owner))) {
        await this.#owner.bury(owner);
      }
      if (name.endsWith(ACKS_SUFFIX) && !stems.has(name.slice(0, -ACKS_SUFFIX.length))) {
        await rm(join(directory, name), { force: true });
      }
    }
  }

  async #expire(): Promise<void> {
    const oldest = Date.now() - this.#options.maxAgeMs;
    for (const segment of [...this.#segments.values()]) {
      const expired: number[] = [];
      for (const { offset, storedAtMs } of segment.free()) {
        if (storedAtMs < oldest) expired.push(offset);
      }
      if (expired.length > 0) await this.#drop('spool_expired', segment, expired);
    }
  }

  async #drop(reason: SpoolDropReason, segment: SpoolSegment, offsets: number[]): Promise<void> {
    this.#count(reason, offsets.length);
    await this.#forget(segment, offsets);
  }

  /** Drops the oldest segments of this process until the rest fits. */
  async #makeRoom(): Promise<void> {
    const { maxBytes } = this.#options;
    while (this.#bytes > maxBytes) {
      let oldest = this.#oldestSegment();
      if (!oldest) {
        await this.#writer.rotate();
        oldest = this.#oldestSegment();
      }
      if (!oldest) {
        throw new SpoolFullError(
          `the spool ${this.#options.directory} is full: ${this.#bytes} bytes, with what came now and what other processes hold, are more than its ${maxBytes} (maxBytes)`,
        );
      }
      this.#segments.delete(oldest.stem);
      rmSync(oldest.path, { force: true });
      rmSync(oldest.acksPath, { force: true });
      this.#bytes = Math.max(0, this.#bytes - oldest.bytes);
      this.#count('spool_full', [...oldest.free()].length);
    }
  }

  #oldestSegment(): SpoolSegment | undefined {
    const current = this.#currentPath();
    for (const segment of this.#segments.values()) if (segment.path !== current) return segment;
    return undefined;
  }

  #count(reason: SpoolDropReason, records: number): void {
    if (records === 0) return;
    this.#dropped[reason] += records;
    try {
      this.#options.onDrop?.(reason, records);
    } catch {
      // Counted all the same; the spool goes on.
    }
  }
}

function bySegment(items: readonly SpoolItem[]): Map<SpoolSegment, number[]> {
  const groups = new Map<SpoolSegment, number[]>();
  for (const { segment, offset } of items as readonly Item[]) {
    const offsets = groups.get(segment);
    if (offsets) offsets.push(offset);
    else groups.set(segment, [offset]);
  }
  return groups;
}

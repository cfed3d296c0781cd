import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { encodeRecord } from './codec.js';
import { listFiles, parseSegmentName, segmentName } from './files.js';
import { frameOf } from './frame.js';
import type { StoreRecord } from './records.js';
import { SegmentWriter } from './segment-writer.js';

const SEGMENT_BYTES = 1024 * 1024;

/**
 * Records that no server took, kept for a look: the folder reads like a store, with the reason in a
 * `buried` member of each record. Bounded; the oldest files go first.
 */
export class Graveyard {
  readonly #directory: string;
  readonly #maxBytes: number;
  readonly #writer: SegmentWriter;
  count = 0;

  constructor(directory: string, maxBytes: number, sync: boolean) {
    this.#directory = directory;
    this.#maxBytes = maxBytes;
    this.#writer = new SegmentWriter({
      directory,
      segmentBytes: Math.min(SEGMENT_BYTES, Math.ceil(maxBytes / 4)),
      sync,
      nameOf: (stem) => segmentName({ stem }),
    });
  }

  async add(records: readonly StoreRecord[], reason: string): Promise<void> {
    const now = Date.now();
    const lines = records.map((record) => {
      const encoded = encodeRecord(record);
      const buried = JSON.stringify({ reason, atMs: now });
      return frameOf({ ...encoded, json: `${encoded.json.slice(0, -1)},"buried":${buried}}` }, now);
    });
    await this.#writer.append(Buffer.concat(lines));
    this.count += records.length;
    await this.measure();
  }

  /** Bytes kept, after the oldest files have made room. */
  async measure(): Promise<number> {
    const files = (await listFiles(this.#directory)).filter(({ name }) => parseSegmentName(name));
    let bytes = files.reduce((sum, file) => sum + file.bytes, 0);
    for (const file of files) {
      if (bytes <= this.#maxBytes) break;
      if (file.name === this.#writer.current) continue;
      await rm(join(this.#directory, file.name), { force: true });
      bytes -= file.bytes;
    }
    return bytes;
  }

  close(): Promise<void> {
    return this.#writer.rotate();
  }
}

import { readdir, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { encodeFrame } from './frame.js';
import type { StoreRecord } from './records.js';
import { writeBatchSync } from './segment-writer.js';

/** Ending of the files that hold records; the number is the version of the line format. */
const SEGMENT_SUFFIX = '.v1.log';
/** In the place of an owner's id: a file that anyone may take over. */
const NO_OWNER = '0-000000000000';

/** `<time and random>.<owner>.v1.log` in a spool, `<time and random>.v1.log` in a store. */
export interface SegmentName {
  /** Sorts by time. */
  stem: string;
  owner?: string;
}

export function segmentName({ stem, owner }: SegmentName): string {
  return `${stem}${owner === undefined ? '' : `.${owner}`}${SEGMENT_SUFFIX}`;
}

export function parseSegmentName(name: string): SegmentName | undefined {
  const match = /^(\d{14}-[0-9a-f]{12})(?:\.(\d+-[0-9a-f]{12}))?\.v1\.log$/.exec(name);
  if (!match) return undefined;
  const stem = match[1] as string;
  return match[2] === undefined ? { stem } : { stem, owner: match[2] };
}

export interface ListedFile {
  name: string;
  bytes: number;
  modifiedMs: number;
}

/** Files of a folder, oldest first where names say so; nothing when there is no folder. */
export async function listFiles(directory: string): Promise<ListedFile[]> {
  let names: string[];
  try {
    names = (await readdir(directory)).sort();
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return [];
    throw error;
  }
  const files: ListedFile[] = [];
  for (const name of names) {
    try {
      const found = await stat(join(directory, name));
      if (found.isFile()) files.push({ name, bytes: found.size, modifiedMs: found.mtimeMs });
    } catch {
      // Removed by another process between the two calls.
    }
  }
  return files;
}

export function encodeBatch(records: readonly StoreRecord[], storedAtMs = Date.now()): Buffer {
  return Buffer.concat(records.map((record) => encodeFrame(record, storedAtMs)));
}

/** Name of a spool file that belongs to nobody: the next process that opens the spool takes it over. */
export function orphanName(stem: string): string {
  return segmentName({ stem, owner: NO_OWNER });
}

/**
 * Writes records before it returns, for the exit of a process that has not opened the spool or store:
 * nothing asynchronous runs any more. The file is on disk (`fsync`); bounds are applied at the next
 * open. Throws what the file system throws.
 */
export function writeRecordsSync(
  kind: 'spool' | 'store',
  directory: string,
  records: readonly StoreRecord[],
): void {
  if (records.length === 0) return;
  const nameOf = kind === 'spool' ? orphanName : (stem: string) => segmentName({ stem });
  writeBatchSync(directory, nameOf, encodeBatch(records));
}

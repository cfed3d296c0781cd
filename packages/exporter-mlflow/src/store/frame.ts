import { crc32 } from 'node:zlib';
import { type EncodedRecord, encodeRecord } from './codec.js';
import type { StoreRecord } from './records.js';

/**
 * One record is one line, so that files can be read with a text tool and a damaged line costs only
 * itself:
 *
 *     <crc32 of the rest, 8 hex> <bytes of the rest> <stored at, ms> <type> <key> <time, ms> <json>\n
 *
 * "The rest" begins after the second space and ends before the line break. JSON text never holds one.
 */
export function encodeFrame(record: StoreRecord, storedAtMs: number): Buffer {
  return frameOf(encodeRecord(record), storedAtMs);
}

export function frameOf(record: EncodedRecord, storedAtMs: number): Buffer {
  const rest = Buffer.from(
    `${storedAtMs} ${record.type} ${record.key} ${record.timeMs} ${record.json}`,
    'utf8',
  );
  const head = `${crc32(rest).toString(16).padStart(8, '0')} ${rest.byteLength} `;
  return Buffer.concat([Buffer.from(head, 'latin1'), rest, LINE_BREAK]);
}

const LINE_BREAK = Buffer.from('\n');
const NEWLINE = 0x0a;
const SPACE = 0x20;
/** Checksum, space, up to 10 digits, space. */
const MAX_HEAD = 20;

/** Where a whole and undamaged line is, and what its head says. */
export interface FrameInfo {
  /** Bytes from the start of the file. */
  offset: number;
  /** Bytes of the line, line break included. */
  length: number;
  storedAtMs: number;
  type: string;
  key: string;
  timeMs: number;
}

export interface Frame extends FrameInfo {
  json: string;
}

export interface ScanResult {
  frames: FrameInfo[];
  /** Bytes up to the end of the last line break; what follows is torn or still being written. */
  consumed: number;
  /** Lines that were damaged. */
  corrupt: number;
}

/**
 * Finds the whole lines in `bytes`.
 *
 * @param base bytes before `bytes` in the file
 */
export function scanFrames(bytes: Buffer, base = 0): ScanResult {
  const frames: FrameInfo[] = [];
  let corrupt = 0;
  let start = 0;
  for (;;) {
    const end = bytes.indexOf(NEWLINE, start);
    if (end === -1) return { frames, consumed: base + start, corrupt };
    const info = readHead(bytes.subarray(start, end));
    if (info) frames.push({ ...info, offset: base + start, length: end + 1 - start });
    else if (end > start) corrupt++;
    start = end + 1;
  }
}

/** A line read again by its place; `undefined` when it is damaged. */
export function readFrame(line: Buffer): Omit<Frame, 'offset' | 'length'> | undefined {
  const rest = checkedRest(line.at(-1) === NEWLINE ? line.subarray(0, -1) : line);
  if (!rest) return undefined;
  const parsed = parseRest(rest);
  return parsed && { ...parsed.info, json: rest.toString('utf8', parsed.jsonStart) };
}

function readHead(line: Buffer): Omit<FrameInfo, 'offset' | 'length'> | undefined {
  const rest = checkedRest(line);
  return rest && parseRest(rest)?.info;
}

function checkedRest(line: Buffer): Buffer | undefined {
  const head = /^([0-9a-f]{8}) (\d{1,10}) /.exec(line.toString('latin1', 0, MAX_HEAD));
  if (!head) return undefined;
  const rest = line.subarray(head[0].length);
  if (rest.byteLength !== Number(head[2])) return undefined;
  return crc32(rest) === Number.parseInt(head[1] as string, 16) ? rest : undefined;
}

function parseRest(
  rest: Buffer,
): { info: Omit<FrameInfo, 'offset' | 'length'>; jsonStart: number } | undefined {
  const words: string[] = [];
  let start = 0;
  while (words.length < 4) {
    const end = rest.indexOf(SPACE, start);
    if (end === -1) return undefined;
    words.push(rest.toString('utf8', start, end));
    start = end + 1;
  }
  const [storedAtMs, type, key, timeMs] = words as [string, string, string, string];
  return {
    info: { storedAtMs: Number(storedAtMs), type, key, timeMs: Number(timeMs) },
    jsonStart: start,
  };
}

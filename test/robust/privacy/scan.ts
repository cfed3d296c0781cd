import { gunzipSync, inflateSync } from 'node:zlib';
import { CANARY, placeOf } from './places.js';

const MAX_LAYERS = 3;
/** What a gzip stream begins with. */
const GZIP = Buffer.from([0x1f, 0x8b, 8]);

/** The places whose words are in the bytes, as they are or under encodings on top of each other. */
export function placesIn(bytes: Buffer): Set<string> {
  return new Set(find(bytes, CANARY).map(placeOf));
}

/** Which of the texts are in the bytes, as they are or encoded. */
export function textsIn(bytes: Buffer, texts: readonly string[]): string[] {
  const literals = texts.map((text) => text.replace(/[.*+?^${}()|[\]\\]/g, '\\$&'));
  return [...new Set(find(bytes, new RegExp(literals.join('|'), 'g')))];
}

function find(bytes: Buffer, pattern: RegExp, layers = MAX_LAYERS): string[] {
  const text = bytes.toString('latin1');
  const found: string[] = text.match(pattern) ?? [];
  if (layers === 0) return found;
  for (const inner of decodings(bytes, text)) found.push(...find(inner, pattern, layers - 1));
  return found;
}

/** What the bytes may be an encoding of. */
function* decodings(bytes: Buffer, text: string): Generator<Buffer> {
  // UTF-16 in either order.
  if (/\0[ -~]\0[ -~]\0/.test(text)) yield latin1(text.replaceAll('\0', ''));
  if (/%[0-9a-f]{2}/i.test(text)) yield latin1(unescaped(text, /%([0-9a-f]{2})/gi));
  if (/\\u00[0-9a-f]{2}/i.test(text)) yield latin1(unescaped(text, /\\u00([0-9a-f]{2})/gi));
  if (/\\x[0-9a-f]{2}/i.test(text)) yield latin1(unescaped(text, /\\x([0-9a-f]{2})/gi));
  for (const [run] of text.matchAll(/[A-Za-z0-9+/_-]{16,}/g)) {
    // Its text may begin anywhere in a group of four.
    for (let skip = 0; skip < 4; skip++) yield Buffer.from(run.slice(skip), 'base64');
  }
  for (const [run] of text.matchAll(/(?:[0-9a-f]{2}){12,}/gi)) {
    for (let skip = 0; skip < 2; skip++) yield Buffer.from(run.slice(skip), 'hex');
  }
  for (let at = bytes.indexOf(GZIP); at >= 0; at = bytes.indexOf(GZIP, at + 1)) {
    yield* unzipped(bytes, at);
  }
  if (bytes[0] === 0x78) yield* unzipped(bytes, 0);
}

function* unzipped(bytes: Buffer, at: number): Generator<Buffer> {
  const rest = bytes.subarray(at);
  try {
    yield rest[0] === 0x78 ? inflateSync(rest) : gunzipSync(rest);
  } catch {
    // It only looked like it.
  }
}

const latin1 = (text: string) => Buffer.from(text, 'latin1');

function unescaped(text: string, pattern: RegExp): string {
  return text.replace(pattern, (_, hex: string) => String.fromCharCode(Number.parseInt(hex, 16)));
}

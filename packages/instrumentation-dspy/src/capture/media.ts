/** Shorter strings are never looked at as media. */
export const MIN_MEDIA_CHARS = 64;

/** Property names under which Ax and the providers pass base64 (`{ mimeType, data }`, `{ type: 'image', image }`, `b64_json`, …). */
const MEDIA_KEYS = new Set([
  'data',
  'image',
  'audio',
  'video',
  'base64',
  'b64',
  'b64_json',
  'bytes',
  'file_data',
  'fileData',
]);

/** Names beside the data that tell its type. */
const MIME_KEYS = ['mimeType', 'mime_type', 'mediaType', 'media_type', 'contentType', 'format'];

/** Base64 of the first bytes of common formats. */
const SIGNATURES: readonly (readonly [prefix: string, mimeType: string])[] = [
  ['iVBORw0KGgo', 'image/png'],
  ['/9j/', 'image/jpeg'],
  ['R0lGOD', 'image/gif'],
  ['JVBERi0', 'application/pdf'],
  ['SUQz', 'audio/mpeg'],
  ['T2dnUw', 'audio/ogg'],
  ['ZkxhQw', 'audio/flac'],
  ['UEsDB', 'application/zip'],
];

/** What any of them begins with: most strings are told from them by their first letter. */
const FIRST_LETTERS = new Set(['U', ...SIGNATURES.map(([prefix]) => prefix.charAt(0))]);

const BASE64 = /^[A-Za-z0-9+/_\-\r\n]+={0,2}$/;
const DATA_URI = /^data:([\w.+-]+\/[\w.+-]+)?(?:;[\w.+-]+=[^;,]*)*(;base64)?[;,]/;
const BASE64_MARK = ';base64,';
/** What stands before the mark of a data URI, looked for in so many units before it. */
const HEAD = /^data:([\w.+-]+\/[\w.+-]+)?(?:;[\w.+-]+=[^;,\s"]*)*$/;
const MAX_HEAD = 256;
const EMBEDDED = /[A-Za-z0-9+/_-]{16,}={0,2}/y;
const SAMPLE = 256;

/** A size for people: `812 bytes`, `12.3 kB`, `3.1 MB` (decimal units). */
export function formatBytes(bytes: number): string {
  if (bytes === 1) return '1 byte';
  if (bytes < 1000) return `${bytes} bytes`;
  if (bytes < 999_950) return `${(bytes / 1000).toFixed(1)} kB`;
  if (bytes < 999_950_000) return `${(bytes / 1e6).toFixed(1)} MB`;
  return `${(bytes / 1e9).toFixed(1)} GB`;
}

/** What stands for media in a record: `<image/png 3.1 MB>`. */
export function describeMedia(mimeType: string | undefined, bytes: number): string {
  return `<${mimeType ?? 'binary'} ${formatBytes(bytes)}>`;
}

/** Bytes that base64 of this length stands for. */
function base64Bytes(chars: number, padding: number): number {
  return Math.max(0, Math.floor((chars * 3) / 4) - padding);
}

function paddingOf(text: string): number {
  if (!text.endsWith('=')) return 0;
  return text.endsWith('==') ? 2 : 1;
}

/** Bytes that a base64 text from `start` stands for. */
export function base64Size(text: string, start = 0): number {
  return base64Bytes(text.length - start, paddingOf(text));
}

/** Looks at a bounded sample only. */
function isBase64(text: string): boolean {
  return BASE64.test(text.slice(0, SAMPLE)) && BASE64.test(text.slice(-SAMPLE));
}

/** Random bytes use letters of both cases and digits; words, hashes and filler do not. */
function isMixed(text: string): boolean {
  const sample = text.slice(0, SAMPLE);
  return /[a-z]/.test(sample) && /[A-Z]/.test(sample) && /[0-9+/]/.test(sample);
}

function mimeTypeOf(owner: object): string | undefined {
  for (const key of MIME_KEYS) {
    const value = Object.getOwnPropertyDescriptor(owner, key)?.value;
    if (typeof value !== 'string' || value.length === 0 || value.length > 128) continue;
    // Ax and OpenAI name an audio format without its type: `wav`.
    return value.includes('/') ? value : `audio/${value}`;
  }
  return undefined;
}

/** MIME type told by the first bytes, given as base64. */
export function sniffMimeType(base64: string): string | undefined {
  if (!FIRST_LETTERS.has(base64.charAt(0))) return undefined;
  for (const [prefix, mimeType] of SIGNATURES) if (base64.startsWith(prefix)) return mimeType;
  if (!base64.startsWith('UklGR')) return undefined;
  // RIFF, four bytes of size, then the form: `WEBP` or `WAVE`, whose last three letters are a base64 group of their own.
  const form = base64.slice(12, 16);
  if (form === 'RUJQ') return 'image/webp';
  return form === 'QVZF' ? 'audio/wav' : undefined;
}

/**
 * The description of a string that is base64 media as a whole (a data URI, or base64 where its name, its neighbours
 * or its first bytes say so), else `undefined`. Cost does not grow with the string.
 */
export function mediaDescription(text: string, key?: string, owner?: object): string | undefined {
  if (text.length < MIN_MEDIA_CHARS) return undefined;
  if (text.startsWith('data:')) {
    const header = DATA_URI.exec(text.slice(0, SAMPLE));
    if (header === null) return undefined;
    const start = header[0].length;
    const size = header[2] === undefined ? text.length - start : base64Size(text, start);
    return describeMedia(header[1] ?? 'text/plain', size);
  }
  const sniffed = sniffMimeType(text);
  if (sniffed !== undefined && isBase64(text)) return describeMedia(sniffed, base64Size(text));
  if (key === undefined || !MEDIA_KEYS.has(key) || !isBase64(text)) return undefined;
  const mimeType = owner === undefined ? undefined : mimeTypeOf(owner);
  if (mimeType === undefined && !isMixed(text)) return undefined;
  return describeMedia(mimeType ?? 'base64', base64Size(text));
}

/**
 * The text with each base64 data URI inside it described. `cut`: the text goes on, so a URI at its end is not whole.
 * The marks are looked for, and from each of them back: a pattern for the whole would run to the end from every `data:`.
 */
export function describeEmbeddedMedia(text: string, cut: boolean): string {
  let described = '';
  let done = 0;
  for (let at = text.indexOf(BASE64_MARK); at >= 0; at = text.indexOf(BASE64_MARK, at + 1)) {
    const from = Math.max(done, at - MAX_HEAD);
    const before = text.slice(from, at);
    const start = before.lastIndexOf('data:');
    const head = start < 0 ? null : HEAD.exec(before.slice(start));
    if (head === null) continue;
    EMBEDDED.lastIndex = at + BASE64_MARK.length;
    const base64 = EMBEDDED.exec(text)?.[0];
    if (base64 === undefined) continue;
    const end = EMBEDDED.lastIndex;
    const isPart = cut && end >= text.length;
    const type = head[1] ?? 'binary';
    described += text.slice(done, from + start);
    described += isPart ? `<${type}>` : describeMedia(type, base64Size(base64));
    done = end;
  }
  return done === 0 ? text : described + text.slice(done);
}

/** The description of binary in memory: `<Uint8Array 1.0 MB>`, `<image/png 3.1 MB>`. */
export function describeBinary(name: string, bytes: Uint8Array): string {
  const head = Buffer.from(bytes.buffer, bytes.byteOffset, Math.min(bytes.byteLength, 12));
  return describeMedia(sniffMimeType(head.toString('base64')) ?? name, bytes.byteLength);
}

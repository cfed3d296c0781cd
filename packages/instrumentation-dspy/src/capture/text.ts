/** What stands in the place of a character that no database takes: NUL and lone surrogates. */
const REPLACEMENT = '\uFFFD';
const NUL = /\0/g;

/** The text without NUL and lone surrogates, character for character. */
export function wellFormed(text: string): string {
  // Node 20 has toWellFormed; the ES2023 library types do not.
  const whole = text as string & { isWellFormed(): boolean; toWellFormed(): string };
  const formed = whole.isWellFormed() ? text : whole.toWellFormed();
  return formed.includes('\0') ? formed.replace(NUL, REPLACEMENT) : formed;
}

/** The string as a JSON string literal of well-formed text without NUL. */
export function quote(text: string): string {
  const quoted = JSON.stringify(text);
  // JSON.stringify writes NUL and lone surrogates as \uXXXX escapes: no escape, nothing to replace.
  if (quoted.length === text.length + 2 || !quoted.includes('\\u')) return quoted;
  return JSON.stringify(wellFormed(text));
}

/** UTF-8 bytes of an ASCII unit inside a JSON string, and as it is. NUL is replaced, which takes three. */
const ESCAPED_BYTES = Uint8Array.from({ length: 128 }, (_, unit) =>
  unit === 0 ? 3 : utf8Length(JSON.stringify(String.fromCharCode(unit))) - 2,
);
const PLAIN_BYTES = Uint8Array.from({ length: 128 }, (_, unit) => (unit === 0 ? 3 : 1));

/** How much of `text`, in whole code points, fits `bytes` of UTF-8, as JSON string content or as it is. */
export function fittingLength(text: string, bytes: number, escaped: boolean): number {
  // A unit takes at least one byte. The platform measures, and only what is too much is walked over, from the end.
  let kept = Math.min(text.length, bytes);
  if (isPair(text.charCodeAt(kept - 1), text.charCodeAt(kept))) kept--;
  const head = text.slice(0, kept);
  let over = (escaped ? utf8Length(quote(head)) - 2 : utf8Length(wellFormed(head))) - bytes;
  const ascii = escaped ? ESCAPED_BYTES : PLAIN_BYTES;
  while (over > 0) {
    const unit = head.charCodeAt(--kept);
    if (unit < 0x80) {
      over -= ascii[unit] as number;
    } else if (isPair(head.charCodeAt(kept - 1), unit)) {
      over -= 4;
      kept--;
    } else {
      over -= unit < 0x800 ? 2 : 3;
    }
  }
  return kept;
}

function isPair(unit: number, next: number): boolean {
  return unit >= 0xd800 && unit < 0xdc00 && next >= 0xdc00 && next < 0xe000;
}

/**
 * Well-formed text within `maxBytes` of UTF-8; what was cut is said at its end.
 *
 * @param length Units of the whole, when `text` is only its beginning.
 */
export function boundedText(
  text: string,
  maxBytes: number,
  length = text.length,
): { text: string; truncated: boolean } {
  // A unit takes at least one byte: what is longer than the budget is cut before anything scans it.
  const head = wellFormed(text.length > maxBytes ? text.slice(0, maxBytes + 1) : text);
  if (head.length === length && (length * 3 <= maxBytes || utf8Length(head) <= maxBytes)) {
    return { text: head, truncated: false };
  }
  const room = maxBytes - utf8Length(moreChars(length));
  const kept = fittingLength(head, room < 0 ? maxBytes : room, false);
  const marked = head.slice(0, kept) + (room < 0 ? '' : moreChars(length - kept));
  // A copy: a slice would keep the whole string alive as long as the record.
  return { text: Buffer.from(marked).toString(), truncated: true };
}

/** Bytes of the text in UTF-8. */
export function utf8Length(text: string): number {
  return Buffer.byteLength(text);
}

/** Says how many UTF-16 units of a string were cut. ASCII: any other character would double the memory of the whole string. */
export function moreChars(count: number): string {
  return `...[+${count} chars]`;
}

/**
 * `true` for text that is its own JSON string content and holds nothing to look into: ASCII without quotes, escapes and colons,
 * and without a word that a credential may follow.
 */
export function isPlain(text: string): boolean {
  for (let index = 0; index < text.length; index++) {
    const unit = text.charCodeAt(index);
    if (unit < 0x20 || unit > 0x7e || unit === 0x22 || unit === 0x5c || unit === 0x3a) return false;
    if (unit === 0x20 && endsScheme(text, index)) return false;
  }
  return true;
}

/** The word before ends as `Bearer` or `Basic` does, in either case. */
function endsScheme(text: string, end: number): boolean {
  const last = text.charCodeAt(end - 1) | 0x20;
  if (last !== 0x72 && last !== 0x63) return false;
  const tail = text.slice(end - 3, end).toLowerCase();
  return tail === 'rer' || tail === 'sic';
}

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

/** Bytes that a UTF-16 unit of well-formed text takes inside a JSON string, beyond ASCII counted by its code point. */
function escapedBytes(unit: number): number {
  if (unit >= 0x80) return unit < 0x800 ? 2 : 3;
  if (unit >= 0x20) return unit === 0x22 || unit === 0x5c ? 2 : 1;
  // \b \t \n \f \r have a two-character escape; NUL is replaced (three bytes), the others are \u00XX.
  if (unit === 0) return 3;
  return unit === 0x0b || unit < 0x08 || unit > 0x0d ? 6 : 2;
}

function plainBytes(unit: number): number {
  if (unit >= 0x80) return unit < 0x800 ? 2 : 3;
  return unit === 0 ? 3 : 1;
}

/** How much of `text`, in whole code points, fits `bytes` of UTF-8, as JSON string content or as it is. */
export function fittingLength(text: string, bytes: number, escaped: boolean): number {
  const cost = escaped ? escapedBytes : plainBytes;
  let used = 0;
  let index = 0;
  while (index < text.length) {
    const unit = text.charCodeAt(index);
    let units = 1;
    let size = cost(unit);
    if (unit >= 0xd800 && unit < 0xdc00) {
      const next = text.charCodeAt(index + 1);
      if (next >= 0xdc00 && next < 0xe000) {
        units = 2;
        size = 4;
      }
    }
    if (used + size > bytes) break;
    used += size;
    index += units;
  }
  return index;
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

/** Says how many UTF-16 units of a string were cut. */
export function moreChars(count: number): string {
  return `…[+${count} chars]`;
}

/** `true` for text that is its own JSON string content and holds nothing to look into: ASCII without quotes, escapes and colons. */
export function isPlain(text: string): boolean {
  for (let index = 0; index < text.length; index++) {
    const unit = text.charCodeAt(index);
    if (unit < 0x20 || unit > 0x7e || unit === 0x22 || unit === 0x5c || unit === 0x3a) return false;
  }
  return true;
}

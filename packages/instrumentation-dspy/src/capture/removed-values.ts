import { types } from 'node:util';
import { REDACTED } from './credentials.js';
import type { TextRedactor } from './scrub.js';
import { wellFormed } from './text.js';

/** A redactor for the values that a sanitizer took away. */
export interface ValueRedactor {
  /** The text with every removed value replaced by `[REDACTED]`. */
  readonly redact: TextRedactor;
  /** `true`: not every removed value can be searched for, so content that may hold one must be withheld. */
  readonly uncertain: boolean;
}

const MAX_VISITS = 10_000;
const MAX_SECRETS = 256;
const MAX_DEPTH = 64;
/** Kept text looked at, in UTF-16 units. */
const MAX_KEPT_CHARS = 1_000_000;
/** Units of kept text searched in total. */
const MAX_SCAN = 20_000_000;
/** No recorded text is longer, so what follows in a longer value need not be known. */
const MAX_SPELLED = 1 << 17;
/** Units of removed text in total. */
const MAX_SECRET_CHARS = 4_000_000;
/** Longer values are not looked for in URLs. */
const MAX_URL_VALUE = 2048;
/** A longer value is found by its head, and what follows goes with it. */
const MAX_NEEDLE = 256;
/** A shorter value is replaced only where it stands as a word of its own. */
const MIN_FREE = 4;
/** Words of a masked stretch that are searched for on their own. */
const MAX_WORDS = 32;

interface Needle {
  text: string;
  /** Units to take out from where the needle begins. */
  length: number;
  /** Matches as a whole word only. */
  word: RegExp | undefined;
}

function textOf(value: unknown): string | undefined {
  switch (typeof value) {
    case 'string':
      return value;
    case 'number':
    case 'bigint':
      return String(value);
    default:
      return types.isDate(value) && !Number.isNaN(Date.prototype.getTime.call(value))
        ? Date.prototype.toISOString.call(value)
        : undefined;
  }
}

/** Walks a value's leaves within bounds; every failure to see the whole is remembered. */
class Walk {
  complete = true;
  private visits = MAX_VISITS;

  /** Calls `leaf` for every text leaf of `value`, with what stands at the same place of `other`. */
  visit(
    value: unknown,
    other: unknown,
    leaf: (text: string, other: unknown) => void,
    depth = 0,
  ): void {
    if (--this.visits < 0 || depth > MAX_DEPTH) {
      this.complete = false;
      return;
    }
    const text = textOf(value);
    if (text !== undefined) {
      leaf(text, other);
    } else if (value !== null && typeof value === 'object') {
      this.children(value, other, leaf, depth + 1);
    }
  }

  private children(
    value: object,
    other: unknown,
    leaf: (text: string, other: unknown) => void,
    depth: number,
  ): void {
    if (ArrayBuffer.isView(value) || types.isAnyArrayBuffer(value)) {
      // Bytes reach prompts as base64 or not at all; there is no text to look for.
      if (value !== other) this.complete = false;
    } else if (types.isMap(value)) {
      const otherMap = types.isMap(other) ? other : undefined;
      for (const [key, item] of Map.prototype.entries.call(value)) {
        if (this.visits < 0) break;
        this.visit(key, otherMap?.has(key) ? key : undefined, leaf, depth);
        this.visit(item, otherMap?.get(key), leaf, depth);
      }
    } else if (types.isSet(value)) {
      for (const item of Set.prototype.values.call(value)) {
        if (this.visits < 0) break;
        this.visit(item, undefined, leaf, depth);
      }
    } else if (Array.isArray(value)) {
      for (let index = 0; index < value.length && this.visits >= 0; index++) {
        this.visit(value[index], property(other, index), leaf, depth);
      }
    } else {
      for (const key of Object.keys(value)) {
        if (this.visits < 0) break;
        this.visit(property(value, key), property(other, key), leaf, depth);
      }
    }
  }
}

function property(value: unknown, key: string | number): unknown {
  return value !== null && typeof value === 'object'
    ? (value as Record<string | number, unknown>)[key]
    : undefined;
}

/** Texts that stayed, to tell what was removed. */
class Kept {
  readonly leaves = new Set<string>();
  complete = true;
  private all = '';
  private scan = MAX_SCAN;

  constructor(sanitized: unknown) {
    const walk = new Walk();
    // Bytes are what they are: these are the ones that stayed.
    walk.visit(sanitized, sanitized, (text) => {
      this.leaves.add(text);
      if (this.all.length + text.length <= MAX_KEPT_CHARS) this.all += `${text}\n`;
    });
    this.complete = walk.complete;
  }

  /** `true` when the text stands somewhere in what was kept. Beyond its budget it says no, the private answer. */
  has(text: string): boolean {
    if (this.leaves.has(text)) return true;
    this.scan -= this.all.length;
    return this.scan >= 0 && this.all.includes(text);
  }
}

/** The stretch of `before` that `after` does not share at its ends. */
function changedStretch(before: string, after: string): string {
  const most = Math.min(before.length, after.length);
  if (most > MAX_SPELLED) return before;
  let start = 0;
  while (start < most && before.charCodeAt(start) === after.charCodeAt(start)) start++;
  let end = 0;
  while (
    end < most - start &&
    before.charCodeAt(before.length - 1 - end) === after.charCodeAt(after.length - 1 - end)
  ) {
    end++;
  }
  return before.slice(start, before.length - end);
}

/** Words that identify on their own: numbers, addresses, names. */
function wordsOf(text: string): string[] {
  if (text.length > 2000) return [];
  const words = text.match(/[^\s,;:()[\]{}"'<>]+/gu) ?? [];
  return words.length > MAX_WORDS
    ? []
    : words
        .map((word) => word.replace(/^[.!?]+|[.!?]+$/g, ''))
        .filter((word) => word.length >= 3 && /[\p{N}@\p{Lu}]/u.test(word));
}

class Secrets {
  readonly texts = new Set<string>();
  overflow = false;
  private chars = 0;

  constructor(private readonly kept: Kept) {}

  removed(text: string, other: unknown): void {
    const trimmed = text.trim();
    if (trimmed === '' || this.kept.leaves.has(text)) return;
    // A value that still stands inside a kept one was not removed.
    if (typeof other !== 'string' && this.kept.has(trimmed)) return;
    this.add(trimmed);
    const stretch = typeof other === 'string' ? changedStretch(text, other).trim() : trimmed;
    if (stretch !== '') this.add(stretch);
    for (const word of wordsOf(stretch)) if (!this.kept.has(word)) this.add(word);
  }

  private add(text: string): void {
    this.chars += Math.min(text.length, MAX_SPELLED);
    if (this.texts.size >= MAX_SECRETS || this.chars > MAX_SECRET_CHARS) this.overflow = true;
    else this.texts.add(text);
  }
}

/** How a text may have been written into another: as it is, in JSON, in JSON inside JSON, in a URL. */
function spellings(text: string): Set<string> {
  const json = JSON.stringify(text).slice(1, -1);
  const forms = new Set([text, json, JSON.stringify(json).slice(1, -1)]);
  if (text.length <= MAX_URL_VALUE) forms.add(encodeURIComponent(wellFormed(text)));
  return forms;
}

function escapeRegExp(text: string): string {
  return text.replace(/[\\^$.*+?()[\]{}|]/g, '\\$&');
}

function needlesOf(secrets: Iterable<string>): Needle[] {
  const needles: Needle[] = [];
  for (const secret of secrets) {
    for (const form of spellings(secret.slice(0, MAX_SPELLED))) {
      needles.push({
        text: form.slice(0, MAX_NEEDLE),
        length: secret.length > MAX_SPELLED ? Number.MAX_SAFE_INTEGER : form.length,
        word:
          form.length < MIN_FREE
            ? new RegExp(`(?<![\\p{L}\\p{N}])${escapeRegExp(form)}(?![\\p{L}\\p{N}])`, 'gu')
            : undefined,
      });
    }
  }
  return needles.sort((a, b) => b.length - a.length);
}

function replaceNeedle(text: string, needle: Needle): string {
  if (needle.word !== undefined) return text.replace(needle.word, REDACTED);
  let at = text.indexOf(needle.text);
  if (at < 0) return text;
  let result = '';
  let from = 0;
  for (; at >= 0; at = text.indexOf(needle.text, from)) {
    result += text.slice(from, at) + REDACTED;
    from = Math.min(text.length, at + needle.length);
  }
  return result + text.slice(from);
}

const WITHHELD: ValueRedactor = {
  redact: Object.assign(() => REDACTED, { overlap: 0 }),
  uncertain: true,
};

/**
 * A redactor for the values that a sanitizer removed or changed, to be applied to text made from the original (prompts, errors,
 * completions). Longest first, in plain, JSON and URL spelling; of a value changed in part, the changed stretch too.
 * `undefined` when nothing was removed. Its cost is bounded: beyond that it is `uncertain` and replaces all text.
 */
export function createValueRedactor(
  original: unknown,
  sanitized: unknown,
): ValueRedactor | undefined {
  if (Object.is(original, sanitized)) return undefined;
  try {
    const kept = new Kept(sanitized);
    const secrets = new Secrets(kept);
    const walk = new Walk();
    walk.visit(original, sanitized, (text, other) => secrets.removed(text, other));
    if (!walk.complete || !kept.complete || secrets.overflow) return WITHHELD;
    if (secrets.texts.size === 0) return undefined;
    const needles = needlesOf(secrets.texts);
    const redact = (text: string): string => needles.reduce(replaceNeedle, text);
    return { redact: Object.assign(redact, { overlap: MAX_NEEDLE }), uncertain: false };
  } catch {
    return WITHHELD;
  }
}

import { createKeyMatcher, type KeyPredicate, mayOccurIn } from './key-matcher.js';
import { REDACTED } from './redacted.js';
import { redactUrls } from './urls.js';

export { REDACTED };

/** A digit or mark tells a token from a word: `Bearer authentication`, `Basic information`. */
const SCHEME = /\b(Bearer|Basic)\s+(?=\S*[0-9._=-])[A-Za-z0-9._~+/=-]{8,}/gi;
/** What every one of them has: a search alone costs a quarter of a replacement that replaces nothing. */
const SCHEME_NAME = /b(?:earer|asic)\s/i;
const PREFIXED =
  /\b(?:sk-[A-Za-z0-9_-]{16,}|AIza[A-Za-z0-9_-]{30,}|gh[opsu]_[A-Za-z0-9]{30,}|github_pat_\w{20,}|xox[abps]-[A-Za-z0-9-]{10,}|AKIA[A-Z0-9]{16}|gsk_[A-Za-z0-9]{20,}|hf_[A-Za-z0-9]{20,}|dapi[a-f0-9]{30,}|eyJ[A-Za-z0-9_-]{8,1024}\.eyJ[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]*)/g;
/** `"name":`, also in JSON text within JSON text, six deep; no text makes it slow. */
const QUOTED_NAME = /(\\{0,31}["'])([A-Za-z][A-Za-z0-9_-]{1,63})\1\s*:\s*/g;
/** What may follow: text in quotes (of JSON text within JSON text: to the next quote escaped as the first is), a word. */
const VALUE =
  /(["'])((?:(?!\1)(?:[^\\]|\\[\s\S]))*)(?:\1|$)|(\\{1,31}["'])((?:(?!(?<!\\)\3)[\s\S])*)(?:\3|$)|[^\s"',;&{}[\])\\]+/y;
/** `name:`, `name=`. The name alone: what follows one that is no credential's may be another (`Error: password=x`). */
const PAIR_NAME =
  /(?<![A-Za-z0-9_-])(?:\\{0,31}["']|)([A-Za-z][A-Za-z0-9_-]{1,63})(?:\\{0,31}["']|)\s*[:=]\s*/g;
const PAIR_VALUE =
  /(\\{0,31}["'])((?:(?!\1)(?:[^\\]|\\[\s\S]))*)(?:\1|$)|(?:(?:Bearer|Basic|Digest|Token)\s+)?[^\s"',;&}\])\\]+/iy;

const NOTHING = new Set(['', 'null', 'undefined', 'None', 'true', 'false', 'True', 'False']);

const builtIn = createKeyMatcher();

/**
 * Text without credentials: user info and secret parameters of URLs, `Bearer` and `Basic` values, keys of well-known
 * providers, and `name: value` pairs whose name is a credential's. For error messages, stacks and log lines.
 */
export function redactCredentials(text: string, isSensitiveKey: KeyPredicate = builtIn): string {
  const urls = redactUrls(text);
  const pairs = mayOccurIn(urls, isSensitiveKey) ? redactPairs(urls, isSensitiveKey) : urls;
  return redactSchemes(pairs).replace(PREFIXED, REDACTED);
}

/** The text with `Bearer` and `Basic` values taken out. */
export function redactSchemes(text: string): string {
  return SCHEME_NAME.test(text) ? text.replace(SCHEME, `$1 ${REDACTED}`) : text;
}

/** What a service that refused its caller may have repeated of the key: a word of this length with letters and digits in one run. */
const WORD = /[\w+=~*.-]{12,}/g;
const RUN = /[A-Za-z0-9_*]{12,}/g;

/**
 * Text without anything that could be a key of whatever make. For the words of a service that refused a key, which some repeat;
 * names of models and codes of errors stay, and so do parts of URLs and paths.
 */
export function redactOpaque(text: string): string {
  return text.replace(WORD, (word, offset: number) => {
    if (text[offset - 1] === '/') return word;
    const runs = word.match(RUN) ?? [];
    return runs.some((run) => /\d/.test(run) && /[A-Za-z]/.test(run)) ? REDACTED : word;
  });
}

/** `"apiKey": "x"`, `password=x` → the value replaced. */
export function redactPairs(text: string, isSensitiveKey: KeyPredicate): string {
  const quoted = redactQuotedPairs(text, isSensitiveKey);
  let redacted = '';
  let done = 0;
  for (const found of quoted.matchAll(PAIR_NAME)) {
    const start = found.index + found[0].length;
    if (found.index < done || !isSensitiveKey(found[1] as string)) continue;
    PAIR_VALUE.lastIndex = start;
    const value = PAIR_VALUE.exec(quoted);
    if (value === null || !holdsSecret(value[2] ?? value[0])) continue;
    const mark = value[1] ?? '';
    redacted += `${quoted.slice(done, start)}${mark}${REDACTED}${mark}`;
    done = start + value[0].length;
  }
  return done === 0 ? quoted : redacted + quoted.slice(done);
}

/** `"apiKey": "x"` → the value replaced, wherever in the text JSON is. */
export function redactQuotedPairs(text: string, isSensitiveKey: KeyPredicate): string {
  let redacted = '';
  let done = 0;
  // Names alone are looked for: what stands in the value of another is found there.
  for (const found of text.matchAll(QUOTED_NAME)) {
    const start = found.index + found[0].length;
    if (found.index < done || !isSensitiveKey(found[2] as string)) continue;
    const nested = endOfNested(text, start, found[1] as string);
    if (nested !== undefined) {
      redacted += `${text.slice(done, start)}${found[1]}${REDACTED}${found[1]}`;
      done = nested;
      continue;
    }
    VALUE.lastIndex = start;
    const value = VALUE.exec(text);
    const mark = value?.[1] ?? value?.[3] ?? '';
    if (value === null || !holdsSecret(value[2] ?? value[4] ?? value[0])) continue;
    redacted += `${text.slice(done, start)}${mark}${REDACTED}${mark}`;
    done = start + value[0].length;
  }
  return done === 0 ? text : redacted + text.slice(done);
}

/**
 * Where an object or a list that begins at `start` ends: the end of the text where it is not closed, `undefined` where there is none.
 *
 * @param mark What strings in it begin and end with, escaped as JSON text within JSON text has it.
 */
function endOfNested(text: string, start: number, mark: string): number | undefined {
  const first = text[start];
  if (first !== '{' && first !== '[') return undefined;
  const quote = mark.at(-1);
  const escapes = mark.length - 1;
  let depth = 0;
  let isInString = false;
  let backslashes = 0;
  for (let at = start; at < text.length; at++) {
    const unit = text[at];
    if (unit === '\\') {
      backslashes++;
      continue;
    }
    // Each further level of JSON text within JSON text doubles the backslashes; a pair more of them is a backslash in the string.
    if (unit === quote && backslashes % (2 * (escapes + 1)) === escapes) isInString = !isInString;
    else if (isInString) {
      // Brackets in strings do not count.
    } else if (unit === '{' || unit === '[') depth++;
    else if ((unit === '}' || unit === ']') && --depth === 0) return at + 1;
    backslashes = 0;
  }
  return text.length;
}

/** Absence and flags say nothing secret, and what was replaced is replaced. */
function holdsSecret(value: string): boolean {
  return !NOTHING.has(value) && !REDACTED.startsWith(value);
}

import { REDACTED, redactPairs, redactQuotedPairs, redactSchemes } from './credentials.js';
import { type KeyPredicate, mayOccurIn } from './key-matcher.js';
import { describeEmbeddedMedia, mediaDescription } from './media.js';
import { redactCutUrls, redactUrls } from './urls.js';

/** Replaces private text in a string. */
export interface TextRedactor {
  (text: string): string;
  /** UTF-16 units that one match may span: so much is looked at beyond a cut. Default 256. */
  readonly overlap?: number;
}

/** What may be recorded of a string. */
export interface ScrubOptions {
  /** Keep base64 media that fits the budget, instead of a short description. Default `false`. */
  keepMedia?: boolean | undefined;
  /** Names whose values are replaced by `[REDACTED]`, at any depth. Default: none. */
  isSensitiveKey?: KeyPredicate | undefined;
  /** Applied to every string, in pieces bounded by the budget. */
  redactText?: TextRedactor | undefined;
}

export interface Scrubbed {
  text: string;
  /** `text` is only the beginning of the string. */
  cut: boolean;
}

const DEFAULT_OVERLAP = 256;
/** A search for each is cheaper than one pattern for all. */
const NAME_ENDS = ['":', `':`, '" :', `' :`];
/** Names in JSON text that is longer are found by pattern, not by parsing. */
const MAX_PARSED = 65_536;

/**
 * What of a string may be recorded: no media, no user info in URLs, no credentials in JSON text, nothing the redactor takes.
 * Only about `limit` UTF-16 units are looked at, however long the string is.
 */
export function scrub(
  value: string,
  limit: number,
  options: ScrubOptions,
  key?: string,
  owner?: object,
): Scrubbed {
  const media = mediaDescription(value, key, owner);
  if (media !== undefined) {
    // Base64 that is cut is of no use to anybody.
    const keep = options.keepMedia === true && value.length <= limit;
    return { text: keep ? value : media, cut: false };
  }
  const overlap = options.redactText?.overlap ?? DEFAULT_OVERLAP;
  const cut = value.length > limit + overlap;
  // User info may be longer than any overlap.
  let text = cut ? redactCutUrls(value.slice(0, limit + overlap)) : redactUrls(value);
  if (options.keepMedia !== true) text = describeEmbeddedMedia(text, cut);
  const { isSensitiveKey, redactText } = options;
  text = redactSchemes(text);
  if (isSensitiveKey !== undefined) text = redactJsonText(text, cut, isSensitiveKey);
  if (redactText !== undefined) text = redactText(text);
  // Half a secret at the cut was not recognised; it lies within the overlap.
  return cut ? { text: text.slice(0, Math.max(0, text.length - overlap)), cut } : { text, cut };
}

/** JSON text (tool arguments, tool results), also within other text (prompts, replies), with the values of sensitive names replaced. */
function redactJsonText(text: string, cut: boolean, isSensitiveKey: KeyPredicate): string {
  const first = text.charCodeAt(0);
  const isJsonLike = first === 0x7b || first === 0x5b;
  if (!isJsonLike && !holdsJson(text)) return text;
  if (!mayOccurIn(text, isSensitiveKey)) return text;
  if (isJsonLike && !cut && text.length <= MAX_PARSED) {
    try {
      const found = { sensitive: false };
      const redacted = JSON.stringify(JSON.parse(text), (key, item: unknown) => {
        const kept = isSensitiveKey(key) && isSecret(item) ? REDACTED : withinText(item);
        found.sensitive ||= kept !== item;
        return kept;
      });
      // Of a name that is there twice only the last value was seen.
      return found.sensitive ? redacted : redactQuotedPairs(text, isSensitiveKey);
    } catch {
      // Not JSON after all, or not whole.
    }
  }
  return isJsonLike ? redactPairs(text, isSensitiveKey) : redactQuotedPairs(text, isSensitiveKey);

  function withinText(item: unknown): unknown {
    return typeof item === 'string' && holdsJson(item)
      ? redactQuotedPairs(item, isSensitiveKey)
      : item;
  }
}

/** A name in quotes, escaped or not, as any language prints it. */
function holdsJson(text: string): boolean {
  return NAME_ENDS.some((end) => text.includes(end));
}

/** Absence, emptiness and flags say nothing secret. */
export function isSecret(value: unknown): boolean {
  return value !== undefined && value !== null && value !== '' && typeof value !== 'boolean';
}

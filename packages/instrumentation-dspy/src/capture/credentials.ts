import { createKeyMatcher, type KeyPredicate, mayOccurIn } from './key-matcher.js';

/** Stands in the place of a value that must not be recorded. */
export const REDACTED = '[REDACTED]';

const URL_USER = /\b([a-z][a-z0-9+.-]{0,31}:\/\/)[^\s/?#"'<>]{1,512}@/gi;
const URL_SECRET =
  /([?&](?:api[_-]?key|key|access[_-]?token|refresh[_-]?token|id[_-]?token|token|auth|password|passwd|secret|client[_-]?secret|signature|sig|x-amz-signature|x-amz-security-token|x-goog-signature)=)[^&\s"'<>#]+/gi;

/** The text with user info and secret parameters taken out of the URLs in it. */
export function redactUrls(text: string): string {
  if (!text.includes('://')) return text;
  return text.replace(URL_USER, '$1').replace(URL_SECRET, `$1${REDACTED}`);
}

/** A digit or mark tells a token from a word: `Bearer authentication`, `Basic information`. */
const SCHEME = /\b(Bearer|Basic)\s+(?=\S*[0-9._=-])[A-Za-z0-9._~+/=-]{8,}/gi;
const PREFIXED =
  /\b(?:sk-[A-Za-z0-9_-]{16,}|AIza[A-Za-z0-9_-]{30,}|gh[opsu]_[A-Za-z0-9]{30,}|github_pat_\w{20,}|xox[abps]-[A-Za-z0-9-]{10,}|AKIA[A-Z0-9]{16}|gsk_[A-Za-z0-9]{20,}|hf_[A-Za-z0-9]{20,}|dapi[a-f0-9]{30,}|eyJ[A-Za-z0-9_-]{8,}\.eyJ[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]*)/g;
const PAIR =
  /(?<![A-Za-z0-9_-])(\\*["']|)([A-Za-z][A-Za-z0-9_-]{1,63})\1(\s*[:=]\s*)(?:(\\*["'])((?:(?!\4)(?:[^\\]|\\[\s\S]))*)(?:\4|$)|((?:(?:Bearer|Basic|Digest|Token)\s+)?[^\s"',;&}\])\\]+))/gi;

const builtIn = createKeyMatcher();

/**
 * Text without credentials: user info and secret parameters of URLs, `Bearer` and `Basic` values, keys of well-known
 * providers, and `name: value` pairs whose name is a credential's. For error messages, stacks and log lines.
 */
export function redactCredentials(text: string, isSensitiveKey: KeyPredicate = builtIn): string {
  const urls = redactUrls(text);
  const pairs = mayOccurIn(urls, isSensitiveKey) ? redactPairs(urls, isSensitiveKey) : urls;
  return pairs.replace(SCHEME, `$1 ${REDACTED}`).replace(PREFIXED, REDACTED);
}

/** `"apiKey": "x"`, `password=x` → the value replaced. Values that are objects are left. */
export function redactPairs(text: string, isSensitiveKey: KeyPredicate): string {
  return text.replace(
    PAIR,
    (
      pair: string,
      nameMark: string,
      name: string,
      between: string,
      mark: string | undefined,
      quoted: string | undefined,
      bare: string | undefined,
    ) => {
      const value = quoted ?? bare ?? '';
      if (value === '' || value === 'null' || value === 'undefined') return pair;
      if (REDACTED.startsWith(value)) return pair;
      if (!isSensitiveKey(name)) return pair;
      return `${nameMark}${name}${nameMark}${between}${mark ?? ''}${REDACTED}${mark ?? ''}`;
    },
  );
}

import { redactSchemes } from './credentials.js';
import { boundedText } from './text.js';
import { redactCutUrls, redactUrls } from './urls.js';

export { redactCredentials } from './credentials.js';
export { createKeyMatcher } from './key-matcher.js';
export { createValueRedactor } from './removed-values.js';

/**
 * A primitive as well-formed text without NUL, without user info in URLs and what follows `Bearer`; any other value as the name of its type.
 * Never throws and runs no code of the value. For names, tags and log lines.
 *
 * @param maxBytes UTF-8 bytes kept. Default 1024.
 */
export function safeString(value: unknown, maxBytes = 1024): string {
  switch (typeof value) {
    case 'string':
      return boundedText(
        redactSchemes(
          value.length > maxBytes * 2
            ? redactCutUrls(value.slice(0, maxBytes * 2))
            : redactUrls(value),
        ),
        maxBytes,
      ).text;
    case 'function':
      return '[function]';
    case 'object':
      return value === null ? 'null' : '[object]';
    default:
      return boundedText(String(value), maxBytes).text;
  }
}

/** Stands in the place of a value that must not be recorded. */
export const REDACTED = '[REDACTED]';

/** Tells whether a property, header or Map key names a credential. `extra`: more names, compared without case and separators. */
export function createKeyMatcher(extra: readonly string[] = []): (key: string) => boolean {
  const names = new Set(extra.map((name) => name.toLowerCase()));
  return (key) => names.has(key.toLowerCase()) || /api_?key|password|authorization/i.test(key);
}

export interface ValueRedactor {
  /** The text with every removed value replaced by `[REDACTED]`. */
  redact(text: string): string;
  /** `true`: not every removed value can be searched for, so content that may hold one must be withheld. */
  readonly uncertain: boolean;
}

/**
 * A redactor for the values that a sanitizer removed or changed, to be applied to text made from the original (prompts, errors).
 * `undefined` when nothing was removed.
 */
export function createValueRedactor(
  original: unknown,
  sanitized: unknown,
): ValueRedactor | undefined {
  if (Object.is(original, sanitized)) return undefined;
  return { redact: (text) => text, uncertain: true };
}

/** Text without credentials in URLs, headers and key-value pairs; for messages and stacks. */
export function redactCredentials(text: string): string {
  return text;
}

/** Any value as short, well-formed text; never throws. `maxBytes` (UTF-8) defaults to 1024. */
export function safeString(value: unknown, maxBytes = 1024): string {
  try {
    return String(value).slice(0, maxBytes);
  } catch {
    return '[unprintable]';
  }
}

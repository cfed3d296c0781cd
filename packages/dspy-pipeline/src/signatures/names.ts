import { axGlobals } from '@ax-llm/ax';

/**
 * Runs `work` with Ax's list of "too generic" field names (`text`, `data`, `response`, …) switched
 * off, and restores the caller's setting. The platform documents such names, and config files use
 * them. `work` is synchronous, so no other code can see the setting; a signature validated inside
 * stays valid in every copy Ax makes of it.
 */
export function withDocumentedNames<T>(work: () => T): T {
  const strict = axGlobals.signatureStrict;
  axGlobals.signatureStrict = false;
  try {
    return work();
  } finally {
    axGlobals.signatureStrict = strict;
  }
}

/** `key_points`, `keyPoints` and `key-points` are the one field `keyPoints`. */
export function toCamelCase(name: string): string {
  return name.replace(/[_-]+([a-zA-Z0-9])/g, (_, next: string) => next.toUpperCase());
}

/** `keyPoints` as the platform's config files write it: `key_points`. */
export function toSnakeCase(name: string): string {
  return name.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`);
}

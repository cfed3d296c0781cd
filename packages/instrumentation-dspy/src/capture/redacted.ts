/** Stands in the place of a value that must not be recorded. */
export const REDACTED = '[REDACTED]';

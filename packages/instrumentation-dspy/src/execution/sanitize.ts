import { createValueRedactor } from '../capture/redact.js';
import type { TextRedactor } from '../capture/serialize.js';
import { diagnostics } from '../diagnostics.js';
import { inTime } from './callback.js';
import type { Operation } from './operation.js';

/** Stands for content that must not be recorded. */
export const WITHHELD = Symbol('withheld');

/** A call whose content is to be recorded. */
type Sanitized = Pick<Operation, 'settings' | 'inherited'>;

/**
 * The inputs as the user's sanitizer leaves them. What it removed is remembered, so that text made
 * from the inputs (prompts, errors, tool arguments) does not bring it back.
 */
export function sanitizeInput(operation: Sanitized, value: unknown): unknown {
  const sanitizer = operation.settings.inputSanitizer;
  if (sanitizer === undefined) return value;
  // A copy: a sanitizer that deletes a key of its argument must not change the program's own values.
  const original = isObject(value) ? value : { input: value };
  try {
    const result: unknown = inTime(sanitizer({ ...original }));
    const sanitized =
      original === value ? result : (result as { input?: unknown } | undefined)?.input;
    remember(operation, value, sanitized);
    return sanitized;
  } catch {
    diagnostics.warnOnce(
      'inputSanitizer',
      'inputSanitizer threw or is async; the content is not recorded',
    );
    operation.inherited = { ...operation.inherited, dropped: true };
    return WITHHELD;
  }
}

/** The output as the user's sanitizer leaves it. */
export function sanitizeOutput(operation: Operation, value: unknown): unknown {
  const sanitizer = operation.settings.outputSanitizer;
  if (sanitizer === undefined) return value;
  try {
    return inTime(sanitizer(isObject(value) ? { ...value } : value));
  } catch {
    diagnostics.warnOnce(
      'outputSanitizer',
      'outputSanitizer threw or is async; the content is not recorded',
    );
    return WITHHELD;
  }
}

function remember(operation: Sanitized, original: unknown, sanitized: unknown): void {
  const redactor = createValueRedactor(original, sanitized);
  if (redactor === undefined) return;
  const { inherited } = operation;
  const { serialize } = inherited;
  operation.inherited = {
    ...inherited,
    serialize: { ...serialize, redactText: both(serialize.redactText, redactor.redact) },
    uncertain: inherited.uncertain || redactor.uncertain,
  };
}

function both(first: TextRedactor | undefined, second: TextRedactor): TextRedactor {
  if (first === undefined) return second;
  const overlap = Math.max(first.overlap ?? 0, second.overlap ?? 0);
  return Object.assign((text: string) => second(first(text)), { overlap });
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

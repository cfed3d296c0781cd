import { diagnostics } from '../diagnostics.js';
import type { Settings } from '../settings.js';
import { inTime } from './callback.js';
import { deepCopy } from './clone.js';
import type { CallKind } from './kinds.js';
import type { Operation } from './operation.js';
import { type Remembering, rememberRemoved } from './remember.js';

/** Stands for content that must not be recorded. */
export const WITHHELD = Symbol('withheld');

/** A call whose content is to be recorded. */
type Sanitized = Pick<Operation, 'settings'> & Remembering;

/**
 * The inputs as the user's sanitizer leaves them. What it removed is remembered, so that text made
 * from the inputs (prompts, errors, tool arguments) does not bring it back. Never throws.
 */
export function sanitizeInput(call: Sanitized, value: unknown): unknown {
  if (call.settings.inputSanitizer === undefined) return value;
  // It takes inputs by their names; what has none is called so.
  const isNamed = isNamedInputs(value);
  const result = sanitized(call, 'inputSanitizer', isNamed ? value : { input: value });
  if (result === WITHHELD) {
    call.inherited = { ...call.inherited, dropped: true };
    return WITHHELD;
  }
  const left = isNamed ? result : (result as { input?: unknown } | undefined)?.input;
  rememberRemoved(call, value, left);
  return left;
}

/** Whether what a call is given has to be looked at though it is not recorded: text below is made of it. */
export function sanitizesPrompts({ inputSanitizer, outputSanitizer }: Settings): boolean {
  return inputSanitizer !== undefined || outputSanitizer !== undefined;
}

/**
 * Remembers what the user's sanitizers remove from the examples of a program, so that its prompts do not
 * bring it back.
 */
export function sanitizeExamples(call: Sanitized, kind: CallKind, self: unknown): void {
  const { settings } = call;
  if (kind.examples === undefined || !sanitizesPrompts(settings)) return;
  if (!(settings.inputs || settings.outputs)) return;
  const examples = kind.examples(self);
  if (examples.length === 0) return;
  const left = examples.map(({ inputs, outputs }) => ({
    inputs: settings.inputSanitizer ? sanitized(call, 'inputSanitizer', inputs) : inputs,
    outputs: sanitizeOutput(call, outputs),
  }));
  if (left.some(({ inputs, outputs }) => inputs === WITHHELD || outputs === WITHHELD)) {
    call.inherited = { ...call.inherited, uncertain: true };
    return;
  }
  rememberRemoved(call, examples, left);
}

/** The output as the user's sanitizer leaves it. Never throws. */
export function sanitizeOutput(call: Pick<Operation, 'settings'>, value: unknown): unknown {
  return call.settings.outputSanitizer === undefined
    ? value
    : sanitized(call, 'outputSanitizer', value);
}

/** The one place where a sanitizer is called. It is the user's code: it gets a copy, and may fail. */
function sanitized(
  { settings }: Pick<Operation, 'settings'>,
  name: 'inputSanitizer' | 'outputSanitizer',
  value: unknown,
): unknown {
  try {
    const sanitizer = settings[name] as (given: unknown) => unknown;
    return inTime(sanitizer(deepCopy(value)));
  } catch {
    diagnostics.warnOnce(
      name,
      `${name} threw or is async, or what it is for cannot be copied; the content is not recorded`,
    );
    return WITHHELD;
  }
}

function isNamedInputs(value: unknown): boolean {
  try {
    return typeof value === 'object' && value !== null && !Array.isArray(value);
  } catch {
    // A revoked proxy.
    return false;
  }
}

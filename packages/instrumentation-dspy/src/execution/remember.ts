import { createValueRedactor } from '../capture/redact.js';
import { serialize, type TextRedactor } from '../capture/serialize.js';
import type { Inherited, Operation } from './operation.js';

/** A call that knows of private values, and those around it. */
export type Remembering = Pick<Operation, 'inherited'> & Partial<Pick<Operation, 'parent'>>;

/** Times that values are remembered for one call; with more, its text is withheld. */
const MAX_TIMES = 256;

/**
 * Remembers what of `original` is not in `sanitized`, so that no text made of it (prompts, replies, errors, tool
 * arguments) brings it back: of the call, of those below, and of those around, where its errors surface.
 */
export function rememberRemoved(call: Remembering, original: unknown, sanitized: unknown): void {
  const redactor = createValueRedactor(original, sanitized);
  if (redactor === undefined) return;
  const { redact, uncertain } = redactor;
  add(call, redact, uncertain);
  // What cannot be searched for withholds text: below, and not of all that goes on around.
  if (uncertain) return;
  for (let around = call.parent; around !== undefined; around = around.parent) {
    add(around, redact, false);
  }
}

/** The same for what inputs that are not recorded hold under the names of credentials. */
export function rememberNamed(call: Remembering, inputs: unknown): void {
  if (typeof inputs !== 'object' || inputs === null) return;
  const { secrets } = serialize(inputs, call.inherited.serialize);
  if (secrets !== undefined) rememberSecrets(call, secrets);
}

/** The same for values that were left out for their names. */
export function rememberSecrets(call: Remembering, secrets: readonly unknown[]): void {
  const { redactText } = call.inherited.serialize;
  const isKnown = (secret: unknown): boolean =>
    redactText !== undefined && typeof secret === 'string' && redactText(secret) !== secret;
  const unknown = secrets.filter((secret) => !isKnown(secret));
  if (unknown.length > 0) rememberRemoved(call, unknown, undefined);
}

/**
 * What an earlier call remembered holds for this one too.
 *
 * @param isAlike Both have the same settings.
 */
export function keepRemembered(
  call: Pick<Operation, 'inherited'>,
  before: Inherited,
  isAlike: boolean,
): void {
  const { inherited } = call;
  const { redactText } = before.serialize;
  let { serialize } = inherited;
  if (isAlike) serialize = before.serialize;
  else if (redactText !== undefined) {
    serialize = { ...serialize, redactText: both(serialize.redactText, redactText) };
  }
  call.inherited = {
    ...inherited,
    serialize,
    dropped: inherited.dropped || before.dropped,
    uncertain: inherited.uncertain || before.uncertain,
    remembered: before.remembered ?? 0,
  };
}

function add(call: Remembering, redact: TextRedactor, uncertain: boolean): void {
  const { inherited } = call;
  const { serialize, remembered = 0 } = inherited;
  const isFull = remembered >= MAX_TIMES;
  call.inherited = {
    ...inherited,
    serialize: isFull
      ? serialize
      : { ...serialize, redactText: both(serialize.redactText, redact) },
    uncertain: inherited.uncertain || uncertain || isFull,
    remembered: remembered + 1,
  };
}

function both(first: TextRedactor | undefined, second: TextRedactor): TextRedactor {
  if (first === undefined) return second;
  const overlap = Math.max(first.overlap ?? 0, second.overlap ?? 0);
  return Object.assign((text: string) => second(first(text)), { overlap });
}

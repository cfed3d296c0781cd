import { GEN_AI_WORKFLOW_NAME } from '../attributes/gen-ai.js';
import { OUTPUT_VALUE } from '../attributes/openinference.js';
import { subjectOf } from '../attributes/subject.js';
import { type AxCopy, nameOfAxClass, typeOf } from '../copy.js';
import { tracedCall } from '../execution/call.js';
import { type StreamKind, tracedIterable } from '../execution/iterable.js';
import type { CallKind } from '../execution/kinds.js';
import type { Operation } from '../execution/operation.js';
import { isPatched } from '../patches.js';
import { DeltaCollector } from './deltas.js';
import { describeProgram, nameOfProgram, type Program, recordOptions } from './program.js';

/** A program of the user's own: `forward(ai, values, options)`, or `forward(values)`. */
const userProgram: CallKind = {
  role: 'program',
  optionsIndex: 2,
  subject: (_copy, self: Program & object, args, settings) => {
    const name = nameOfProgram(self, args[2]);
    return subjectOf(settings, {
      name,
      type: typeOf(self),
      operation: 'invoke_workflow',
      kind: 'CHAIN',
      attributes: settings.genAi ? { [GEN_AI_WORKFLOW_NAME]: name } : {},
    });
  },
  input: (_self, args) => (isService(args[0]) ? args[1] : args[0]),
  started: (operation, self: Program & object, args) => started(operation, self, args),
  finished: (operation, result) => operation.recordOutput(result),
};

/** The same for a streaming call. */
const userProgramStream: StreamKind = {
  ...userProgram,
  started(operation, self: Program & object, args) {
    started(operation, self, args);
    const { outputs, serialize } = operation.settings;
    if (outputs) operation.state = new DeltaCollector(serialize.maxBytes);
  },
  chunk: (operation, delta) => deltasOf(operation)?.add(delta),
  collected(operation) {
    const deltas = deltasOf(operation);
    if (deltas === undefined) return;
    operation.recordOutput(deltas.value());
    if (deltas.truncated) operation.markTruncated(OUTPUT_VALUE);
  },
};

function started(operation: Operation, self: Program & object, args: readonly unknown[]): void {
  describeProgram(operation, self);
  const options = args[2];
  if (typeof options === 'object' && options !== null) {
    recordOptions(operation, self, options as Record<string, unknown>);
  }
}

function deltasOf(operation: Operation): DeltaCollector | undefined {
  return operation.state instanceof DeltaCollector ? operation.state : undefined;
}

function isService(value: unknown): boolean {
  return typeof (value as { chat?: unknown } | null | undefined)?.chat === 'function';
}

export const traceUserCall = tracedCall(userProgram);
export const traceUserStream = tracedIterable(userProgramStream);

const METHODS = { forward: traceUserCall, streamingForward: traceUserStream };

/**
 * Traces the calls of a program whose class is the user's own and whose `forward` is not one of
 * Ax's: its base class has none that could be hooked. The method of the class is replaced, for all
 * of its instances.
 */
export function traceUserProgram(copy: AxCopy, program: object): void {
  traceUserClass(copy, Object.getPrototypeOf(program));
}

/** The same, given the prototype of the class. */
export function traceUserClass(copy: AxCopy, prototype: unknown): void {
  let level = prototype;
  while (typeof level === 'object' && level !== null && level !== Object.prototype) {
    if (nameOfAxClass(level.constructor) !== undefined) return;
    for (const [name, wrap] of Object.entries(METHODS)) {
      if (isOwnMethod(level, name)) copy.patches.replace(level, name, wrap, copy);
    }
    level = Object.getPrototypeOf(level);
  }
}

/** `false` for a method that goes before one that is traced: `super.forward()` makes the span then. */
function isOwnMethod(prototype: object, name: string): boolean {
  const own: unknown = Object.getOwnPropertyDescriptor(prototype, name)?.value;
  if (typeof own !== 'function') return false;
  return !isPatched((Object.getPrototypeOf(prototype) as Record<string, unknown>)[name]);
}

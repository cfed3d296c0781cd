import type { AxCopy } from '../copy.js';
import { diagnostics } from '../diagnostics.js';
import type { Method, Wrapper } from '../hooks/types.js';
import { begin, type Entry } from './gate.js';
import type { CallKind } from './kinds.js';
import { withoutNativeTracer } from './native.js';
import { endSafely, failSafely, Operation } from './operation.js';
import { observe, tell } from './result.js';
import { runIn } from './run-in.js';

/** Traces a method that returns a value, a promise or a thenable. */
export function tracedCall(kind: CallKind): Wrapper {
  return (original, copy) =>
    ({
      call(this: unknown, ...args: unknown[]): unknown {
        return traceFunction(copy, kind, original, this, args, true);
      },
    }).call;
}

/**
 * Calls a function and traces the call. What it returns or throws is what the function does.
 *
 * @param passOn Anyone may call it, and may leave a failure unhandled.
 */
export function traceFunction(
  copy: AxCopy,
  kind: CallKind,
  original: Method,
  self: unknown,
  args: unknown[],
  passOn: boolean,
): unknown {
  let entry: Entry;
  let passed = args;
  try {
    entry = begin(copy, kind, self, args);
    passed = withoutNativeTracer(copy, kind, self, args);
  } catch (fault) {
    diagnostics.fault('begin', fault);
  }
  if (!(entry instanceof Operation)) return runIn(entry, original, self, passed);
  return runOperation(entry, original, self, passed, passOn);
}

/** Runs a function as an operation that has begun, and ends the operation with what comes of it. */
export function runOperation(
  operation: Operation,
  original: Method,
  self: unknown,
  args: unknown[],
  passOn: boolean,
): unknown {
  let result: unknown;
  try {
    result = runIn(operation.context, original, self, args);
  } catch (error) {
    tell((thrown) => failed(operation, thrown, self, args), error);
    throw error;
  }
  return observe(
    result,
    passOn ? original : undefined,
    (value) => finished(operation, value, self, args),
    (error) => failed(operation, error, self, args),
  );
}

function finished(operation: Operation, result: unknown, self: unknown, args: unknown[]): void {
  if (operation.ended) return;
  try {
    operation.kind.finished?.(operation, result, self, args);
  } catch (fault) {
    diagnostics.fault('kind.finished', fault);
  }
  // A stream ends when it has been read.
  if (!operation.streaming) endSafely(operation, 'completed');
}

function failed(operation: Operation, error: unknown, self: unknown, args: unknown[]): void {
  if (operation.ended) return;
  try {
    operation.kind.failed?.(operation, error, self, args);
  } catch (fault) {
    diagnostics.fault('kind.failed', fault);
  }
  failSafely(operation, error);
}

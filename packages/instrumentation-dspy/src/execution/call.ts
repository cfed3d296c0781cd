import { context } from '@opentelemetry/api';
import type { AxCopy } from '../copy.js';
import { diagnostics } from '../diagnostics.js';
import type { Method, Wrapper } from '../hooks/types.js';
import { begin, type Entry } from './gate.js';
import type { CallKind } from './kinds.js';
import { withoutNativeTracer } from './native.js';
import { Operation } from './operation.js';
import { isAsyncFunction, observe } from './result.js';

/** Traces a method that returns a value, a promise or a thenable. */
export function tracedCall(kind: CallKind): Wrapper {
  return (original, copy) => {
    const fresh = isAsyncFunction(original);
    return function (this: unknown, ...args: unknown[]): unknown {
      return traceFunction(copy, kind, original, this, args, fresh);
    };
  };
}

/**
 * Calls a function and traces the call. What it returns or throws is what the function does.
 *
 * @param fresh The function is an async one, see {@link observe}.
 */
export function traceFunction(
  copy: AxCopy,
  kind: CallKind,
  original: Method,
  self: unknown,
  args: unknown[],
  fresh: boolean,
): unknown {
  let entry: Entry;
  let passed = args;
  try {
    entry = begin(copy, kind, self, args);
    passed = withoutNativeTracer(copy, kind, self, args);
  } catch (fault) {
    diagnostics.fault('begin', fault);
  }
  if (entry === undefined) return original.apply(self, passed);
  if (!(entry instanceof Operation)) return context.with(entry, original, self, ...passed);
  return runOperation(entry, original, self, passed, fresh);
}

/** Runs a function as an operation that has begun, and ends the operation with what comes of it. */
export function runOperation(
  operation: Operation,
  original: Method,
  self: unknown,
  args: unknown[],
  fresh: boolean,
): unknown {
  let result: unknown;
  try {
    result =
      operation.context === undefined
        ? original.apply(self, args)
        : context.with(operation.context, original, self, ...args);
  } catch (error) {
    failed(operation, error, self, args);
    throw error;
  }
  return observe(
    result,
    fresh,
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
  if (!operation.streaming) operation.end('completed');
}

function failed(operation: Operation, error: unknown, self: unknown, args: unknown[]): void {
  if (operation.ended) return;
  try {
    operation.kind.failed?.(operation, error, self, args);
  } catch (fault) {
    diagnostics.fault('kind.failed', fault);
  }
  operation.fail(error);
}

import type { Context } from '@opentelemetry/api';
import type { AxCopy } from '../copy.js';
import { diagnostics } from '../diagnostics.js';
import { begin, type Entry } from '../execution/gate.js';
import type { CallKind } from '../execution/kinds.js';
import { isWithoutTracer, withoutNativeTracer } from '../execution/native.js';
import { failSafely, Operation } from '../execution/operation.js';
import { isThenable } from '../execution/result.js';
import { runIn } from '../execution/run-in.js';
import type { Method, Wrapper } from './types.js';

/** How calls of a service's method (`chat`, `embed`) are traced. */
export interface ServiceCall {
  readonly kind: CallKind;
  /** The kind's arguments from those of the inner method. */
  resolve(args: readonly unknown[]): unknown[];
  /** Ends the operation with what the method gives, or sees to its ending; returns what the caller gets. */
  settle(operation: Operation, result: unknown): unknown;
}

/** A call on its way to the inner method. */
interface Pending {
  readonly call: ServiceCall;
  readonly service: unknown;
  begun: boolean;
  entry: Entry;
}

/**
 * The call whose synchronous part is running. In every supported version of Ax the outer method
 * reaches the inner one before its first `await`: nothing else can come between.
 */
let pending: Pending | undefined;

/**
 * The method that users call (`chat`). Ax resolves the model and its configuration on the way to an
 * inner method (`_chat2`), where the span starts; it ends with what the outer one resolves to.
 */
export function outerCall(call: ServiceCall): Wrapper {
  return (original, copy) =>
    function (this: unknown, ...args: unknown[]): unknown {
      const current: Pending = { call, service: this, begun: false, entry: undefined };
      const before = pending;
      pending = current;
      let result: unknown;
      try {
        result = callWithoutTracer(copy, call, original, this, args);
      } finally {
        pending = before;
      }
      // Ax refused the request before it chose a model.
      if (!current.begun) current.entry = tryBegin(copy, call, this, args);
      return settle(call, current.entry, result);
    };
}

/** The inner method of {@link outerCall}. */
export function innerCall(call: ServiceCall): Wrapper {
  return (original, copy) =>
    function (this: unknown, ...args: unknown[]): unknown {
      const current = pending;
      pending = undefined;
      if (current?.call !== call || current.service !== this || current.begun) {
        return original.apply(this, args);
      }
      current.begun = true;
      current.entry = tryBegin(copy, call, this, args, true);
      return runIn(homeOf(current.entry), original, this, args);
    };
}

/** A method without such an inner one: the span is the call. */
export function simpleCall(call: ServiceCall): Wrapper {
  return (original, copy) =>
    function (this: unknown, ...args: unknown[]): unknown {
      return traceServiceCall(copy, call, original, this, args);
    };
}

/** Calls a service's method and traces the call. */
export function traceServiceCall(
  copy: AxCopy,
  call: ServiceCall,
  original: Method,
  self: unknown,
  args: unknown[],
): unknown {
  const entry = tryBegin(copy, call, self, args);
  let result: unknown;
  try {
    result = runIn(homeOf(entry), original, self, args);
  } catch (error) {
    if (entry instanceof Operation) failSafely(entry, error);
    throw error;
  }
  return settle(call, entry, result);
}

function tryBegin(
  copy: AxCopy,
  call: ServiceCall,
  self: unknown,
  args: readonly unknown[],
  inner = false,
): Entry {
  try {
    return begin(copy, call.kind, self, inner ? call.resolve(args) : args);
  } catch (fault) {
    diagnostics.fault('begin', fault);
    return undefined;
  }
}

/** Where a call runs. */
function homeOf(entry: Entry): Context | undefined {
  return entry instanceof Operation ? entry.context : entry;
}

function settle(call: ServiceCall, entry: Entry, result: unknown): unknown {
  if (!(entry instanceof Operation)) return result;
  try {
    if (!isThenable(result)) return settleSafely(call, entry, result);
    const promise = result instanceof Promise ? result : Promise.resolve(result);
    return promise.then(
      (response) => settleSafely(call, entry, response),
      (error: unknown) => {
        failSafely(entry, error);
        throw error;
      },
    );
  } catch (fault) {
    diagnostics.fault('service.settle', fault);
    return result;
  }
}

function settleSafely(call: ServiceCall, operation: Operation, response: unknown): unknown {
  try {
    return call.settle(operation, response);
  } catch (fault) {
    diagnostics.fault('service.settle', fault);
    return response;
  }
}

/**
 * Before Ax 23 the tracer of a service goes before that of a call, and is read while the call's
 * synchronous part runs: for that long it is out of sight.
 */
function callWithoutTracer(
  copy: AxCopy,
  call: ServiceCall,
  original: Method,
  self: unknown,
  args: unknown[],
): unknown {
  const service = self as { tracer?: unknown; getEffectiveTracer?: unknown };
  let passed = args;
  let hidden: unknown;
  try {
    passed = withoutNativeTracer(copy, call.kind, self, args);
    const isSilenced = passed !== args || isWithoutTracer(call.kind, args);
    if (isSilenced && service.tracer !== undefined && !service.getEffectiveTracer) {
      const { tracer } = service;
      // A getter alone, or frozen: Ax's own spans are the smaller harm.
      if (Reflect.set(service, 'tracer', undefined)) hidden = tracer;
    }
  } catch (fault) {
    diagnostics.fault('native', fault);
  }
  try {
    return original.apply(self, passed);
  } finally {
    if (hidden !== undefined) Reflect.set(service, 'tracer', hidden);
  }
}

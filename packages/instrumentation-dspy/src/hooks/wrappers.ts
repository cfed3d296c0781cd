import { diagnostics } from '../diagnostics.js';
import { runOperation, tracedCall } from '../execution/call.js';
import { begin, type Entry } from '../execution/gate.js';
import type { CallKind } from '../execution/kinds.js';
import { Operation } from '../execution/operation.js';
import { runIn } from '../execution/run-in.js';
import { activeOperation } from './run.js';
import type { Wrapper } from './types.js';

/** Like `tracedCall`, where a method may go on to another one that does the same work: together they are one call. */
export function tracedOnce(kind: CallKind): Wrapper {
  const wrap = tracedCall(kind);
  return (original, copy) => {
    const traced = wrap(original, copy);
    return function (this: unknown, ...args: unknown[]): unknown {
      return (activeOperation()?.kind === kind ? original : traced).apply(this, args);
    };
  };
}

/**
 * Like `tracedCall`, with other arguments for a call that is traced.
 *
 * @param prepare What the method is called with. Runs when the operation has begun.
 */
export function tracedWith(
  kind: CallKind,
  prepare: (operation: Operation, args: unknown[]) => unknown[],
): Wrapper {
  return (original, copy) =>
    function (this: unknown, ...args: unknown[]): unknown {
      let entry: Entry;
      let passed = args;
      try {
        entry = begin(copy, kind, this, args);
        if (entry instanceof Operation) passed = prepare(entry, args);
      } catch (fault) {
        diagnostics.fault('begin', fault);
      }
      return entry instanceof Operation
        ? runOperation(entry, original, this, passed, true)
        : runIn(entry, original, this, args);
    };
}

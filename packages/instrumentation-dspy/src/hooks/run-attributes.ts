import type { Attributes } from '@opentelemetry/api';
import { DSPY_RUN_KIND, DSPY_RUN_NAME, DSPY_RUN_PARENT_SPAN_ID } from '../attributes/dspy.js';
import type { CallKind } from '../execution/kinds.js';
import { activeOperation } from './run.js';

export type RunKind = 'compile' | 'evaluation';

/** Kinds whose spans become runs. */
const runKinds = new WeakSet<CallKind>();

/** Marks a kind: its spans become runs. */
export function asRun(kind: CallKind): CallKind {
  runKinds.add(kind);
  return kind;
}

/** What makes a span a run, at its start: an evaluation inside a compile is a run below that of the compile. */
export function runAttributes(kind: RunKind, name: string): Attributes {
  const attributes: Attributes = { [DSPY_RUN_KIND]: kind, [DSPY_RUN_NAME]: name };
  for (let at = activeOperation(); at !== undefined; at = at.parent) {
    if (!runKinds.has(at.kind)) continue;
    attributes[DSPY_RUN_PARENT_SPAN_ID] = at.span.spanContext().spanId;
    break;
  }
  return attributes;
}

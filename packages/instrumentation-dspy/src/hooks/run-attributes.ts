import type { Attributes, HrTime, Span } from '@opentelemetry/api';
import {
  DSPY_RUN_KIND,
  DSPY_RUN_NAME,
  DSPY_RUN_PARENT_SPAN_ID,
  DSPY_RUN_PARENT_START_MS,
  DSPY_RUN_PARENT_TRACE_ID,
} from '../attributes/dspy.js';
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
    const { traceId, spanId } = at.span.spanContext();
    attributes[DSPY_RUN_PARENT_SPAN_ID] = spanId;
    // An evaluation by a metric is in the trace of the example that is scored.
    attributes[DSPY_RUN_PARENT_TRACE_ID] = traceId;
    const start = startMs(at.span);
    if (start !== undefined) attributes[DSPY_RUN_PARENT_START_MS] = start;
    break;
  }
  return attributes;
}

/** Milliseconds since the epoch, of a span of the SDK; MLflow has to be told when it makes the run of a child. */
function startMs(span: Span): number | undefined {
  const { startTime } = span as { startTime?: Partial<HrTime> };
  const [seconds, nanos] = Array.isArray(startTime) ? startTime : [];
  return typeof seconds === 'number' && typeof nanos === 'number'
    ? seconds * 1_000 + Math.floor(nanos / 1_000_000)
    : undefined;
}

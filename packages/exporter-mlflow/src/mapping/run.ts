import type { AttributeMap, ExperimentRef, RunRecord, SpanRecord } from '../internal-types.js';
import { isObject, readArray, readNumber, readObject, readText, readTexts } from './read.js';
import { cap, mendKey } from './text.js';

/** Params and tags say what they can; `RunRecord` limits are applied where runs are written. */
const OUTCOME_STATUS: Readonly<Record<string, RunRecord['status']>> = {
  aborted: 'KILLED',
  abandoned: 'KILLED',
  error: 'FAILED',
  timeout: 'FAILED',
};

/** Of an execution's run the first outputs are params, cut to so many characters. */
const MAX_OUTPUT_PARAMS = 5;
const MAX_OUTPUT_LENGTH = 100;

/** Moved into the run, so that data sets and programs are stored once. */
const MOVED = ['dspy.run.artifacts', 'dspy.run.trace_ids'] as const;

/** The run that a span asks for (`dspy.run.*`); takes from the span what the run now holds. */
export function takeRun(span: SpanRecord, experiment: ExperimentRef): RunRecord | undefined {
  const { attributes } = span;
  const kind = readText(attributes, 'dspy.run.kind');
  if (kind === undefined) return undefined;
  const { metrics, skipped } = readMetrics(attributes);
  const outcome = readText(attributes, 'dspy.outcome');
  const run: RunRecord = {
    key: `${span.traceId}:${span.spanId}`,
    experiment,
    startTimeMs: toMs(span.startTimeUnixNano),
    endTimeMs: toMs(span.endTimeUnixNano),
    status:
      (outcome === undefined ? undefined : OUTCOME_STATUS[outcome]) ??
      (span.status.code === 2 ? 'FAILED' : 'FINISHED'),
    params: {
      ...toTexts(readObject(attributes, 'dspy.run.params')),
      ...(kind === 'execution' ? outputParams(attributes) : {}),
    },
    metrics,
    tags: { 'dspy.run.kind': kind },
    artifacts: toTexts(readObject(attributes, 'dspy.run.artifacts')),
    traceIds: readTexts(attributes, 'dspy.run.trace_ids').filter((id) => /^[0-9a-f]{32}$/.test(id)),
  };
  const name = readText(attributes, 'dspy.run.name');
  if (name !== undefined) run.name = name;
  const parent = readText(attributes, 'dspy.run.parent_span_id');
  if (parent !== undefined) {
    const traceId = readText(attributes, 'dspy.run.parent_trace_id') ?? span.traceId;
    run.parentKey = `${traceId}:${parent}`;
    const start = readNumber(attributes, 'dspy.run.parent_start_ms');
    if (start !== undefined) run.parentStartTimeMs = start;
  }
  if (skipped.length > 0) run.tags['dspy.skipped_metrics'] = skipped.join(', ');
  for (const key of MOVED) delete attributes[key];
  return run;
}

/** Read from what the span recorded, so that content switches and sanitizers hold for the run too. */
function outputParams(attributes: AttributeMap): Record<string, string> {
  const outputs = Object.entries(toTexts(readObject(attributes, 'mlflow.spanOutputs')));
  return Object.fromEntries(
    outputs
      .slice(0, MAX_OUTPUT_PARAMS)
      .map(([name, text]) => [`output_${name}`, cap(text, MAX_OUTPUT_LENGTH)]),
  );
}

const toMs = (nanos: bigint): number => Number(nanos / 1_000_000n);

function toTexts(object: Record<string, unknown> | undefined): Record<string, string> {
  const texts: Record<string, string> = {};
  for (const [key, value] of Object.entries(object ?? {})) {
    if (value === undefined || value === null) continue;
    texts[mendKey(key)] = typeof value === 'string' ? value : JSON.stringify(value);
  }
  return texts;
}

/** A metric that is no finite number breaks the page of the run on some servers: it is named in a tag instead. */
function readMetrics(attributes: AttributeMap): {
  metrics: RunRecord['metrics'];
  skipped: string[];
} {
  const metrics: RunRecord['metrics'] = [];
  const skipped = new Set<string>();
  for (const entry of readArray(attributes, 'dspy.run.metrics') ?? []) {
    if (!isObject(entry) || typeof entry.key !== 'string') continue;
    if (typeof entry.value !== 'number' || !Number.isFinite(entry.value)) {
      skipped.add(entry.key);
      continue;
    }
    metrics.push({
      key: entry.key,
      value: entry.value,
      step: Number.isInteger(entry.step) ? (entry.step as number) : 0,
      timestampMs: Number.isFinite(entry.timestamp)
        ? Math.round(entry.timestamp as number)
        : Date.now(),
    });
  }
  return { metrics, skipped: [...skipped] };
}

import type { SpanRecord, TraceRecord } from '../internal-types.js';
import { traceIdOf } from '../server/trace-id.js';
import type { ReadSpan } from '../server/trace-spans.js';
import { latestMetrics, localExperimentId, type StoredRun } from '../store/stored.js';
import { parseText, toTrace } from './trace-model.js';
import type { Run, Trace } from './types.js';

/** As `includeSpans: false` gives a trace. */
export function withoutSpans(trace: Trace): Trace {
  const { inputs: _in, outputs: _out, ...rest } = trace;
  const light: Trace = { ...rest, spans: [] };
  const inputs = parseText(trace.requestPreview);
  const outputs = parseText(trace.responsePreview);
  if (inputs !== undefined) light.inputs = inputs;
  if (outputs !== undefined) light.outputs = outputs;
  return light;
}

export function fromRecord({ info, spans }: TraceRecord): Trace {
  const tags = { ...info.tags };
  if (info.name !== undefined) tags['mlflow.traceName'] ??= info.name;
  return toTrace(
    {
      traceId: traceIdOf(info.traceId),
      state: info.state,
      experimentId: localExperimentId(info.experiment),
      runId: info.runId,
      requestTimeMs: info.requestTimeMs,
      durationMs: info.durationMs,
      requestPreview: info.requestPreview,
      responsePreview: info.responsePreview,
      clientRequestId: info.clientRequestId,
      tags,
      metadata: info.metadata,
      assessments: info.assessments,
    },
    spans.map(toReadSpan),
  );
}

const STATUS_CODES = ['UNSET', 'OK', 'ERROR'] as const;

function toReadSpan(record: SpanRecord): ReadSpan {
  const span: ReadSpan = {
    traceId: record.traceId,
    spanId: record.spanId,
    name: record.name,
    startTimeUnixNano: record.startTimeUnixNano,
    endTimeUnixNano: record.endTimeUnixNano,
    attributes: record.attributes,
    events: record.events,
    links: record.links,
    status: { code: STATUS_CODES[record.status.code] },
  };
  if (record.parentSpanId !== undefined) span.parentSpanId = record.parentSpanId;
  if (record.status.message) span.status.message = record.status.message;
  return span;
}

export function toRun(stored: StoredRun): Run {
  const run: Run = {
    runId: stored.runId,
    experimentId: localExperimentId(stored.experiment),
    status: stored.status,
    params: stored.params,
    metrics: latestMetrics(stored.metrics),
    tags: stored.tags,
    startTime: new Date(stored.startTimeMs),
  };
  if (stored.name !== undefined) run.name = stored.name;
  if (stored.endTimeMs !== undefined) run.endTime = new Date(stored.endTimeMs);
  if (stored.parentRunId !== undefined) run.parentRunId = stored.parentRunId;
  return run;
}

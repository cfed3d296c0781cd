import type { TraceInfoRecord } from '../internal-types.js';
import type { ReadSpan } from '../server/trace-spans.js';
import { inOrder, type Placed } from '../span-order.js';
import type { TokenUsage, Trace, TraceCost, TraceSpan } from './types.js';

/** What both a server and the local store know of a trace beside its spans. */
export interface TraceFacts
  extends Pick<Trace, 'traceId' | 'state' | 'experimentId' | 'tags' | 'metadata' | 'assessments'> {
  runId: string | undefined;
  requestTimeMs: number;
  durationMs: number | undefined;
  requestPreview: string | undefined;
  responsePreview: string | undefined;
  clientRequestId: string | undefined;
}

/** @param spans `undefined` when they were not asked for: inputs and outputs are the previews then. */
export function toTrace(facts: TraceFacts, spans: readonly ReadSpan[] | undefined): Trace {
  const { metadata, tags } = facts;
  const ordered = inOrder((spans ?? []).map(toSpan), placeOf);
  const root = rootOf(ordered);
  const trace: Trace = {
    traceId: facts.traceId,
    name: tags['mlflow.traceName'] ?? root?.name ?? '',
    state: facts.state,
    experimentId: facts.experimentId,
    startTime: new Date(facts.requestTimeMs),
    tags,
    metadata,
    assessments: facts.assessments,
    spans: ordered,
  };
  const inputs = spans ? root?.inputs : parseText(facts.requestPreview);
  const outputs = spans ? root?.outputs : parseText(facts.responsePreview);
  const runId = facts.runId ?? metadata['mlflow.sourceRun'];
  setKnown(trace, {
    runId,
    durationMs: facts.durationMs,
    inputs,
    outputs,
    requestPreview: facts.requestPreview,
    responsePreview: facts.responsePreview,
    clientRequestId: facts.clientRequestId,
    session: metadata['mlflow.trace.session'],
    user: metadata['mlflow.trace.user'],
    tokens: readTokens(parseText(metadata['mlflow.trace.tokenUsage'])) ?? sumTokens(ordered),
    cost: readCost(parseText(metadata['mlflow.trace.cost'])) ?? sumCost(ordered),
  });
  return trace;
}

function setKnown<T extends object>(
  target: T,
  values: { [K in keyof T]?: T[K] | undefined },
): void {
  for (const [key, value] of Object.entries(values)) {
    if (value !== undefined) Object.assign(target, { [key]: value });
  }
}

const MS_IN_NANOS = 1e6;

function toSpan(read: ReadSpan): TraceSpan {
  // Releases differ in what they take apart themselves.
  const attributes = Object.fromEntries(
    Object.entries(read.attributes).map(([key, value]) => [
      key,
      typeof value === 'string' ? parseText(value) : value,
    ]),
  );
  const span: TraceSpan = {
    spanId: read.spanId,
    name: read.name,
    type: text(attributes['mlflow.spanType']) ?? 'UNKNOWN',
    status: read.status,
    startTimeUnixNano: read.startTimeUnixNano,
    endTimeUnixNano: read.endTimeUnixNano,
    durationMs: Number(read.endTimeUnixNano - read.startTimeUnixNano) / MS_IN_NANOS,
    attributes,
    events: read.events,
    links: read.links,
  };
  setKnown(span, {
    parentId: read.parentSpanId,
    inputs: attributes['mlflow.spanInputs'],
    outputs: attributes['mlflow.spanOutputs'],
  });
  return span;
}

const placeOf = (span: TraceSpan): Placed => ({
  id: span.spanId,
  parentId: span.parentId,
  startNanos: span.startTimeUnixNano,
  endNanos: span.endTimeUnixNano,
});

/** The span without a parent; where it is missing, the first whose parent is. */
function rootOf(spans: readonly TraceSpan[]): TraceSpan | undefined {
  const ids = new Set(spans.map(({ spanId }) => spanId));
  return (
    spans.find(({ parentId }) => parentId === undefined) ??
    spans.find(({ parentId }) => parentId !== undefined && !ids.has(parentId))
  );
}

/**
 * Text that is a JSON object, list or string becomes the value, as MLflow reads attributes; `3`,
 * `true` and `null` stay text.
 */
export function parseText(value: string | undefined): unknown {
  if (value === undefined || !/^\s*["[{]/.test(value)) return value;
  try {
    return JSON.parse(value);
  } catch {
    return value;
  }
}

const text = (value: unknown): string | undefined =>
  typeof value === 'string' && value !== '' ? value : undefined;

const count = (value: unknown): number | undefined =>
  typeof value === 'number' && Number.isFinite(value) ? value : undefined;

/** `{"input_tokens": …, "output_tokens": …, "total_tokens": …}`. */
function readTokens(value: unknown): TokenUsage | undefined {
  if (typeof value !== 'object' || value === null) return undefined;
  const usage = value as Record<string, unknown>;
  const input = count(usage.input_tokens);
  const output = count(usage.output_tokens);
  const total = count(usage.total_tokens);
  if (input === undefined && output === undefined && total === undefined) return undefined;
  const tokens: TokenUsage = {
    inputTokens: input ?? 0,
    outputTokens: output ?? 0,
    totalTokens: total ?? (input ?? 0) + (output ?? 0),
  };
  setKnown(tokens, {
    cacheReadInputTokens: count(usage.cache_read_input_tokens),
    cacheCreationInputTokens: count(usage.cache_creation_input_tokens),
  });
  return tokens;
}

function readCost(value: unknown): TraceCost | undefined {
  if (typeof value !== 'object' || value === null) return undefined;
  const parts = value as Record<string, unknown>;
  const input = count(parts.input_cost);
  const output = count(parts.output_cost);
  const total = count(parts.total_cost);
  if (input === undefined && output === undefined && total === undefined) return undefined;
  const cost: TraceCost = { totalCost: total ?? (input ?? 0) + (output ?? 0) };
  setKnown(cost, { inputCost: input, outputCost: output });
  return cost;
}

/** The exporter leaves counts on one span of every path alone, so a sum counts each call once. */
function sumTokens(spans: readonly TraceSpan[]): TokenUsage | undefined {
  return sum(spans, 'mlflow.chat.tokenUsage', readTokens);
}

function sumCost(spans: readonly TraceSpan[]): TraceCost | undefined {
  return sum(spans, 'mlflow.llm.cost', readCost);
}

function sum<T extends object>(
  spans: readonly TraceSpan[],
  attribute: string,
  read: (value: unknown) => T | undefined,
): T | undefined {
  let total: Record<string, number> | undefined;
  for (const { attributes } of spans) {
    for (const [key, value] of Object.entries(read(attributes[attribute]) ?? {})) {
      total ??= {};
      total[key] = (total[key] ?? 0) + (value as number);
    }
  }
  return total as T | undefined;
}

export function isTraceState(state: string | undefined): state is TraceInfoRecord['state'] {
  return state === 'OK' || state === 'ERROR' || state === 'IN_PROGRESS';
}

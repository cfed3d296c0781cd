import type { SpanLike, TokenUsage, TraceCost } from '@hokusai/exporter-mlflow';
import {
  type Attributes,
  type AttributeValue,
  type HrTime,
  SpanStatusCode,
} from '@opentelemetry/api';
import { inOrder, type Placed } from '../../../exporter-mlflow/src/span-order.js';
import { isProgramSpan, parentSpanId } from '../pipeline/span-facts.js';

/** A finished span. */
export interface SpanData {
  /** 32 hex characters. */
  readonly traceId: string;
  /** 16 hex characters. */
  readonly spanId: string;
  readonly parentId?: string;
  /** Name of the program, tool or model; else the span's own. */
  readonly name: string;
  /** `CHAIN AGENT TOOL LLM EMBEDDING RETRIEVER EVALUATOR`; `SPAN` for spans of other instrumentations. */
  readonly type: string;
  readonly startTime: Date;
  readonly durationMs: number;
  /** Parsed where it is JSON; absent when it was not recorded. */
  readonly inputs?: unknown;
  /** Parsed where it is JSON; absent when it was not recorded. */
  readonly outputs?: unknown;
  readonly error?: TraceError;
  readonly attributes: Attributes;
}

export interface TraceError {
  /** Class name or provider code. */
  readonly type: string;
  readonly message: string;
}

/** A finished trace, as trace processors get it. Names agree with those of `MlflowClient.getTraces()`. */
export interface TraceData {
  /** MLflow's id, `tr-` and 32 hex characters. */
  readonly traceId: string;
  /** Name of the outermost program. */
  readonly name: string;
  readonly state: 'OK' | 'ERROR';
  readonly startTime: Date;
  /** Milliseconds that the outermost program took. */
  readonly durationMs: number;
  /** What went into the outermost program; parsed where it is JSON; absent when it was not recorded. */
  readonly inputs?: unknown;
  /** What came out of it; parsed where it is JSON; absent when it was not recorded. */
  readonly outputs?: unknown;
  /** Why the outermost program failed. */
  readonly error?: TraceError;
  /** Sum over the model calls; absent when no call reported usage. */
  readonly tokens?: TokenUsage;
  /** US dollars; absent when the price of no call is known. */
  readonly cost?: TraceCost;
  readonly tags: Readonly<Record<string, string>>;
  readonly session?: string;
  readonly user?: string;
  /** All spans, in order of their start. */
  readonly spans: readonly SpanData[];
}

const USAGE = {
  inputTokens: 'gen_ai.usage.input_tokens',
  outputTokens: 'gen_ai.usage.output_tokens',
  cacheReadInputTokens: 'gen_ai.usage.cache_read.input_tokens',
  cacheCreationInputTokens: 'gen_ai.usage.cache_creation.input_tokens',
} as const;
/** The OpenInference twins, written alone when `conventions` leaves `gen_ai` out. */
const USAGE_TWINS: Readonly<Record<keyof typeof USAGE, string>> = {
  inputTokens: 'llm.token_count.prompt',
  outputTokens: 'llm.token_count.completion',
  cacheReadInputTokens: 'llm.token_count.prompt_details.cache_read',
  cacheCreationInputTokens: 'llm.token_count.prompt_details.cache_write',
};
const COST = 'llm.cost.total';
const TAG_PREFIX = 'dspy.tag.';

/** Describes the spans of a finished trace. `spans` is not empty. */
export function describeTrace(spans: readonly SpanLike[]): TraceData {
  const ordered = inOrder(spans, placeOf);
  const main = ordered.find(isProgramSpan) ?? (ordered[0] as SpanLike);
  const { traceId, name, startTime, durationMs, inputs, outputs, error, attributes } =
    describeSpan(main);
  const tokens = sumTokens(ordered);
  const cost = sumCost(ordered);
  const session = text(attributes['session.id']);
  const user = text(attributes['user.id']);
  return {
    traceId: `tr-${traceId}`,
    name,
    state: error === undefined ? 'OK' : 'ERROR',
    startTime,
    durationMs,
    ...(inputs !== undefined && { inputs }),
    ...(outputs !== undefined && { outputs }),
    ...(error !== undefined && { error }),
    ...(tokens !== undefined && { tokens }),
    ...(cost !== undefined && { cost: { totalCost: cost } }),
    tags: tagsOf(attributes),
    ...(session !== undefined && { session }),
    ...(user !== undefined && { user }),
    spans: ordered.map(describeSpan),
  };
}

export function describeSpan(span: SpanLike): SpanData {
  const { traceId, spanId } = span.spanContext();
  const { attributes } = span;
  const parentId = parentSpanId(span);
  const inputs = readValue(attributes, 'input');
  const outputs = readValue(attributes, 'output');
  return {
    traceId,
    spanId,
    ...(parentId !== undefined && { parentId }),
    name: text(attributes['dspy.module.name']) ?? span.name,
    type: text(attributes['openinference.span.kind']) ?? 'SPAN',
    startTime: new Date(milliseconds(span.startTime)),
    durationMs: milliseconds(span.endTime) - milliseconds(span.startTime),
    ...(inputs !== undefined && { inputs }),
    ...(outputs !== undefined && { outputs }),
    ...(span.status.code === SpanStatusCode.ERROR && {
      error: {
        type: text(attributes['error.type']) ?? 'Error',
        message: span.status.message ?? '',
      },
    }),
    // A copy, lists too: what a listener does to it must not be exported.
    attributes: Object.fromEntries(
      Object.entries(attributes).map(([key, value]) => [key, copyOf(value)]),
    ),
  };
}

function readValue(attributes: Attributes, side: 'input' | 'output'): unknown {
  const value = copyOf(attributes[`${side}.value`]);
  if (typeof value !== 'string' || attributes[`${side}.mime_type`] !== 'application/json') {
    return value;
  }
  try {
    return JSON.parse(value);
  } catch {
    return value;
  }
}

const copyOf = (value: AttributeValue | undefined): AttributeValue | undefined =>
  Array.isArray(value) ? ([...value] as AttributeValue) : value;

/** Usage is on the leaves alone (docs/attributes.md), so adding them up counts nothing twice. */
function sumTokens(spans: readonly SpanLike[]): TokenUsage | undefined {
  const sums = new Map<keyof typeof USAGE, number>();
  for (const { attributes } of spans) {
    for (const key of Object.keys(USAGE) as (keyof typeof USAGE)[]) {
      const value = attributes[USAGE[key]] ?? attributes[USAGE_TWINS[key]];
      if (typeof value === 'number') sums.set(key, (sums.get(key) ?? 0) + value);
    }
  }
  if (sums.size === 0) return undefined;
  const {
    inputTokens = 0,
    outputTokens = 0,
    ...cache
  } = Object.fromEntries(sums) as Partial<Record<keyof typeof USAGE, number>>;
  return { inputTokens, outputTokens, totalTokens: inputTokens + outputTokens, ...cache };
}

function sumCost(spans: readonly SpanLike[]): number | undefined {
  let sum: number | undefined;
  for (const { attributes } of spans) {
    const value = attributes[COST];
    if (typeof value === 'number') sum = (sum ?? 0) + value;
  }
  return sum;
}

function tagsOf(attributes: Attributes): Record<string, string> {
  const tags: Record<string, string> = {};
  for (const [key, value] of Object.entries(attributes)) {
    if (key.startsWith(TAG_PREFIX)) tags[key.slice(TAG_PREFIX.length)] = String(value);
  }
  return tags;
}

const placeOf = (span: SpanLike): Placed => ({
  id: span.spanContext().spanId,
  parentId: parentSpanId(span),
  startNanos: nanoseconds(span.startTime),
  endNanos: nanoseconds(span.endTime),
});

const text = (value: AttributeValue | undefined): string | undefined =>
  typeof value === 'string' ? value : undefined;

const milliseconds = ([seconds, nanoseconds]: HrTime): number => seconds * 1e3 + nanoseconds / 1e6;

const nanoseconds = ([seconds, nanos]: HrTime): bigint =>
  whole(seconds) * 1_000_000_000n + whole(nanos);

/** 0 where a span made by hand has no number. */
const whole = (value: number): bigint => (Number.isFinite(value) ? BigInt(Math.trunc(value)) : 0n);

import type { Attributes, Context } from '@opentelemetry/api';
import { createContextKey, INVALID_SPAN_CONTEXT, ROOT_CONTEXT, trace } from '@opentelemetry/api';
import type { Settings } from '../settings.js';
import type { Inherited, Operation } from './operation.js';

// The API makes context keys of equal descriptions equal, so that two copies of this package share them.
const OPERATION_KEY = createContextKey('@hokusai/instrumentation-dspy operation v1');
const TRACE_VALUES_KEY = createContextKey('@hokusai/instrumentation-dspy trace values v1');
const UNTRACED_KEY = createContextKey('@hokusai/instrumentation-dspy untraced v1');
/**
 * Set to the span of a model call while it runs, so that an instrumentation of the provider's client
 * does not report the same call again: open-telemetry/semantic-conventions-genai#475.
 */
const INFERENCE_KEY = createContextKey('opentelemetry.genai.inference_span');
const SPAN_KEY = createContextKey('OpenTelemetry Context Key SPAN');

/** The execution was decided against: nothing below it is traced. */
export const UNSAMPLED = 'unsampled';
/** A program was filtered out and has no traced ancestor: programs below it may still be traced. */
export const FILTERED = 'filtered';

export type Decision = typeof UNSAMPLED | typeof FILTERED;

/** What the context says about the call in progress. */
export type Scope = Operation | Decision | undefined;

/** Values of `withTraceContext`, ready to be written. */
export interface TraceValues {
  /** On every span, at its start. */
  readonly identity: Attributes | undefined;
  /** On the outermost span of an execution. */
  readonly outermost: ((settings: Settings) => Attributes | undefined) | undefined;
}

export function scopeOf(context: Context): Scope {
  return context.getValue(OPERATION_KEY) as Scope;
}

export function traceValuesOf(context: Context): TraceValues | undefined {
  return context.getValue(TRACE_VALUES_KEY) as TraceValues | undefined;
}

export function withTraceValues(context: Context, values: TraceValues): Context {
  return context.setValue(TRACE_VALUES_KEY, values);
}

/** What a call that makes no span passes on to calls below, in the place of the operation around it. */
interface PassedOn {
  readonly around: Operation;
  readonly inherited: Inherited;
}

export function withInherited(context: Context, around: Operation, inherited: Inherited): Context {
  const passedOn: PassedOn = { around, inherited };
  return context.setValue(UNTRACED_KEY, passedOn);
}

/** What is passed on to a call below an operation. */
export function inheritedFrom(context: Context, around: Operation): Inherited {
  const passedOn = context.getValue(UNTRACED_KEY) as PassedOn | undefined;
  // Another operation in between has read its own inputs.
  return passedOn?.around === around ? passedOn.inherited : around.inherited;
}

/** `true` where a model call is already being reported, by this package or by another. */
export function isInference(context: Context): boolean {
  return context.getValue(INFERENCE_KEY) !== undefined;
}

/** The context of an operation: its span is the active one. */
export function contextOf(parent: Context, operation: Operation): Context {
  return layer(parent, operation.span, operation, operation.inference);
}

/** A context that carries a decision against tracing. */
export function contextOfDecision(parent: Context, decision: Decision): Context {
  if (parent === ROOT_CONTEXT) return ROOT_DECISIONS[decision];
  return layer(parent, undefined, decision, false);
}

type Span = Operation['span'];

/** Look-ups walk one layer a nested operation; deeper nestings start again from a flat context. */
const MAX_DEPTH = 16;

/**
 * Our values on top of a parent's. The API's `setValue` copies all values into a new Map for every
 * key that is set; this costs one small object for all of ours.
 */
class Layer implements Context {
  constructor(
    private readonly parent: Context,
    private readonly span: Span | undefined,
    private readonly scope: Scope,
    private readonly inference: boolean,
    readonly depth: number,
  ) {}

  getValue(key: symbol): unknown {
    if (key === OPERATION_KEY) return this.scope;
    if (key === SPAN_KEY && this.span !== undefined) return this.span;
    if (key === INFERENCE_KEY && this.inference) return this.span;
    return this.parent.getValue(key);
  }

  setValue(key: symbol, value: unknown): Context {
    return this.flat().setValue(key, value);
  }

  deleteValue(key: symbol): Context {
    return this.flat().deleteValue(key);
  }

  flat(): Context {
    const parent = this.parent instanceof Layer ? this.parent.flat() : this.parent;
    return flat(parent, this.span, this.scope, this.inference);
  }
}

function layer(parent: Context, span: Span | undefined, scope: Scope, inference: boolean): Context {
  const depth = parent instanceof Layer ? parent.depth + 1 : 0;
  return KNOWS_SPAN_KEY && depth < MAX_DEPTH
    ? new Layer(parent, span, scope, inference, depth)
    : flat(parent, span, scope, inference);
}

function flat(parent: Context, span: Span | undefined, scope: Scope, inference: boolean): Context {
  let context = parent.setValue(OPERATION_KEY, scope);
  if (span !== undefined) context = trace.setSpan(context, span);
  return inference ? context.setValue(INFERENCE_KEY, span) : context;
}

/** The key of the active span is the API's own. Should it ever change, contexts are built its way. */
const KNOWS_SPAN_KEY =
  trace.setSpan(ROOT_CONTEXT, trace.wrapSpanContext(INVALID_SPAN_CONTEXT)).getValue(SPAN_KEY) !==
  undefined;

const ROOT_DECISIONS: Readonly<Record<Decision, Context>> = {
  [UNSAMPLED]: layer(ROOT_CONTEXT, undefined, UNSAMPLED, false),
  [FILTERED]: layer(ROOT_CONTEXT, undefined, FILTERED, false),
};

import type { Attributes, Context, Link, SpanKind, TraceState } from '@opentelemetry/api';
import { TraceFlags, trace } from '@opentelemetry/api';
import { DSPY_MODULE_TYPE } from './attributes/dspy.js';
import { scopeOf } from './execution/context.js';
import { Operation } from './execution/operation.js';
import { isSampled, samplingThreshold } from './sampling.js';
import { checkSamplingRate } from './settings.js';

/** OpenTelemetry's `SamplingResult`; `decision` is its `SamplingDecision`: 0 not recorded, 2 sampled. */
export interface ScopedSamplingResult {
  decision: 0 | 1 | 2;
  attributes?: Readonly<Attributes>;
  traceState?: TraceState;
}

/** OpenTelemetry's `Sampler`, without a dependency on an SDK. */
export interface SamplerLike {
  shouldSample(
    context: Context,
    traceId: string,
    spanName: string,
    spanKind: SpanKind,
    attributes: Attributes,
    links: Link[],
  ): ScopedSamplingResult;
  toString(): string;
}

/** Options of {@link DspyScopedSampler}. */
export interface DspyScopedSamplerOptions {
  /** Share of executions to sample, 0 to 1. */
  readonly ratio: number;
  /** Decides about all other spans. Default: as their parent, and every root. */
  readonly delegate?: SamplerLike;
}

const DROP: ScopedSamplingResult = { decision: 0 };
const SAMPLE: ScopedSamplingResult = { decision: 2 };

/**
 * An OpenTelemetry `Sampler` for applications that own their SDK: it keeps a share of the DSPy
 * executions, decided by the trace id also where an execution is the root of its trace, and asks
 * another sampler about everything else.
 *
 * The option `samplingRate` of the instrumentation is the better choice where both are possible:
 * there an execution that is sampled out makes no span at all, so HTTP and database spans below it
 * keep their parent. Here they are dropped with it. Leave `samplingRate` at 1 with this sampler.
 */
export class DspyScopedSampler implements SamplerLike {
  readonly #ratio: number;
  readonly #threshold: number;
  readonly #delegate: SamplerLike;

  constructor({ ratio, delegate = new ParentOrAlways() }: DspyScopedSamplerOptions) {
    this.#ratio = checkSamplingRate(ratio, 'DspyScopedSampler ratio');
    this.#threshold = samplingThreshold(this.#ratio);
    this.#delegate = delegate;
  }

  shouldSample(
    context: Context,
    traceId: string,
    spanName: string,
    spanKind: SpanKind,
    attributes: Attributes,
    links: Link[],
  ): ScopedSamplingResult {
    if (attributes[DSPY_MODULE_TYPE] === undefined) {
      return this.#delegate.shouldSample(context, traceId, spanName, spanKind, attributes, links);
    }
    const parent = parentOf(context);
    if (parent !== undefined && !isSampledParent(parent)) return DROP;
    // The outermost call of the execution decided for what is below it.
    if (parent !== undefined && scopeOf(context) instanceof Operation) return SAMPLE;
    return isSampled(traceId, this.#threshold) ? SAMPLE : DROP;
  }

  toString(): string {
    return `DspyScopedSampler{ratio=${this.#ratio}, delegate=${this.#delegate.toString()}}`;
  }
}

/** OpenTelemetry's default: as the parent, and every root. */
class ParentOrAlways implements SamplerLike {
  shouldSample(context: Context): ScopedSamplingResult {
    const parent = parentOf(context);
    return parent === undefined || isSampledParent(parent) ? SAMPLE : DROP;
  }

  toString(): string {
    return 'ParentBased{root=AlwaysOn}';
  }
}

function parentOf(context: Context) {
  const parent = trace.getSpanContext(context);
  return parent !== undefined && trace.isSpanContextValid(parent) ? parent : undefined;
}

function isSampledParent(parent: { traceFlags: number }): boolean {
  return (parent.traceFlags & TraceFlags.SAMPLED) !== 0;
}

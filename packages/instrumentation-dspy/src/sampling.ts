/**
 * The sampling rule shared by the gate and {@link DspyScopedSampler}: the OpenTelemetry rule of
 * consistent probability sampling, on the last 56 bits of the trace id, so that every process of a
 * trace decides alike. https://opentelemetry.io/docs/specs/otel/trace/tracestate-probability-sampling/
 */

const RANDOM_BITS = 2 ** 56;

/** Rejection threshold of a rate from 0 to 1: an id is kept when its random part reaches it. */
export function samplingThreshold(rate: number): number {
  if (rate >= 1) return 0;
  return rate <= 0 ? Number.POSITIVE_INFINITY : (1 - rate) * RANDOM_BITS;
}

/** `true` when the trace is to be recorded. */
export function isSampled(traceId: string, threshold: number): boolean {
  if (threshold === 0) return true;
  // 24 + 32 bits: one parseInt of 56 bits would round, and this needs no BigInt.
  const random =
    Number.parseInt(traceId.slice(18, 24), 16) * 2 ** 32 + Number.parseInt(traceId.slice(24), 16);
  return random >= threshold;
}

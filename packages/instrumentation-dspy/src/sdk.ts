import { context, createContextKey, ROOT_CONTEXT, type Tracer } from '@opentelemetry/api';

/** What is read of an SDK's tracer: the API has no question for it, and SDKs 1.x to 3.x keep it in one place. */
interface SdkTracer {
  readonly _spanLimits?: { readonly attributeValueLengthLimit?: unknown } | undefined;
  /** A proxy's tracer: the API's own, while no SDK is registered, or that of a provider which can be switched. */
  _getTracer?(): Tracer;
}

const MAX_PROXIES = 5;
const PROBE = createContextKey('@hokusai/instrumentation-dspy probe');

/**
 * Characters of an attribute value that the SDK behind a tracer keeps; `Infinity` for no limit,
 * `undefined` while there is no SDK, or one that does not tell.
 */
export function attributeLengthLimit(tracer: Tracer): number | undefined {
  let known = tracer as SdkTracer;
  for (let proxies = 0; typeof known._getTracer === 'function'; proxies++) {
    if (proxies === MAX_PROXIES) return undefined;
    known = known._getTracer() as SdkTracer;
  }
  if (typeof known._spanLimits !== 'object') return undefined;
  const limit = known._spanLimits.attributeValueLengthLimit;
  return typeof limit === 'number' && limit > 0 ? limit : Number.POSITIVE_INFINITY;
}

/**
 * `false` where nobody has registered a context manager, so that nothing finds the span around it. One
 * that another copy of the API has registered is somebody's: what is wrong then is the two copies.
 */
export function hasContextManager(): boolean {
  // First where the API keeps it: to run something in a context has Node up to 22 watch every promise
  // of the process from then on, also where nothing is sampled.
  const registry = (globalThis as Record<symbol, unknown>)[Symbol.for('opentelemetry.js.api.1')];
  if ((registry as { context?: unknown } | undefined)?.context !== undefined) return true;
  const probe = ROOT_CONTEXT.setValue(PROBE, true);
  return context.with(probe, () => context.active().getValue(PROBE) === true);
}

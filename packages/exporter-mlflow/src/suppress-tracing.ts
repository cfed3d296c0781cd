import { context, createContextKey } from '@opentelemetry/api';

/**
 * The SDK's `suppressTracing`. Context keys are global symbols by their description, so the key is
 * reached without a dependency on `@opentelemetry/core`.
 */
const SUPPRESS_TRACING = createContextKey('OpenTelemetry SDK Context Key SUPPRESS_TRACING');

/** Runs a function whose requests and file accesses must not become spans: each would be exported in turn. */
export function withoutTracing<T>(run: () => T): T {
  let begun = false;
  const work = (): T => {
    begun = true;
    return run();
  };
  try {
    return context.with(context.active().setValue(SUPPRESS_TRACING, true), work);
  } catch (error) {
    // A context manager of the application that throws must not keep the work from being done.
    if (begun) throw error;
    return run();
  }
}

import type { ContextManager, TextMapPropagator, TracerProvider } from '@opentelemetry/api';
// Bundled into the build: declaring any SDK package warns or fails in one of the two OpenTelemetry
// lines (docs/decisions/tracer-provider.md).
import { AsyncLocalStorageContextManager } from '@opentelemetry/context-async-hooks';
import {
  CompositePropagator,
  W3CBaggagePropagator,
  W3CTraceContextPropagator,
} from '@opentelemetry/core';
import { defaultResource, detectResources, envDetector } from '@opentelemetry/resources';
import { BasicTracerProvider, type SpanProcessor } from '@opentelemetry/sdk-trace-base';
import { parseList } from '../config/parse.js';
import type { Environment } from '../config/resolve.js';
import { inOwnSdk, warnOnce } from '../log.js';
import { CryptoIdGenerator } from './ids.js';
import type { SpanSink } from './span-sink.js';

/**
 * A tracer provider of our own. Sampler, span limits and resource come from `OTEL_TRACES_SAMPLER*`,
 * `OTEL_SPAN_*_LIMIT`, `OTEL_SERVICE_NAME` and `OTEL_RESOURCE_ATTRIBUTES`.
 */
export function createOwnProvider(sink: SpanSink): TracerProvider {
  return inOwnSdk(
    () =>
      new BasicTracerProvider({
        resource: defaultResource().merge(detectResources({ detectors: [envDetector] })),
        spanProcessors: [sink as unknown as SpanProcessor],
        idGenerator: new CryptoIdGenerator(),
      }),
  );
}

export function createContextManager(): ContextManager {
  return new AsyncLocalStorageContextManager().enable();
}

/** The propagators of `OTEL_PROPAGATORS`, default `tracecontext,baggage`; `undefined` for `none`. */
export function createPropagator(env: Environment): TextMapPropagator | undefined {
  const names = parseList(env.OTEL_PROPAGATORS ?? '');
  const propagators: TextMapPropagator[] = [];
  for (const name of names.length > 0 ? new Set(names) : ['tracecontext', 'baggage']) {
    if (name === 'none') return undefined;
    if (name === 'tracecontext') propagators.push(new W3CTraceContextPropagator());
    else if (name === 'baggage') propagators.push(new W3CBaggagePropagator());
    else {
      warnOnce(
        `OTEL_PROPAGATORS: ${JSON.stringify(name)} is not one of tracecontext, baggage, none; it has no effect. ` +
          'For other propagators start an OpenTelemetry SDK before autolog(), which joins it.',
      );
    }
  }
  return propagators.length > 0 ? new CompositePropagator({ propagators }) : undefined;
}

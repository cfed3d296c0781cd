import { MlflowSpanExporter } from '@hokusai/exporter-mlflow';
import { ProxyTracerProvider, type TracerProvider, trace } from '@opentelemetry/api';
import type { SpanSink } from './span-sink.js';

/** The tracer provider that the application registered, or `undefined`. */
export function registeredProvider(): TracerProvider | undefined {
  const provider = trace.getTracerProvider();
  if (!(provider instanceof ProxyTracerProvider) && !isProxy(provider)) return provider;
  const { getDelegateTracer } = provider;
  const answers = getDelegateTracer.call(provider, '@hokusai/mlflow-dspy') !== undefined;
  return answers ? provider.getDelegate() : undefined;
}

// The proxy may be another copy's.
function isProxy(provider: object): provider is ProxyTracerProvider {
  return 'getDelegate' in provider && 'getDelegateTracer' in provider;
}

interface SpanProcessorList {
  _spanProcessors?: unknown;
}

/**
 * Adds a span processor to a provider that is already at work. SDK 1.x has a method for it; 2.x and
 * 3.x took it away, but both keep the list in the same place. `false` when the provider has neither.
 */
export function attach(provider: object, sink: SpanSink): boolean {
  const known = provider as {
    addSpanProcessor?: (sink: SpanSink) => void;
    _activeSpanProcessor?: SpanProcessorList;
  };
  const list = known._activeSpanProcessor;
  if (Array.isArray(list?._spanProcessors)) {
    // A new list: the old one may be the array that the application passed in.
    list._spanProcessors = [...list._spanProcessors, sink];
    return true;
  }
  if (typeof known.addSpanProcessor !== 'function') return false;
  known.addSpanProcessor(sink);
  return true;
}

/** `true` when the provider already sends spans to MLflow by an exporter of its own. */
export function exportsToMlflow(provider: object): boolean {
  const list = (provider as { _activeSpanProcessor?: SpanProcessorList })._activeSpanProcessor;
  if (!Array.isArray(list?._spanProcessors)) return false;
  return list._spanProcessors.some(
    (processor: { _exporter?: object } | undefined) =>
      processor?._exporter?.constructor.name === MlflowSpanExporter.name,
  );
}

import { ProxyTracerProvider, type Tracer } from '@opentelemetry/api';
import { type AxCopy, isInstance } from '../copy.js';
import type { CallKind } from './kinds.js';
import { optionsOf } from './options.js';

/** Starts no spans, and hands the active span on as the parent. */
const NO_TRACER: Tracer = new ProxyTracerProvider().getTracer('');

interface HasTracer {
  readonly options?: { readonly tracer?: unknown };
  readonly tracer?: unknown;
  readonly ai?: HasTracer;
  readonly getOptions?: () => { readonly tracer?: unknown } | undefined;
}

/**
 * The arguments with Ax's own tracer turned off, so that one operation is one span. Ax takes the
 * tracer of a call before any other. Where no tracer is set the arguments stay as they are.
 */
export function withoutNativeTracer(
  copy: AxCopy,
  kind: CallKind,
  self: unknown,
  args: unknown[],
): unknown[] {
  const { settings } = copy.recorder;
  if (kind.optionsIndex === undefined || settings.nativeSpans || !settings.enabled) return args;
  const options = optionsOf(kind, args);
  const tracer =
    options?.tracer ??
    (self as HasTracer | undefined)?.options?.tracer ??
    tracerOfService(copy, kind.role === 'model' ? self : args[0]) ??
    (copy.ax.axGlobals as HasTracer | undefined)?.tracer;
  if (tracer === undefined || tracer === NO_TRACER) return args;
  const changed = [...args];
  changed[kind.optionsIndex] = { ...options, tracer: NO_TRACER };
  return changed;
}

/** Read from the field where it is known to be one: `getOptions` builds a new object of all options. */
function tracerOfService(copy: AxCopy, service: unknown): unknown {
  const candidate = service as HasTracer | undefined;
  if (isInstance(copy, 'AxAI', service)) return tracerOfService(copy, candidate?.ai);
  if (isInstance(copy, 'AxBaseAI', service)) return candidate?.tracer;
  return candidate?.getOptions?.()?.tracer;
}

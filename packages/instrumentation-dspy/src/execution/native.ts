import { ProxyTracerProvider, type Tracer } from '@opentelemetry/api';
import { askOnce } from '../ask.js';
import { readProperty } from '../capture/read.js';
import { type AxCopy, globalTracer } from '../copy.js';
import { viewOf } from '../view.js';
import type { CallKind } from './kinds.js';

/** Starts no spans, and hands the active span on as the parent. */
const NO_TRACER: Tracer = new ProxyTracerProvider().getTracer('');

interface HasTracer {
  readonly tracer?: unknown;
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
  const index = kind.optionsIndex;
  if (index === undefined || settings.nativeSpans || !settings.enabled) return args;
  const options = args[index];
  const tracer =
    readProperty(options, 'tracer') ??
    readProperty(readProperty(self, 'options'), 'tracer') ??
    tracerOf((kind.role === 'model' ? self : args[0]) as HasTracer | undefined) ??
    globalTracer();
  if (tracer === undefined || tracer === NO_TRACER) return args;
  const changed = [...args];
  changed[index] = { ...(options as object | undefined), tracer: NO_TRACER };
  return changed;
}

const silent = new WeakMap<object, object>();

/** `true` for arguments that say so already, as a program passes them on to its service. */
export function isWithoutTracer(kind: CallKind, args: readonly unknown[]): boolean {
  const index = kind.optionsIndex;
  return index !== undefined && readProperty(args[index], 'tracer') === NO_TRACER;
}

/**
 * The service with its tracer out of sight: what programs of Ax up to 19 start the spans of tools with,
 * whatever the call says. A service without a tracer is returned as it is.
 */
export function withoutServiceTracer(copy: AxCopy, service: unknown): unknown {
  const { settings } = copy.recorder;
  if (settings.nativeSpans || typeof service !== 'object' || service === null) return service;
  if (copy.obeysCallTracer) return service;
  const tracer = tracerOf(service) ?? globalTracer();
  if (tracer === undefined || tracer === NO_TRACER) return service;
  let view = silent.get(service);
  if (view === undefined) {
    view = viewOf(service, (key, method) =>
      key === 'getOptions'
        ? (...args: unknown[]) => ({ ...method.apply(service, args), tracer: NO_TRACER })
        : undefined,
    );
    silent.set(service, view);
  }
  return view;
}

/**
 * A service's tracer. Read from the field in Ax's own classes, `AxAI` with a provider inside among them: `getOptions` builds
 * an object of all options. One of the user's own is asked for these once.
 */
function tracerOf(service: HasTracer | undefined): unknown {
  if (typeof service !== 'object' || service === null) return undefined;
  if ('tracer' in service) return readProperty(service, 'tracer');
  const ai = readProperty(service, 'ai');
  if (typeof ai === 'object' && ai !== null && 'tracer' in ai) return readProperty(ai, 'tracer');
  return readProperty(askOnce(service, 'getOptions'), 'tracer');
}

import {
  context as api,
  type Context,
  type Span,
  type SpanOptions,
  type Tracer,
  type TracerOptions,
  type TracerProvider,
} from '@opentelemetry/api';

/** A provider that can be flushed and shut down, as those of the SDKs can. */
interface Flushable {
  forceFlush?(): Promise<void>;
  shutdown?(): Promise<void>;
}

/**
 * A tracer provider whose tracers follow it from one provider to another. It is what gets registered
 * and what the instrumentation holds, so that a tracer made early keeps working when the application
 * starts an SDK of its own later, and stops when tracing is switched off.
 */
export class SwitchingTracerProvider implements TracerProvider {
  /** Sees spans as they are started, until it answers `true`. */
  inspect: ((span: Span, context: Context) => boolean) | undefined;
  #target: TracerProvider;

  constructor(target: TracerProvider) {
    this.#target = target;
  }

  get target(): TracerProvider {
    return this.#target;
  }

  switchTo(target: TracerProvider): void {
    this.#target = target;
  }

  getTracer(name: string, version?: string, options?: TracerOptions): Tracer {
    return new SwitchingTracer(this, name, version, options);
  }

  async forceFlush(): Promise<void> {
    await (this.#target as Flushable).forceFlush?.();
  }

  async shutdown(): Promise<void> {
    await (this.#target as Flushable).shutdown?.();
  }
}

class SwitchingTracer implements Tracer {
  #source: TracerProvider | undefined;
  #tracer: Tracer | undefined;

  constructor(
    private readonly provider: SwitchingTracerProvider,
    private readonly name: string,
    private readonly version: string | undefined,
    private readonly options: TracerOptions | undefined,
  ) {}

  startSpan(name: string, options?: SpanOptions, context?: Context): Span {
    const span = this.#current().startSpan(name, options, context);
    if (this.provider.inspect?.(span, context ?? api.active())) this.provider.inspect = undefined;
    return span;
  }

  startActiveSpan<F extends (span: Span) => unknown>(name: string, fn: F): ReturnType<F>;
  startActiveSpan(...args: unknown[]): unknown {
    const tracer = this.#current();
    return Reflect.apply(tracer.startActiveSpan, tracer, args);
  }

  /** The tracer behind this one, by the name that the API's own proxy has for it. */
  _getTracer(): Tracer {
    return this.#current();
  }

  #current(): Tracer {
    const { target } = this.provider;
    if (this.#tracer === undefined || this.#source !== target) {
      this.#source = target;
      this.#tracer = target.getTracer(this.name, this.version, this.options);
    }
    return this.#tracer;
  }
}

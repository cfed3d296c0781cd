import { context, ProxyTracerProvider, propagation, trace } from '@opentelemetry/api';
import type { Environment } from '../config/resolve.js';
import { debug, warnOnce } from '../log.js';
import { hasIds } from '../self-check.js';
import { apiGlobals, isProviderInvisible, stepAside } from './api-globals.js';
import { attach, exportsToMlflow, registeredProvider } from './join.js';
import { createContextManager, createOwnProvider, createPropagator } from './own.js';
import type { SpanSink } from './span-sink.js';
import { SwitchingTracerProvider } from './switching.js';

/**
 * Where spans are made: `joined`, by the application's provider; `own`, by ours, registered globally;
 * `isolated`, by ours for DSPy spans alone, because the application's provider cannot be joined.
 */
export type ProviderMode = 'joined' | 'own' | 'isolated';

const NOTHING = new ProxyTracerProvider();

/** The tracer provider behind `autolog()`: one in a process, whatever is started first. */
export class ProviderSetup {
  /** What the instrumentation makes its spans with. */
  readonly tracerProvider = new SwitchingTracerProvider(NOTHING);
  readonly #sink: SpanSink;
  readonly #onChange: () => void;
  readonly #joined = new WeakSet<object>();
  #own: ReturnType<typeof createOwnProvider> | undefined;
  #registered = false;
  #mode: ProviderMode | undefined;

  /** `onChange`: the mode became another because the application started an SDK. */
  constructor(sink: SpanSink, onChange: () => void) {
    this.#sink = sink;
    this.#onChange = onChange;
    this.tracerProvider.inspect = hasIds;
  }

  /** `undefined` before the first `start()`. */
  get mode(): ProviderMode | undefined {
    return this.#mode;
  }

  /** The application's provider sends its spans to MLflow by itself. */
  get exportsToMlflow(): boolean {
    return this.#mode === 'joined' && exportsToMlflow(this.tracerProvider.target);
  }

  /** Starts or resumes. Never throws. */
  start(env: Environment): void {
    const theirs = registeredProvider();
    if (theirs !== undefined && theirs !== this.tracerProvider) this.#join(theirs);
    else if (isProviderInvisible()) this.#isolate();
    else this.#register(env);
    this.#provideContext();
  }

  /** From now on the tracers of our own provider make nothing. The application's provider goes on. */
  stop(): void {
    if (this.#mode !== 'joined') this.tracerProvider.switchTo(NOTHING);
  }

  #join(theirs: ReturnType<typeof trace.getTracerProvider>): void {
    if (!this.#joined.has(theirs)) {
      if (!attach(theirs, this.#sink)) {
        warnOnce(
          `The registered tracer provider (${theirs.constructor.name}) takes no span processor after its start, ` +
            'so DSPy spans go to MLflow alone and not to its exporters. To have them in both, register ' +
            'DspyInstrumentation and MlflowSpanExporter in that SDK instead of calling autolog().',
        );
        this.#isolate();
        return;
      }
      this.#joined.add(theirs);
    }
    this.#mode = 'joined';
    this.tracerProvider.switchTo(theirs);
    debug('joined the registered tracer provider');
  }

  #register(env: Environment): void {
    this.#mode = 'own';
    this.#own ??= createOwnProvider(this.#sink);
    this.tracerProvider.switchTo(this.#own);
    if (this.#registered) return;
    this.#registered = true;
    trace.setGlobalTracerProvider(this.tracerProvider);
    stepAside(
      trace,
      'setGlobalTracerProvider',
      () => trace.disable(),
      () => this.#makeWay(env),
    );
    const propagator = createPropagator(env);
    if (propagator !== undefined && apiGlobals()?.propagation === undefined) {
      propagation.setGlobalPropagator(propagator);
      stepAside(propagation, 'setGlobalPropagator', () => propagation.disable());
    }
    debug('set up a tracer provider');
  }

  /** A bare tracer provider brings no context manager, and without one no span finds the one around it. */
  #provideContext(): void {
    if (apiGlobals()?.context !== undefined || isProviderInvisible()) return;
    context.setGlobalContextManager(createContextManager());
    stepAside(context, 'setGlobalContextManager', () => context.disable());
  }

  /** The application has started an SDK after us. */
  #makeWay(env: Environment): void {
    this.#registered = false;
    if (this.tracerProvider.target === NOTHING) return;
    this.start(env);
    this.#onChange();
  }

  #isolate(): void {
    this.#mode = 'isolated';
    this.#own ??= createOwnProvider(this.#sink);
    this.tracerProvider.switchTo(this.#own);
  }
}

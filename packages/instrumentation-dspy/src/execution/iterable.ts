import type { Context } from '@opentelemetry/api';
import { context } from '@opentelemetry/api';
import type { Outcome } from '../attributes/dspy.js';
import { DSPY_STREAM_CHUNKS, DSPY_STREAM_TIME_TO_FIRST_CHUNK } from '../attributes/dspy.js';
import type { AxCopy } from '../copy.js';
import { diagnostics } from '../diagnostics.js';
import type { Method, Wrapper } from '../hooks/types.js';
import { viewOf } from '../view.js';
import { unwatch, watch } from './abandoned.js';
import { begin } from './gate.js';
import type { CallKind } from './kinds.js';
import { withoutNativeTracer } from './native.js';
import { endSafely, failSafely, Operation } from './operation.js';
import { Place } from './place.js';
import { observe, tell } from './result.js';
import { runIn } from './run-in.js';

/** A {@link CallKind} whose call returns an async iterator. */
export interface StreamKind extends CallKind {
  /** A value was handed to the consumer. Must take what it needs now: the consumer may change it. */
  // biome-ignore lint/suspicious/noExplicitAny: Ax's value
  chunk?(operation: Operation, value: any): void;
  /** The stream ended, in whatever way: write what was collected. */
  // biome-ignore lint/suspicious/noExplicitAny: Ax's values
  collected?(operation: Operation, self: any, args: readonly any[]): void;
}

/**
 * Traces a method that returns an async iterator. The span starts with the first `next()`, as the
 * work does, below the span that was active at the call; it ends with the last value, an error,
 * `return()`, or when the iterator is collected. Nothing is read that the consumer does not read, and
 * but for the span a step runs in the context of who asks for it.
 */
export function tracedIterable(kind: StreamKind): Wrapper {
  return (original, copy) =>
    ({
      call(this: unknown, ...args: unknown[]): unknown {
        let passed = args;
        let home: Context | undefined;
        try {
          home = context.active();
          passed = withoutNativeTracer(copy, kind, this, args);
        } catch (fault) {
          diagnostics.fault('iterable', fault);
        }
        const inner: unknown = Reflect.apply(original, this, passed);
        try {
          if (home !== undefined && copy.recorder.settings.enabled && isAsyncIterator(inner)) {
            return wrapIterator(inner, new StreamState(copy, kind, this, args, home));
          }
        } catch (fault) {
          diagnostics.fault('iterable', fault);
        }
        return inner;
      },
    }).call;
}

type AnyIterator = AsyncIterator<unknown, unknown, unknown>;
type Step = 'next' | 'return' | 'throw';

/** The state of a traced iterator. Does not refer to it, so that the iterator can be collected. */
class StreamState {
  #operation: Operation | undefined;
  #place: Place | undefined;
  #begun = false;
  #pending = 0;
  #orphaned = false;
  #chunks = 0;
  #startedAt = 0;
  #firstAt = 0;

  constructor(
    private readonly copy: AxCopy,
    private readonly kind: StreamKind,
    private readonly self: unknown,
    private readonly args: unknown[],
    private readonly home: Context,
  ) {}

  get open(): boolean {
    return this.#operation !== undefined && !this.#operation.ended;
  }

  step(inner: AnyIterator, step: Step, args: unknown[], iterator: object): unknown {
    // Closing a generator that never ran runs nothing: there is nothing to trace.
    if (!this.#begun) {
      this.#begun = true;
      if (step === 'next') tell(() => this.#begin(iterator), undefined);
    }
    const method = inner[step] as Method;
    const operation = this.#operation;
    let here = operation?.context;
    try {
      here = this.#place?.now();
    } catch (fault) {
      diagnostics.fault('iterable', fault);
    }
    if (operation === undefined || operation.ended) return runIn(here, method, inner, args);
    this.#pending++;
    let result: unknown;
    try {
      result = runIn(here, method, inner, args);
    } catch (error) {
      tell((thrown) => this.#failed(operation, thrown, step), error);
      throw error;
    }
    return observe(
      result,
      method,
      (value) => this.#advanced(operation, value as IteratorResult<unknown>, step),
      (error) => this.#failed(operation, error, step),
    );
  }

  /** The iterator was collected. A step that is still under way ends first. */
  orphan(): void {
    this.#orphaned = true;
    if (this.#pending === 0) this.#operation?.end('abandoned');
  }

  #begin(iterator: object): void {
    const entry = begin(this.copy, this.kind, this.self, this.args, this.home);
    if (!(entry instanceof Operation)) {
      this.#place = new Place(this.home, entry);
      return;
    }
    this.#operation = entry;
    this.#place = new Place(this.home, entry.context);
    entry.streaming = true;
    entry.beforeEnd = (operation) => this.#collected(operation);
    this.#startedAt = performance.now();
    watch(iterator, this);
  }

  #advanced(operation: Operation, result: IteratorResult<unknown>, step: Step): void {
    this.#pending--;
    try {
      if (result.done !== true) {
        this.#chunk(operation, result.value);
      } else {
        // `return()` on a generator that has ended by itself finds the operation ended.
        const outcome: Outcome = step === 'next' ? 'completed' : 'early_exit';
        operation.end(outcome);
      }
    } catch (fault) {
      diagnostics.fault('iterable.advanced', fault);
    }
    this.#settle(operation);
  }

  #failed(operation: Operation, error: unknown, step: Step): void {
    this.#pending--;
    // What the consumer threw into the generator ended it, whatever the generator makes of it.
    if (step === 'throw') endSafely(operation, 'early_exit');
    else failSafely(operation, error);
    this.#settle(operation);
  }

  #settle(operation: Operation): void {
    if (this.#orphaned && this.#pending === 0) endSafely(operation, 'abandoned');
  }

  #chunk(operation: Operation, value: unknown): void {
    if (this.#chunks++ === 0) this.#firstAt = performance.now();
    if (operation.recording && !operation.ended) this.kind.chunk?.(operation, value);
  }

  #collected(operation: Operation): void {
    unwatch(this);
    if (!operation.recording) return;
    operation.set(DSPY_STREAM_CHUNKS, this.#chunks);
    if (this.#chunks > 0) {
      const seconds = (this.#firstAt - this.#startedAt) / 1000;
      operation.set(DSPY_STREAM_TIME_TO_FIRST_CHUNK, seconds);
    }
    this.kind.collected?.(operation, this.self, this.args);
  }
}

/** What async generators have in common: later additions to the language are inherited from it. */
const AsyncGeneratorPrototype: object = Object.getPrototypeOf(async function* () {}.prototype);

class TracedGenerator {
  readonly #inner: AnyIterator;
  readonly #state: StreamState;

  constructor(inner: AnyIterator, state: StreamState) {
    this.#inner = inner;
    this.#state = state;
  }

  next(...args: unknown[]): unknown {
    return this.#state.step(this.#inner, 'next', args, this);
  }

  return(...args: unknown[]): unknown {
    return this.#state.step(this.#inner, 'return', args, this);
  }

  throw(...args: unknown[]): unknown {
    return this.#state.step(this.#inner, 'throw', args, this);
  }

  [Symbol.asyncIterator](): this {
    return this;
  }
}

Object.setPrototypeOf(TracedGenerator.prototype, AsyncGeneratorPrototype);
Reflect.deleteProperty(TracedGenerator.prototype, 'constructor');
for (const step of ['next', 'return', 'throw'] as const) {
  Object.defineProperty(TracedGenerator.prototype[step], 'length', { value: 1 });
}
const asyncDispose: symbol | undefined = Symbol.asyncDispose;
if (asyncDispose !== undefined && !(asyncDispose in TracedGenerator.prototype)) {
  Object.defineProperty(TracedGenerator.prototype, asyncDispose, {
    configurable: true,
    writable: true,
    async value(this: TracedGenerator): Promise<void> {
      await this.return();
    },
  });
}

function wrapIterator(inner: AnyIterator, state: StreamState): unknown {
  if (Object.prototype.toString.call(inner) === '[object AsyncGenerator]') {
    return new TracedGenerator(inner, state);
  }
  return wrapCustomIterator(inner, state);
}

/** An iterator of the user's own making keeps its other methods and its identity to `instanceof`. */
function wrapCustomIterator(inner: AnyIterator, state: StreamState): unknown {
  const view: object = viewOf(inner, (key) => {
    if (key === Symbol.asyncIterator) return () => view;
    return key === 'next' || key === 'return' || key === 'throw'
      ? (...args: unknown[]) => state.step(inner, key, args, view)
      : undefined;
  });
  return view;
}

function isAsyncIterator(value: unknown): value is AnyIterator {
  return (
    typeof value === 'object' &&
    value !== null &&
    typeof (value as AnyIterator).next === 'function' &&
    Symbol.asyncIterator in value
  );
}

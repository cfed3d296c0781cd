import type { SpanLike } from '@hokusai/exporter-mlflow';
import { context, createContextKey, ROOT_CONTEXT } from '@opentelemetry/api';
import { messageOf, warnOnce } from '../log.js';

/** The exporter interface of both SDK lines, and `flushSync` of those that have it. */
export interface LaneExporter {
  export(spans: never, resultCallback: (result: { code: number; error?: Error }) => void): void;
  forceFlush?(): Promise<void>;
  flushSync?(): number;
  shutdown(): Promise<void>;
}

export interface LaneOptions {
  /** For messages. */
  readonly name: string;
  /** Spans of traces without a program are left out. */
  readonly programsOnly: boolean;
  /** The exporter says itself what it could not deliver. */
  readonly reportsItself: boolean;
  /** `export()` calls at once. */
  readonly concurrency: number;
  /** Spans that may wait for their turn; beyond it new ones are dropped. */
  readonly maxWaitingSpans: number;
}

// The SDK's own key: instrumentations make no span in such a context, so an exporter's HTTP request is
// not traced. `createContextKey` is `Symbol.for`, whichever copy makes it.
const SUPPRESS_TRACING = createContextKey('OpenTelemetry SDK Context Key SUPPRESS_TRACING');

/** Runs `fn` where instrumentations make no spans. A context manager that throws costs only that. */
export function untraced<T>(fn: () => T): T {
  let hasBegun = false;
  try {
    return context.with(ROOT_CONTEXT.setValue(SUPPRESS_TRACING, true), () => {
      hasBegun = true;
      return fn();
    });
  } catch (error) {
    if (hasBegun) throw error;
    return fn();
  }
}

/** The way to one exporter: batches in order, a bounded number at once, each acknowledged once. */
export class ExportLane {
  readonly #exporter: LaneExporter;
  readonly #waiting: (readonly SpanLike[])[] = [];
  readonly #idle: (() => void)[] = [];
  #waitingSpans = 0;
  #running = 0;
  #dropped = 0;
  #advancing = false;

  constructor(
    exporter: LaneExporter,
    readonly options: LaneOptions,
  ) {
    this.#exporter = exporter;
  }

  /** Spans given up here, not by the exporter. */
  get dropped(): number {
    return this.#dropped;
  }

  get exporter(): LaneExporter {
    return this.#exporter;
  }

  push(batch: readonly SpanLike[]): void {
    if (
      this.#waitingSpans > 0 &&
      this.#waitingSpans + batch.length > this.options.maxWaitingSpans
    ) {
      this.#dropped += batch.length;
      warnOnce(
        `The ${this.options.name} exporter does not keep up: spans are dropped (client.stats() counts them).`,
      );
      return;
    }
    this.#waiting.push(batch);
    this.#waitingSpans += batch.length;
    this.#next();
  }

  /** Resolves when everything pushed so far is acknowledged and the exporter is flushed. Never rejects. */
  async flush(): Promise<void> {
    if (this.#running > 0 || this.#waiting.length > 0) {
      await new Promise<void>((resolve) => this.#idle.push(resolve));
    }
    await attempt(this.options.name, () => untraced(() => this.#exporter.forceFlush?.()));
  }

  /** Hands everything to the exporter and makes it keep it before returning. */
  flushSync(): void {
    for (let batch = this.#take(); batch; batch = this.#take()) this.#export(batch);
    try {
      this.#exporter.flushSync?.();
    } catch (error) {
      warnOnce(`The ${this.options.name} exporter failed: ${messageOf(error)}`);
    }
  }

  async shutdown(): Promise<void> {
    await attempt(this.options.name, () => untraced(() => this.#exporter.shutdown()));
  }

  #take(): readonly SpanLike[] | undefined {
    const batch = this.#waiting.shift();
    if (batch) this.#waitingSpans -= batch.length;
    return batch;
  }

  #next(): void {
    // An exporter may call back at once; the loop below is then already running.
    if (this.#advancing) return;
    this.#advancing = true;
    while (this.#running < this.options.concurrency) {
      const batch = this.#take();
      if (batch === undefined) break;
      this.#export(batch);
    }
    this.#advancing = false;
    if (this.#running > 0 || this.#waiting.length > 0) return;
    for (const resolve of this.#idle.splice(0)) resolve();
  }

  #export(batch: readonly SpanLike[]): void {
    this.#running++;
    let answered = false;
    const done = (error?: unknown) => {
      if (answered) return;
      answered = true;
      this.#running--;
      if (error !== undefined && !this.options.reportsItself) {
        warnOnce(`The ${this.options.name} exporter failed: ${messageOf(error)}`);
      }
      this.#next();
    };
    try {
      untraced(() =>
        this.#exporter.export(batch as never, ({ code, error }) =>
          done(code === 0 ? undefined : (error ?? new Error('no reason given'))),
        ),
      );
    } catch (error) {
      done(error);
    }
  }
}

async function attempt(name: string, work: () => Promise<void> | undefined): Promise<void> {
  try {
    await work();
  } catch (error) {
    warnOnce(`The ${name} exporter failed: ${messageOf(error)}`);
  }
}

import type { SpanLike } from '@hokusai/exporter-mlflow';
import type { Span } from '@opentelemetry/api';
import { messageOf, warnOnce } from '../log.js';
import { type Batch, OpenTrace } from './open-trace.js';

export interface TraceBufferOptions {
  /** Finished traces that are handed on without waiting for the interval. */
  readonly traceBufferSize: number;
  /** Milliseconds after which finished traces are handed on at the latest. */
  readonly flushIntervalMs: number;
  /** Estimated bytes that may wait, finished and unfinished. */
  readonly maxBufferBytes: number;
  /** Spans that may wait; `undefined`: no limit. */
  readonly maxQueueSize: number | undefined;
  /** Traces without a program are thrown away. */
  readonly programsOnly: boolean;
  /** Somebody wants whole traces, so spans exported early are kept for `onFinished`. */
  readonly wantsWhole: () => boolean;
  /** A trace is finished. Called within the `span.end()` of the program: must only take note. */
  readonly onFinished: (spans: readonly SpanLike[]) => void;
  /** Takes spans over for export. */
  readonly handOn: (batches: readonly Batch[]) => void;
}

/** A long execution is exported in parts, so that a crash loses no more than this. Milliseconds. */
const PARTIAL_AFTER_MS = 30_000;
/** Spans that never end (a call that hangs, an abandoned stream) are forgotten. Milliseconds. */
const FORGET_AFTER_MS = 60 * 60_000;
const MAX_OPEN_TRACES = 100_000;
/** The sampled bit of the W3C trace flags. */
const SAMPLED = 1;

/**
 * Collects spans by trace and hands finished traces on in bundles. It loses nothing to a burst: what
 * the SDK's batch processor drops beyond its 2,048 spans waits here within a budget of bytes, and what
 * is beyond that goes to the exporter, which has a spool.
 */
export class TraceBuffer {
  readonly #options: TraceBufferOptions;
  readonly #open = new Map<string, OpenTrace>();
  #collected: Batch[] = [];
  #finishedTraces = 0;
  #bytes = 0;
  #held = 0;
  #dropped = 0;
  #timer: NodeJS.Timeout | undefined;
  #soon = false;

  constructor(options: TraceBufferOptions) {
    this.#options = options;
  }

  /** Spans dropped because of `maxQueueSize`. */
  get dropped(): number {
    return this.#dropped;
  }

  /** Spans waiting. */
  get held(): number {
    return this.#held;
  }

  /** Nothing waits and no span is open. */
  get isEmpty(): boolean {
    return this.#open.size === 0 && this.#collected.length === 0;
  }

  has(traceId: string): boolean {
    return this.#open.has(traceId);
  }

  onStart(span: Span): void {
    const { traceId } = span.spanContext();
    this.#traceOf(traceId).open++;
  }

  onEnd(span: SpanLike): void {
    const { traceId, traceFlags } = span.spanContext();
    const trace = this.#traceOf(traceId);
    // A span that began before us was never counted.
    trace.open = Math.max(0, trace.open - 1);
    if ((traceFlags & SAMPLED) !== 0) this.#add(trace, span);
    if (trace.open === 0) this.#close(trace);
    else this.#watch();
  }

  /** Hands on everything that has ended, of unfinished traces too. */
  drain(): void {
    for (const trace of this.#open.values()) this.#collect(trace);
    this.#handOn();
  }

  #traceOf(traceId: string): OpenTrace {
    let trace = this.#open.get(traceId);
    if (trace === undefined) {
      trace = new OpenTrace(traceId, performance.now());
      this.#open.set(traceId, trace);
      if (this.#open.size > MAX_OPEN_TRACES) this.#evictOldest();
    }
    return trace;
  }

  #add(trace: OpenTrace, span: SpanLike): void {
    const { maxQueueSize, maxBufferBytes } = this.#options;
    if (maxQueueSize !== undefined && this.#held >= maxQueueSize) {
      this.#dropped++;
      warnOnce(
        `More than OTEL_BSP_MAX_QUEUE_SIZE=${maxQueueSize} spans wait: spans are dropped. Unset it to bound the queue by bytes alone.`,
      );
      return;
    }
    this.#bytes += trace.add(span, performance.now());
    this.#held++;
    if (this.#bytes <= maxBufferBytes) return;
    this.#handOn();
    while (this.#bytes > maxBufferBytes && this.#evictOldest());
  }

  #close(trace: OpenTrace): void {
    this.#open.delete(trace.traceId);
    if (trace.wanted && !trace.reported) this.#finishedTraces++;
    this.#report(trace);
    this.#collect(trace);
    if (this.#finishedTraces >= this.#options.traceBufferSize) this.#handOnSoon();
    else if (this.#collected.length > 0) this.#watch();
  }

  #report(trace: OpenTrace): void {
    if (trace.reported || !trace.wanted) return;
    trace.reported = true;
    if (this.#options.wantsWhole()) this.#options.onFinished(trace.spans);
  }

  #collect(trace: OpenTrace): void {
    if (trace.waiting === 0) return;
    // Whether an unfinished trace is wanted may show only later.
    const unwanted = this.#options.programsOnly && !trace.wanted;
    if (unwanted && this.#open.has(trace.traceId)) return;
    const batch = trace.take(!trace.reported && this.#options.wantsWhole());
    if (unwanted) this.#release(batch);
    else this.#collected.push(batch);
  }

  #release(batch: Batch): void {
    this.#bytes -= batch.bytes;
    this.#held -= batch.spans.length;
  }

  /** Gives up the oldest trace that waits for its end; `false` when there is none. */
  #evictOldest(): boolean {
    const [oldest] = this.#open.values();
    if (oldest === undefined) return false;
    this.#open.delete(oldest.traceId);
    this.#collect(oldest);
    this.#handOn();
    return true;
  }

  #handOnSoon(): void {
    if (this.#soon) return;
    this.#soon = true;
    setImmediate(() => {
      this.#soon = false;
      this.#handOn();
    });
  }

  #handOn(): void {
    this.#finishedTraces = 0;
    if (this.#collected.length === 0) return;
    const batches = this.#collected;
    this.#collected = [];
    for (const batch of batches) this.#release(batch);
    try {
      this.#options.handOn(batches);
    } catch (error) {
      // Most often we are called by a timer, where a throw would end the process.
      warnOnce(`Internal fault while handing spans on (${messageOf(error)}); spans were lost.`);
    }
  }

  #watch(): void {
    if (this.#timer !== undefined) return;
    this.#timer = setTimeout(() => this.#tick(), this.#options.flushIntervalMs);
    this.#timer.unref();
  }

  #tick(): void {
    this.#timer = undefined;
    const now = performance.now();
    for (const trace of this.#open.values()) this.#review(trace, now);
    this.#handOn();
    if (this.#open.size > 0) this.#watch();
  }

  /** Decides about a trace that has spans open. */
  #review(trace: OpenTrace, now: number): void {
    const quiet = now - trace.lastChange;
    if (quiet > FORGET_AFTER_MS) {
      this.#open.delete(trace.traceId);
      this.#collect(trace);
    } else if (trace.waiting > 0 && trace.rootEnded && quiet >= this.#options.flushIntervalMs) {
      // The root has ended and a child has not: it may never, so the trace does not wait for it.
      this.#report(trace);
      this.#collect(trace);
    } else if (trace.waiting > 0 && now - trace.waitingSince >= PARTIAL_AFTER_MS) {
      this.#collect(trace);
    }
  }
}

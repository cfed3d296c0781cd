import type { SpanLike } from '@hokusai/exporter-mlflow';
import { estimateBytes, isLocalRoot, isProgramSpan } from './span-facts.js';

/** Spans of one trace on their way to the exporters. */
export interface Batch {
  readonly spans: readonly SpanLike[];
  readonly bytes: number;
  /** The trace holds a span of a program or model. */
  readonly wanted: boolean;
}

/** The spans of one trace that this process has, from its first start to its last end. */
export class OpenTrace {
  /** Started and not ended. */
  open = 0;
  /** A span without a parent in this process has ended. */
  rootEnded = false;
  /** Holds a span of a program or model. */
  wanted = false;
  /** Was reported as finished; what comes is a remainder. */
  reported = false;
  /** Milliseconds of the monotonic clock. */
  lastChange: number;
  /** When the oldest of the waiting spans came; milliseconds of the monotonic clock. */
  waitingSince = 0;
  #waiting: SpanLike[] = [];
  #handedOn: SpanLike[] = [];
  #bytes = 0;

  constructor(
    readonly traceId: string,
    now: number,
  ) {
    this.lastChange = now;
  }

  /** Number of spans that wait for export. */
  get waiting(): number {
    return this.#waiting.length;
  }

  /** All spans so far, those handed on and kept included. */
  get spans(): readonly SpanLike[] {
    return this.#handedOn.length === 0 ? this.#waiting : [...this.#handedOn, ...this.#waiting];
  }

  /** Returns the estimated bytes gained. */
  add(span: SpanLike, now: number): number {
    const bytes = estimateBytes(span);
    if (this.#waiting.length === 0) this.waitingSince = now;
    this.#waiting.push(span);
    this.#bytes += bytes;
    this.lastChange = now;
    this.wanted ||= isProgramSpan(span);
    this.rootEnded ||= isLocalRoot(span);
    return bytes;
  }

  /** Gives the waiting spans away; `keep`: and holds on to them for the report of the whole trace. */
  take(keep: boolean): Batch {
    const batch = { spans: this.#waiting, bytes: this.#bytes, wanted: this.wanted };
    if (keep) this.#handedOn = this.#handedOn.concat(this.#waiting);
    this.#waiting = [];
    this.#bytes = 0;
    return batch;
  }
}

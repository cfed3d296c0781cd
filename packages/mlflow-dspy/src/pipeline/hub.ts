import type { SpanLike } from '@hokusai/exporter-mlflow';
import type { Span } from '@opentelemetry/api';
import { messageOf, warnOnce } from '../log.js';
import type { SpanSink } from '../provider/span-sink.js';
import type { Pipeline } from './pipeline.js';

const KEEP_ALIVE_MS = 1000;

/**
 * The span processor that is attached to a tracer provider, once and for good. Pipelines come and go
 * behind it: a span ends in the pipeline that its trace began in, so that switching tracing off or
 * configuring it anew loses nothing that was already being recorded.
 */
export class SpanHub implements SpanSink {
  #current: Pipeline | undefined;
  #retired: Pipeline[] = [];

  get current(): Pipeline | undefined {
    return this.#current;
  }

  /** Sends spans of new traces to `pipeline` from now on; `undefined`: nowhere. */
  switchTo(pipeline: Pipeline | undefined): void {
    const previous = this.#current;
    this.#current = pipeline;
    if (previous === undefined || previous === pipeline) return;
    this.#retired.push(previous);
    void previous.retire().then(() => {
      this.#retired = this.#retired.filter((one) => one !== previous);
    });
  }

  onStart(span: Span): void {
    try {
      const { traceId } = span.spanContext();
      this.#pipelineOf(traceId)?.buffer.onStart(span);
    } catch (error) {
      this.#failed(error);
    }
  }

  onEnd(span: SpanLike): void {
    try {
      const { traceId } = span.spanContext();
      this.#pipelineOf(traceId)?.onEnd(span);
    } catch (error) {
      this.#failed(error);
    }
  }

  /** Resolves when everything that has ended is delivered. Never rejects, and keeps no process alive. */
  async deliver(): Promise<void> {
    try {
      await Promise.all(this.#all().map((pipeline) => pipeline.flush()));
    } catch (error) {
      this.#failed(error);
    }
  }

  async forceFlush(): Promise<void> {
    // What is waited for may be unref'd; who awaits a flush keeps the process for it.
    const keepAlive = setInterval(() => {}, KEEP_ALIVE_MS);
    await this.deliver();
    clearInterval(keepAlive);
  }

  /** The application's SDK shuts down: everything is delivered. What comes afterwards still is. */
  shutdown(): Promise<void> {
    return this.forceFlush();
  }

  /** For `process.on('exit')`: everything is with the exporters, and kept by those that can. */
  flushSync(): void {
    try {
      for (const pipeline of this.#all()) pipeline.flushSync();
    } catch (error) {
      this.#failed(error);
    }
  }

  /** `true` when something may still have to be delivered. */
  get pending(): boolean {
    return this.#all().some((pipeline) => pipeline.pending);
  }

  /** `true` while something is being delivered. */
  get flushing(): boolean {
    return this.#all().some((pipeline) => pipeline.flushing);
  }

  #all(): Pipeline[] {
    return this.#current === undefined ? [...this.#retired] : [...this.#retired, this.#current];
  }

  #pipelineOf(traceId: string): Pipeline | undefined {
    if (this.#retired.length === 0) return this.#current;
    return this.#retired.find((pipeline) => pipeline.buffer.has(traceId)) ?? this.#current;
  }

  #failed(error: unknown): void {
    warnOnce(
      `Internal fault in the span processor (${messageOf(error)}); the program is not affected.`,
    );
  }
}

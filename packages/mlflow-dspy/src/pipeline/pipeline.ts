import type { SpanLike } from '@hokusai/exporter-mlflow';
import type { MlflowDspyConfig } from '../config/config.js';
import type { Listeners } from '../processors/listeners.js';
import type { SpanData, TraceData } from '../processors/trace-data.js';
import type { ExportLane } from './export-lane.js';
import type { Batch } from './open-trace.js';
import { TraceBuffer } from './trace-buffer.js';

/** Who is told of finished traces and spans. */
export interface PipelineListeners {
  readonly traces: Listeners<readonly SpanLike[], TraceData>;
  readonly spans: Listeners<SpanLike, SpanData>;
}

export interface PipelineStats {
  /** Spans that ended since the pipeline was made. */
  received: number;
  /** Spans that wait here for the end of their trace or for the next hand-over. */
  waiting: number;
  /** Spans given up here: `maxQueueSize`, or an exporter that does not keep up. */
  dropped: number;
}

const RETIREMENT_CHECK_MS = 1000;

/** What one configuration does with spans: collect, tell listeners, export. */
export class Pipeline {
  readonly buffer: TraceBuffer;
  readonly #lanes: readonly ExportLane[];
  readonly #listeners: PipelineListeners;
  readonly #maxExportBatchSize: number;
  #received = 0;
  #handedOn = false;
  #flushing = 0;

  constructor(
    config: MlflowDspyConfig,
    lanes: readonly ExportLane[],
    listeners: PipelineListeners,
  ) {
    this.#lanes = lanes;
    this.#listeners = listeners;
    this.#maxExportBatchSize = config.maxExportBatchSize;
    this.buffer = new TraceBuffer({
      traceBufferSize: config.traceBufferSize,
      flushIntervalMs: config.flushIntervalMs,
      maxBufferBytes: config.maxBufferBytes,
      maxQueueSize: config.maxQueueSize,
      programsOnly: lanes.every(({ options }) => options.programsOnly),
      wantsWhole: () => listeners.traces.size > 0,
      onFinished: (spans) => listeners.traces.push(spans),
      handOn: (batches) => this.#handOn(batches),
    });
  }

  onEnd(span: SpanLike): void {
    this.#received++;
    this.#listeners.spans.push(span);
    this.buffer.onEnd(span);
  }

  /** Something waits here, or was handed to the exporters and not flushed since. */
  get pending(): boolean {
    return this.#handedOn || this.buffer.held > 0;
  }

  /** A `flush()` is under way. */
  get flushing(): boolean {
    return this.#flushing > 0;
  }

  stats(): PipelineStats {
    const dropped = this.#lanes.reduce((sum, lane) => sum + lane.dropped, this.buffer.dropped);
    return { received: this.#received, waiting: this.buffer.held, dropped };
  }

  /** Resolves when listeners are done and every exporter has delivered what ended so far. Never rejects. */
  async flush(): Promise<void> {
    this.buffer.drain();
    this.#handedOn = false;
    this.#flushing++;
    await Promise.all([
      this.#listeners.traces.settle(),
      this.#listeners.spans.settle(),
      ...this.#lanes.map((lane) => lane.flush()),
    ]);
    this.#flushing--;
  }

  flushSync(): void {
    this.buffer.drain();
    this.#listeners.traces.tell();
    this.#listeners.spans.tell();
    for (const lane of this.#lanes) lane.flushSync();
  }

  /** Takes no new traces (the hub sees to that), waits for the open ones, delivers, shuts down. */
  async retire(): Promise<void> {
    await this.flush();
    while (!this.buffer.isEmpty) {
      await new Promise((resolve) => setTimeout(resolve, RETIREMENT_CHECK_MS).unref());
    }
    await this.flush();
    await Promise.all(this.#lanes.map((lane) => lane.shutdown()));
  }

  #handOn(batches: readonly Batch[]): void {
    this.#handedOn = true;
    for (const lane of this.#lanes) {
      const { programsOnly } = lane.options;
      let spans: SpanLike[] = [];
      for (const batch of batches) {
        if (programsOnly && !batch.wanted) continue;
        if (spans.length > 0 && spans.length + batch.spans.length > this.#maxExportBatchSize) {
          lane.push(spans);
          spans = [];
        }
        spans = spans.length === 0 ? [...batch.spans] : spans.concat(batch.spans);
      }
      if (spans.length > 0) lane.push(spans);
    }
  }
}

import type { ExporterStats, MlflowClient } from '@hokusai/exporter-mlflow';
import type { MlflowDspyConfig } from './config/config.js';
import type { SpanData, TraceData } from './processors/trace-data.js';

/** Gets each finished trace, off the program's call stack. What it throws is reported and goes no further. */
export type TraceProcessor = (trace: TraceData) => unknown;

/** Gets each finished span, live, off the program's call stack. */
export type SpanListener = (span: SpanData) => unknown;

/** Where the spans are made: `joined`, `own` or `isolated` (see the README), `off` while tracing is off. */
export type TracingMode = 'joined' | 'own' | 'isolated' | 'off';

export interface AutologStats {
  /** Spans that ended. */
  received: number;
  /** Spans that wait for the end of their trace or for the next hand-over to the exporters. */
  waiting: number;
  /** Spans given up before an exporter had them. */
  dropped: number;
  /** What the MLflow exporter counts; absent when spans do not go to MLflow. */
  exporter?: ExporterStats;
}

/** What `autolog()` returns. The same object until `disableAutolog()`. */
export interface AutologClient {
  /** The configuration in force. */
  readonly config: MlflowDspyConfig;
  readonly mode: TracingMode;
  /**
   * MLflow's traces, runs and experiments at the configured destination.
   * Throws `MlflowConfigError` when that cannot be used, such as a tracking URI that is no URL.
   */
  readonly mlflow: MlflowClient;
  /**
   * Resolves when everything finished so far is delivered (or kept, where the server cannot take it)
   * and trace processors are done with it. Never rejects; may be called as often as wanted.
   */
  flush(): Promise<void>;
  stats(): AutologStats;
  /** Returns the function that removes it again. */
  addTraceProcessor(processor: TraceProcessor): () => void;
  removeTraceProcessor(processor: TraceProcessor): void;
  /** Returns the function that removes it again. */
  onSpan(listener: SpanListener): () => void;
}

import type {
  Attributes,
  HrTime,
  Link,
  SpanContext,
  SpanKind,
  SpanStatus,
} from '@opentelemetry/api';
import type { ServerOptions } from './server/settings.js';

/**
 * The part of an SDK's `ReadableSpan` that the exporter reads. Spans of OpenTelemetry JS 2.x and 3.x
 * fit it as they are; `parentSpanId` and `instrumentationLibrary` are the 1.x names.
 */
export interface SpanLike {
  readonly name: string;
  readonly kind: SpanKind;
  spanContext(): SpanContext;
  readonly parentSpanContext?: SpanContext | undefined;
  readonly parentSpanId?: string | undefined;
  readonly startTime: HrTime;
  readonly endTime: HrTime;
  readonly status: SpanStatus;
  readonly attributes: Attributes;
  readonly links: readonly Link[];
  readonly events: readonly {
    readonly name: string;
    readonly time: HrTime;
    readonly attributes?: Attributes | undefined;
  }[];
  readonly resource: { readonly attributes: Attributes };
  readonly instrumentationScope?:
    | { readonly name: string; readonly version?: string | undefined }
    | undefined;
  readonly instrumentationLibrary?:
    | { readonly name: string; readonly version?: string | undefined }
    | undefined;
}

/** What `export()` reports: `0` delivered or safely stored, `1` (some of it) lost. */
export interface ExportOutcome {
  code: 0 | 1;
  error?: Error;
}

/**
 * How traces travel. `auto`: OTLP alone where the server (MLflow 3.15 or newer) can take everything
 * the trace has that way, else with `StartTraceV3`. `otlp`: OTLP alone always; trace
 * metadata, client request ids and assessments are left out. `start+otlp`: both for every trace.
 */
export type DeliveryMode = 'auto' | 'otlp' | 'start+otlp';

/** Why spans were given up. */
export type DropReason =
  /** The queue had reached `maxQueueBytes`. */
  | 'queue_full'
  /** Still refused or unreachable after `retryBudgetMs`. */
  | 'retries_exhausted'
  /** The server refused the trace itself (400, 413, 422, a 500 that repeats). */
  | 'rejected'
  /** 401 or 403 for as long as the budget; a deleted or unknown experiment at once, since no retry brings it back. */
  | 'not_allowed'
  /** The settings cannot be used (no valid tracking URI, …). */
  | 'misconfigured'
  /** Not delivered when `shutdown()` ran out of time, or given to `export()` after it. */
  | 'shutdown'
  /** The span could not be read. */
  | 'unreadable'
  /** The local store or the spool could not take it, or gave it up by its bounds (then parts of traces are counted, not spans). */
  | 'storage';

export interface DropReport {
  reason: DropReason;
  /** Number of spans. */
  spans: number;
  /** MLflow ids (`tr-…`) of the traces they belong to, at most 10. */
  traceIds: readonly string[];
  /** The server's or the system's own words, without credentials. */
  detail?: string;
}

/** The spool: a folder that keeps what the server could not take, for later and for the next start. */
export interface SpoolSettings {
  /** Folder; created when absent, may be shared by processes. */
  directory: string;
  /** Bytes on disk, all processes together; beyond it the oldest go. Default 256 MiB. */
  maxBytes?: number | undefined;
  /** Milliseconds a record may wait. Default 14 days. */
  maxAgeMs?: number | undefined;
}

/**
 * Options of {@link MlflowSpanExporter}. Everything has a default; an option wins over its environment
 * variable. Nothing is read, resolved or connected before the first export. An unknown name or a value
 * that cannot be used is reported once through OpenTelemetry's `diag`, never thrown.
 */
export interface MlflowSpanExporterOptions extends ServerOptions {
  /** Default `auto`. */
  mode?: DeliveryMode | undefined;
  /** Folder that keeps undelivered traces, or `false`. Default `false`. */
  spool?: false | string | SpoolSettings | undefined;
  /** Bytes of spans waiting in memory (estimated). Beyond it spans go to the spool or are dropped. Default 64 MiB. */
  maxQueueBytes?: number | undefined;
  /** Spans of one trace beyond which the least telling are folded into counts on their parent. Default 2000. */
  maxSpansPerTrace?: number | undefined;
  /**
   * Milliseconds from `export()` to giving up on a server that does not answer or answers 408, 425, 429
   * or 5xx. Default 60 000, and 5 000 while nothing listens at the address and never did: most likely
   * there is no server, and the SDK would keep the ending process for it.
   */
  retryBudgetMs?: number | undefined;
  /**
   * Milliseconds after the end of a local root (a span whose parent lives in another process) until
   * its trace gets its final state from here, if the real root has not arrived by then. Default 60 000.
   */
  remoteRootTimeoutMs?: number | undefined;
  /** Names of resource attributes kept; MLflow makes a trace tag of each. Default `service.name`, `service.version`, `deployment.environment.name`. */
  resourceAttributes?: readonly string[] | undefined;
  /** Tags of every trace. Default none. */
  tags?: Readonly<Record<string, string>> | undefined;
  /** Metadata of every trace; costs one more request a trace. Default none. */
  metadata?: Readonly<Record<string, string>> | undefined;
  /** Milliseconds that `shutdown()` may take to deliver what waits. Default 5 000. */
  shutdownTimeoutMs?: number | undefined;
  /** Told of every drop. A throw is caught and reported. */
  onDrop?: ((drop: DropReport) => void) | undefined;
}

/** Counts since the exporter was made. All but `requests`, `retried`, bytes and `runs` count spans. */
export interface ExporterStats {
  /** Given to `export()`. */
  received: number;
  /** Accepted by the server or written to the local store. */
  sent: number;
  /** In memory now: queued, in flight, or waiting for the root of their trace (servers before 3.15). */
  held: number;
  /** Written to the spool because the server could not take them. Part of `sent` once delivered from there. */
  spooled: number;
  /** Folded into counts on their parent by `maxSpansPerTrace`. */
  folded: number;
  /** Given up, by reason. */
  dropped: Partial<Record<DropReason, number>>;
  /** Requests made. */
  requests: number;
  /** Requests that repeated an earlier one. */
  retried: number;
  /** Runs written. */
  runs: number;
  /** Request bodies sent, after compression. */
  bytesSent: number;
  /** Estimated size of what is in memory now. */
  bytesHeld: number;
}

/**
 * The exporter as programs that own its life see it. `MlflowSpanExporter` has all of it.
 */
export interface MlflowExporterLife {
  forceFlush(): Promise<void>;
  /**
   * For `process.on('exit')`, where only synchronous work is done: everything given to `export()` and
   * not yet acknowledged goes to the local store or the spool before it returns; without either it is
   * counted as dropped (`shutdown`). Never throws. Returns the number of spans that could not be kept.
   */
  flushSync(): number;
  shutdown(): Promise<void>;
  stats(): ExporterStats;
}

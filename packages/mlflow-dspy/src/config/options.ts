import type { ServerOptions } from '@hokusai/exporter-mlflow';
import type { Convention, ModuleType, ProgramInputs } from '@hokusai/instrumentation-dspy';

/** Where finished spans go: MLflow (or the local store), an OTLP endpoint, standard output. */
export type ExporterName = 'mlflow' | 'otlp' | 'console';

/**
 * Options of `autolog()` and {@link MlflowDspyConfig}. Every one has a default. An option wins over its
 * environment variable, which wins over the default; `undefined` counts as not given. Milliseconds are
 * at most those of a day.
 */
export interface MlflowDspyOptions {
  /** Trace at all. `MLFLOW_DSPY_ENABLED`; default `true`. */
  enabled?: boolean | undefined;
  /** `enabled` the other way round, as Python's `autolog()` has it. Where the two contradict each other nothing is traced. */
  disable?: boolean | undefined;
  /** Record input values: program inputs, prompts, tool arguments. `MLFLOW_DSPY_LOG_INPUTS`; default `true`. */
  logInputs?: boolean | undefined;
  /** Record output values: program outputs, completions, tool results. `MLFLOW_DSPY_LOG_OUTPUTS`; default `true`. */
  logOutputs?: boolean | undefined;
  /** Record signature text, fields and instruction. `MLFLOW_DSPY_LOG_SIGNATURES`; default `true`. */
  logSignatures?: boolean | undefined;
  /**
   * Record inner programs, tools and code execution as spans. When `false` an execution is its outermost
   * program and its model calls, so that tokens and cost stay right. `MLFLOW_DSPY_LOG_INTERMEDIATE`; default `true`.
   */
  logIntermediateSteps?: boolean | undefined;
  /** Share of executions to trace, 0 to 1; decided once per execution. `MLFLOW_DSPY_SAMPLING_RATE`; default `1`. */
  samplingRate?: number | undefined;
  /** Finished traces that are sent together, without waiting for `flushIntervalMs`. `MLFLOW_DSPY_BUFFER_SIZE`; default `100`. */
  traceBufferSize?: number | undefined;
  /** MLflow experiment; created when absent. `MLFLOW_DSPY_EXPERIMENT`, then `MLFLOW_EXPERIMENT_NAME`; default `dspy-traces`. */
  experimentName?: string | undefined;
  /** Tags of every trace. `MLFLOW_DSPY_TAGS` (`team=ml,env=prod`); default none. */
  customTags?: Readonly<Record<string, string>> | undefined;
  /** Return `false` to leave a program untraced; its traced children attach to the nearest traced ancestor. */
  moduleFilter?: ((name: string, type: ModuleType) => boolean) | undefined;
  /** Return `false` to leave an execution untraced. Called once, with the inputs of its outermost program. */
  traceCondition?:
    | ((inputs: ProgramInputs, info: { name: string; type: ModuleType }) => boolean)
    | undefined;
  /** Replaces input values before anything is serialised. A throw drops the content. */
  inputSanitizer?: ((inputs: Record<string, unknown>) => unknown) | undefined;
  /** Replaces output values before anything is serialised. A throw drops the content. */
  outputSanitizer?: ((outputs: unknown) => unknown) | undefined;

  /** `http(s)://host[:port][/path]`, or `file:<folder>` for the local store. `MLFLOW_TRACKING_URI`; default `file:./traces`. */
  trackingUri?: string | undefined;
  /** Experiment id (digits); wins over a name from the same source. `MLFLOW_EXPERIMENT_ID`; default none. */
  experimentId?: string | undefined;
  /** Run that traces belong to. `MLFLOW_RUN_ID`; default none. */
  runId?: string | undefined;
  /** HTTP basic authentication. `MLFLOW_TRACKING_USERNAME`, then `~/.mlflow/credentials`. */
  username?: string | undefined;
  /** HTTP basic authentication. `MLFLOW_TRACKING_PASSWORD`, then `~/.mlflow/credentials`. */
  password?: string | undefined;
  /** Bearer token, or a function that gives the current one. `MLFLOW_TRACKING_TOKEN`. */
  token?: ServerOptions['token'];
  /** Headers of every request, for a gateway in front of the server. Default none. */
  headers?: Readonly<Record<string, string>> | undefined;
  /** Workspace of the server. `MLFLOW_WORKSPACE`; default none. */
  workspace?: string | undefined;
  /** PEM file of the authority behind the server's certificate. `MLFLOW_TRACKING_SERVER_CERT_PATH`. */
  serverCertPath?: string | undefined;
  /** PEM file with the client's certificate. `MLFLOW_TRACKING_CLIENT_CERT_PATH`. */
  clientCertPath?: string | undefined;
  /** PEM file with the client's key, when it is not in `clientCertPath`. Default none. */
  clientKeyPath?: string | undefined;
  /** Accept any certificate. `MLFLOW_TRACKING_INSECURE_TLS`; default `false`. */
  insecureTls?: boolean | undefined;
  /** Milliseconds for one request, its answer included. `MLFLOW_HTTP_REQUEST_TIMEOUT` (seconds), then `OTEL_BSP_EXPORT_TIMEOUT`; default `30000`. */
  requestTimeoutMs?: number | undefined;
  /** Keep on disk what the server could not take and deliver it later. `MLFLOW_DSPY_SPOOL`; default `true`. */
  spool?: boolean | undefined;
  /**
   * Folder of the spool. `MLFLOW_DSPY_SPOOL_DIRECTORY`; default a folder per server and workspace below
   * `$XDG_STATE_HOME/mlflow-dspy` (`~/.local/state/mlflow-dspy`); none for a user without a home.
   */
  spoolDirectory?: string | undefined;

  /**
   * Where spans go when no tracer provider was set up before. `OTEL_TRACES_EXPORTER` (`mlflow`, `otlp`,
   * `console`, `none`); default `['mlflow']`. A tracking URI from the same or a stronger source adds `mlflow`.
   */
  exporters?: readonly ExporterName[] | undefined;
  /** Milliseconds after which finished traces are sent at the latest. `OTEL_BSP_SCHEDULE_DELAY`; default `5000`. */
  flushIntervalMs?: number | undefined;
  /** Spans sent together at most (a larger trace is not split). `OTEL_BSP_MAX_EXPORT_BATCH_SIZE`; default `512`. */
  maxExportBatchSize?: number | undefined;
  /** Bytes of finished and unfinished spans that may wait here (estimated), at least 64 KiB. `MLFLOW_DSPY_MAX_BUFFER_BYTES`; default 128 MiB. */
  maxBufferBytes?: number | undefined;
  /** Spans that may wait; beyond it spans are dropped. `OTEL_BSP_MAX_QUEUE_SIZE`; default no limit but `maxBufferBytes`. */
  maxQueueSize?: number | undefined;
  /** Milliseconds that the end of the process may be delayed to deliver. `MLFLOW_DSPY_SHUTDOWN_TIMEOUT`; default `3000`. */
  shutdownTimeoutMs?: number | undefined;

  /** Attribute families to write. `MLFLOW_DSPY_CONVENTIONS` (`gen_ai,openinference`); default both. */
  conventions?: readonly Convention[] | undefined;
  /** Byte budget of one content attribute (UTF-8). `MLFLOW_DSPY_MAX_ATTRIBUTE_BYTES`; default `65536`. */
  maxAttributeBytes?: number | undefined;
  /** Keep images, audio and other binary as base64 instead of a short description. `MLFLOW_DSPY_KEEP_MEDIA`; default `false`. */
  keepMedia?: boolean | undefined;
  /** Property names whose values are redacted at any depth, beside the built-in credential names. `MLFLOW_DSPY_REDACT_KEYS`; default none. */
  redactKeys?: readonly string[] | undefined;
  /** With a tracer given to Ax itself: keep Ax's own spans beside ours. `MLFLOW_DSPY_NATIVE_SPANS`; default `false`. */
  nativeSpans?: boolean | undefined;
  /** Record every inner call of an optimizer as spans. `MLFLOW_DSPY_RECORD_OPTIMIZER_CALLS`; default `false`. */
  recordOptimizerCalls?: boolean | undefined;
}

/** `disable` is no option of its own: it becomes `enabled`. */
export type OptionName = Exclude<keyof MlflowDspyOptions, 'disable'>;

/** Options that have no default: absent unless code or environment gives them. */
type Optional =
  | 'moduleFilter'
  | 'traceCondition'
  | 'inputSanitizer'
  | 'outputSanitizer'
  | 'experimentName'
  | 'experimentId'
  | 'runId'
  | 'username'
  | 'password'
  | 'token'
  | 'headers'
  | 'workspace'
  | 'serverCertPath'
  | 'clientCertPath'
  | 'clientKeyPath'
  | 'insecureTls'
  | 'spoolDirectory'
  | 'maxQueueSize';

/** Every option with its value. */
export type ResolvedOptions = {
  readonly [K in Exclude<OptionName, Optional>]: Exclude<MlflowDspyOptions[K], undefined>;
} & { readonly [K in Optional]: MlflowDspyOptions[K] };

/** OTel attribute value, as the SDK hands it over. */
export type AttributeValue =
  | string
  | number
  | boolean
  | ReadonlyArray<string | null | undefined>
  | ReadonlyArray<number | null | undefined>
  | ReadonlyArray<boolean | null | undefined>;

export type AttributeMap = Record<string, AttributeValue | undefined>;

/** An event of a span; `timeUnixNano` is nanoseconds since the epoch. */
export interface EventRecord {
  name: string;
  timeUnixNano: bigint;
  attributes: AttributeMap;
}

/** A link to another span; ids are lower-case hex. */
export interface LinkRecord {
  traceId: string;
  spanId: string;
  attributes: AttributeMap;
}

/**
 * A span ready for MLflow: attributes are final (`mlflow.*` included, limits of the server applied,
 * NUL and lone surrogates gone). Both the OTLP encoder and the local store take exactly this.
 */
export interface SpanRecord {
  /** 32 lower-case hex characters. */
  traceId: string;
  /** 16 lower-case hex characters. */
  spanId: string;
  parentSpanId?: string;
  /** The parent lives in another process. */
  parentIsRemote?: boolean;
  name: string;
  /** OTel API `SpanKind`: 0 INTERNAL, 1 SERVER, 2 CLIENT, 3 PRODUCER, 4 CONSUMER. */
  kind: number;
  startTimeUnixNano: bigint;
  endTimeUnixNano: bigint;
  attributes: AttributeMap;
  events: EventRecord[];
  links: LinkRecord[];
  /** OTel API `SpanStatusCode`: 0 UNSET, 1 OK, 2 ERROR. */
  status: { code: 0 | 1 | 2; message?: string };
  traceState?: string;
  resource: AttributeMap;
  scope: { name: string; version?: string };
}

type TraceState = 'OK' | 'ERROR' | 'IN_PROGRESS';

/** Where a trace goes. `id` wins over `name`. */
export interface ExperimentRef {
  id?: string;
  name?: string;
}

/** Feedback or expectation of a trace (`POST /api/3.0/mlflow/traces/{id}/assessments`). `id` is client-made, so that resends are idempotent. */
export interface AssessmentRecord {
  id: string;
  name: string;
  kind: 'feedback' | 'expectation';
  value?: unknown;
  error?: { code: string; message: string };
  rationale?: string;
  source: { type: 'CODE' | 'HUMAN' | 'LLM_JUDGE'; id: string };
  spanId?: string;
  metadata?: Record<string, string>;
}

/** A version of a prompt in the server's registry. */
export interface PromptRecord {
  name: string;
  version: string;
}

/** Trace-level facts; everything StartTraceV3 needs. */
export interface TraceInfoRecord {
  /** 32 lower-case hex characters; MLflow's id is `tr-` + this. */
  traceId: string;
  experiment: ExperimentRef;
  runId?: string;
  name?: string;
  /** Milliseconds since the epoch. */
  requestTimeMs: number;
  /** Milliseconds; absent while the root has not ended. */
  durationMs?: number;
  state: TraceState;
  requestPreview?: string;
  responsePreview?: string;
  clientRequestId?: string;
  metadata: Record<string, string>;
  tags: Record<string, string>;
  assessments: AssessmentRecord[];
  /** Prompt versions to link (`POST /api/2.0/mlflow/traces/link-prompts`). */
  prompts?: PromptRecord[];
}

/** The unit of delivery and retry: what one `export()` call holds of one trace. */
export interface TraceRecord {
  info: TraceInfoRecord;
  /** The root (or the local root below a remote parent) is among `spans`. */
  complete: boolean;
  spans: SpanRecord[];
  /** The root lives in another process: its exporter gives the trace its name and state. */
  remoteRoot?: true;
  /**
   * Without spans: the end of a trace whose root has not come. `info` is what is known here, to be
   * written where the server still has the trace in progress.
   */
  closing?: true;
  /** Spans that ended after the root of their trace had been handed on. */
  late?: true;
  /** The server was told something else before (it closed without its root, or went to another experiment). */
  restates?: true;
}

/** A run that a span asked for (`dspy.run.*`), or one made by the program through the client. */
export interface RunRecord {
  /** Stable key (`traceId:spanId`), stored as a run tag so that a resend finds the run it made. */
  key: string;
  experiment: ExperimentRef;
  name?: string;
  parentKey?: string;
  /** Milliseconds since the epoch; for a parent that has no record yet. */
  parentStartTimeMs?: number;
  startTimeMs: number;
  endTimeMs: number;
  status: 'FINISHED' | 'FAILED' | 'KILLED';
  params: Record<string, string>;
  metrics: { key: string; value: number; step: number; timestampMs: number }[];
  tags: Record<string, string>;
  artifacts: Record<string, string>;
  traceIds: string[];
}

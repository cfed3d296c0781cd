import type { AssessmentRecord, EventRecord, LinkRecord } from '../internal-types.js';

/** Which traces, in which order. */
export interface TraceQuery {
  /** Traces that belong to this run. */
  runId?: string;
  /** Where to look. Default: the run's experiment, else the client's. `experimentId` wins. */
  experimentId?: string;
  experimentName?: string;
  /**
   * MLflow's search language: conditions joined by `AND`, such as `trace.status = 'ERROR'`,
   * `trace.name = 'QA'`, `tag.env = 'prod'`, `execution_time_ms > 1000`.
   */
  filter?: string;
  /** Such as `timestamp_ms DESC` (the default: newest first), `execution_time_ms DESC`. */
  orderBy?: string | readonly string[];
  /** Most traces in all. Default: no limit; pages are fetched as they are read. */
  maxResults?: number;
  /** Traces of one page, 1 to 500. Default 50. */
  pageSize?: number;
  /** `false`: infos alone, one request a page; `spans` is empty, and `inputs` and `outputs` are the previews. Default true. */
  includeSpans?: boolean;
}

/** Traces as they are read: iterate to page lazily, or take all of them. */
export interface TraceList extends AsyncIterable<Trace> {
  toArray(): Promise<Trace[]>;
}

export interface TokenUsage {
  inputTokens: number;
  outputTokens: number;
  totalTokens: number;
  cacheReadInputTokens?: number;
  cacheCreationInputTokens?: number;
}

/** US dollars. */
export interface TraceCost {
  inputCost?: number;
  outputCost?: number;
  totalCost: number;
}

export interface Trace {
  /** MLflow's id, `tr-` and 32 hex characters. */
  traceId: string;
  /** Name of the trace, most often the program's. */
  name: string;
  state: 'OK' | 'ERROR' | 'IN_PROGRESS' | 'STATE_UNSPECIFIED';
  experimentId: string;
  runId?: string;
  startTime: Date;
  /** Milliseconds; absent while the trace runs. */
  durationMs?: number;
  /** What went into the outermost program; parsed where it is JSON. */
  inputs?: unknown;
  /** What came out of it; parsed where it is JSON. */
  outputs?: unknown;
  requestPreview?: string;
  responsePreview?: string;
  clientRequestId?: string;
  session?: string;
  user?: string;
  tokens?: TokenUsage;
  cost?: TraceCost;
  tags: Record<string, string>;
  metadata: Record<string, string>;
  assessments: AssessmentRecord[];
  /** In order of their start. */
  spans: TraceSpan[];
}

export interface TraceSpan {
  /** 16 hex characters. */
  spanId: string;
  parentId?: string;
  name: string;
  /** MLflow's span type: `CHAIN LLM CHAT_MODEL TOOL AGENT RETRIEVER EMBEDDING PARSER EVALUATOR …`. */
  type: string;
  status: { code: 'OK' | 'ERROR' | 'UNSET'; message?: string };
  /** Nanoseconds since the epoch. */
  startTimeUnixNano: bigint;
  /** Nanoseconds since the epoch. */
  endTimeUnixNano: bigint;
  /** Milliseconds. */
  durationMs: number;
  inputs?: unknown;
  outputs?: unknown;
  /** All attributes; those that are JSON text are parsed. */
  attributes: Record<string, unknown>;
  events: EventRecord[];
  links: LinkRecord[];
}

export interface Run {
  runId: string;
  experimentId: string;
  name?: string;
  status: 'RUNNING' | 'SCHEDULED' | 'FINISHED' | 'FAILED' | 'KILLED';
  startTime?: Date;
  endTime?: Date;
  params: Record<string, string>;
  /** Latest value of each metric. */
  metrics: Record<string, number>;
  tags: Record<string, string>;
  parentRunId?: string;
  artifactUri?: string;
}

export interface Metric {
  key: string;
  value: number;
  /** Default 0. */
  step?: number;
  /** Milliseconds since the epoch. Default now. */
  timestampMs?: number;
}

export interface NewRun {
  experimentId?: string;
  experimentName?: string;
  name?: string;
  /** Makes the run a child of this one. */
  parentRunId?: string;
  tags?: Record<string, string>;
  /** Default now. */
  startTime?: Date;
}

export interface RunData {
  params?: Record<string, string | number | boolean>;
  metrics?: Record<string, number> | readonly Metric[];
  tags?: Record<string, string>;
}

export type RunEndStatus = 'FINISHED' | 'FAILED' | 'KILLED';

/** Feedback on a trace, or on one span of it. */
export interface Feedback {
  traceId: string;
  name: string;
  /** Boolean, number, string, or a list or object of them. */
  value?: unknown;
  /** Instead of a value: why none could be given. */
  error?: { code: string; message: string };
  rationale?: string;
  /** Default `{ type: 'HUMAN', id: 'default' }`. */
  source?: AssessmentRecord['source'];
  spanId?: string;
  metadata?: Record<string, string>;
  /** Makes repeating the call change nothing: the same trace, name and key are one assessment. Default: a new one each call. */
  idempotencyKey?: string;
  /**
   * Milliseconds to wait for a trace that the server does not have yet (it was just recorded, or goes
   * through a collector). Default 10 000; 0: do not wait.
   */
  waitMs?: number;
}

/** A version of a prompt in MLflow's prompt registry. */
export interface PromptVersion {
  name: string;
  version: string | number;
}

/** What the right answer would have been. */
export type Expectation = Omit<Feedback, 'error'>;

import type { AxAIService, AxSignature } from '@ax-llm/ax';
import type { LibraryName, signatures } from '../signatures/library/index.js';
import type { Fields } from '../signatures/types.js';
import type { ExecutionError } from './execution-error.js';

/**
 * Anything with a forward call: `AxGen`, `AxFlow`, `AxAgent`, best-of-N, a class of one's own, what
 * the model loader gives.
 */
export interface Program {
  // biome-ignore lint/suspicious/noExplicitAny: matches forward methods of every signature
  forward(ai: any, values: any, options?: any): Promise<unknown>;
}

/** A program, or a signature to make one of: the signature itself, or its name in the library. */
// biome-ignore lint/suspicious/noExplicitAny: matches signatures of any fields
export type ProgramLike = Program | AxSignature<any, any> | LibraryName;

type Resolved<P> = P extends LibraryName ? (typeof signatures)[P] : P;

/** What a program takes. */
export type InputsOf<P> =
  Resolved<P> extends AxSignature<infer IN, infer _>
    ? IN
    : // biome-ignore lint/suspicious/noExplicitAny: matches forward methods of every signature
      Resolved<P> extends { forward(ai: any, values: infer IN, options?: any): Promise<unknown> }
      ? IN
      : never;

/** What a program gives. */
export type OutputsOf<P> =
  Resolved<P> extends AxSignature<infer _, infer OUT>
    ? OUT
    : Resolved<P> extends { forward(...args: never[]): Promise<infer OUT> }
      ? OUT
      : never;

/**
 * - `normal` runs the program, or answers from the cache;
 * - `dryRun` checks the inputs and calls no model;
 * - `debug` runs the program, never from the cache, and reports on it in `metadata.debugTrace`.
 */
export type ExecutionMode = 'normal' | 'dryRun' | 'debug';

/** What a request may say beside its program and inputs. */
export interface ExecutionSettings {
  /** Default `normal`. */
  readonly mode?: ExecutionMode | undefined;
  /** Model service of this request. Default the executor's. */
  readonly ai?: AxAIService | undefined;
  /** Aborts the execution. */
  readonly signal?: AbortSignal | undefined;
  /** Time limit of this request in seconds, retries included. Default the executor's. */
  readonly timeout?: number | undefined;
}

export interface ProgramRequest<P extends ProgramLike> extends ExecutionSettings {
  readonly program: P;
  readonly modelId?: undefined;
  readonly inputs: InputsOf<P>;
}

export interface ModelRequest extends ExecutionSettings {
  /** Id of a registered model. */
  readonly modelId: string;
  readonly program?: undefined;
  readonly inputs: Fields;
}

export type BatchRequest<R extends { readonly inputs: unknown }> = Omit<R, 'inputs'> & {
  readonly inputsList: readonly R['inputs'][];
};

/** One thing that happened in a `debug` execution, as Ax reports it. */
export interface DebugEvent {
  /** Milliseconds since the execution began. */
  readonly at: number;
  /** Ax's name of it: `ChatRequestChatPrompt`, `ChatResponseResults`, `FunctionResults`, … */
  readonly name: string;
  readonly value: unknown;
}

/** What `debug` reports. */
export interface DebugTrace {
  /** Inputs as the program got them, defaults filled in. */
  readonly inputs: Readonly<Fields>;
  /** Prompts, answers, tool results and usage in their order. */
  readonly events: readonly DebugEvent[];
  /** Each attempt: its duration in seconds, and its error if it failed. */
  readonly attempts: readonly { readonly duration: number; readonly error?: string }[];
}

export interface ExecutionMetadata {
  readonly mode: ExecutionMode;
  /** Calls of the program; 0 when none was made. */
  readonly attempts: number;
  /** The outputs come from the cache. */
  readonly cacheHit: boolean;
  /** Version of the program, where it has one. */
  readonly programVersion?: string;
  /** Id of the registered model. */
  readonly modelId?: string;
  /** OpenTelemetry trace id (32 hex digits) of the execution, where it is traced. MLflow's id is `tr-` and this. */
  readonly traceId?: string;
  /** Inputs that the program's signature does not know; they reach no model. */
  readonly ignoredInputs?: readonly string[];
  /** With `debug`. */
  readonly debugTrace?: DebugTrace;
}

interface ResultFields {
  /** Seconds. */
  readonly executionTime: number;
  readonly programName: string;
  readonly metadata: ExecutionMetadata;
}

export interface ExecutionSuccess<OUT> extends ResultFields {
  readonly success: true;
  /** `undefined` after a dry run. */
  readonly outputs: OUT;
  readonly error?: undefined;
}

export interface ExecutionFailure extends ResultFields {
  readonly success: false;
  readonly outputs?: undefined;
  readonly error: ExecutionError;
}

/** What came of an execution. A failed one is a result too. */
export type ExecutionResult<OUT> = ExecutionSuccess<OUT> | ExecutionFailure;

export interface ExecutionStats {
  readonly totalExecutions: number;
  readonly successes: number;
  readonly failures: number;
  /** 0 to 1; 0 before the first execution. */
  readonly successRate: number;
  /** Seconds. */
  readonly averageExecutionTime: number;
  /** 95th percentile in seconds. */
  readonly p95ExecutionTime: number;
  readonly cacheHits: number;
}

export type LogLevel = 'debug' | 'info' | 'warn' | 'error' | 'silent';

/** Receives the executor's messages. `console` is one. */
export interface ExecutorLogger {
  debug(message: string): void;
  info(message: string): void;
  warn(message: string): void;
  error(message: string): void;
}

/** A model to execute by id: a program, a signature, or what loads one at its first use. */
export type ModelSource = ProgramLike | (() => ProgramLike | Promise<ProgramLike>);

/** Options of {@link DspyPipelineExecutor}. */
export interface PipelineExecutorOptions {
  /** Model service of the programs: Ax's `ai({ … })`. Each request may name its own. */
  readonly ai?: AxAIService;
  /** Models by id, see {@link DspyPipelineExecutor.registerModel}. */
  readonly models?: Readonly<Record<string, ModelSource>>;
  /** Answer a repeated request of a program from memory. Default `true`. */
  readonly cacheEnabled?: boolean;
  /** Most results kept. Default 1000. */
  readonly cacheMaxEntries?: number;
  /** Bytes that results and what they are found by may take together; a larger result is not kept. Default 64 MiB. */
  readonly cacheMaxBytes?: number;
  /** Seconds a result is kept. Default without limit. */
  readonly cacheTtl?: number;
  /** Trace every execution in MLflow with a run each: calls `autolog()`. Default `true`. */
  readonly mlflowTracking?: boolean;
  /** Where traces and runs go, over `MLFLOW_TRACKING_URI`. An `autolog()` made before keeps its own. */
  readonly trackingUri?: string;
  /** Their experiment. Default `MLFLOW_EXPERIMENT_NAME`, else `dspy-execution`. */
  readonly experimentName?: string;
  /** Time limit of an execution in seconds, retries included. Default 300. */
  readonly timeout?: number;
  /** Further attempts after a failure that may pass: network, rate limit, server. Default 1. */
  readonly maxRetries?: number;
  /** Batch items at once, over all batches of the executor. Default `MAX_WORKERS`, else 4. */
  readonly maxWorkers?: number;
  /** Least severe messages logged. Default `PIPELINE_LOG_LEVEL`, else `warn`. */
  readonly logLevel?: LogLevel;
  /** Default `console`. */
  readonly logger?: ExecutorLogger;
}

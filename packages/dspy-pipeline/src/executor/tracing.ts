import type { ExecutorConfig } from './config.js';
import type { ExecutionMode } from './types.js';

/** What the trace of an execution says of it from its start. */
export interface TracedExecution {
  readonly programName: string;
  readonly version: string | undefined;
  readonly modelId: string | undefined;
  readonly inputs: unknown;
  readonly mode: ExecutionMode;
  readonly timeoutMs: number;
  readonly signal: AbortSignal | undefined;
}

/** What is known of an execution at its end. */
export interface ExecutionEnd {
  readonly success: boolean;
  /** Seconds. */
  readonly executionTime: number;
  readonly attempts: number;
  readonly cacheHit: boolean;
}

/** The executor's span above a program; does nothing where nothing is traced. */
export interface ExecutionSpan {
  /** 32 hex digits, where the execution is traced. */
  readonly traceId: string | undefined;
  attemptFailed(attempt: number, error: unknown): void;
  end(end: ExecutionEnd): void;
}

const NO_SPAN: ExecutionSpan = { traceId: undefined, attemptFailed() {}, end() {} };

export function startTracking(_config: ExecutorConfig): void {}

export function traceExecution<T>(
  _execution: TracedExecution,
  _config: ExecutorConfig,
  work: (span: ExecutionSpan) => Promise<T>,
): Promise<T> {
  return work(NO_SPAN);
}

export async function flushTracking(): Promise<void> {}

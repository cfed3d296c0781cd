import {
  autolog,
  type CallSpan,
  getAutologClient,
  isTracing,
  traceCall,
} from '@hokusai/mlflow-dspy';
import type { Attributes } from '@opentelemetry/api';
import { nameOf } from '../errors.js';
import type { ExecutorConfig } from './config.js';
import type { ExecutionMode, ExecutorLogger, Program } from './types.js';

/** What the span of an execution says from its start. */
export interface TracedExecution {
  readonly programName: string;
  readonly version: string | undefined;
  readonly program: Program | undefined;
  readonly modelId: string | undefined;
  readonly inputs: unknown;
  readonly mode: ExecutionMode;
  /** Milliseconds. */
  readonly timeoutMs: number;
}

/** What is known of an execution at its end. */
interface ExecutionEnd {
  readonly success: boolean;
  /** Seconds. */
  readonly executionTime: number;
  /** Calls of the program. */
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

type Environment = Readonly<Record<string, string | undefined>>;

/** Where executions go when nobody says otherwise. */
const DEFAULT_EXPERIMENT = 'dspy-execution';
/** Each names an experiment to `autolog()`. */
const EXPERIMENT_VARIABLES = [
  'MLFLOW_DSPY_EXPERIMENT',
  'MLFLOW_EXPERIMENT_NAME',
  'MLFLOW_EXPERIMENT_ID',
];

/**
 * Has DSPy programs traced. An `autolog()` that runs already is left as it is, and so is an
 * instrumentation that the application registered: its exporter makes the runs then.
 */
export function startTracking(
  { experimentName, trackingUri, log }: ExecutorConfig,
  env: Environment = process.env,
): void {
  const running = getAutologClient();
  if (running) {
    if (trackingUri !== undefined && trackingUri !== running.config.trackingUri) {
      log.warn('trackingUri is ignored: autolog() runs already, with a tracking URI of its own');
    }
    return;
  }
  if (isTracing()) {
    log.debug('the application traces DSPy programs by itself; autolog() is not called');
    return;
  }
  const isNamed = EXPERIMENT_VARIABLES.some((name) => Boolean(env[name]?.trim()));
  const experiment = experimentName ?? (isNamed ? undefined : DEFAULT_EXPERIMENT);
  autolog({
    ...(experiment !== undefined && { experimentName: experiment }),
    ...(trackingUri !== undefined && { trackingUri }),
  });
}

/** Resolves when the traces of finished executions are delivered. */
export async function flushTracking(): Promise<void> {
  await getAutologClient()?.flush();
}

/** Runs an execution as one trace, or as a part of the caller's, under the program's name. */
export function traceExecution<T>(
  execution: TracedExecution,
  { mlflowTracking, experimentName, log }: ExecutorConfig,
  work: (span: ExecutionSpan) => Promise<T>,
): Promise<T> {
  const { programName: name, version, program, modelId, inputs, mode, timeoutMs } = execution;
  const attributes: Attributes = {
    'dspy.executor.mode': mode,
    'dspy.executor.timeout': timeoutMs / 1000,
    ...(modelId !== undefined && { 'dspy.executor.model_id': modelId }),
    ...(mlflowTracking && { 'dspy.run.kind': 'execution', 'dspy.run.name': name }),
    ...(mlflowTracking && experimentName !== undefined && { 'dspy.experiment': experimentName }),
  };
  const call = { name, type: 'executor', version, program, inputs, attributes };
  return traceCall(call, (span) => work(executionSpan(span, execution, mlflowTracking, log)));
}

function executionSpan(
  span: CallSpan,
  execution: TracedExecution,
  mlflowTracking: boolean,
  log: ExecutorLogger,
): ExecutionSpan {
  const { traceId } = span;
  return {
    traceId,
    attemptFailed: (attempt, error) => span.attemptFailed(attempt, error),
    end(end) {
      if (traceId === undefined) return;
      try {
        span.setAttributes({
          'dspy.executor.attempts': end.attempts,
          'dspy.executor.cache_hit': end.cacheHit,
          ...(mlflowTracking && runAttributes(execution, end, traceId)),
        });
      } catch (error) {
        // Inputs may be an object that throws when it is looked at.
        log.debug(`the run of an execution was not recorded (${nameOf(error)})`);
      }
    },
  };
}

/** The run that the exporter makes of the span; it adds the outputs as far as the span has them. */
function runAttributes(
  { programName, mode, inputs }: TracedExecution,
  { success, executionTime }: ExecutionEnd,
  traceId: string,
): Attributes {
  const timestamp = Date.now();
  const metric = (key: string, value: number) => ({ key, value, step: 0, timestamp });
  return {
    'dspy.run.params': JSON.stringify({
      program_name: programName,
      mode,
      input_keys: Object.keys(Object(inputs)).join(', '),
    }),
    'dspy.run.metrics': JSON.stringify([
      metric('execution_time', executionTime),
      metric('success', success ? 1 : 0),
    ]),
    'dspy.run.trace_ids': [traceId],
  };
}

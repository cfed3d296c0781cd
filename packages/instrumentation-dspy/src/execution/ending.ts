import type { Outcome } from '../attributes/dspy.js';
import { readProperty } from '../capture/read.js';

/** Ax's control flow: thrown to end a stage or to stop at a function, and no failure of anything. */
const SIGNALS: ReadonlySet<unknown> = new Set([
  'AxAgentProtocolCompletionSignal',
  'AxStopFunctionCallException',
]);
const CLARIFICATION = 'AxAgentClarificationError';
const ABORTS: ReadonlySet<unknown> = new Set(['AxAIServiceAbortedError', 'AbortError']);
const TIMEOUTS: ReadonlySet<unknown> = new Set(['AxAIServiceTimeoutError', 'TimeoutError']);
const MAX_CAUSES = 8;

/**
 * What a thrown value says about the ending. Names are compared, not classes: Ax's class names are
 * minified but its `name` properties are right, and several copies of Ax may be loaded.
 */
export function outcomeOf(error: unknown, signal: AbortSignal | undefined): Outcome {
  let outcome: Outcome = 'error';
  let cause = error;
  for (let depth = 0; depth < MAX_CAUSES; depth++) {
    const name = readProperty(cause, 'name');
    if (SIGNALS.has(name)) return 'completed';
    if (name === CLARIFICATION) return 'clarification';
    if (ABORTS.has(name)) return ofSignal(signal);
    if (TIMEOUTS.has(name)) outcome = 'timeout';
    cause = readProperty(cause, 'cause');
    if (cause === undefined || cause === null) break;
  }
  // Older versions of Ax make a network error of an abort: what fails after it fails because of it.
  return signal?.aborted === true ? ofSignal(signal) : outcome;
}

function ofSignal(signal: AbortSignal | undefined): Outcome {
  const reason: unknown = signal?.aborted === true ? signal.reason : undefined;
  return TIMEOUTS.has(readProperty(reason, 'name')) ? 'timeout' : 'aborted';
}

/** How an operation ends that is still open when the operation around it ends. */
export function outcomeOfOpen(around: Outcome): Outcome {
  if (around === 'error' || around === 'clarification') return 'aborted';
  return around === 'completed' ? 'early_exit' : around;
}

/** Outcomes that make the span's status an error. */
export function isFailure(outcome: Outcome): boolean {
  return outcome === 'error' || outcome === 'timeout';
}

import { messageOf } from '../errors.js';
import { onAbort } from './abort-listeners.js';
import { ExecutionError } from './execution-error.js';

/** How long an execution may take, and who may end it before. */
export interface TimeLimit {
  /** Milliseconds. */
  readonly timeoutMs: number;
  /** `performance.now()` when the time began. */
  readonly startedAt: number;
  /** The caller's. */
  readonly signal: AbortSignal | undefined;
}

/**
 * Runs work that must end within a time or when the caller says so. Its signal goes to the model
 * call; work that does not heed it is left behind, and its late result dropped.
 *
 * @throws {ExecutionError} `TIMEOUT` or `ABORTED`; else what the work throws.
 */
export async function withDeadline<T>(
  { timeoutMs, startedAt, signal: callerSignal }: TimeLimit,
  work: (signal: AbortSignal) => Promise<T>,
): Promise<T> {
  const controller = new AbortController();
  const { signal } = controller;
  const abort = () => controller.abort(abortReason(callerSignal?.reason));
  const timer = setTimeout(
    () => {
      controller.abort(
        new DOMException(`timeout after ${timeoutMs / 1000} seconds`, 'TimeoutError'),
      );
    },
    Math.max(0, timeoutMs - (performance.now() - startedAt)),
  );
  let stop = (): void => {};
  let forget = (): void => {};
  try {
    if (callerSignal?.aborted) abort();
    else if (callerSignal) forget = onAbort(callerSignal, abort);
    if (signal.aborted) throw signal.reason;
    const ended = new Promise<never>((_, reject) => {
      stop = () => reject(signal.reason);
      signal.addEventListener('abort', stop, { once: true });
    });
    return await Promise.race([work(signal), ended]);
  } catch (error) {
    throw signal.aborted ? endedBy(signal.reason as Error) : error;
  } finally {
    clearTimeout(timer);
    forget();
    signal.removeEventListener('abort', stop);
  }
}

function endedBy(reason: Error): ExecutionError {
  return reason.name === 'TimeoutError'
    ? new ExecutionError('TIMEOUT', reason.message, { cause: reason })
    : new ExecutionError('ABORTED', `aborted: ${reason.message}`, { cause: reason });
}

/** The caller may abort with anything; what is thrown on should say that it is an abort. */
function abortReason(reason: unknown): DOMException {
  if (reason instanceof DOMException && reason.name === 'AbortError') return reason;
  const message = reason === undefined || reason === null ? 'by the caller' : messageOf(reason);
  return new DOMException(message, 'AbortError');
}

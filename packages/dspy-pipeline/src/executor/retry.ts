import { setTimeout as sleep } from 'node:timers/promises';
import { random } from '../../../exporter-mlflow/src/delivery/random.js';

const MAX_CAUSES = 8;
const BASE_DELAY_MS = 500;
const MAX_DELAY_MS = 30_000;

/** By name: Ax's class names are minified and its `name` properties are right, in every copy of it. */
const RETRYABLE_NAMES: ReadonlySet<unknown> = new Set([
  'AxAIServiceNetworkError',
  'AxAIServiceTimeoutError',
  'AxAIServiceStreamTerminatedError',
]);
const FINAL_NAMES: ReadonlySet<unknown> = new Set(['AxAIServiceAbortedError', 'AbortError']);

/** What Node and undici call a connection that failed. */
const NETWORK_CODES: ReadonlySet<unknown> = new Set([
  'ECONNRESET',
  'ECONNREFUSED',
  'ECONNABORTED',
  'ENOTFOUND',
  'EAI_AGAIN',
  'ENETUNREACH',
  'ENETDOWN',
  'EHOSTUNREACH',
  'EPIPE',
  'ETIMEDOUT',
  'UND_ERR_CONNECT_TIMEOUT',
  'UND_ERR_HEADERS_TIMEOUT',
  'UND_ERR_BODY_TIMEOUT',
  'UND_ERR_SOCKET',
]);

interface ErrorLike {
  readonly name?: unknown;
  readonly code?: unknown;
  readonly status?: unknown;
  readonly cause?: unknown;
}

/**
 * Whether another attempt may succeed: the network failed, the provider was busy (408, 425, 429) or
 * broken (5xx). Wrong inputs, answers that stay invalid, refused requests and aborts will not change.
 */
export function isRetryable(error: unknown): boolean {
  try {
    return mayPass(error);
  } catch {
    // What refuses to be looked at is no failure of a network.
    return false;
  }
}

function mayPass(error: unknown): boolean {
  let cause = error;
  for (let depth = 0; depth < MAX_CAUSES; depth++) {
    if (typeof cause !== 'object' || cause === null) return false;
    const { name, code, status } = cause as ErrorLike;
    if (FINAL_NAMES.has(name)) return false;
    if (typeof status === 'number') {
      return status >= 500 || status === 429 || status === 408 || status === 425;
    }
    if (RETRYABLE_NAMES.has(name) || NETWORK_CODES.has(code)) return true;
    cause = (cause as ErrorLike).cause;
  }
  return false;
}

/**
 * Milliseconds before attempt number `attempt + 1`: doubled each time, with jitter, so that a batch
 * does not come back as one.
 */
export function retryDelay(attempt: number): number {
  const ceiling = Math.min(MAX_DELAY_MS, BASE_DELAY_MS * 2 ** (attempt - 1));
  return ceiling / 2 + (random() * ceiling) / 2;
}

/** Waits, unless the signal is aborted first; then rejects with its reason. */
export async function waitBeforeRetry(milliseconds: number, signal: AbortSignal): Promise<void> {
  await sleep(milliseconds, undefined, { signal }).catch(() => {
    throw signal.reason;
  });
}

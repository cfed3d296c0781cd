import { warnOnce } from '../log.js';
import type { Alert, AlertSink } from './alert.js';

/** Writes alerts to a logger. Default: `console`. */
export function logSink(logger: { warn(message: string): void } = console): AlertSink {
  return ({ message, traceId, suppressed }) =>
    logger.warn(
      `[mlflow-dspy] ${message}; trace ${traceId}${suppressed > 0 ? `; ${suppressed} more like it` : ''}`,
    );
}

export interface WebhookOptions {
  /** Such as `{ authorization: 'Bearer …' }`. */
  readonly headers?: Readonly<Record<string, string>> | undefined;
  /** Milliseconds for one attempt. Default 5 000. */
  readonly timeoutMs?: number | undefined;
  /** Attempts in all; 408, 429, 5xx and no answer are tried again. Default 3. */
  readonly attempts?: number | undefined;
}

const DEFAULT_TIMEOUT_MS = 5000;
const DEFAULT_ATTEMPTS = 3;
const FIRST_PAUSE_MS = 500;

/**
 * Posts alerts as JSON: the fields of {@link Alert}, and its message as `text` too, which chat services
 * show. What fails for good is reported once; a URL that is none is reported at once and posts nothing.
 */
export function webhookSink(url: string, options: WebhookOptions = {}): AlertSink {
  if (!isHttpUrl(url)) {
    // The URL of a webhook is most often a secret.
    warnOnce('webhookSink: the URL is not an http(s) URL; no alert is posted.');
    return () => undefined;
  }
  return (alert) => post(url, alert, options);
}

function isHttpUrl(url: unknown): boolean {
  try {
    return /^https?:$/.test(new URL(url as string).protocol);
  } catch {
    return false;
  }
}

async function post(url: string, alert: Alert, options: WebhookOptions): Promise<void> {
  const { headers, timeoutMs = DEFAULT_TIMEOUT_MS, attempts = DEFAULT_ATTEMPTS } = options;
  const body = JSON.stringify({ ...alert, text: alert.message });
  for (let attempt = 1; ; attempt++) {
    const reason = await fetch(url, {
      method: 'POST',
      headers: { 'content-type': 'application/json', ...headers },
      body,
      signal: AbortSignal.timeout(timeoutMs),
    }).then(
      async (response: Response) => {
        await response.body?.cancel();
        return response.ok ? undefined : response.status;
      },
      (error: Error) => error,
    );
    if (reason === undefined) return;
    if (attempt >= attempts || !mayRetry(reason)) {
      const why =
        typeof reason === 'number' ? `it answered ${reason}` : `no answer (${reason.name})`;
      throw new Error(`the webhook at ${new URL(url).host} did not take an alert: ${why}`);
    }
    await new Promise((resolve) => setTimeout(resolve, FIRST_PAUSE_MS * 2 ** (attempt - 1)));
  }
}

const mayRetry = (reason: number | Error): boolean =>
  typeof reason !== 'number' || reason === 408 || reason === 429 || reason >= 500;

import { request as httpRequest, type RequestOptions } from 'node:http';
import { request as httpsRequest } from 'node:https';
import { setTimeout as sleep } from 'node:timers/promises';
import { warnOnce } from '../log.js';
import type { Alert, AlertSink } from './alert.js';
import {
  readWebhookOptions,
  type WebhookOptions,
  type WebhookSettings,
} from './webhook-options.js';

export type { WebhookOptions } from './webhook-options.js';

/** Writes alerts to a logger. Default: `console`. */
export function logSink(logger: { warn(message: string): void } = console): AlertSink {
  return ({ message, traceId, suppressed }) =>
    logger.warn(
      `[mlflow-dspy] ${message}; trace ${traceId}${suppressed > 0 ? `; ${suppressed} more like it` : ''}`,
    );
}

const FIRST_PAUSE_MS = 500;

/**
 * Posts alerts as JSON: the fields of {@link Alert}, and its message as `text` too, which chat services
 * show. What fails for good is reported once; a URL that is none is reported at once and posts nothing,
 * and so is an option that cannot be used, whose default holds.
 */
export function webhookSink(url: string, options: WebhookOptions = {}): AlertSink {
  const target = toHttpUrl(url);
  if (target === undefined) {
    // The URL of a webhook is most often a secret.
    warnOnce('webhookSink: the URL is not an http(s) URL; no alert is posted.');
    return () => undefined;
  }
  const settings = readWebhookOptions(options);
  return (alert) => deliver(target, alert, settings);
}

function toHttpUrl(url: string): URL | undefined {
  const parsed = typeof url === 'string' && URL.canParse(url) ? new URL(url) : undefined;
  return parsed !== undefined && /^https?:$/.test(parsed.protocol) ? parsed : undefined;
}

async function deliver(
  url: URL,
  alert: Alert,
  { headers, timeoutMs, attempts }: WebhookSettings,
): Promise<void> {
  const body = JSON.stringify({ ...alert, text: alert.message });
  const request: RequestOptions = {
    method: 'POST',
    headers: {
      'content-type': 'application/json',
      'content-length': Buffer.byteLength(body),
      ...headers,
    },
  };
  for (let attempt = 1; ; attempt++) {
    const signal = AbortSignal.timeout(Math.ceil(timeoutMs));
    const outcome = await post(url, { ...request, signal }, body).catch(
      (error: NodeJS.ErrnoException) => error,
    );
    if (typeof outcome === 'number' && outcome >= 200 && outcome < 300) return;
    if (attempt >= attempts || !mayRetry(outcome)) {
      const why =
        typeof outcome === 'number'
          ? `it answered ${outcome}`
          : `no answer (${signal.aborted ? `within ${timeoutMs} ms` : outcome.code})`;
      throw new Error(`the webhook at ${url.host} did not take an alert: ${why}`);
    }
    await sleep(FIRST_PAUSE_MS * 2 ** (attempt - 1), undefined, { ref: false });
  }
}

/**
 * The status of the answer. Not `fetch`: an alert under way must not keep a program alive that has
 * nothing else to do; `flush()`, and the end of the process within its limit, wait for it.
 */
function post(url: URL, options: RequestOptions, body: string): Promise<number> {
  return new Promise((resolve, reject) => {
    const send = url.protocol === 'https:' ? httpsRequest : httpRequest;
    const request = send(url, options, (response) => {
      response.resume();
      resolve(response.statusCode ?? 0);
    });
    request.on('socket', (socket) => socket.unref());
    request.on('error', reject);
    request.end(body);
  });
}

const mayRetry = (outcome: number | Error): boolean =>
  typeof outcome !== 'number' || outcome === 408 || outcome === 429 || outcome >= 500;

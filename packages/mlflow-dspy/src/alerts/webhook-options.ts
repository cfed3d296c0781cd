import { validateHeaderName, validateHeaderValue } from 'node:http';
import { warnOnce } from '../log.js';
import { entriesOf } from './entries.js';

export interface WebhookOptions {
  /** Such as `{ authorization: 'Bearer …' }`. */
  readonly headers?: Readonly<Record<string, string>> | undefined;
  /** Milliseconds for one attempt, at most those of a day. Default 5 000. */
  readonly timeoutMs?: number | undefined;
  /** Attempts in all, at most 10; 408, 429, 5xx and no answer are tried again. Default 3. */
  readonly attempts?: number | undefined;
}

/** The options, checked and with their defaults. */
export interface WebhookSettings {
  headers: Record<string, string>;
  timeoutMs: number;
  attempts: number;
}

/** Node's timers fire at once when they are set to more than 24 days. */
const LONGEST_MS = 24 * 60 * 60 * 1000;
/** The pauses between attempts double: nine of them are four minutes. */
const MOST_ATTEMPTS = 10;

/** They are those of the body. */
const FRAMING = /^(content-length|transfer-encoding)$/i;

const OWNER = 'webhookSink: the options';

/** Never throws. What cannot be used is reported once, and its default holds. */
export function readWebhookOptions(options: WebhookOptions): WebhookSettings {
  const settings: WebhookSettings = { headers: {}, timeoutMs: 5000, attempts: 3 };
  for (const [name, value] of entriesOf(OWNER, options)) {
    if (name === 'headers') settings.headers = readHeaders(value);
    else if (name === 'timeoutMs') {
      if (isNumber(value) && value > 0 && value <= LONGEST_MS) settings.timeoutMs = value;
      else refuse(`timeoutMs is not a number above 0 and at most ${LONGEST_MS}; 5000 is used`);
    } else if (name === 'attempts') {
      if (isNumber(value) && Number.isInteger(value) && value > 0 && value <= MOST_ATTEMPTS) {
        settings.attempts = value;
      } else refuse(`attempts is not a whole number from 1 to ${MOST_ATTEMPTS}; 3 is used`);
    } else {
      refuse(`unknown option ${name}; it has no effect. Known: headers, timeoutMs, attempts`);
    }
  }
  return settings;
}

/** The values are most often secrets and are not shown. */
function readHeaders(headers: unknown): Record<string, string> {
  const usable: Record<string, string> = {};
  if (!isPlain(headers)) {
    refuse('headers is not an object of texts; it has no effect');
    return usable;
  }
  for (const [name, value] of entriesOf('webhookSink: the headers', headers)) {
    if (typeof value === 'string' && isHeader(name, value)) usable[name] = value;
    else refuse(`the header ${JSON.stringify(name)} cannot be sent; it is left out`);
  }
  return usable;
}

function isHeader(name: string, value: string): boolean {
  if (FRAMING.test(name)) return false;
  try {
    validateHeaderName(name);
    validateHeaderValue(name, value);
    return true;
  } catch {
    return false;
  }
}

/** A `Map` or `Headers` has no entries of its own, and would pass for empty. */
function isPlain(value: unknown): value is object {
  if (typeof value !== 'object' || value === null) return false;
  try {
    return Object.prototype.toString.call(value) === '[object Object]';
  } catch {
    return false;
  }
}

const isNumber = (value: unknown): value is number => typeof value === 'number';

const refuse = (complaint: string): void => warnOnce(`webhookSink: ${complaint}.`);

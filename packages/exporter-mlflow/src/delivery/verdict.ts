import { describe } from '../diagnostics.js';
import { ConnectionError, INVALID_REQUEST, type ServerResponse } from '../server/connection.js';
import { MlflowApiError } from '../server/errors.js';
import { ExperimentError } from '../server/experiments.js';
import { describeAnswer } from '../server/rest.js';
import type { DropReason } from '../types.js';
import type { PartialSuccess } from './partial-success.js';

/** What a try at delivery means for what was sent. */
export type Verdict =
  | { kind: 'sent'; partial?: PartialSuccess }
  /** The server cannot take anything just now. */
  | {
      kind: 'retry';
      state: ServerTrouble;
      reason: DropReason;
      detail: string;
      retryAfterMs?: number;
      uncertain: boolean;
    }
  /** A 500: the server is broken, or this content breaks it. */
  | { kind: 'failing'; detail: string }
  /** The content is refused; somebody else's in the same request may be why. */
  | { kind: 'refused'; detail: string }
  | { kind: 'too_large'; detail: string }
  /** The server has no place for spans (`/v1/traces` answers 404, 405 or 501). */
  | { kind: 'unsupported'; detail: string }
  /** No experiment of that id: it was removed since it was looked up. */
  | { kind: 'no_experiment'; detail: string }
  /** No retry helps. */
  | { kind: 'hopeless'; reason: DropReason; detail: string };

/** States of a server that are told to the user once. */
export type ServerTrouble =
  | 'unreachable'
  | 'throttled'
  | 'unavailable'
  | 'failing'
  | 'unauthorized'
  | 'forbidden'
  | 'misdirected';

export const SENT: Verdict = { kind: 'sent' };

/** Postgres and SQLite under concurrent writers; MLflow answers these with 400 or 500, and a repeat succeeds. */
const CONFLICT =
  /already exists|unique ?(violation|constraint)|duplicate key|IntegrityError|deadlock|database is locked|could not serialize/i;

/** No byte of the request can have reached the server. */
const NOT_SENT = new Set([
  'ECONNREFUSED',
  'ENOTFOUND',
  'EAI_AGAIN',
  'EHOSTUNREACH',
  'ENETUNREACH',
  'UND_ERR_CONNECT_TIMEOUT',
  'ERR_TOKEN',
  'ERR_CLOSED',
]);

/** Of an answer to `POST /v1/traces`. */
export function verdictOfResponse(response: ServerResponse): Verdict {
  const { status, headers } = response;
  if (status >= 200 && status < 300) {
    // A sign-in page, say. Any other body counts as success: some versions label it wrongly.
    return headers['content-type']?.startsWith('text/html')
      ? notMlflow(`${status} with a page`)
      : SENT;
  }
  const { errorCode, reason } = describeAnswer(response);
  if (hasNoEndpoint(status) && !isUnknownExperiment(errorCode, reason)) {
    return { kind: 'unsupported', detail: `${status}: ${reason}` };
  }
  return verdictOfStatus(status, errorCode, reason, headers['retry-after']);
}

/** Of what a call of MLflow's REST API threw. */
export function verdictOfError(error: unknown): Verdict {
  if (error instanceof MlflowApiError) {
    const { status, errorCode, reason, retryAfter } = error;
    if (status < 300 || (isMissingEndpoint(error) && !errorCode)) {
      return notMlflow(`${status} at ${error.endpoint}: ${reason}`);
    }
    return verdictOfStatus(status, errorCode, reason, retryAfter);
  }
  if (error instanceof ExperimentError) {
    return { kind: 'hopeless', reason: 'not_allowed', detail: error.message };
  }
  if (error instanceof ConnectionError) {
    if (error.code === INVALID_REQUEST) return { kind: 'refused', detail: error.message };
    return {
      kind: 'retry',
      state: error.code === 'ERR_TOKEN' ? 'unauthorized' : 'unreachable',
      reason: 'retries_exhausted',
      detail: error.message,
      uncertain: !NOT_SENT.has(error.code ?? ''),
    };
  }
  return { kind: 'refused', detail: describe(error) };
}

/** The server does not have the endpoint (older, or of another kind). */
export function isMissingEndpoint(error: unknown): boolean {
  return (
    error instanceof MlflowApiError &&
    hasNoEndpoint(error.status) &&
    error.errorCode !== 'RESOURCE_DOES_NOT_EXIST'
  );
}

function hasNoEndpoint(status: number): boolean {
  return status === 404 || status === 405 || status === 501;
}

function isUnknownExperiment(errorCode: string | undefined, reason: string): boolean {
  return errorCode === 'RESOURCE_DOES_NOT_EXIST' && /experiment/i.test(reason);
}

function notMlflow(what: string): Verdict {
  return {
    kind: 'retry',
    state: 'misdirected',
    reason: 'misconfigured',
    detail: what,
    uncertain: false,
  };
}

function verdictOfStatus(
  status: number,
  errorCode: string | undefined,
  reason: string,
  retryAfter: string | undefined,
): Verdict {
  const detail = `${status}${errorCode ? ` ${errorCode}` : ''}: ${reason}`;
  const retryAfterMs = parseRetryAfter(retryAfter, Date.now());
  const retry = (state: ServerTrouble, dropReason: DropReason, uncertain: boolean): Verdict => ({
    kind: 'retry',
    state,
    reason: dropReason,
    detail,
    uncertain,
    ...(retryAfterMs === undefined ? {} : { retryAfterMs }),
  });
  if (status >= 300 && status < 400) return retry('misdirected', 'misconfigured', false);
  switch (status) {
    case 401:
      return retry('unauthorized', 'not_allowed', false);
    case 403:
      return retry('forbidden', 'not_allowed', false);
    case 404:
      return isUnknownExperiment(errorCode, reason)
        ? { kind: 'no_experiment', detail }
        : { kind: 'refused', detail };
    case 408:
    case 425:
    case 429:
      return retry('throttled', 'retries_exhausted', false);
    case 413:
      return { kind: 'too_large', detail };
    case 500:
      return CONFLICT.test(reason)
        ? retry('failing', 'retries_exhausted', true)
        : { kind: 'failing', detail };
    default:
      if (status >= 500) return retry('unavailable', 'retries_exhausted', true);
      return CONFLICT.test(reason)
        ? retry('failing', 'retries_exhausted', true)
        : { kind: 'refused', detail };
  }
}

/** Milliseconds from now, of both forms of the header (RFC 9110 §10.2.3). */
export function parseRetryAfter(header: string | undefined, now: number): number | undefined {
  const text = header?.trim();
  if (!text) return undefined;
  if (/^\d+(\.\d+)?$/.test(text)) return Number(text) * 1000;
  // Without a name of a month it is no HTTP date, though `Date.parse` may take it.
  const date = /[a-z]/i.test(text) ? Date.parse(text) : Number.NaN;
  return Number.isNaN(date) ? undefined : Math.max(0, date - now);
}

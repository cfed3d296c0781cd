import { hideSecrets } from './address.js';
import type { Connection, ServerRequest, ServerResponse } from './connection.js';
import { MlflowApiError, MlflowConfigError } from './errors.js';

const MAX_REASON = 500;

/**
 * Sends a request and reads its JSON answer. Rejects with {@link MlflowApiError} for any status but 2xx.
 *
 * @param prepare rewrites the text before it is parsed
 */
export async function call<T>(
  connection: Connection,
  request: ServerRequest,
  prepare?: (json: string) => string,
): Promise<T> {
  const response = await connection.send(request);
  if (response.status < 200 || response.status > 299) throw apiError(request, response);
  if (response.truncated) {
    throw new MlflowApiError(
      response.status,
      endpointOf(request),
      'ANSWER_TOO_LARGE',
      'the answer is larger than this client reads',
    );
  }
  if (response.text === '') return {} as T;
  let answer: unknown;
  try {
    answer = JSON.parse(prepare ? prepare(response.text) : response.text);
  } catch {
    throw notOfMlflow(request, response.status, 'is not JSON', response.text);
  }
  if (typeof answer === 'object' && answer !== null && !Array.isArray(answer)) return answer as T;
  throw notOfMlflow(request, response.status, 'is no JSON object', response.text);
}

/** Reads what an answer holds; one that lacks what is read rejects as one that is no JSON does. */
export function reading<T>(request: ServerRequest, read: () => T): T {
  try {
    return read();
  } catch {
    // What stands there may be a trace's content, and is not for a message.
    throw notOfMlflow(request, 200, 'has not the form of one', '');
  }
}

/** A part of a path. An empty one, or one of dots, would be another place: the address is normalised on its way. */
export function pathPart(what: string, text: string): string {
  if (text !== '' && text !== '.' && text !== '..') return encodeURIComponent(text);
  throw new MlflowConfigError(`${what} cannot be, or hold as a part, ${JSON.stringify(text)}`);
}

/**
 * {@link call} for one part of the answer, without which nothing of it can be read: an answer that lacks it
 * rejects as one that is no JSON does, since somebody else answers at the address.
 */
export async function callFor<T extends object | string>(
  connection: Connection,
  request: ServerRequest,
  name: string,
): Promise<T> {
  const answer = await call<Record<string, T>>(connection, request);
  const part = answer[name];
  if (part !== undefined && part !== null) return part;
  throw notOfMlflow(request, 200, `has no ${JSON.stringify(name)}`, JSON.stringify(answer));
}

function notOfMlflow(
  request: ServerRequest,
  status: number,
  problem: string,
  text: string,
): MlflowApiError {
  return new MlflowApiError(
    status,
    endpointOf(request),
    'ANSWER_NOT_JSON',
    `the answer ${problem}; is this an MLflow server?${text && ` It begins ${JSON.stringify(text.slice(0, 80))}`}`,
  );
}

/** The error that an answer other than 2xx stands for. */
export function apiError(request: ServerRequest, response: ServerResponse): MlflowApiError {
  const { errorCode, reason } = describeAnswer(response);
  return new MlflowApiError(
    response.status,
    endpointOf(request),
    errorCode,
    reason,
    response.headers['retry-after'],
  );
}

/** Method and path, without query. */
export function endpointOf({ method, path }: ServerRequest): string {
  return `${method} ${path}`;
}

/** MLflow's error code and text from an answer: its JSON, FastAPI's `detail`, or the start of a page's text. */
export function describeAnswer({ status, headers, text }: ServerResponse): {
  errorCode?: string;
  reason: string;
} {
  if (status >= 300 && status < 400) {
    // Redirects to a sign-in page carry tokens.
    const target = headers.location ? ` to ${clip(hideSecrets(headers.location))}` : '';
    return { reason: `redirects${target}; set the tracking URI to the address it redirects to` };
  }
  const json = parseObject(text);
  if (json) {
    const errorCode = typeof json.error_code === 'string' ? json.error_code : undefined;
    const message = json.message ?? json.detail ?? json.error;
    const reason = clip(typeof message === 'string' ? message : JSON.stringify(message ?? json));
    return errorCode ? { errorCode, reason } : { reason };
  }
  const title = /<title[^>]*>([^<]*)<\/title>/i.exec(text)?.[1];
  const plain =
    title ?? text.replace(/<(script|style)[\s\S]*?<\/\1>/gi, ' ').replace(/<[^>]*>/g, ' ');
  return { reason: clip(plain) || hintFor(status) };
}

function hintFor(status: number): string {
  return status === 401 ? 'unauthorized' : 'no reason given';
}

function parseObject(text: string): Record<string, unknown> | undefined {
  try {
    const value: unknown = JSON.parse(text);
    return typeof value === 'object' && value !== null && !Array.isArray(value)
      ? (value as Record<string, unknown>)
      : undefined;
  } catch {
    return undefined;
  }
}

function clip(text: string): string {
  const line = text.replace(/\s+/g, ' ').trim();
  return line.length > MAX_REASON ? `${line.slice(0, MAX_REASON)}…` : line;
}

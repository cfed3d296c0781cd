import { validateHeaderName, validateHeaderValue } from 'node:http';
import { type Dispatcher, EnvHttpProxyAgent, request as undiciRequest } from 'undici';
import { withoutTracing } from '../suppress-tracing.js';
import {
  createAuthenticator,
  readCredentialsFile,
  resolveCredentials,
  TokenError,
} from './auth.js';
import {
  type Connection,
  ConnectionError,
  INVALID_REQUEST,
  type ServerRequest,
  type ServerResponse,
} from './connection.js';
import { connectionFailure } from './failure.js';
import { withoutOwnCredentials } from './own-credentials.js';
import type { ConnectionSettings } from './settings.js';

/** A bigger answer is cut; only reading a huge trace comes near. */
const MAX_ANSWER_BYTES = 128 * 1024 * 1024;
/** An error page is for a message, not for keeping. */
const MAX_ERROR_BYTES = 64 * 1024;
/** MLflow's server closes an idle socket after 5 s; giving it up earlier avoids most races. */
const KEEP_ALIVE_MS = 4_000;
const CONNECT_TIMEOUT_MS = 10_000;
/** For answers that are on their way when the connection is closed. */
const CLOSE_MS = 1_000;
/**
 * Requests at one time; others wait here. MLflow on SQLite stops answering for 30 s and more when some
 * 30 writing requests come at once (3.8 to 3.17), and more than 4 bring no throughput on any database.
 */
const MAX_SOCKETS = 4;
/** Reasons of our own abort signal. */
const TIMED_OUT = new Error('timed out');
const ABORTED = new Error('aborted');
const CLOSED = new Error('closed');
const RESET_CODES = new Set(['ECONNRESET', 'EPIPE', 'UND_ERR_SOCKET']);
/** What undici says of a request that it does not make. */
const INVALID_CODES = new Set(['UND_ERR_INVALID_ARG', 'UND_ERR_NOT_SUPPORTED']);

/** Opens no socket until the first request. Proxies come from `HTTP_PROXY`, `HTTPS_PROXY` and `NO_PROXY`. */
export function createConnection(settings: ConnectionSettings): Connection {
  return new HttpConnection(settings);
}

class HttpConnection implements Connection {
  readonly address: string;
  readonly #settings: ConnectionSettings;
  readonly #auth;
  /** Made at the first request, so that a proxy or certificate it refuses is that request's error. */
  #agent: Dispatcher | undefined;
  /** A socket may be kept from an earlier request. */
  #answered = false;
  #closed = false;
  readonly #open = new Set<{ abort: AbortController; done: Promise<unknown> }>();

  constructor(settings: ConnectionSettings) {
    this.address = settings.baseUrl;
    this.#settings = settings;
    this.#auth = createAuthenticator(settings.credentials, () =>
      resolveCredentials(settings.credentialOptions, process.env, readCredentialsFile()),
    );
  }

  send(request: ServerRequest): Promise<ServerResponse> {
    const abort = new AbortController();
    const done = withoutTracing(() => this.#send(request, abort));
    const open = { abort, done };
    this.#open.add(open);
    const forget = () => this.#open.delete(open);
    void done.then(forget, forget);
    return done;
  }

  async close(): Promise<void> {
    this.#closed = true;
    // Not by `agent.close()`: it waits for ever where a request gets no answer.
    const timer = setTimeout(() => {
      for (const { abort } of this.#open) abort.abort(CLOSED);
    }, CLOSE_MS);
    await Promise.allSettled([...this.#open].map(({ done }) => done));
    clearTimeout(timer);
    this.#agent?.destroy().catch(() => undefined);
    this.#agent = undefined;
  }

  /** @param abort by hand: `AbortSignal.any` and `.timeout` stay behind for as long as the longest-lived signal */
  async #send(request: ServerRequest, abort: AbortController): Promise<ServerResponse> {
    if (this.#closed) throw new ConnectionError('the connection is closed', 'ERR_CLOSED');
    const ms = request.timeoutMs ?? this.#settings.requestTimeoutMs;
    const onAbort = () => abort.abort(ABORTED);
    const timer = setTimeout(() => abort.abort(TIMED_OUT), ms).unref();
    request.signal?.addEventListener('abort', onAbort, { once: true });
    if (request.signal?.aborted) onAbort();
    try {
      const authorization = await untilAborted(this.#auth.authorization(), abort.signal);
      const response = await this.#attempt(request, authorization, abort.signal);
      if (response.status !== 401) return response;
      const renewed = await untilAborted(this.#auth.renewed(authorization), abort.signal);
      return renewed === undefined ? response : await this.#attempt(request, renewed, abort.signal);
    } catch (error) {
      throw this.#explain(error, abort.signal.reason, ms);
    } finally {
      clearTimeout(timer);
      request.signal?.removeEventListener('abort', onAbort);
    }
  }

  async #attempt(
    request: ServerRequest,
    authorization: string | undefined,
    signal: AbortSignal,
  ): Promise<ServerResponse> {
    const keepAlive = this.#keepsAlive(request);
    const answer = await this.#begin(request, authorization, signal, keepAlive);
    const { rawAnswerBytes } = request;
    const isError = answer.statusCode >= 400;
    const limit = isError ? MAX_ERROR_BYTES : (rawAnswerBytes ?? MAX_ANSWER_BYTES);
    const { bytes, truncated } = await untilAborted(readBody(answer.body, limit), signal);
    const received = bytes.toString('utf8');
    const text = isError
      ? withoutOwnCredentials(received, authorization, this.#settings.headers)
      : received;
    if (keepAlive) this.#answered = true;
    const response: ServerResponse = {
      status: answer.statusCode,
      headers: flatten(answer.headers),
      text,
    };
    if (rawAnswerBytes !== undefined && !isError) response.bytes = bytes;
    if (truncated) response.truncated = true;
    return response;
  }

  /**
   * Until the answer begins; once more at once where a kept socket had been closed by the server before
   * it saw the request.
   */
  async #begin(
    request: ServerRequest,
    authorization: string | undefined,
    signal: AbortSignal,
    keepAlive: boolean,
  ): Promise<Dispatcher.ResponseData> {
    const mayBeReused = keepAlive && this.#answered;
    const { body, headers } = this.#encode(request, authorization);
    checkHeaders(headers);
    this.#agent ??= createAgent(this.#settings);
    const agent = this.#agent;
    const options = {
      dispatcher: agent,
      method: request.method,
      headers,
      body: body ?? null,
      signal,
      // The signal is the one limit; undici's own would cut a long request short.
      headersTimeout: 0,
      bodyTimeout: 0,
    };
    const url = joinUrl(this.address, request);
    try {
      // Not by the signal alone: a request that undici keeps in its queue may never hear of it.
      return await untilAborted(undiciRequest(url, { ...options, reset: !keepAlive }), signal);
    } catch (error) {
      if (isInvalid(error)) {
        // It costs the agent a place of its `connections` for good; the next request gets a new one.
        if (this.#agent === agent) this.#agent = undefined;
        agent.close().catch(() => undefined);
        throw invalidRequest(error.message, error);
      }
      if (!mayBeReused || signal.aborted || !isReset(error)) throw error;
      // The other kept sockets were closed at the same time, most likely: none of them.
      const fresh = createAgent(this.#settings);
      const answer = undiciRequest(url, { ...options, dispatcher: fresh, reset: true });
      answer.finally(() => fresh.close()).catch(() => undefined);
      return await untilAborted(answer, signal);
    }
  }

  #encode(
    request: ServerRequest,
    authorization: string | undefined,
  ): { body: Uint8Array | string | undefined; headers: Record<string, string> } {
    const { body, contentType } = encodeBody(request.body);
    // Nothing here unpacks, and gateways compress where no wish is told.
    const headers: Record<string, string> = {
      'accept-encoding': 'identity',
      ...this.#settings.headers,
    };
    if (contentType) headers['content-type'] = contentType;
    if (authorization) headers.authorization = authorization;
    if (this.#settings.workspace) headers['x-mlflow-workspace'] = this.#settings.workspace;
    for (const [name, value] of Object.entries(request.headers ?? {})) {
      headers[name.toLowerCase()] = value;
    }
    return { body, headers };
  }

  /**
   * On plain http MLflow's JSON answers come 40 ms later over a kept socket (two small writes and the
   * delayed acknowledgment between them); spans are answered without a body and are not affected.
   */
  #keepsAlive(request: ServerRequest): boolean {
    if (request.freshConnection) return false;
    return this.address.startsWith('https:') || request.path === '/v1/traces';
  }

  #explain(error: unknown, reason: unknown, ms: number): ConnectionError {
    if (error instanceof ConnectionError) return error;
    if (reason === TIMED_OUT) {
      const message = `no answer from MLflow at ${this.address} within ${ms} ms (requestTimeoutMs)`;
      return new ConnectionError(message, 'ETIMEDOUT', { cause: error });
    }
    if (reason === ABORTED) {
      const message = 'the request was aborted by the caller';
      return new ConnectionError(message, 'ABORT_ERR', { cause: error });
    }
    if (reason === CLOSED) {
      const message = `no answer from MLflow at ${this.address} before the connection was closed`;
      return new ConnectionError(message, 'ABORT_ERR', { cause: error });
    }
    if (error instanceof TokenError) {
      return new ConnectionError(error.message, 'ERR_TOKEN', { cause: error });
    }
    return connectionFailure(this.address, error);
  }
}

/** undici would refuse them, too, without the name of all that it refuses. */
function checkHeaders(headers: Readonly<Record<string, string>>): void {
  for (const [name, value] of Object.entries(headers)) {
    try {
      validateHeaderName(name);
      validateHeaderValue(name, value);
    } catch (error) {
      throw invalidRequest(`the header ${JSON.stringify(name)} has no valid name or value`, error);
    }
  }
}

/** A request that cannot be made, whatever the server is. The value stays out of it: it may be a credential. */
function invalidRequest(what: string, cause: unknown): ConnectionError {
  return new ConnectionError(`the request was not sent: ${what}`, INVALID_REQUEST, { cause });
}

function isInvalid(error: unknown): error is Error {
  return error instanceof Error && INVALID_CODES.has((error as NodeJS.ErrnoException).code ?? '');
}

/** A token function of the program may take for ever. */
function untilAborted<T>(work: Promise<T>, signal: AbortSignal): Promise<T> {
  return new Promise<T>((resolve, reject) => {
    const onAbort = () => reject(signal.reason);
    if (signal.aborted) onAbort();
    signal.addEventListener('abort', onAbort, { once: true });
    work.then(resolve, reject).finally(() => signal.removeEventListener('abort', onAbort));
  });
}

function createAgent({ tls, proxy = '' }: ConnectionSettings): Dispatcher {
  const secure = {
    rejectUnauthorized: tls.rejectUnauthorized,
    ...(tls.ca === undefined ? {} : { ca: tls.ca }),
    ...(tls.cert === undefined ? {} : { cert: tls.cert }),
    ...(tls.key === undefined ? {} : { key: tls.key }),
  };
  return new EnvHttpProxyAgent({
    // Chosen when the settings were read: the agent would fail at a variable for other addresses.
    httpProxy: proxy,
    httpsProxy: proxy,
    noProxy: '',
    keepAliveTimeout: KEEP_ALIVE_MS,
    keepAliveMaxTimeout: KEEP_ALIVE_MS,
    connections: MAX_SOCKETS,
    connect: { ...secure, timeout: CONNECT_TIMEOUT_MS },
    requestTls: secure,
    // Plain http goes through a proxy as an absolute URI, as everywhere else; CONNECT to a port other
    // than 443 is what proxies refuse.
    proxyTunnel: false,
  });
}

/** By string: `new URL(path, base)` would lose the path of a server below `/mlflow`. */
function joinUrl(base: string, { path, query }: ServerRequest): string {
  const parameters = new URLSearchParams();
  for (const [name, value] of Object.entries(query ?? {})) {
    for (const one of Array.isArray(value) ? value : [value]) {
      if (one !== undefined) parameters.append(name, String(one));
    }
  }
  const search = parameters.toString();
  return `${base}${path}${search && `?${search}`}`;
}

function encodeBody(body: ServerRequest['body']): {
  body?: Uint8Array | string;
  contentType?: string;
} {
  if (body === undefined) return {};
  if (typeof body === 'string' || body instanceof Uint8Array) return { body };
  return { body: JSON.stringify(body), contentType: 'application/json' };
}

async function readBody(
  body: AsyncIterable<Uint8Array>,
  limit: number,
): Promise<{ bytes: Buffer; truncated: boolean }> {
  const chunks: Uint8Array[] = [];
  let size = 0;
  let truncated = false;
  for await (const chunk of body) {
    const room = limit - size;
    if (chunk.byteLength > room) {
      chunks.push(chunk.subarray(0, room));
      truncated = true;
      break;
    }
    chunks.push(chunk);
    size += chunk.byteLength;
  }
  return { bytes: Buffer.concat(chunks), truncated };
}

function flatten(headers: Record<string, string | string[] | undefined>): Record<string, string> {
  const flat: Record<string, string> = {};
  for (const [name, value] of Object.entries(headers)) {
    if (value !== undefined) flat[name] = Array.isArray(value) ? value.join(', ') : value;
  }
  return flat;
}

function isReset(error: unknown): boolean {
  return error instanceof Error && RESET_CODES.has((error as NodeJS.ErrnoException).code ?? '');
}

/** One request to the server; `path` is joined below the tracking URI, whose own path is kept. */
export interface ServerRequest {
  method: 'GET' | 'POST' | 'PUT' | 'PATCH' | 'DELETE';
  path: string;
  query?: Record<string, string | number | boolean | readonly string[] | undefined>;
  headers?: Record<string, string>;
  /** An object is sent as JSON. */
  body?: Uint8Array | string | object;
  /** Milliseconds for this one request. */
  timeoutMs?: number;
  signal?: AbortSignal;
  /** The answer is not text: so many bytes of it are read, and given as they came. */
  rawAnswerBytes?: number;
  /** Not over a kept socket: the request must not be repeated at once when the socket turns out closed. */
  freshConnection?: boolean;
}

/** Any answer of the server, whatever its status. Header names are lower case. */
export interface ServerResponse {
  status: number;
  headers: Record<string, string>;
  /** Body as text, capped. */
  text: string;
  /** Body as it came, capped; where `rawAnswerBytes` asks for it. */
  bytes?: Uint8Array;
  /** The body was longer than the cap. */
  truncated?: true;
}

/**
 * A connection to one MLflow server: address, authentication, TLS, proxy, keep-alive. It never
 * retries on status (delivery does) but repeats at once a request whose reused socket the server
 * had already closed. Rejects with {@link ConnectionError} when no answer came.
 */
export interface Connection {
  /** Tracking URI without user info, for messages. */
  readonly address: string;
  send(request: ServerRequest): Promise<ServerResponse>;
  close(): Promise<void>;
}

/** Code of a {@link ConnectionError} of a request that was never sent because no server could take it: a header with a line break, say. */
export const INVALID_REQUEST = 'ERR_INVALID_REQUEST';

/** No answer from the server: refused, reset, timed out, unresolvable, TLS. `code` is Node's error code where there is one. */
export class ConnectionError extends Error {
  override readonly name = 'ConnectionError';
  constructor(
    message: string,
    readonly code: string | undefined,
    options?: { cause?: unknown },
  ) {
    super(message, options);
  }
}

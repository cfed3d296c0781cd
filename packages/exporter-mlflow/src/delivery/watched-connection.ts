import {
  type Connection,
  ConnectionError,
  type ServerRequest,
  type ServerResponse,
} from '../server/connection.js';

export interface Traffic {
  requests: number;
  bytesSent: number;
}

export interface WatchedConnection extends Connection {
  /** Ends all requests under way, so that none keeps the process alive; `forGood`: and all to come. */
  interrupt(forGood: boolean): void;
  /** Since when, in milliseconds since the epoch, requests are under way and none has been answered. */
  readonly silentSince: number;
}

/** A connection that counts, and whose requests can be ended from outside. */
export function watchConnection(inner: Connection, traffic: Traffic): WatchedConnection {
  let abort = new AbortController();
  let underWay = 0;
  let silentSince = 0;
  return {
    address: inner.address,
    get silentSince() {
      return silentSince;
    },
    interrupt(forGood) {
      abort.abort();
      if (!forGood) abort = new AbortController();
    },
    async send(request: ServerRequest): Promise<ServerResponse> {
      traffic.requests++;
      traffic.bytesSent += sizeOf(request.body);
      const { signal } = abort;
      if (underWay++ === 0) silentSince = Date.now();
      try {
        const response = await inner.send({
          ...request,
          signal: request.signal ? AbortSignal.any([request.signal, signal]) : signal,
        });
        silentSince = Date.now();
        return response;
      } catch (error) {
        if (!signal.aborted) throw error;
        const message = `no answer from MLflow at ${inner.address} before the end of the process`;
        throw new ConnectionError(message, 'ABORT_ERR', { cause: error });
      } finally {
        underWay--;
      }
    },
    close: () => inner.close(),
  };
}

/** A JSON body is serialised later; next to spans it is small, and not counted. */
function sizeOf(body: ServerRequest['body']): number {
  if (typeof body === 'string') return body.length;
  return body instanceof Uint8Array ? body.byteLength : 0;
}

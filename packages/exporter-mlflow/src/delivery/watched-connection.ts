import type { Connection, ServerRequest, ServerResponse } from '../server/connection.js';

export interface Traffic {
  requests: number;
  bytesSent: number;
}

/** A connection that counts, and whose requests all end when the signal does. */
export function watchConnection(
  inner: Connection,
  traffic: Traffic,
  signal: AbortSignal,
): Connection {
  return {
    address: inner.address,
    send(request: ServerRequest): Promise<ServerResponse> {
      traffic.requests++;
      traffic.bytesSent += sizeOf(request.body);
      return inner.send({
        ...request,
        signal: request.signal ? AbortSignal.any([request.signal, signal]) : signal,
      });
    },
    close: () => inner.close(),
  };
}

/** A JSON body is serialised later; next to spans it is small, and not counted. */
function sizeOf(body: ServerRequest['body']): number {
  if (typeof body === 'string') return body.length;
  return body instanceof Uint8Array ? body.byteLength : 0;
}

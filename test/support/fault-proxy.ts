import { createServer, type IncomingMessage, request, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';

/** What happens to a request in place of being passed on and answered. */
export type Fault =
  /** The connection is reset before anything is passed on. */
  | 'reset'
  /** No answer, ever. */
  | 'hang'
  /** Passed on, and the answer cut off in its middle. */
  | 'reset mid-response'
  /** Passed on, and answered with 502 although the server took it. */
  | 'accepted, then 502'
  /** Passed on after a second. */
  | 'slow'
  | { status: number; headers?: Record<string, string>; body?: string };

export interface FaultProxy {
  readonly url: string;
  /** Asked for every request; `undefined` passes it on. */
  fault: (path: string) => Fault | undefined;
  /** Requests so far, faults included. */
  readonly count: number;
  close(): Promise<void>;
}

/** An HTTP proxy in front of one server, for faults on the way. */
export async function startFaultProxy(target: string): Promise<FaultProxy> {
  let count = 0;
  const server = createServer((req, res) => {
    count++;
    void handle(req, res).catch(() => res.destroy());
  });
  const proxy = {
    fault: (_path: string): Fault | undefined => undefined,
    get count() {
      return count;
    },
    url: '',
    close: () =>
      new Promise<void>((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };

  async function handle(req: IncomingMessage, res: ServerResponse): Promise<void> {
    const chunks: Buffer[] = [];
    for await (const chunk of req) chunks.push(chunk as Buffer);
    const body = Buffer.concat(chunks);
    const fault = proxy.fault(req.url as string);
    if (fault === 'hang') return;
    if (fault === 'reset') {
      res.socket?.resetAndDestroy();
      return;
    }
    if (typeof fault === 'object') {
      res.writeHead(fault.status, fault.headers).end(fault.body);
      return;
    }
    if (fault === 'slow') await sleep(1_000);
    const answer = await passOn(req, body);
    if (fault === 'accepted, then 502') {
      res.writeHead(502).end('<html><title>Bad Gateway</title></html>');
      return;
    }
    if (fault === 'reset mid-response') {
      res.writeHead(answer.status, { ...answer.headers, 'content-length': '1000' });
      res.write('{');
      setTimeout(() => res.socket?.resetAndDestroy(), 10);
      return;
    }
    res.writeHead(answer.status, answer.headers).end(answer.body);
  }

  function passOn(
    req: IncomingMessage,
    body: Buffer,
  ): Promise<{ status: number; headers: IncomingMessage['headers']; body: Buffer }> {
    return new Promise((resolve, reject) => {
      const headers = { ...req.headers, 'content-length': String(body.byteLength) };
      delete headers['transfer-encoding'];
      const onward = request(
        new URL(req.url as string, target),
        { method: req.method, headers },
        (answer) => {
          const parts: Buffer[] = [];
          answer.on('data', (part: Buffer) => parts.push(part));
          answer.on('error', reject);
          answer.on('end', () => {
            const { 'transfer-encoding': _, ...kept } = answer.headers;
            resolve({
              status: answer.statusCode as number,
              headers: kept,
              body: Buffer.concat(parts),
            });
          });
        },
      );
      onward.on('error', reject);
      onward.end(body);
    });
  }

  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  proxy.url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  return proxy;
}

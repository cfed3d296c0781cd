import { createServer, type IncomingMessage, request, type Server } from 'node:http';
import { type AddressInfo, connect } from 'node:net';

export interface TestProxy {
  url: string;
  /** `GET http://…` for plain requests, `CONNECT host:port` for tunnels. */
  seen: string[];
  /** `Proxy-Authorization` of each. */
  credentials: (string | undefined)[];
  close(): Promise<void>;
}

/** An HTTP proxy on loopback: absolute addresses and CONNECT. */
export async function startProxy(): Promise<TestProxy> {
  const seen: string[] = [];
  const credentials: (string | undefined)[] = [];
  const note = (req: IncomingMessage) => {
    seen.push(`${req.method} ${req.url}`);
    credentials.push(req.headers['proxy-authorization']);
  };
  const server = createServer((req, res) => {
    note(req);
    const { 'proxy-authorization': _, ...headers } = req.headers;
    const onward = request(req.url as string, { method: req.method, headers }, (answer) => {
      res.writeHead(answer.statusCode as number, answer.headers);
      answer.pipe(res);
    });
    onward.on('error', () => res.writeHead(502).end());
    req.pipe(onward);
  });
  server.on('connect', (req, socket, head) => {
    note(req);
    const [host, port] = (req.url as string).split(':');
    const onward = connect(Number(port), host, () => {
      socket.write('HTTP/1.1 200 Connection Established\r\n\r\n');
      onward.write(head);
      onward.pipe(socket).pipe(onward);
    });
    onward.on('error', () => socket.destroy());
    socket.on('error', () => onward.destroy());
  });
  return { url: await listen(server), seen, credentials, close: () => close(server) };
}

/** Listens on a free loopback port; returns the address. */
export function listen(server: Server, scheme = 'http'): Promise<string> {
  return new Promise((resolve) => {
    server.listen(0, '127.0.0.1', () => {
      resolve(`${scheme}://127.0.0.1:${(server.address() as AddressInfo).port}`);
    });
  });
}

export function close(server: Server): Promise<void> {
  return new Promise((resolve) => {
    server.close(() => resolve());
    server.closeAllConnections();
  });
}

import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import { createServer as createTlsServer, type ServerOptions as TlsOptions } from 'node:https';
import type { Socket } from 'node:net';
import { context, trace } from '@opentelemetry/api';
import { AsyncLocalStorageContextManager } from '@opentelemetry/context-async-hooks';
import { UndiciInstrumentation } from '@opentelemetry/instrumentation-undici';
import {
  BasicTracerProvider,
  InMemorySpanExporter,
  SimpleSpanProcessor,
} from '@opentelemetry/sdk-trace-base';
import { afterAll, afterEach, beforeAll, describe, expect, it, vi } from 'vitest';
import {
  type Connection,
  ConnectionError,
  type ServerRequest,
} from '../../src/server/connection.js';
import { connectionFailure } from '../../src/server/failure.js';
import type { ServerOptions } from '../../src/server/settings.js';
import { connectTo } from '../support/connect.js';
import { close, listen, startProxy } from '../support/proxy.js';
import { makeCertificates, type TestCertificates } from '../support/tls.js';

type Handler = (req: IncomingMessage, res: ServerResponse, body: Buffer) => void;

const servers: Server[] = [];
const connections: Connection[] = [];
const proxyNames = [
  'HTTP_PROXY',
  'http_proxy',
  'HTTPS_PROXY',
  'https_proxy',
  'NO_PROXY',
  'no_proxy',
];
const proxySettings = Object.fromEntries(proxyNames.map((name) => [name, process.env[name]]));

beforeAll(() => {
  for (const name of proxyNames) delete process.env[name];
});
afterEach(async () => {
  for (const name of proxyNames) delete process.env[name];
  for (const connection of connections.splice(0)) await connection.close();
  for (const server of servers.splice(0)) await close(server);
});
afterAll(() => {
  for (const [name, value] of Object.entries(proxySettings))
    if (value !== undefined) process.env[name] = value;
});

function onRequest(handler: Handler) {
  return (req: IncomingMessage, res: ServerResponse): void => {
    const chunks: Buffer[] = [];
    req.on('data', (chunk: Buffer) => chunks.push(chunk));
    req.on('end', () => handler(req, res, Buffer.concat(chunks)));
  };
}

async function serve(handler: Handler): Promise<string> {
  const server = createServer(onRequest(handler));
  servers.push(server);
  return listen(server);
}

async function serveTls(options: TlsOptions, handler: Handler): Promise<string> {
  const server = createTlsServer(options, onRequest(handler));
  servers.push(server);
  return listen(server, 'https');
}

function connect(options: ServerOptions, env: Record<string, string> = {}): Connection {
  const connection = connectTo(options, env);
  connections.push(connection);
  return connection;
}

const GET: ServerRequest = { method: 'GET', path: '/version' };
const SPANS: ServerRequest = {
  method: 'POST',
  path: '/v1/traces',
  headers: { 'Content-Type': 'application/x-protobuf' },
  body: new Uint8Array([1, 2, 3]),
};

describe('requests', () => {
  it('go below the path of the tracking URI, with query, workspace, headers and credentials', async () => {
    const seen: unknown[] = [];
    const url = await serve((req, res, body) => {
      seen.push([req.method, req.url, body.toString(), req.headers]);
      res.setHeader('X-Thing', ['a', 'b']);
      res.end('{"ok":1}');
    });
    const connection = connect({
      trackingUri: `${url}/mlflow/`,
      username: 'ü',
      password: 'p',
      workspace: 'team',
      headers: { 'X-Gateway': 'g' },
    });
    expect(connection.address).toBe(`${url}/mlflow`);
    const answer = await connection.send({
      method: 'POST',
      path: '/api/2.0/x',
      query: { name: 'a b', many: ['1', '2'], none: undefined, flag: true },
      body: { a: 'ä' },
    });
    expect(answer).toEqual({
      status: 200,
      text: '{"ok":1}',
      headers: expect.objectContaining({ 'x-thing': 'a, b' }),
    });
    expect(seen).toEqual([
      [
        'POST',
        '/mlflow/api/2.0/x?name=a+b&many=1&many=2&flag=true',
        '{"a":"ä"}',
        expect.objectContaining({
          authorization: `Basic ${Buffer.from('ü:p').toString('base64')}`,
          'x-mlflow-workspace': 'team',
          'x-gateway': 'g',
          'content-type': 'application/json',
          // Nothing here unpacks.
          'accept-encoding': 'identity',
        }),
      ],
    ]);
  });

  it('send bytes as they are, and only spans keep their socket on plain http', async () => {
    const sockets = new Set<Socket>();
    const kept: [string | undefined, string | undefined][] = [];
    const url = await serve((req, res, body) => {
      sockets.add(req.socket);
      kept.push([req.url, req.headers.connection]);
      res.end(body);
    });
    const connection = connect({ trackingUri: url });
    for (const request of [SPANS, SPANS, GET]) await connection.send(request);
    expect(kept.map(([path, connection]) => [path, connection])).toEqual([
      ['/v1/traces', 'keep-alive'],
      ['/v1/traces', 'keep-alive'],
      ['/version', 'close'],
    ]);
    expect(sockets.size).toBeLessThanOrEqual(2);
    expect((await connection.send(SPANS)).text).toBe('\u0001\u0002\u0003');
  });

  it('give any status as an answer, an error page cut to its beginning', async () => {
    const url = await serve((_, res) => {
      res.writeHead(503, { 'Retry-After': '7' }).end('x'.repeat(1_000_000));
    });
    const answer = await connect({ trackingUri: url }).send(GET);
    expect(answer).toMatchObject({ status: 503, truncated: true });
    expect(answer.headers['retry-after']).toBe('7');
    expect(answer.text.length).toBe(64 * 1024);
  });

  it('read as much of an answer as they ask for, as it came', async () => {
    const url = await serve((_, res) => void res.end(Buffer.from([200, 1, 2, 3, 4, 5])));
    const answer = await connect({ trackingUri: url }).send({ ...SPANS, rawAnswerBytes: 3 });
    expect(answer).toMatchObject({ truncated: true, bytes: Buffer.from([200, 1, 2]) });
  });

  it('do not follow redirects', async () => {
    const url = await serve((_, res) => res.writeHead(307, { Location: 'http://evil/' }).end());
    expect((await connect({ trackingUri: url, token: 't' }).send(GET)).status).toBe(307);
  });
});

describe('a socket that the server had closed', () => {
  it('is replaced at once by a fresh one', async () => {
    const counts = new Map<Socket, number>();
    let resets = 0;
    const url = await serve((req, res) => {
      const count = (counts.get(req.socket) ?? 0) + 1;
      counts.set(req.socket, count);
      if (count === 1) return void res.end();
      resets++;
      req.socket.resetAndDestroy();
    });
    const connection = connect({ trackingUri: url });
    // Four kept sockets, all of them closed by the server.
    await Promise.all(Array.from({ length: 4 }, () => connection.send(SPANS)));
    for (let i = 0; i < 6; i++) expect((await connection.send(SPANS)).status).toBe(200);
    expect(resets).toBeGreaterThan(1);
  });

  it('is not what a fresh socket that is reset was: that is a failure', async () => {
    let requests = 0;
    const url = await serve((req) => {
      requests++;
      req.socket.resetAndDestroy();
    });
    await expect(connect({ trackingUri: url }).send(SPANS)).rejects.toThrow(ConnectionError);
    expect(requests).toBe(1);
  });

  it('is not retried when the answer had begun', async () => {
    let requests = 0;
    const url = await serve((req, res) => {
      if (++requests === 1) return void res.end();
      res.writeHead(200, { 'Content-Length': '100' }).write('half');
      setImmediate(() => req.socket.resetAndDestroy());
    });
    const connection = connect({ trackingUri: url });
    await connection.send(SPANS);
    await expect(connection.send(SPANS)).rejects.toThrow(ConnectionError);
    expect(requests).toBe(2);
  });

  it('is retried once only', async () => {
    let requests = 0;
    const url = await serve((req, res) => {
      if (++requests === 1) res.end();
      else req.socket.resetAndDestroy();
    });
    const connection = connect({ trackingUri: url });
    await connection.send(SPANS);
    await expect(connection.send(SPANS)).rejects.toThrow(ConnectionError);
    expect(requests).toBe(3);
  });
});

describe('credentials', () => {
  it('that changed are picked up at a 401, once', async () => {
    let valid = 'Bearer old';
    const seen: (string | undefined)[] = [];
    const url = await serve((req, res) => {
      seen.push(req.headers.authorization);
      res.writeHead(req.headers.authorization === valid ? 200 : 401).end();
    });
    vi.stubEnv('MLFLOW_TRACKING_TOKEN', 'old');
    const connection = connectTo({ trackingUri: url }, { MLFLOW_TRACKING_TOKEN: 'old' });
    connections.push(connection);
    expect((await connection.send(GET)).status).toBe(200);
    valid = 'Bearer new';
    expect((await connection.send(GET)).status).toBe(401);
    vi.stubEnv('MLFLOW_TRACKING_TOKEN', 'new');
    expect((await connection.send(GET)).status).toBe(200);
    expect((await connection.send(GET)).status).toBe(200);
    vi.unstubAllEnvs();
    expect(seen).toEqual(['Bearer old', 'Bearer old', 'Bearer old', 'Bearer new', 'Bearer new']);
  });

  it('from a function are asked for again at a 401', async () => {
    let current = 'a';
    const url = await serve((req, res) => {
      res.writeHead(req.headers.authorization === 'Bearer b' ? 200 : 401).end();
      current = 'b';
    });
    const connection = connect({ trackingUri: url, token: () => current });
    expect((await connection.send(GET)).status).toBe(200);
  });

  it('that a function cannot give are a readable failure', async () => {
    const url = await serve((_, res) => res.end());
    const connection = connect({
      trackingUri: url,
      token: () => {
        throw new Error('vault sealed: s3cret');
      },
    });
    const failure = await connection.send(GET).catch((error: unknown) => error as ConnectionError);
    expect(failure).toMatchObject({ name: 'ConnectionError', code: 'ERR_TOKEN' });
    expect((failure as Error).message).not.toContain('s3cret');
  });
});

describe('a request that cannot be made', () => {
  it('is refused with its own message, and costs no later one', async () => {
    const url = await serve((_, res) => res.end('ok'));
    const connection = connect({ trackingUri: url, headers: { expect: '100-continue' } });
    const own = connect({ trackingUri: url });
    // More of each than sockets: what the HTTP client refuses costs it a place for each.
    for (let i = 0; i < 6; i++) {
      await expect(
        own.send({ ...SPANS, headers: { 'x-mlflow-run-id': 'run–1' } }),
      ).rejects.toMatchObject({
        code: 'ERR_INVALID_REQUEST',
        message: expect.stringContaining('x-mlflow-run-id'),
      });
      await expect(connection.send(GET)).rejects.toMatchObject({ code: 'ERR_INVALID_REQUEST' });
    }
    expect((await own.send(SPANS)).text).toBe('ok');
  });
});

describe('no answer', () => {
  it('from the token function is a failure within the limit too', async () => {
    const url = await serve((_, res) => res.end());
    const token = () => new Promise<string>(() => undefined);
    const connection = connect({ trackingUri: url, requestTimeoutMs: 50, token });
    await expect(connection.send(GET)).rejects.toMatchObject({ code: 'ETIMEDOUT' });
    const signal = AbortSignal.abort();
    await expect(connection.send({ ...GET, signal })).rejects.toMatchObject({ code: 'ABORT_ERR' });
    // Its rejection after the abort is nobody's: it must not end the process.
    const failing = connect({ trackingUri: url, token: () => Promise.reject(new Error('late')) });
    await expect(failing.send({ ...GET, signal })).rejects.toMatchObject({ code: 'ABORT_ERR' });
    await new Promise((resolve) => setImmediate(resolve));
  });

  it('within the limit is a failure that names the setting', async () => {
    const url = await serve(() => undefined);
    const connection = connect({ trackingUri: url, requestTimeoutMs: 60 });
    await expect(connection.send(GET)).rejects.toMatchObject({
      code: 'ETIMEDOUT',
      message: `no answer from MLflow at ${url} within 60 ms (requestTimeoutMs)`,
    });
    await expect(connection.send({ ...GET, timeoutMs: 20 })).rejects.toThrow('within 20 ms');
  });

  it('after the caller gave up is the caller’s doing', async () => {
    const url = await serve(() => undefined);
    const controller = new AbortController();
    const sent = connect({ trackingUri: url }).send({ ...GET, signal: controller.signal });
    controller.abort();
    await expect(sent).rejects.toMatchObject({ code: 'ABORT_ERR' });
  });

  it('where nothing listens names the address and the code', async () => {
    const url = await serve((_, res) => res.end());
    await close(servers.pop() as Server);
    await expect(connect({ trackingUri: url }).send(GET)).rejects.toMatchObject({
      code: 'ECONNREFUSED',
      message: expect.stringMatching(
        /^no answer from MLflow at http:\/\/127.*connect ECONNREFUSED 127/,
      ),
    });
  });

  it('in the middle of a body is a failure', async () => {
    const url = await serve((req, res) => {
      res.writeHead(200, { 'Content-Length': '100' }).write('{"half');
      setImmediate(() => req.socket.resetAndDestroy());
    });
    await expect(connect({ trackingUri: url }).send(GET)).rejects.toThrow(ConnectionError);
  });

  it('keeps closing waiting for a moment only', async () => {
    let begin = (): void => undefined;
    const begun = new Promise<void>((resolve) => {
      begin = resolve;
    });
    const url = await serve((_, res) => {
      res.writeHead(200).write('half');
      begin();
    });
    const connection = connectTo({ trackingUri: url });
    const sent = connection.send(GET).catch((error: unknown) => error);
    await begun;
    await connection.close();
    expect(await sent).toBeInstanceOf(ConnectionError);
  });

  it('after close is a failure, not a hang', async () => {
    const connection = connect({ trackingUri: await serve((_, res) => res.end()) });
    await connection.close();
    await expect(connection.send(GET)).rejects.toMatchObject({ code: 'ERR_CLOSED' });
  });

  it('tells the whole of aggregated and chained errors in one line', () => {
    const refused = (host: string) =>
      Object.assign(new Error(`connect ECONNREFUSED ${host}:5000`), { code: 'ECONNREFUSED' });
    const both = new AggregateError([refused('::1'), refused('127.0.0.1')], '');
    const chained = new TypeError('fetch failed', { cause: both });
    const circular = new Error('a');
    circular.cause = circular;
    expect(connectionFailure('http://localhost:5000', chained)).toMatchObject({
      code: 'ECONNREFUSED',
      message:
        'no answer from MLflow at http://localhost:5000: fetch failed, connect ECONNREFUSED ::1:5000, connect ECONNREFUSED 127.0.0.1:5000',
    });
    expect(connectionFailure('http://h', circular).message).toBe(
      'no answer from MLflow at http://h: a',
    );
    expect(connectionFailure('http://h', undefined).message).toContain('unknown error');
  });
});

describe('TLS', () => {
  let certificates: TestCertificates;
  beforeAll(() => {
    certificates = makeCertificates();
  });
  afterAll(() => certificates.remove());
  const answer: Handler = (_, res) => void res.end('ok');

  it('with a private authority works when it is named, and says so when it is not', async () => {
    const trackingUri = await serveTls(certificates.server, answer);
    const trusted = connect({ trackingUri, serverCertPath: certificates.caPath });
    expect((await trusted.send(GET)).text).toBe('ok');
    await expect(connect({ trackingUri }).send(GET)).rejects.toThrow(
      /set serverCertPath \(MLFLOW_TRACKING_SERVER_CERT_PATH\)/,
    );
  });

  it('is not checked only when asked', async () => {
    const trackingUri = await serveTls(certificates.server, answer);
    expect((await connect({ trackingUri, insecureTls: true }).send(GET)).text).toBe('ok');
  });

  it('shows the client’s certificate, from one file or two', async () => {
    const names: string[] = [];
    const trackingUri = await serveTls(
      { ...certificates.server, ca: certificates.ca, requestCert: true, rejectUnauthorized: true },
      (req, res) => {
        const { CN } = (req.socket as import('node:tls').TLSSocket).getPeerCertificate().subject;
        names.push(String(CN));
        res.end();
      },
    );
    const common = { trackingUri, serverCertPath: certificates.caPath };
    const { clientPath, clientCertPath, clientKeyPath } = certificates;
    await connect({ ...common, clientCertPath: clientPath }).send(GET);
    await connect({ ...common, clientCertPath, clientKeyPath }).send(GET);
    expect(names).toEqual(['client', 'client']);
    await expect(connect(common).send(GET)).rejects.toThrow(ConnectionError);
  });

  it('to a server without it is told apart', async () => {
    const url = await serve(answer);
    const trackingUri = url.replace('http:', 'https:');
    await expect(connect({ trackingUri }).send(GET)).rejects.toThrow(/speaks? (http|not)|TLS|SSL/i);
  });

  it('goes through a proxy in a tunnel', async () => {
    const proxy = await startProxy();
    const trackingUri = await serveTls(certificates.server, answer);
    const env = { HTTPS_PROXY: proxy.url.replace('//', '//user:pw@') };
    const connection = connect({ trackingUri, serverCertPath: certificates.caPath }, env);
    expect((await connection.send(GET)).text).toBe('ok');
    expect(proxy.seen).toEqual([`CONNECT ${trackingUri.slice('https://'.length)}`]);
    expect(proxy.credentials).toEqual([`Basic ${Buffer.from('user:pw').toString('base64')}`]);
    await connection.close();
    await proxy.close();
  });
});

describe('proxies from the environment', () => {
  it('take plain http as an absolute address, but for NO_PROXY', async () => {
    const proxy = await startProxy();
    const url = await serve((req, res) => void res.end(req.url));
    const env = { HTTP_PROXY: proxy.url };
    expect((await connect({ trackingUri: `${url}/m` }, env).send(GET)).text).toBe('/m/version');
    expect(proxy.seen).toEqual([`GET ${url}/m/version`]);
    const without = { ...env, NO_PROXY: 'example.com,127.0.0.1' };
    expect((await connect({ trackingUri: url }, without).send(GET)).text).toBe('/version');
    expect(proxy.seen).toHaveLength(1);
    await proxy.close();
  });

  it('may name the proxy without a scheme, as curl has it', async () => {
    const proxy = await startProxy();
    const url = await serve((req, res) => void res.end(req.url));
    const env = { HTTP_PROXY: proxy.url.replace('http://', '') };
    expect((await connect({ trackingUri: url }, env).send(GET)).text).toBe('/version');
    expect(proxy.seen).toEqual([`GET ${url}/version`]);
    await proxy.close();
  });

  it.each<Record<string, string>>([
    { HTTPS_PROXY: 'ftp://proxy.invalid' },
    { HTTP_PROXY: 'ftp://proxy.invalid', NO_PROXY: '*' },
    { HTTP_PROXY: 'ftp://proxy.invalid', http_proxy: '' },
  ])('for other addresses break nothing: %j', async (env) => {
    const url = await serve((req, res) => void res.end(req.url));
    // The agent itself would read them, and fail.
    Object.assign(process.env, env);
    expect((await connect({ trackingUri: url }, env).send(GET)).text).toBe('/version');
  });
});

describe('instrumentations', () => {
  it('make no spans of these requests', async () => {
    const exporter = new InMemorySpanExporter();
    const provider = new BasicTracerProvider({
      spanProcessors: [new SimpleSpanProcessor(exporter)],
    });
    const manager = new AsyncLocalStorageContextManager().enable();
    context.setGlobalContextManager(manager);
    trace.setGlobalTracerProvider(provider);
    const instrumentation = new UndiciInstrumentation();
    instrumentation.setTracerProvider(provider);
    instrumentation.enable();
    try {
      const url = await serve((_, res) => res.end());
      const { request } = await import('undici');
      await (await request(url)).body.dump();
      expect(exporter.getFinishedSpans()).toHaveLength(1);
      await connect({ trackingUri: url, token: async () => 't' }).send(SPANS);
      expect(exporter.getFinishedSpans()).toHaveLength(1);
    } finally {
      instrumentation.disable();
      context.disable();
      trace.disable();
    }
  });
});

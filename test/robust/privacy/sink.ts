import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { buffer } from 'node:stream/consumers';

export interface Sink {
  readonly url: string;
  /** Everything that was sent, by the first part of the path: bodies, and `… head` request lines and headers. */
  readonly received: ReadonlyMap<string, readonly Buffer[]>;
  stop(): Promise<void>;
}

export interface Received {
  /** First part of the path. */
  readonly name: string;
  /** Names and values in turn. */
  readonly headers: readonly string[];
  readonly body: Buffer;
}

/** What is answered in place of the usual answer, if anything. */
export type Answering = (request: Received) => { status: number; body: string } | undefined;

/**
 * One server for all that is sent, told apart by the first part of the path: as much of MLflow as an
 * exporter needs below `/mlflow`, a collector below `/otlp`, and anything else.
 */
export async function startSink(answering?: Answering): Promise<Sink> {
  const received = new Map<string, Buffer[]>();
  const add = (name: string, bytes: Buffer) =>
    received.set(name, [...(received.get(name) ?? []), bytes]);
  const server = createServer(async (request, response) => {
    const body = await buffer(request);
    const [, name = '', ...rest] = (request.url ?? '').split('/');
    const head = `${request.method} ${request.url}\n${request.rawHeaders.join('\n')}\n`;
    add(name, body);
    add(`${name} head`, Buffer.from(head));
    const answer = answering?.({ name, headers: request.rawHeaders, body });
    const path = `/${rest.join('/')}`;
    response.setHeader('content-type', 'application/json');
    if (answer) response.writeHead(answer.status).end(answer.body);
    else response.end(name === 'mlflow' ? answerOfMlflow(path, body) : '{}');
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    received,
    async stop() {
      server.closeAllConnections();
      server.close();
    },
  };
}

function answerOfMlflow(path: string, body: Buffer): string {
  if (path === '/version') return '3.17.2';
  if (path.startsWith('/v1/traces')) return '';
  if (path.startsWith('/api/2.0/mlflow/experiments/get')) {
    return '{"experiment":{"experiment_id":"7","name":"x","lifecycle_stage":"active"}}';
  }
  if (path === '/api/2.0/mlflow/runs/create') {
    return '{"run":{"info":{"run_id":"0123456789abcdef0123456789abcdef","artifact_uri":"mlflow-artifacts:/7/r/artifacts"}}}';
  }
  if (path === '/api/3.0/mlflow/traces') {
    const { trace_info } = JSON.parse(body.toString()).trace;
    const location = `mlflow-artifacts:/7/traces/${trace_info.trace_id}/artifacts`;
    const tags = { 'mlflow.artifactLocation': location };
    return JSON.stringify({ trace: { trace_info: { ...trace_info, tags } } });
  }
  return '{}';
}

import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { gunzipSync } from 'node:zlib';
import { type DecodedSpan, decodeSpans } from './otlp-decode.js';
import { close } from './proxy.js';

export interface SeenRequest {
  method: string;
  path: string;
  headers: IncomingMessage['headers'];
  body: Buffer;
  /** Milliseconds since the epoch. */
  at: number;
}

interface TracesRequest extends SeenRequest {
  spans: DecodedSpan[];
  traceIds: string[];
}

/** What a test answers in the server's place; `undefined` lets the server answer itself. */
export type Answer =
  | undefined
  | 'reset'
  | 'hang'
  | { status: number; body?: string | Buffer; headers?: Record<string, string>; delayMs?: number }
  /** Stores what came and then answers like this. */
  | { storeAnd: { status: number; body?: string } | 'reset' };

export interface FakeMlflow {
  readonly url: string;
  /** Every request, in order. */
  readonly requests: SeenRequest[];
  /** Spans by trace id and span id, as last stored. */
  readonly stored: Map<string, Map<string, DecodedSpan>>;
  /** Bodies of StartTraceV3, in order. */
  readonly started: Record<string, unknown>[];
  readonly assessments: { traceId: string; body: Record<string, unknown> }[];
  /** Most requests to `/v1/traces` at one time, and traces that were in two at once. */
  readonly concurrency: { most: number; sharedTraces: string[] };
  onTraces: (request: TracesRequest, count: number) => Answer | Promise<Answer>;
  onOther: (request: SeenRequest) => Answer;
  version: string;
  posts(): TracesRequest[];
  close(): Promise<void>;
}

/**
 * An HTTP server with as much of MLflow's protocol as delivery needs, for faults that a real server
 * cannot be made to show. What MLflow does with the data is tested against MLflow.
 */
export async function startFakeMlflow({ port = 0 } = {}): Promise<FakeMlflow> {
  const posts: TracesRequest[] = [];
  const inFlight = new Map<string, number>();
  let active = 0;
  const server = createServer((req, res) => {
    void handle(req, res).catch(() => res.destroy());
  });
  const fake: FakeMlflow = {
    url: await listen(server, port),
    requests: [],
    stored: new Map(),
    started: [],
    assessments: [],
    concurrency: { most: 0, sharedTraces: [] },
    onTraces: () => undefined,
    onOther: () => undefined,
    version: '3.17.2',
    posts: () => posts,
    close: () => close(server),
  };

  async function handle(req: IncomingMessage, res: ServerResponse): Promise<void> {
    const chunks: Buffer[] = [];
    for await (const chunk of req) chunks.push(chunk as Buffer);
    const request: SeenRequest = {
      method: req.method as string,
      path: (req.url as string).split('?')[0] as string,
      headers: req.headers,
      body: Buffer.concat(chunks),
      at: Date.now(),
    };
    fake.requests.push(request);
    if (request.path === '/v1/traces') await takeTraces(request, res);
    else respond(res, fake.onOther(request), () => answer(request));
  }

  async function takeTraces(request: SeenRequest, res: ServerResponse): Promise<void> {
    const zipped = request.headers['content-encoding'] === 'gzip';
    const spans = decodeSpans(zipped ? gunzipSync(request.body) : request.body);
    const traceIds = [...new Set(spans.map(({ traceId }) => traceId))];
    const traces: TracesRequest = { ...request, spans, traceIds };
    posts.push(traces);
    active++;
    fake.concurrency.most = Math.max(fake.concurrency.most, active);
    for (const id of traceIds) {
      const others = inFlight.get(id) ?? 0;
      if (others > 0) fake.concurrency.sharedTraces.push(id);
      inFlight.set(id, others + 1);
    }
    const chosen = await fake.onTraces(traces, posts.length);
    active--;
    for (const id of traceIds) inFlight.set(id, (inFlight.get(id) ?? 1) - 1);
    const store = (): void => {
      for (const span of spans) {
        const trace = fake.stored.get(span.traceId) ?? new Map<string, DecodedSpan>();
        trace.set(span.spanId, span);
        fake.stored.set(span.traceId, trace);
      }
    };
    if (typeof chosen === 'object' && 'storeAnd' in chosen) {
      store();
      respond(res, chosen.storeAnd, () => ({ status: 500 }));
    } else {
      respond(res, chosen, () => {
        store();
        return { status: 200, headers: { 'content-type': 'application/x-protobuf' } };
      });
    }
  }

  function answer({ method, path, body }: SeenRequest): Exclude<Answer, string | undefined> {
    const json = (value: unknown, status = 200) => ({
      status,
      body: JSON.stringify(value),
      headers: { 'content-type': 'application/json' },
    });
    if (path === '/version') return { status: 200, body: fake.version };
    if (path.startsWith('/api/2.0/mlflow/experiments/get')) {
      return json({ experiment: { experiment_id: '7', name: 'x', lifecycle_stage: 'active' } });
    }
    if (method === 'POST' && path === '/api/3.0/mlflow/traces') {
      const { trace } = JSON.parse(body.toString());
      fake.started.push(trace.trace_info);
      const location = `mlflow-artifacts:/7/traces/${trace.trace_info.trace_id}/artifacts`;
      return json({
        trace: {
          trace_info: { ...trace.trace_info, tags: { 'mlflow.artifactLocation': location } },
        },
      });
    }
    const assessed = /^\/api\/3\.0\/mlflow\/traces\/(tr-[0-9a-f]+)\/assessments$/.exec(path);
    if (assessed) {
      const { assessment } = JSON.parse(body.toString());
      fake.assessments.push({ traceId: assessed[1] as string, body: assessment });
      return json({ assessment });
    }
    return json({});
  }

  return fake;
}

function respond(
  res: ServerResponse,
  chosen: Answer,
  usual: () => Exclude<Answer, string | undefined>,
): void {
  if (chosen === 'reset') {
    res.socket?.resetAndDestroy();
    return;
  }
  if (chosen === 'hang') return;
  const {
    status,
    body = '',
    headers = {},
    delayMs = 0,
  } = (chosen ?? usual()) as {
    status: number;
    body?: string | Buffer;
    headers?: Record<string, string>;
    delayMs?: number;
  };
  const send = (): void => {
    res.writeHead(status, headers).end(body);
  };
  if (delayMs > 0) setTimeout(send, delayMs);
  else send();
}

function listen(server: Server, port: number): Promise<string> {
  return new Promise((resolve) => {
    server.listen(port, '127.0.0.1', () => {
      resolve(`http://127.0.0.1:${(server.address() as AddressInfo).port}`);
    });
  });
}

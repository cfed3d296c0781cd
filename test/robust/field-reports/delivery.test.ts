import { createServer, request as httpRequest } from 'node:http';
import { setTimeout as sleep } from 'node:timers/promises';
import { BasicTracerProvider, SimpleSpanProcessor } from '@opentelemetry/sdk-trace-base';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { useExporters } from '../../../packages/exporter-mlflow/test/support/exporters.js';
import {
  type Answer,
  type FakeMlflow,
  startFakeMlflow,
} from '../../../packages/exporter-mlflow/test/support/fake-mlflow.js';
import { close, listen } from '../../../packages/exporter-mlflow/test/support/proxy.js';
import {
  exportSpans,
  makeSpan,
  programSpan,
  smallTrace,
} from '../../../packages/exporter-mlflow/test/support/spans.js';

let server: FakeMlflow;
beforeEach(async () => {
  server = await startFakeMlflow();
});
afterEach(() => server.close());
const { newExporter, warnings, drops } = useExporters(() => ({ trackingUri: server.url }));

const traceIdsOf = (traces: readonly ReturnType<typeof smallTrace>[]) =>
  traces.map(([, root]) => root.spanContext().traceId);
const smallTraces = (count: number) => Array.from({ length: count }, () => smallTrace());

describe('one bad trace among a hundred', () => {
  it.each([400, 422])(
    'that the server answers with %i costs no other trace, and none is sent again',
    async (status) => {
      const made = smallTraces(100);
      const ids = traceIdsOf(made);
      const [poison] = ids.slice(61);
      const accepted = new Map<string, number>();
      server.onTraces = ({ traceIds }) => {
        if (traceIds.includes(poison as string)) return { status, body: '{"detail":"no"}' };
        for (const id of traceIds) accepted.set(id, (accepted.get(id) ?? 0) + 1);
        return undefined;
      };
      expect((await exportSpans(newExporter(), made.flat())).code).toBe(1);
      expect([...accepted.keys()].sort()).toEqual(ids.filter((id) => id !== poison).sort());
      expect(new Set(accepted.values())).toEqual(new Set([1]));
      expect(drops.flatMap(({ traceIds }) => traceIds)).toEqual([`tr-${poison}`]);
    },
  );
});

describe('a request with spans', () => {
  it('is protobuf and says so in the one way that every server takes, and is never empty', async () => {
    const exporter = newExporter();
    expect(await exportSpans(exporter, [])).toEqual({ code: 0 });
    expect(server.requests).toEqual([]);
    await exportSpans(exporter, smallTrace());
    expect(server.posts().map(({ headers }) => headers['content-type'])).toEqual([
      'application/x-protobuf',
    ]);
    expect(server.posts()[0]?.headers['x-mlflow-experiment-id']).toBe('7');
  });
});

describe('a refusal', () => {
  const page = '<html><head><title>Gate closed</title></head><body>token-canary</body></html>';
  const answers: [status: number, answer: Answer][] = [401, 403, 413, 422, 429, 500, 503].map(
    (status) => [status, { status, body: page, headers: { 'content-type': 'text/html' } }],
  );

  it.each(answers)(
    '%i is told with status, host, number of spans and the answer, without secrets',
    async (status, answer) => {
      server.onTraces = () => answer;
      const exporter = newExporter({ token: 'token-canary', retryBudgetMs: 500 });
      expect((await exportSpans(exporter, smallTraces(3).flat())).code).toBe(1);
      await exporter.shutdown();
      const all = warnings.join('\n');
      expect(all).toContain(String(status));
      expect(all).toContain(new URL(server.url).host);
      expect(all).toContain('Gate closed');
      const lost = [...all.matchAll(/(\d+) span\(s\) lost/g)].map(([, count]) => Number(count));
      expect(lost.reduce((sum, count) => sum + count, 0)).toBe(6);
      expect(all).not.toContain('token-canary');
      expect(warnings.length).toBeLessThanOrEqual(3);
    },
  );

  it.each([404, 501])(
    '%i for spans is told with the address that was tried, and the traces are stored otherwise',
    async (status) => {
      server.onTraces = () => ({ status, body: page, headers: { 'content-type': 'text/html' } });
      expect((await exportSpans(newExporter(), smallTrace())).code).toBe(0);
      expect(warnings).toEqual([expect.stringContaining(`${server.url}/v1/traces`)]);
      expect(warnings[0]).toContain(String(status));
      expect(server.requests.filter(({ method }) => method === 'PUT')).toHaveLength(1);
    },
  );
});

describe('a server below a path', () => {
  it('that answers REST there and not spans is found out, with the address that was tried', async () => {
    const front = createServer((req, res) => {
      const path = (req.url as string).replace(/^\/team\/mlflow/, '');
      if (path === req.url || path === '/v1/traces')
        return void res.writeHead(404).end('Not Found');
      const onward = httpRequest(
        `${server.url}${path}`,
        { method: req.method, headers: req.headers },
        (answer) => {
          res.writeHead(answer.statusCode as number, answer.headers);
          answer.pipe(res);
        },
      );
      req.pipe(onward);
    });
    const trackingUri = `${await listen(front)}/team/mlflow`;
    const exporter = newExporter({ trackingUri });
    expect((await exportSpans(exporter, smallTrace())).code).toBe(0);
    expect(warnings).toEqual([expect.stringContaining(`${trackingUri}/v1/traces`)]);
    expect(server.requests.filter(({ method }) => method === 'PUT')).toHaveLength(1);
    await exporter.shutdown();
    await close(front);
  });
});

describe('credentials that expire while the program runs', () => {
  it('are one message with what to do, a count of the loss, and no exception', async () => {
    const exporter = newExporter({ retryBudgetMs: 300, username: 'u', password: 'pass-canary' });
    for (let time = 0; time < 3; time++) {
      expect((await exportSpans(exporter, smallTrace())).code).toBe(0);
    }
    server.onTraces = () => ({ status: 401, body: 'Unauthorized' });
    for (let time = 0; time < 3; time++) {
      expect((await exportSpans(exporter, smallTrace())).code).toBe(1);
    }
    await exporter.shutdown();
    const [state, ...losses] = warnings;
    expect(state).toMatch(/401.*MLFLOW_TRACKING_USERNAME/);
    expect(losses.every((text) => /span\(s\) lost, not_allowed/.test(text))).toBe(true);
    expect(losses.length).toBeLessThanOrEqual(2);
    expect(exporter.stats()).toMatchObject({ sent: 6, dropped: { not_allowed: 6 } });
    expect(warnings.join()).not.toContain('pass-canary');
  });
});

describe('an account that may write runs and not traces', () => {
  it('loses the traces and keeps the runs', async () => {
    server.onTraces = () => ({ status: 403, body: 'Permission denied' });
    const bodies: string[] = [];
    server.onOther = ({ path, body }) => {
      if (!path.endsWith('/runs/create')) return undefined;
      bodies.push(body.toString());
      return {
        status: 200,
        body: '{"run":{"info":{"run_id":"r1","artifact_uri":"mlflow-artifacts:/7/r1/artifacts"}}}',
      };
    };
    const exporter = newExporter({ retryBudgetMs: 2_000 });
    const evaluation = programSpan('Evaluate', {
      attributes: { 'dspy.run.kind': 'evaluation', 'dspy.run.name': 'eval' },
    });
    const outcome = await exportSpans(exporter, [evaluation]);
    await exporter.shutdown();
    expect(outcome.code).toBe(1);
    expect(exporter.stats()).toMatchObject({ runs: 1, dropped: { not_allowed: 1 } });
    expect(bodies).toHaveLength(1);
    expect(warnings.join()).toContain('403');
  });
});

describe('nothing at the address for a long time', () => {
  it('is a handful of messages, however many traces there are', async () => {
    await server.close();
    const exporter = newExporter({ trackingUri: server.url, retryBudgetMs: 0 });
    for (let trace = 0; trace < 300; trace++) {
      expect((await exportSpans(exporter, smallTrace())).code).toBe(1);
    }
    expect(warnings.length).toBeLessThanOrEqual(3);
    expect(warnings[0]).toMatch(/ECONNREFUSED/);
    expect(exporter.stats().dropped).toEqual({ retries_exhausted: 600 });
  });
});

describe('spans that end just before the process does', () => {
  it('are delivered by a shutdown in the same turn', async () => {
    const exporter = newExporter();
    const provider = new BasicTracerProvider({
      spanProcessors: [new SimpleSpanProcessor(exporter as never)],
    });
    provider.getTracer('app').startSpan('last words').end();
    await exporter.shutdown();
    expect(namesStored()).toEqual(['last words']);
  });

  it('are delivered by a flush in the same turn where the resource is not known yet', async () => {
    const exporter = newExporter();
    const provider = new BasicTracerProvider({
      spanProcessors: [new SimpleSpanProcessor(exporter as never)],
      resource: resourceKnownLater(),
    });
    provider.getTracer('app').startSpan('last words').end();
    // The SDK's own processor waits for the resource in a flush alone.
    await provider.forceFlush();
    await provider.shutdown();
    expect(namesStored()).toEqual(['last words']);
  });

  /** A resource with an attribute that a detector is still finding out. */
  function resourceKnownLater() {
    const found = sleep(20);
    const resource = {
      attributes: { 'service.name': 'shop' },
      asyncAttributesPending: true,
      waitForAsyncAttributes: async () => {
        await found;
        resource.asyncAttributesPending = false;
      },
      merge: () => resource,
      getRawAttributes: () => [],
    };
    return resource as never;
  }

  const namesStored = () =>
    [...server.stored.values()].flatMap((trace) => [...trace.values()].map(({ name }) => name));
});

describe('long text outside of attributes', () => {
  it.each([
    ['the status', { error: 'x'.repeat(90_000) }],
    [
      'an event',
      {
        events: [
          {
            name: 'exception',
            time: [1_795_570_000, 0] as [number, number],
            attributes: { 'exception.message': 'x'.repeat(90_000) },
          },
        ],
      },
    ],
    [
      'a link',
      {
        links: [
          {
            context: { traceId: 'a'.repeat(32), spanId: 'b'.repeat(16), traceFlags: 1 },
            attributes: { note: 'x'.repeat(90_000) },
          },
        ],
      },
    ],
    ['a list', { attributes: { documents: ['x'.repeat(90_000), 'y'.repeat(90_000)] } }],
  ])('of a span that is too large for the server is cut in %s', async (_, options) => {
    server.onTraces = ({ body }) => (body.byteLength > 40_000 ? { status: 413 } : undefined);
    const span = makeSpan({ name: 'large', ...options });
    expect(await exportSpans(newExporter(), [span])).toEqual({ code: 0 });
    const stored = server.stored.get(span.spanContext().traceId)?.get(span.spanContext().spanId);
    expect(stored?.name).toBe('large');
    expect(server.posts().at(-1)?.body.includes('cut: too large')).toBe(true);
  });
});

describe('a session that is no text', () => {
  it.each<[string, unknown]>([
    ['a number', 7],
    ['a list', ['a', 'b']],
    ['nothing', ''],
    ['an object', { id: 1 }],
    [
      'an object that throws',
      new Proxy(
        {},
        {
          get: () => {
            throw new Error('no');
          },
        },
      ),
    ],
    ['a text of five megabytes', 's'.repeat(5_000_000)],
  ])('%s, costs neither the root nor the rest of its trace', async (_, session) => {
    const [child, root] = smallTrace('QA', {
      'session.id': session as string,
      'user.id': session as string,
    });
    expect(await exportSpans(newExporter(), [child, root])).toEqual({ code: 0 });
    const stored = server.stored.get(root.spanContext().traceId);
    expect([...(stored?.values() ?? [])].map(({ name }) => name).sort()).toEqual([
      'chat gpt-4o-mini',
      'invoke_workflow QA',
    ]);
  });
});

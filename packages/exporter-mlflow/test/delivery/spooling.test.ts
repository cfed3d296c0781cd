import { mkdtemp, readdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import type { MlflowSpanExporter } from '../../src/exporter.js';
import { useExporters } from '../support/exporters.js';
import { type FakeMlflow, startFakeMlflow } from '../support/fake-mlflow.js';
import { exportSpans, programSpan, smallTrace } from '../support/spans.js';

let server: FakeMlflow;
let directory: string;

beforeEach(async () => {
  server = await startFakeMlflow();
  directory = await mkdtemp(join(tmpdir(), 'hokusai-spool-'));
});
afterEach(async () => {
  await server.close();
  await rm(directory, { recursive: true, force: true });
});
const { newExporter, exporters, warnings } = useExporters(() => ({
  trackingUri: server.url,
  spool: directory,
}));

describe('the spool', () => {
  it('takes what the server cannot, at once, and delivers it when the server is back', async () => {
    server.onTraces = () => ({ status: 503 });
    const exporter = newExporter();
    const started = Date.now();
    const made = Array.from({ length: 20 }, () => smallTrace());
    expect(await exportSpans(exporter, made.flat())).toEqual({ code: 0 });
    expect(Date.now() - started).toBeLessThan(4_000);
    expect(exporter.stats()).toMatchObject({ sent: 0, spooled: 40, held: 0, dropped: {} });

    server.onTraces = () => undefined;
    await vi.waitFor(() => expect(exporter.stats().sent).toBe(40), 30_000);
    expect(server.stored.size).toBe(20);
    expect([...server.stored.values()].every((spans) => spans.size === 2)).toBe(true);
  });

  it('is delivered by the next process', async () => {
    server.onTraces = () => ({ status: 503 });
    const first = newExporter();
    await exportSpans(first, smallTrace());
    await first.shutdown();

    server.onTraces = () => undefined;
    const second = newExporter();
    await exportSpans(second, smallTrace());
    await vi.waitFor(() => expect(server.stored.size).toBe(2), 10_000);
    await vi.waitFor(() => expect(second.stats().sent).toBe(4), 10_000);
  });

  it('takes what is left when the exporter ends', async () => {
    server.onTraces = () => 'hang';
    const exporter = newExporter({ shutdownTimeoutMs: 200 });
    const outcome = exportSpans(exporter, smallTrace());
    await vi.waitFor(() => expect(server.posts()).toHaveLength(1));
    await exporter.shutdown();
    expect(await outcome).toEqual({ code: 0 });
    expect(exporter.stats()).toMatchObject({ spooled: 2, held: 0, dropped: {} });
  });

  it('takes what waits for a server that accepts and never answers', async () => {
    server.onOther = ({ path }) => (path === '/version' ? 'hang' : undefined);
    const exporter = newExporter({ requestTimeoutMs: 10_000 });
    const started = Date.now();
    expect(await exportSpans(exporter, smallTrace())).toEqual({ code: 0 });
    expect(Date.now() - started).toBeLessThan(7_000);
    expect(exporter.stats()).toMatchObject({ spooled: 2, held: 0, dropped: {} });
  });

  it('takes what waits behind requests that are never answered', async () => {
    server.onTraces = () => 'hang';
    const exporter = newExporter({ requestTimeoutMs: 10_000, shutdownTimeoutMs: 100 });
    const stuck = [];
    for (const posts of [1, 2]) {
      stuck.push(exportSpans(exporter, smallTrace()));
      await vi.waitFor(() => expect(server.posts()).toHaveLength(posts));
    }
    const started = Date.now();
    expect(await exportSpans(exporter, smallTrace())).toEqual({ code: 0 });
    expect(Date.now() - started).toBeLessThan(7_000);
    expect(exporter.stats()).toMatchObject({ spooled: 2, held: 4, dropped: {} });
    await exporter.shutdown();
    await Promise.all(stuck);
  });

  it('takes nothing from a server that has much to do and answers', async () => {
    let runs = 0;
    server.onOther = ({ path }) => {
      if (!path.includes('/runs/')) return undefined;
      const body = `{"run":{"info":{"run_id":"r${++runs}","artifact_uri":"mlflow-artifacts:/7/r/artifacts"}}}`;
      return { status: 200, body, delayMs: 80 };
    };
    const exporter = newExporter();
    const evaluations = Array.from({ length: 20 }, (_, index) =>
      programSpan('Evaluate', {
        attributes: { 'dspy.run.kind': 'evaluation', 'dspy.run.name': `eval ${index}` },
      }),
    );
    const started = Date.now();
    expect(await exportSpans(exporter, evaluations)).toEqual({ code: 0 });
    expect(Date.now() - started).toBeGreaterThan(2_500);
    expect(exporter.stats()).toMatchObject({
      runs: 20,
      sent: 20,
      spooled: 0,
      held: 0,
      dropped: {},
    });
  });

  it('takes what finds no room in memory', async () => {
    server.onTraces = () => 'hang';
    const exporter = newExporter({ maxQueueBytes: 65_536, requestTimeoutMs: 500 });
    const big = () => smallTrace('QA', { 'input.value': 'x'.repeat(60_000) });
    const results = Array.from({ length: 5 }, () => exportSpans(exporter, big()));
    expect((await Promise.all(results)).every(({ code }) => code === 0)).toBe(true);
    expect(exporter.stats().dropped).toEqual({});
  });

  it('buries what the server refuses, and goes on with the rest', async () => {
    server.onTraces = () => ({ status: 503 });
    const exporter = newExporter();
    const made = Array.from({ length: 6 }, () => smallTrace());
    await exportSpans(exporter, made.flat());
    const poison = made[2]?.[1].spanContext().traceId as string;
    server.onTraces = ({ traceIds }) =>
      traceIds.includes(poison)
        ? { status: 400, body: '{"error_code":"X","message":"poison"}' }
        : undefined;
    await vi.waitFor(() => expect(server.stored.size).toBe(5), 30_000);
    await vi.waitFor(() => expect(warnings.join()).toContain(`tr-${poison}`), 10_000);
    await vi.waitFor(async () =>
      expect((await readdir(join(directory, 'buried'))).length).toBeGreaterThan(0),
    );
    expect(server.stored.has(poison)).toBe(false);
    expect(exporter.stats()).toMatchObject({ spooled: 12, sent: 10, dropped: { rejected: 2 } });
  });

  it('counts what a gateway rejects of a request that it accepts', async () => {
    server.onTraces = () => ({ status: 503 });
    const exporter = newExporter();
    await exportSpans(exporter, smallTrace());
    server.onTraces = () => ({ status: 200, body: '{"partialSuccess":{"rejectedSpans":"1"}}' });
    await vi.waitFor(
      () => expect(exporter.stats()).toMatchObject({ sent: 1, dropped: { rejected: 1 } }),
      30_000,
    );
  });

  it('keeps the parts of a trace for an old server until the trace is whole', async () => {
    server.version = '3.12.0';
    const exporter = newExporter();
    const [child, root] = smallTrace();
    expect((await exportSpans(exporter, [child])).code).toBe(0);
    expect(exporter.stats()).toMatchObject({ spooled: 1 });
    expect((await exportSpans(exporter, [root])).code).toBe(0);
    await vi.waitFor(() => expect(server.posts()[0]?.spans).toHaveLength(2), 15_000);
    expect(server.started).toHaveLength(1);
    await vi.waitFor(() => expect(exporter.stats().sent).toBe(2));
  });

  it('keeps what ends a trace behind the spans of it, also for the next process', async () => {
    server.onTraces = () => ({ status: 503 });
    const first = newExporter();
    const local = programSpan('Search', { parent: 'c'.repeat(16), remote: true });
    await exportSpans(first, [local]);
    await first.shutdown();
    const id = local.spanContext().traceId;
    server.onTraces = () => undefined;
    server.onOther = ({ path }) =>
      path.endsWith('/batchGetInfos')
        ? {
            status: 200,
            body: JSON.stringify({
              trace_infos: server.stored.has(id)
                ? [
                    {
                      trace_id: `tr-${id}`,
                      state: 'IN_PROGRESS',
                      request_time: '2026-11-25T10:00:00Z',
                    },
                  ]
                : [],
            }),
          }
        : undefined;
    newExporter();
    const second = exporters.at(-1) as MlflowSpanExporter;
    await exportSpans(second, smallTrace());
    await vi.waitFor(() => expect(server.started).toHaveLength(1), 20_000);
    expect(server.started[0]).toMatchObject({ trace_id: `tr-${id}`, state: 'OK' });
  });

  it('also keeps runs', async () => {
    let isDown = true;
    server.onTraces = () => (isDown ? { status: 503 } : undefined);
    server.onOther = ({ path }) => {
      if (isDown && path.includes('/runs/')) return { status: 503 };
      if (path.endsWith('/runs/create')) {
        return {
          status: 200,
          body: '{"run":{"info":{"run_id":"r1","artifact_uri":"mlflow-artifacts:/7/r1/artifacts"}}}',
        };
      }
      return undefined;
    };
    const exporter = newExporter();
    const evaluation = programSpan('Evaluate', {
      attributes: { 'dspy.run.kind': 'evaluation', 'dspy.run.name': 'eval' },
    });
    expect((await exportSpans(exporter, [evaluation])).code).toBe(0);
    isDown = false;
    await vi.waitFor(() => expect(exporter.stats().runs).toBe(1), 30_000);
  });

  it('that cannot be used is one message, and the exporter works without', async () => {
    const file = join(directory, 'file');
    await writeFile(file, '');
    const exporter = newExporter({ spool: join(file, 'spool') });
    expect(await exportSpans(exporter, smallTrace())).toEqual({ code: 0 });
    await vi.waitFor(() => expect(warnings.join()).toContain(join(file, 'spool')));
    expect(warnings).toHaveLength(1);
  });

  it('that cannot be used leaves traces the whole budget', async () => {
    const file = join(directory, 'file');
    await writeFile(file, '');
    // Longer than traces wait where there is a spool.
    const until = Date.now() + 2_500;
    server.onTraces = () => (Date.now() < until ? { status: 503 } : undefined);
    const exporter = newExporter({ spool: join(file, 'spool') });
    expect(await exportSpans(exporter, smallTrace())).toEqual({ code: 0 });
    expect(exporter.stats()).toMatchObject({ sent: 2, spooled: 0, held: 0, dropped: {} });
  });

  it('that cannot be used costs no part of a trace for an old server', async () => {
    server.version = '3.12.0';
    const file = join(directory, 'file');
    await writeFile(file, '');
    const exporter = newExporter({ spool: join(file, 'spool') });
    const [child, root] = smallTrace();
    expect(await exportSpans(exporter, [child])).toEqual({ code: 0 });
    expect(await exportSpans(exporter, [root])).toEqual({ code: 0 });
    expect(server.posts()[0]?.spans).toHaveLength(2);
    expect(exporter.stats()).toMatchObject({ sent: 2, held: 0, dropped: {} });
  });

  it('that cannot be used is tried again', async () => {
    const spool = join(directory, 'spool');
    await writeFile(spool, '');
    server.onTraces = () => ({ status: 503 });
    const exporter = newExporter({ spool });
    const first = exportSpans(exporter, smallTrace());
    await vi.waitFor(() => expect(warnings.join()).toContain(spool));
    await rm(spool);
    expect(await first).toEqual({ code: 0 });
    expect(await exportSpans(exporter, smallTrace())).toEqual({ code: 0 });
    expect(exporter.stats()).toMatchObject({ spooled: 4, held: 0, dropped: {} });
  });
});

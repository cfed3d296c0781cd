import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { MlflowSpanExporter } from '@hokusai/exporter-mlflow';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { MlflowClient } from '../../packages/exporter-mlflow/src/client.js';
import type { Connection } from '../../packages/exporter-mlflow/src/server/connection.js';
import { createExperimentResolver } from '../../packages/exporter-mlflow/src/server/experiments.js';
import { createRunRecorder } from '../../packages/exporter-mlflow/src/server/runs.js';
import { connectTo } from '../../packages/exporter-mlflow/test/support/connect.js';
import { hex, runRecord } from '../../packages/exporter-mlflow/test/support/records.js';
import {
  exportSpans,
  makeSpan,
  traceIdOf,
} from '../../packages/exporter-mlflow/test/support/spans.js';
import { startMlflowServer, type TestMlflowServer } from '../support/mlflow-server.js';
import { startPostgres, type TestPostgres } from '../support/postgres.js';

describe('MLflow on Postgres', () => {
  let postgres: TestPostgres;
  let server: TestMlflowServer;
  let connection: Connection;
  beforeAll(async () => {
    postgres = await startPostgres();
    server = await startMlflowServer({ backendStoreUri: postgres.uri });
    connection = connectTo({ trackingUri: server.url });
  });
  afterAll(async () => {
    await connection?.close();
    await server?.stop();
    await postgres?.remove();
  });

  const clientOf = (experimentName: string) =>
    new MlflowClient({ trackingUri: server.url, experimentName });
  const text = (i: number) => `input.value ${i}`;

  it('takes traces that came in any order, with text that Postgres refuses mended', async () => {
    const experimentName = `order-${hex(3)}`;
    const exporter = new MlflowSpanExporter({ trackingUri: server.url, experimentName });
    const roots = Array.from({ length: 60 }, (_, i) =>
      makeSpan({
        name: i === 7 ? 'NUL \u0000 in a name' : `program ${i}`,
        attributes: {
          'input.value': text(i),
          'output.value': i === 8 ? 'half \ud83d a pair' : 'ok',
          'session.id': i === 9 ? 's'.repeat(300) : 'S',
        },
      }),
    );
    const children = roots.map((parent, i) => makeSpan({ parent, name: `step ${i}` }));
    const outcomes = await Promise.all(
      [
        children.slice(30),
        roots.slice(0, 30),
        children.slice(0, 30).reverse(),
        roots.slice(30),
      ].map((batch) => exportSpans(exporter, batch)),
    );
    expect(outcomes.map(({ code }) => code)).toEqual([0, 0, 0, 0]);
    await exporter.shutdown();
    const client = clientOf(experimentName);
    const traces = await client.getTraces().toArray();
    expect(traces.map(({ traceId }) => traceId).sort()).toEqual(roots.map(traceIdOf).sort());
    expect(traces.every(({ spans, state }) => spans.length === 2 && state === 'OK')).toBe(true);
    await client.close();
  });

  it('keeps assessments, runs and metrics single however often they are sent', async () => {
    const experimentName = `once-${hex(3)}`;
    const exporter = new MlflowSpanExporter({ trackingUri: server.url, experimentName });
    const root = makeSpan();
    await exportSpans(exporter, [root]);
    await exporter.shutdown();
    const client = clientOf(experimentName);
    const traceId = traceIdOf(root);
    for (let i = 0; i < 2; i++) {
      await client.logFeedback({
        traceId,
        name: 'score',
        value: 'a \u0000 b',
        rationale: 'NUL \u0000 and half \ud83d a pair',
        idempotencyKey: 'k',
      });
      await client.setTraceTag(traceId, 'note', 'NUL \u0000');
    }
    expect((await client.getTrace(traceId))?.assessments).toHaveLength(1);

    const record = runRecord({
      experiment: { name: experimentName },
      params: { a: 'x'.repeat(7_000), nul: 'a\u0000b' },
      name: 'half \ud83d',
      metrics: Array.from({ length: 1_200 }, (_, i) => ({
        key: 'm',
        value: i,
        step: i,
        timestampMs: i,
      })),
      artifacts: { 'model.json': '{}' },
      traceIds: [traceId.slice('tr-'.length)],
    });
    const other = connectTo({ trackingUri: server.url });
    // Not known as complete to either: everything is sent twice.
    const recorder = () => createRunRecorder(other, createExperimentResolver(other));
    const first = await recorder().record(record);
    await connection.send({
      method: 'POST',
      path: '/api/2.0/mlflow/runs/update',
      body: { run_id: first.runId, status: 'RUNNING' },
    });
    expect((await recorder().record(record)).runId).toBe(first.runId);
    await other.close();
    const history = await server.python(
      `import mlflow; print(len(mlflow.MlflowClient().get_metric_history("${first.runId}", "m")))`,
    );
    expect(Number(history)).toBe(1_200);
    expect(await client.getRun(first.runId)).toMatchObject({ status: 'FINISHED' });
    expect(await client.getTraces({ runId: first.runId }).toArray()).toHaveLength(1);
    await client.close();
  });

  it('gives thirty runs at once and eight makers of one experiment their own', async () => {
    const name = `race-${hex(3)}`;
    const ids = await Promise.all(
      Array.from({ length: 8 }, () => createExperimentResolver(connection).resolve({ name })),
    );
    expect(new Set(ids).size).toBe(1);
    const recorder = createRunRecorder(connection, createExperimentResolver(connection));
    const made = await Promise.all(
      Array.from({ length: 30 }, (_, i) =>
        recorder.record(runRecord({ experiment: { name }, params: { i: String(i) } })),
      ),
    );
    expect(new Set(made.map(({ runId }) => runId)).size).toBe(30);
  });

  it('loses nothing while its database is down', async () => {
    const experimentName = `outage-${hex(3)}`;
    const directory = await mkdtemp(join(tmpdir(), 'spool-'));
    const exporter = new MlflowSpanExporter({
      trackingUri: server.url,
      experimentName,
      spool: directory,
      retryBudgetMs: 2_000,
    });
    const roots = Array.from({ length: 30 }, () => makeSpan());
    expect((await exportSpans(exporter, roots.slice(0, 10))).code).toBe(0);
    await postgres.stop();
    expect((await exportSpans(exporter, roots.slice(10, 20))).code).toBe(0);
    expect(exporter.stats().spooled).toBeGreaterThan(0);
    await postgres.start();
    expect((await exportSpans(exporter, roots.slice(20))).code).toBe(0);
    await expect.poll(() => exporter.stats().sent, { timeout: 60_000, interval: 200 }).toBe(30);
    await exporter.shutdown();
    const client = clientOf(experimentName);
    const traces = await client.getTraces({ includeSpans: false }).toArray();
    expect(traces.map(({ traceId }) => traceId).sort()).toEqual(roots.map(traceIdOf).sort());
    await client.close();
    await rm(directory, { recursive: true });
  });
});

import { MlflowClient, MlflowSpanExporter, type SpanLike } from '@hokusai/exporter-mlflow';
import { afterAll, beforeAll, expect, it } from 'vitest';
import {
  chatSpan,
  exportSpans,
  makeSpan,
  programSpan,
} from '../../packages/exporter-mlflow/test/support/spans.js';
import { flatten, MlflowRest } from '../support/mlflow-rest.js';
import { startMlflowServer, type TestMlflowServer } from '../support/mlflow-server.js';

// docs/field-reports.md: what only a real server can show.

let server: TestMlflowServer;
let rest: MlflowRest;
beforeAll(async () => {
  server = await startMlflowServer();
  rest = new MlflowRest(server.url);
});
afterAll(() => server?.stop());

it('a trace 1,200 spans deep is finished, whole and counted', async () => {
  const experimentName = 'deep';
  const root = programSpan('Deep');
  const chain: SpanLike[] = [root];
  while (chain.length < 1_200) {
    chain.push(makeSpan({ parent: chain.at(-1) as SpanLike, name: `level ${chain.length}` }));
  }
  const call = chatSpan(chain.at(-1) as SpanLike);
  const exporter = new MlflowSpanExporter({ trackingUri: server.url, experimentName });
  // Children end before their parents.
  expect(await exportSpans(exporter, [call, ...chain.reverse()])).toEqual({ code: 0 });
  await exporter.shutdown();
  const [trace] = await rest.traces(experimentName, 1);
  expect(trace).toMatchObject({ name: 'Deep', state: 'OK', tokens: { total_tokens: 120 } });
  expect(flatten(trace?.roots ?? [])).toHaveLength(1_201);
});

it('calls that begin and end within one millisecond come in their order, each with its own end', async () => {
  const experimentName = 'fast';
  const root = programSpan('Fast');
  const [seconds, nanos] = root.startTime;
  const calls = Array.from({ length: 5 }, (_, index) => ({
    ...chatSpan(root, { name: `call ${index}` }),
    startTime: root.startTime,
    endTime: [seconds, nanos + (index + 1) * 100_000] as [number, number],
  }));
  const exporter = new MlflowSpanExporter({ trackingUri: server.url, experimentName });
  expect(await exportSpans(exporter, [...calls.reverse(), root])).toEqual({ code: 0 });
  await exporter.shutdown();
  const client = new MlflowClient({ trackingUri: server.url, experimentName });
  const [trace] = await client.getTraces().toArray();
  await client.close();
  expect(trace?.spans.map(({ name, durationMs }) => [name, durationMs])).toEqual([
    [root.name, 10],
    ['call 0', 0.1],
    ['call 1', 0.2],
    ['call 2', 0.3],
    ['call 3', 0.4],
    ['call 4', 0.5],
  ]);
});

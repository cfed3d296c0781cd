import { appendFile, mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { MlflowClient } from '../../src/client.js';
import { parseSegmentName } from '../../src/store/files.js';
import { frameOf } from '../../src/store/frame.js';
import { openLocalStore } from '../../src/store/local-store.js';
import { type FakeMlflow, startFakeMlflow } from '../support/fake-mlflow.js';
import { traceRecord } from '../support/records.js';

let server: FakeMlflow;
let client: MlflowClient;
beforeEach(async () => {
  server = await startFakeMlflow();
  client = new MlflowClient({ trackingUri: server.url, experimentId: '1' });
});
afterEach(async () => {
  await client.close();
  await server.close();
});

const cyclic: { me?: object } = {};
cyclic.me = cyclic;
const feedback = { traceId: 'tr-1', name: 'score' };
const none = undefined as never;

describe('an argument that cannot be used is refused by name, and asks the server nothing:', () => {
  it.each<[string, () => Promise<unknown>]>([
    ['getTrace: traceId', () => client.getTrace(none)],
    ['setTraceTag: value', () => client.setTraceTag('tr-1', 'k', 5 as never)],
    ['deleteTraceTag: key', () => client.deleteTraceTag('tr-1', '')],
    ['deleteAssessment: assessmentId', () => client.deleteAssessment('tr-1', '')],
    ['the id of an assessment cannot be', () => client.deleteAssessment('tr-1', '..')],
    ['logFeedback: give an object', () => client.logFeedback(none)],
    ['logFeedback: value', () => client.logFeedback({ ...feedback, value: 1n })],
    ['logFeedback: value', () => client.logFeedback({ ...feedback, value: Number.NaN })],
    ['logFeedback: value', () => client.logFeedback({ ...feedback, value: () => 1 })],
    ['logExpectation: value', () => client.logExpectation({ ...feedback, value: cyclic })],
    [
      'logFeedback: waitMs',
      () => client.logFeedback({ ...feedback, value: 1, waitMs: Number.NaN }),
    ],
    [
      'logFeedback: waitMs',
      () => client.logFeedback({ ...feedback, value: 1, waitMs: '5000' as never }),
    ],
    [
      'logFeedback: metadata: "n"',
      () => client.logFeedback({ ...feedback, value: 1, metadata: { n: 1 as never } }),
    ],
    ['linkPrompts: prompts', () => client.linkPrompts('tr-1', none)],
    ['linkTraces: traceIds', () => client.linkTraces('r', 'tr-1' as never)],
    ['getExperiment: id or name', () => client.getExperiment('name' as never)],
    ['getOrCreateExperiment: name', () => client.getOrCreateExperiment('')],
    ['createRun: experimentName', () => client.createRun({ experimentName: '' })],
    ['createRun: startTime', () => client.createRun({ startTime: new Date(Number.NaN) })],
    ['createRun: tags: "n"', () => client.createRun({ tags: { n: 1 as never } })],
    ['getRun: runId', () => client.getRun(none)],
    ['logToRun: tags', () => client.logToRun('r', { tags: new Map() as never })],
    ['logArtifact: content', () => client.logArtifact('r', 'a.txt', {} as never)],
    ['endRun: runId', () => client.endRun(none)],
    ['getTraces: orderBy', async () => client.getTraces({ orderBy: 5 as never })],
    ['getTraces: filter', async () => client.getTraces({ filter: '  ' })],
  ])('%s', async (message, call) => {
    // Not thrown: who gets a promise looks for failures there.
    await expect(call()).rejects.toMatchObject({
      name: 'MlflowConfigError',
      message: expect.stringContaining(message),
    });
    expect(server.requests).toEqual([]);
  });
});

it.each(['..', '../../2/secret', 'a//b', 'a/./b'])(
  'the artifact %j would be another place than that of the run',
  async (name) => {
    server.onOther = () => ({
      status: 200,
      body: JSON.stringify({
        run: { info: { run_id: 'r', experiment_id: '1', artifact_uri: 'mlflow-artifacts:/1/r' } },
      }),
    });
    await expect(client.logArtifact('r', name, 'x')).rejects.toThrow('the name of an artifact');
    await expect(client.getArtifact('r', name)).rejects.toThrow('the name of an artifact');
    expect(server.requests.map(({ path }) => path)).not.toContainEqual(
      expect.stringContaining('mlflow-artifacts/artifacts'),
    );
  },
);

describe('an answer of another form than MLflow’s is an MlflowApiError:', () => {
  const info = { trace_id: 'tr-1' };
  const calls = {
    traces: () => client.getTraces().toArray(),
    trace: () => client.getTrace('tr-1'),
    run: () => client.getRun('r'),
    newRun: () => client.createRun(),
    experiment: () => client.getExperiment({ name: 'n' }),
    feedback: () => client.logFeedback({ ...feedback, value: 1 }),
  };
  it.each<[keyof typeof calls, unknown]>([
    ['traces', null],
    ['traces', []],
    ['traces', 'ok'],
    ['traces', { traces: {} }],
    ['traces', { traces: [null] }],
    ['traces', { traces: [{}] }],
    ['traces', { traces: [{ ...info, assessments: {} }] }],
    ['traces', { traces: [{ ...info, tags: 'x' }] }],
    ['trace', { trace: {} }],
    ['trace', { trace: { trace_info: { trace_id: 5 } } }],
    ['run', { run: {} }],
    ['run', { run: { info: { run_id: 'r' }, data: { tags: 'abc' } } }],
    ['newRun', { run: 'r' }],
    ['experiment', { experiment: 'n' }],
    ['experiment', { experiment: { experiment_id: '1', tags: {} } }],
    ['feedback', { trace: { trace_info: info }, assessment: null }],
  ])('%s %j', async (call, answer) => {
    server.onOther = () => ({ status: 200, body: JSON.stringify(answer) });
    await expect(calls[call]()).rejects.toMatchObject({
      name: 'MlflowApiError',
      errorCode: 'ANSWER_NOT_JSON',
    });
  });

  it('pages that lead to themselves', async () => {
    server.onOther = () => ({
      status: 200,
      body: JSON.stringify({ traces: [info], next_page_token: 'again' }),
    });
    await expect(client.getTraces({ includeSpans: false }).toArray()).rejects.toThrow(
      'traces/search',
    );
    expect(server.requests.length).toBeLessThan(5);
  });

  it('spans without times', async () => {
    const tags = { 'mlflow.trace.spansLocation': 'TRACKING_STORE' };
    server.onOther = ({ path }) => ({
      status: 200,
      body: JSON.stringify(
        path.endsWith('batchGet')
          ? { traces: [{ trace_info: info, spans: [{ span_id: 'secret-text' }] }] }
          : { trace: { trace_info: { ...info, tags } } },
      ),
    });
    const failure = await client.getTrace('tr-1').catch((error: Error) => error);
    expect(failure).toMatchObject({ name: 'MlflowApiError' });
    expect(String(failure)).not.toContain('secret-text');
  });
});

it('a record of the local store that cannot be read costs only itself', async () => {
  const directory = await mkdtemp(join(tmpdir(), 'client-'));
  const now = Date.now();
  const whole = traceRecord({ experiment: { name: 'e' }, name: 'whole' });
  const lines = ['{}', '{"info":', '{"info":{},"spans":[{"startTimeUnixNano":"x"}]}'].map(
    (json, i) => frameOf({ type: 'trace', key: `${i}`.padStart(32, 'a'), timeMs: now, json }, now),
  );
  const store = await openLocalStore({ directory });
  await store.write([{ type: 'trace', value: whole }]);
  await store.close();
  const [name] = (await readdir(directory)).filter((file) => parseSegmentName(file));
  await appendFile(join(directory, name as string), Buffer.concat(lines));
  const local = new MlflowClient({ trackingUri: `file:${directory}`, experimentName: 'e' });
  expect((await local.getTraces().toArray()).map((trace) => trace.name)).toEqual(['whole']);
  await local.close();
  await rm(directory, { recursive: true });
});

it('names that every object inherits are no fields, tags or artifacts of the local store', async () => {
  const parent = await mkdtemp(join(tmpdir(), 'client-'));
  const directory = join(parent, 'traces');
  const store = await openLocalStore({ directory });
  const local = new MlflowClient({ trackingUri: `file:${directory}`, experimentName: 'e' });
  await store.write([
    { type: 'trace', value: traceRecord({ experiment: { name: 'e' }, name: 't' }) },
  ]);
  const count = async (filter: string) => (await local.getTraces({ filter }).toArray()).length;
  expect(await count("name = 't'")).toBe(1);
  expect(await count('tag.constructor IS NULL')).toBe(1);
  expect(await count('metadata.toString IS NOT NULL')).toBe(0);
  await expect(count("trace.constructor = 'x'")).rejects.toThrow(/is not a field of traces/);
  await expect(local.getTraces({ orderBy: 'constructor' }).toArray()).rejects.toThrow(/orderBy/);
  const { runId } = await local.createRun();
  expect(await local.getArtifact(runId, 'constructor')).toBeUndefined();
  await local.close();
  await store.close();
  await rm(parent, { recursive: true });
});

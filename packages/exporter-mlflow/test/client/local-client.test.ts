import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { MlflowClient } from '../../src/client.js';
import type { TraceRecord } from '../../src/internal-types.js';
import { type LocalStore, openLocalStore } from '../../src/store/local-store.js';
import { localRunId } from '../../src/store/stored.js';
import { hex, runRecord, spanRecord, traceRecord } from '../support/records.js';

let directory: string;
let store: LocalStore;
let client: MlflowClient;
const experimentName = 'store test';

beforeEach(async () => {
  directory = join(await mkdtemp(join(tmpdir(), 'client-')), 'traces');
  store = await openLocalStore({ directory });
  client = new MlflowClient({ trackingUri: `file:${directory}`, experimentName });
});
afterEach(async () => {
  await client.close();
  await store.close();
  await rm(join(directory, '..'), { recursive: true });
});

const write = (...traces: TraceRecord[]) =>
  store.write(traces.map((value) => ({ type: 'trace' as const, value })));
const names = async (query: Parameters<MlflowClient['getTraces']>[0] = {}) =>
  (await client.getTraces(query).toArray()).map(({ name }) => name);
/** Traces `t0` (oldest) to `t<n-1>`, a second apart. */
const series = (count: number, over: (i: number) => Partial<TraceRecord['info']> = () => ({})) =>
  write(
    ...Array.from({ length: count }, (_, i) =>
      traceRecord({ name: `t${i}`, requestTimeMs: 1_700_000_000_000 + i * 1_000, ...over(i) }),
    ),
  );

describe('getTraces from the local store', () => {
  it('gives what the guide’s programmatic access promises', async () => {
    const traceId = hex(16);
    const runId = hex(16);
    const root = spanRecord(traceId, {
      name: 'QA.forward',
      startTimeUnixNano: 1_795_569_213_293_168_114n,
    });
    const lm = spanRecord(traceId, {
      parentSpanId: root.spanId,
      name: 'LM',
      startTimeUnixNano: 1_795_569_213_293_168_115n,
      status: { code: 2, message: 'boom' },
      attributes: {
        'mlflow.spanType': 'CHAT_MODEL',
        'mlflow.spanOutputs': 'plain text',
        'mlflow.chat.tokenUsage':
          '{"input_tokens":10,"output_tokens":5,"total_tokens":15,"cache_read_input_tokens":3}',
        'mlflow.llm.cost': '{"input_cost":0.1,"output_cost":0.2,"total_cost":0.3}',
        number: 3,
        text: '3',
      },
      events: [
        { name: 'exception', timeUnixNano: 5n, attributes: { 'exception.message': 'boom' } },
      ],
      links: [{ traceId: hex(16), spanId: hex(8), attributes: {} }],
    });
    await write(
      traceRecord(
        {
          traceId,
          runId,
          clientRequestId: 'req-1',
          state: 'ERROR',
          metadata: { 'mlflow.trace.session': 'S1', 'mlflow.trace.user': 'U1' },
          tags: { env: 'prod' },
          assessments: [
            {
              id: 'a-1',
              name: 'exact',
              kind: 'feedback',
              value: true,
              source: { type: 'CODE', id: 'exact' },
            },
          ],
        },
        [lm, root],
      ),
    );
    const [trace] = await client.getTraces({ maxResults: 1 }).toArray();
    expect(trace).toMatchObject({
      traceId: `tr-${traceId}`,
      name: 'QA',
      state: 'ERROR',
      durationMs: 500,
      runId,
      inputs: { question: 'one plus one?' },
      outputs: { answer: '2' },
      clientRequestId: 'req-1',
      session: 'S1',
      user: 'U1',
      tokens: { inputTokens: 10, outputTokens: 5, totalTokens: 15, cacheReadInputTokens: 3 },
      cost: { inputCost: 0.1, outputCost: 0.2, totalCost: 0.3 },
      tags: { env: 'prod', 'mlflow.traceName': 'QA' },
      assessments: [{ name: 'exact', value: true }],
    });
    expect(trace?.spans.map(({ name, type, parentId }) => [name, type, parentId])).toEqual([
      ['QA.forward', 'CHAIN', undefined],
      ['LM', 'CHAT_MODEL', root.spanId],
    ]);
    expect(trace?.spans[1]).toMatchObject({
      startTimeUnixNano: 1_795_569_213_293_168_115n,
      status: { code: 'ERROR', message: 'boom' },
      outputs: 'plain text',
      attributes: { number: 3, text: '3' },
      events: [{ name: 'exception' }],
      links: [{}],
    });
    expect(await client.getTrace(traceId)).toEqual(trace);
    expect(await client.getTrace(`tr-${hex(16)}`)).toBeUndefined();
  });

  it('is newest first, lazy, bounded by maxResults, and ordered as asked', async () => {
    await series(7, (i) => ({ durationMs: (i * 37) % 11 }));
    expect(await names({ pageSize: 2 })).toEqual(['t6', 't5', 't4', 't3', 't2', 't1', 't0']);
    expect(await names({ maxResults: 3 })).toEqual(['t6', 't5', 't4']);
    expect(await names({ maxResults: 0 })).toEqual([]);
    expect(await names({ orderBy: 'timestamp_ms ASC', maxResults: 2 })).toEqual(['t0', 't1']);
    expect(await names({ orderBy: ['execution_time_ms DESC'], maxResults: 2 })).toEqual([
      't5',
      't2',
    ]);
    const seen: string[] = [];
    for await (const { name } of client.getTraces({ pageSize: 1 })) {
      if (seen.push(name) === 2) break;
    }
    expect(seen).toEqual(['t6', 't5']);
  });

  it('leaves spans out when told to, with previews in their place', async () => {
    await series(1);
    const [trace] = await client.getTraces({ includeSpans: false }).toArray();
    expect(trace).toMatchObject({
      spans: [],
      inputs: { question: 'one plus one?' },
      outputs: { answer: '2' },
    });
  });

  it('puts together a trace that was written in parts, whichever came first', async () => {
    const traceId = hex(16);
    const root = spanRecord(traceId, { name: 'root' });
    const child = spanRecord(traceId, { name: 'child', parentSpanId: root.spanId });
    const { info } = traceRecord({ traceId, tags: { late: '1' } });
    await write(
      {
        complete: false,
        spans: [child],
        info: { ...info, state: 'IN_PROGRESS', tags: { early: '1' } },
      },
      { complete: true, spans: [root], info },
    );
    await write({
      complete: false,
      spans: [child],
      info: { ...info, state: 'IN_PROGRESS', tags: {} },
    });
    const trace = await client.getTrace(traceId);
    expect(trace).toMatchObject({ state: 'OK', tags: { early: '1', late: '1' } });
    expect(trace?.spans.map(({ name }) => name).sort()).toEqual(['child', 'root']);
  });

  it('keeps experiments and runs apart', async () => {
    const runId = hex(16);
    await series(2, (i) => (i === 0 ? { runId } : {}));
    await series(1, () => ({ name: 'other', experiment: { name: 'other' } }));
    await series(1, () => ({ name: 'by id', experiment: { id: '42' } }));
    expect(await names()).toEqual(['t1', 't0']);
    expect(await names({ experimentName: 'other' })).toEqual(['other']);
    expect(await names({ experimentId: '42' })).toEqual(['by id']);
    await expect(names({ experimentName: 'typo' })).rejects.toThrow(/no experiment named "typo"/);
    await expect(names({ runId })).rejects.toMatchObject({ errorCode: 'RESOURCE_DOES_NOT_EXIST' });
    expect(await client.getExperiment({ name: 'other' })).toMatchObject({
      id: await client.getOrCreateExperiment('other'),
    });
    expect(await client.getExperiment({ id: '7' })).toBeUndefined();
  });
});

describe('filter', () => {
  beforeEach(async () => {
    const traceId = hex(16);
    await write(
      traceRecord({
        name: 'ok',
        tags: { env: 'prod', 'a key': 'x' },
        durationMs: 10,
        clientRequestId: "it's",
      }),
      traceRecord(
        {
          name: 'failed',
          traceId,
          state: 'ERROR',
          tags: { env: 'dev' },
          durationMs: 2_000,
          metadata: { 'mlflow.trace.session': 'S' },
          assessments: [
            {
              id: 'a',
              name: 'score',
              kind: 'feedback',
              value: 0.5,
              source: { type: 'CODE', id: 's' },
            },
            {
              id: 'b',
              name: 'ok',
              kind: 'feedback',
              value: true,
              source: { type: 'CODE', id: 's' },
            },
          ],
        },
        [
          spanRecord(traceId, {
            name: 'Tool.search',
            status: { code: 2 },
            attributes: { 'mlflow.spanType': 'TOOL', note: 'Needle_1' },
          }),
        ],
      ),
      traceRecord({ name: 'third', durationMs: 500 }),
    );
  });

  it.each([
    ["trace.status = 'ERROR'", ['failed']],
    ["status != 'ERROR' AND name LIKE 'o%'", ['ok']],
    ["attributes.name IN ('ok', 'third') and execution_time_ms < 100", ['ok']],
    ["trace.name NOT IN ('ok','failed')", ['third']],
    ["tag.env = 'prod'", ['ok']],
    ["tags.env != 'prod'", ['failed']],
    ["tag.`a key` = 'x'", ['ok']],
    ['tag."a key" = "x"', ['ok']],
    ['tag.env IS NULL', ['third']],
    ['tag.env IS NOT NULL', ['ok', 'failed']],
    ["metadata.`mlflow.trace.session` = 'S'", ['failed']],
    ["request_metadata.mlflow.trace.session = 'S'", ['failed']],
    ["span.name LIKE '%search' AND span.type = 'TOOL' AND span.status = 'ERROR'", ['failed']],
    ["trace.text LIKE '%Needle_1%'", ['failed']],
    ["trace.text ILIKE '%needle%'", ['failed']],
    ["trace.name RLIKE '^(ok|th)'", ['ok', 'third']],
    ['feedback.score >= 0.5', ['failed']],
    ["feedback.ok = 'true'", ['failed']],
    ["client_request_id = 'it''s'", ['ok']],
    ['trace.timestamp_ms > 0', ['ok', 'failed', 'third']],
    ["name LIKE 'o.'", []],
  ])('%s', async (filter, expected) => {
    expect((await names({ filter })).sort()).toEqual([...expected].sort());
  });

  it.each([
    ["trace.colour = 'red'", /"trace.colour" is not a field/],
    ["status = 'OK' OR name = 'x'", /joined by AND/],
    ['status ~ 1', /cannot be read from " ~ 1" on/],
    ['status', /followed by one of/],
    ['status = ', /a value is a number or text/],
    ["status IN ('a'", /list is not closed|a value is/],
    ["name RLIKE '('", /not a regular expression/],
    ["'x' = 'y'", /begins with a field/],
  ])('%s is refused', async (filter, message) => {
    await expect(names({ filter })).rejects.toThrow(message);
  });

  it('refuses an order it does not know', async () => {
    await expect(names({ orderBy: 'colour DESC' })).rejects.toThrow(/orderBy: "colour DESC"/);
  });
});

describe('arguments', () => {
  it.each<[object, RegExp]>([
    [{ run_id: 'x' }, /getTraces: there is no "run_id"; it takes runId/],
    [{ runId: '' }, /runId must be text that is not empty, not ""/],
    [{ runId: "x' OR" }, /runId must be a run id/],
    [{ maxResults: -1 }, /maxResults must be a whole number of traces, not -1/],
    [{ maxResults: Number.NaN }, /maxResults/],
    [{ pageSize: 501 }, /pageSize must be a whole number from 1 to 500/],
    [{ includeSpans: 'no' }, /includeSpans must be true or false/],
  ])('%j are refused at once', (query, message) => {
    expect(() => client.getTraces(query)).toThrow(message);
  });

  it('of the constructor are refused with what to do', () => {
    expect(() => new MlflowClient({ trackingUri: 'localhost:5000' })).toThrow(
      /write http:\/\/localhost:5000/,
    );
  });

  it('of other calls too', async () => {
    await expect(client.logFeedback({ traceID: 'x' } as never)).rejects.toThrow(
      /logFeedback: there is no "traceID"/,
    );
    const name = 'n';
    await expect(client.logFeedback({ traceId: 'x', name })).rejects.toThrow(
      /one of value and error/,
    );
    await expect(client.logFeedback({ traceId: '', name, value: 1 })).rejects.toThrow(
      /traceId must be text/,
    );
    await expect(client.logExpectation({ traceId: 'x', name })).rejects.toThrow(/give a value/);
    await expect(client.endRun('x', 'DONE' as never)).rejects.toThrow(/"DONE" is not one of/);
  });
});

describe('assessments and tags in the local store', () => {
  it('are added, replaced by id, removed, and survive another client', async () => {
    const traceId = hex(16);
    await write(traceRecord({ traceId, tags: { a: '1', b: '2' } }));
    await client.setTraceTag(`tr-${traceId}`, 'a', 'new');
    await client.deleteTraceTag(traceId, 'b');
    for (const version of [1, '1', 2]) await client.linkPrompts(traceId, [{ name: 'p', version }]);
    const give = (value: number) =>
      client.logFeedback({ traceId, name: 'stars', value, rationale: 'why', idempotencyKey: 'k' });
    const first = await give(3);
    expect((await give(4)).id).toBe(first.id);
    await client.logExpectation({ traceId, name: 'answer', value: { text: '2' } });
    const other = await client.logFeedback({
      traceId,
      name: 'x',
      error: { code: 'E', message: 'm' },
    });
    await client.deleteAssessment(traceId, other.id);
    const reader = new MlflowClient({ trackingUri: `file:${directory}` });
    expect(await reader.getTrace(traceId)).toMatchObject({
      tags: {
        a: 'new',
        'mlflow.linkedPrompts': '[{"name":"p","version":"1"},{"name":"p","version":"2"}]',
      },
      assessments: [
        {
          name: 'stars',
          value: 4,
          rationale: 'why',
          kind: 'feedback',
          source: { type: 'HUMAN', id: 'default' },
        },
        { name: 'answer', value: { text: '2' }, kind: 'expectation' },
      ],
    });
    expect((await reader.getTrace(traceId))?.tags.b).toBeUndefined();
    const filter = "prompt = 'p/2'";
    expect(await reader.getTraces({ experimentName, filter }).toArray()).toHaveLength(1);
    await reader.close();
  });

  it('wait for a trace that is written a moment later, and not for ever', async () => {
    const traceId = hex(16);
    const given = client.logFeedback({ traceId, name: 'late', value: true });
    await write(traceRecord({ traceId }));
    expect(await given).toMatchObject({ name: 'late', value: true });
    await expect(
      client.logFeedback({ traceId: hex(16), name: 'never', value: 1, waitMs: 60 }),
    ).rejects.toMatchObject({
      status: 404,
      errorCode: 'RESOURCE_DOES_NOT_EXIST',
      message: expect.stringContaining('after waiting 60 ms'),
    });
  });
});

describe('runs in the local store', () => {
  it('of programs are made, filled, linked and ended', async () => {
    const run = await client.createRun({ name: 'r1', tags: { t: '1' } });
    const child = await client.createRun({ parentRunId: run.runId, experimentName: 'other' });
    const traceId = hex(16);
    await write(traceRecord({ traceId }));
    await client.logToRun(run.runId, {
      params: { n: 3, flag: true },
      metrics: [
        { key: 'acc', value: 0.5, step: 0 },
        { key: 'acc', value: 0.7, step: 1 },
      ],
      tags: { t: '2' },
    });
    await client.logToRun(run.runId, { metrics: { loss: 1, bad: Number.NaN } });
    await client.logArtifact(run.runId, 'a/b.json', '{"x":1}');
    await client.logArtifact(run.runId, 'bytes', new TextEncoder().encode('ä'));
    await client.linkTraces(run.runId, [`tr-${traceId}`]);
    await client.endRun(run.runId, 'FAILED');
    expect(await client.getRun(run.runId)).toMatchObject({
      name: 'r1',
      status: 'FAILED',
      params: { n: '3', flag: 'true' },
      metrics: { acc: 0.7, loss: 1 },
      tags: { t: '2' },
      endTime: expect.any(Date),
    });
    expect((await client.getRun(run.runId))?.metrics).not.toHaveProperty('bad');
    expect(await client.getArtifact(run.runId, 'a/b.json')).toBe('{"x":1}');
    expect(await client.getArtifact(run.runId, 'bytes')).toBe('ä');
    expect(await client.getArtifact(run.runId, 'none')).toBeUndefined();
    expect(await client.getRun(child.runId)).toMatchObject({
      parentRunId: run.runId,
      status: 'RUNNING',
    });
    expect((await client.getTraces({ runId: run.runId }).toArray())[0]).toMatchObject({
      traceId: `tr-${traceId}`,
      runId: run.runId,
    });
    expect(await client.getRun(hex(16))).toBeUndefined();
    await expect(client.endRun(hex(16))).rejects.toMatchObject({ status: 404 });
  });

  it('that spans asked for are read by id, once however often they were written', async () => {
    const traceId = hex(16);
    await write(traceRecord({ traceId }));
    const parentKey = `${hex(16)}:${hex(8)}`;
    const value = runRecord({
      parentKey,
      experiment: { name: experimentName },
      params: { a: '1' },
      metrics: [{ key: 'eval', value: 66.67, step: 0, timestampMs: 1 }],
      artifacts: { 'model.json': '{}' },
      traceIds: [traceId],
    });
    await store.write([{ type: 'run', value }]);
    await store.write([{ type: 'run', value }]);
    const runId = localRunId(value.key);
    expect(await client.getRun(runId)).toMatchObject({
      name: 'eval',
      status: 'FINISHED',
      params: { a: '1' },
      metrics: { eval: 66.67 },
      parentRunId: localRunId(parentKey),
    });
    expect(await client.getTraces({ runId }).toArray()).toHaveLength(1);
  });
});

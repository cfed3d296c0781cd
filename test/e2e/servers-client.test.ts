import { readFileSync } from 'node:fs';
import { createServer, request } from 'node:http';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { MlflowClient } from '../../packages/exporter-mlflow/src/client.js';
import type { RunRecord, TraceRecord } from '../../packages/exporter-mlflow/src/internal-types.js';
import { encodeTraceRequest } from '../../packages/exporter-mlflow/src/otlp/encode.js';
import { putTraceArtifact } from '../../packages/exporter-mlflow/src/server/artifacts.js';
import { createAssessment } from '../../packages/exporter-mlflow/src/server/assessments.js';
import type { Connection } from '../../packages/exporter-mlflow/src/server/connection.js';
import { createExperimentResolver } from '../../packages/exporter-mlflow/src/server/experiments.js';
import { createRunRecorder } from '../../packages/exporter-mlflow/src/server/runs.js';
import { startTrace } from '../../packages/exporter-mlflow/src/server/traces.js';
import { fetchServerVersion } from '../../packages/exporter-mlflow/src/server/version.js';
import { connectTo } from '../../packages/exporter-mlflow/test/support/connect.js';
import { close, listen } from '../../packages/exporter-mlflow/test/support/proxy.js';
import {
  hex,
  runRecord,
  spanRecord,
  traceRecord,
} from '../../packages/exporter-mlflow/test/support/records.js';
import { startMlflowServer, type TestMlflowServer } from '../support/mlflow-server.js';

// What client and server modules do against real servers, on the three generations that are supported.
describe.each(['3.17.2', '3.12.0', '3.8.1'])('MLflow %s', (version) => {
  let server: TestMlflowServer;
  let connection: Connection;
  beforeAll(async () => {
    server = await startMlflowServer({ version });
    connection = connectTo({ trackingUri: server.url });
  });
  afterAll(async () => {
    await connection?.close();
    await server?.stop();
  });

  const newName = () => `${version}-${hex(4)}`;
  const clientOf = (experimentName: string) =>
    new MlflowClient({ trackingUri: server.url, experimentName });

  /** As the exporter does it: StartTraceV3 with everything, then the spans. */
  async function send(...traces: TraceRecord[]): Promise<void> {
    const experiments = createExperimentResolver(connection);
    for (const trace of traces) {
      const id = await experiments.resolve(trace.info.experiment);
      await startTrace(connection, trace.info, id);
      const answer = await connection.send({
        method: 'POST',
        path: '/v1/traces',
        headers: { 'x-mlflow-experiment-id': id, 'content-type': 'application/x-protobuf' },
        body: await encodeTraceRequest(trace.spans),
      });
      expect(answer.status).toBe(200);
    }
  }

  async function json(script: string): Promise<unknown> {
    const output = await server.python(
      `import json, mlflow\nclient = mlflow.MlflowClient()\n${script}`,
    );
    return JSON.parse(output.trim().split('\n').at(-1) as string);
  }

  it('tells its version', async () => {
    expect((await fetchServerVersion(connection))?.text).toBe(version);
  });

  it('gives a trace back as it was sent', async () => {
    const name = newName();
    const traceId = hex(16);
    const linked = { traceId: hex(16), spanId: hex(8), attributes: { why: 'example' } };
    const root = spanRecord(traceId, {
      name: 'QA.forward',
      startTimeUnixNano: 1_795_569_213_293_168_114n,
      endTimeUnixNano: 1_795_569_213_793_168_999n,
      links: [linked],
      status: { code: 2, message: 'boom' },
      events: [
        {
          name: 'exception',
          timeUnixNano: 1_795_569_213_793_168_998n,
          attributes: { 'exception.message': 'boom', n: 3 },
        },
      ],
    });
    const lm = spanRecord(traceId, {
      parentSpanId: root.spanId,
      name: 'chat',
      startTimeUnixNano: 1_795_569_213_393_168_114n,
      endTimeUnixNano: 1_795_569_213_493_168_114n,
      attributes: {
        'mlflow.spanType': 'CHAT_MODEL',
        'mlflow.spanInputs': '[{"role":"user","content":"ü"}]',
        'mlflow.spanOutputs': 'plain text',
        'mlflow.chat.tokenUsage': '{"input_tokens":10,"output_tokens":5,"total_tokens":15}',
        whole: 3,
        fraction: 1.5,
        flag: true,
        list: ['a', 'b'],
        digits: '3',
      },
    });
    await send(
      traceRecord(
        {
          traceId,
          experiment: { name },
          requestTimeMs: 1_795_569_213_293,
          durationMs: 500,
          state: 'ERROR',
          clientRequestId: 'req-1',
          metadata: { own: 'm', 'mlflow.trace.session': 'S1', 'mlflow.trace.user': 'U1' },
          tags: { env: 'prod' },
          assessments: [
            {
              id: `a-${hex(16)}`,
              name: 'exact',
              kind: 'feedback',
              value: false,
              rationale: 'why',
              source: { type: 'CODE', id: 'exact' },
              metadata: { k: 'v' },
            },
          ],
        },
        [root, lm],
      ),
    );
    const client = clientOf(name);
    const trace = await client.getTrace(traceId);
    expect(trace).toMatchObject({
      traceId: `tr-${traceId}`,
      name: 'QA',
      state: 'ERROR',
      durationMs: 500,
      startTime: new Date(1_795_569_213_293),
      inputs: { question: 'one plus one?' },
      outputs: { answer: '2' },
      clientRequestId: 'req-1',
      session: 'S1',
      user: 'U1',
      tokens: { inputTokens: 10, outputTokens: 5, totalTokens: 15 },
      tags: { env: 'prod' },
      metadata: { own: 'm' },
      assessments: [
        {
          name: 'exact',
          kind: 'feedback',
          value: false,
          rationale: 'why',
          source: { type: 'CODE', id: 'exact' },
          metadata: { k: 'v' },
        },
      ],
    });
    const [first, second] = trace?.spans ?? [];
    expect(first).toMatchObject({
      spanId: root.spanId,
      type: 'CHAIN',
      startTimeUnixNano: root.startTimeUnixNano,
      endTimeUnixNano: root.endTimeUnixNano,
      durationMs: 500.000885,
      status: { code: 'ERROR', message: 'boom' },
      events: root.events,
      // Older releases keep none.
      links: version === '3.17.2' ? [linked] : [],
    });
    expect(second).toMatchObject({
      parentId: root.spanId,
      type: 'CHAT_MODEL',
      inputs: [{ role: 'user', content: 'ü' }],
      outputs: 'plain text',
      attributes: { whole: 3, fraction: 1.5, flag: true, list: ['a', 'b'], digits: '3' },
    });
    expect(await client.getTraces({ includeSpans: false }).toArray()).toMatchObject([
      { traceId: `tr-${traceId}`, spans: [], inputs: { question: 'one plus one?' } },
    ]);
    expect(await client.getTrace(hex(16))).toBeUndefined();
    await client.close();
  });

  it('is walked page by page, each trace once, while others arrive', async () => {
    const name = newName();
    const at = (i: number) =>
      traceRecord({
        name: `t${i}`,
        experiment: { name },
        requestTimeMs: 1_795_569_000_000 + i * 1_000,
      });
    await send(...Array.from({ length: 25 }, (_, i) => at(i)));
    const client = clientOf(name);
    for (const orderBy of ['timestamp_ms DESC', 'execution_time_ms DESC']) {
      const seen: string[] = [];
      for await (const trace of client.getTraces({ pageSize: 10, orderBy })) {
        seen.push(trace.name);
        if (seen.length % 5 === 0) await send(at(1_000 + seen.length + orderBy.length * 100));
      }
      expect(new Set(seen).size).toBe(seen.length);
      expect(seen).toEqual(expect.arrayContaining(Array.from({ length: 25 }, (_, i) => `t${i}`)));
    }
    expect(
      (await client.getTraces({ filter: "trace.name = 't7'" }).toArray()).map(({ name }) => name),
    ).toEqual(['t7']);
    expect(await client.getTraces({ maxResults: 12, pageSize: 5 }).toArray()).toHaveLength(12);
    await client.close();
  });

  it('takes tags, feedback and expectations, also for a trace that comes later, each once', async () => {
    const name = newName();
    const traceId = hex(16);
    const client = clientOf(name);
    const late = client.logFeedback({ traceId, name: 'late', value: 4, idempotencyKey: 'k' });
    await send(traceRecord({ traceId, experiment: { name } }));
    const { id } = await late;
    const again = await client.logFeedback({
      traceId,
      name: 'late',
      value: 4,
      idempotencyKey: 'k',
    });
    expect(again).toMatchObject({ id, value: 4 });
    await client.logExpectation({ traceId, name: 'answer', value: { n: 1, text: '2' } });
    const wrong = await client.logFeedback({
      traceId,
      name: 'wrong',
      error: { code: 'E', message: 'm' },
      source: { type: 'LLM_JUDGE', id: 'judge' },
    });
    expect(wrong).toMatchObject({ error: { code: 'E', message: 'm' } });
    await client.deleteAssessment(traceId, wrong.id);
    await client.setTraceTag(traceId, 'a', '1');
    await client.setTraceTag(traceId, 'b', '2');
    await client.deleteTraceTag(traceId, 'b');
    for (let i = 0; i < 2; i++)
      await client.linkPrompts(traceId, [{ name: 'greeting', version: 1 }]);
    const trace = await client.getTrace(traceId);
    const byName = (trace?.assessments ?? []).sort((a, b) => (a.name < b.name ? -1 : 1));
    expect(byName).toMatchObject([
      { name: 'answer', kind: 'expectation', value: { n: 1, text: '2' } },
      { id, name: 'late', value: 4 },
    ]);
    expect(trace?.tags).toMatchObject({ a: '1' });
    const usingPrompt = client.getTraces({ filter: "prompt = 'greeting/1'" });
    expect((await usingPrompt.toArray()).map(({ traceId }) => traceId)).toEqual([`tr-${traceId}`]);
    expect(trace?.tags).not.toHaveProperty('b');
    await expect(
      client.logFeedback({ traceId: hex(16), name: 'never', value: 1, waitMs: 100 }),
    ).rejects.toMatchObject({ status: 404, errorCode: 'RESOURCE_DOES_NOT_EXIST' });
    // What delivery does on a resend.
    const record = {
      id: `a-${hex(16)}`,
      name: 'score',
      kind: 'feedback' as const,
      value: 1,
      source: { type: 'CODE' as const, id: 's' },
    };
    for (let i = 0; i < 2; i++) await createAssessment(connection, traceId, record);
    expect((await client.getTrace(traceId))?.assessments).toHaveLength(3);
    await client.close();
  });

  it('keeps spans as an artifact where they cannot be stored, readable here and in Python', async () => {
    const name = newName();
    const traceId = hex(16);
    const trace = traceRecord({ traceId, experiment: { name } });
    const root = trace.spans[0] as (typeof trace.spans)[0];
    root.attributes.digits = '3';
    root.events.push({
      name: 'e',
      timeUnixNano: root.startTimeUnixNano + 1n,
      attributes: { a: 'b' },
    });
    trace.spans.push(spanRecord(traceId, { name: 'child', parentSpanId: root.spanId }));
    const id = await createExperimentResolver(connection).resolve({ name });
    await putTraceArtifact(connection, await startTrace(connection, trace.info, id), trace);
    // One of the kind that is in the database, and one that was begun and never finished.
    await send(traceRecord({ name: 'stored', experiment: { name } }));
    await startTrace(connection, traceRecord({ name: 'empty', experiment: { name } }).info, id);
    const client = clientOf(name);
    const listed = await client.getTraces().toArray();
    expect(listed.map(({ name, spans }) => [name, spans.length])).toEqual([
      ['empty', 0],
      ['stored', 1],
      ['QA', 2],
    ]);
    const read = await client.getTrace(traceId);
    expect(read?.spans).toMatchObject([
      {
        name: 'QA',
        startTimeUnixNano: root.startTimeUnixNano,
        attributes: { digits: '3' },
        events: root.events,
      },
      { name: 'child', parentId: root.spanId },
    ]);
    expect(read).toMatchObject({ inputs: { question: 'one plus one?' }, outputs: { answer: '2' } });
    expect(
      await json(`t = client.get_trace("tr-${traceId}")
print(json.dumps([[s.name, s.inputs, s.outputs, s.span_type, s.status.status_code.value] for s in t.data.spans]))`),
    ).toEqual([
      ['QA', { question: 'one plus one?' }, { answer: '2' }, 'CHAIN', 'OK'],
      ['child', { question: 'one plus one?' }, { answer: '2' }, 'CHAIN', 'OK'],
    ]);
    await client.close();
  });

  it('has runs of programs: data, artifacts, traces, end', async () => {
    const name = newName();
    const traceId = hex(16);
    await send(traceRecord({ traceId, experiment: { name } }));
    const client = clientOf(name);
    const parent = await client.createRun({ name: 'parent', tags: { t: '1' } });
    const run = await client.createRun({ parentRunId: parent.runId });
    await client.logToRun(run.runId, {
      params: { n: 3, long: 'x'.repeat(7_000) },
      metrics: { acc: 0.5, bad: Number.NaN, worse: Number.POSITIVE_INFINITY },
    });
    await client.logArtifact(run.runId, 'folder/a b.json', '{"ü":1}');
    await client.linkTraces(run.runId, [traceId]);
    await client.endRun(run.runId, 'KILLED');
    expect(await client.getRun(run.runId)).toMatchObject({
      status: 'KILLED',
      params: { n: '3', long: 'x'.repeat(6_000) },
      metrics: { acc: 0.5 },
      parentRunId: parent.runId,
      endTime: expect.any(Date),
    });
    expect(await client.getArtifact(run.runId, 'folder/a b.json')).toBe('{"ü":1}');
    expect(await client.getArtifact(run.runId, 'params/long.txt')).toHaveLength(7_000);
    expect(await client.getArtifact(run.runId, 'none')).toBeUndefined();
    expect(await client.getTraces({ runId: run.runId }).toArray()).toMatchObject([
      { traceId: `tr-${traceId}`, runId: run.runId },
    ]);
    expect(await client.getRun(hex(16))).toBeUndefined();
    await expect(client.endRun(hex(16))).rejects.toMatchObject({
      status: 404,
      errorCode: 'RESOURCE_DOES_NOT_EXIST',
      endpoint: 'POST /api/2.0/mlflow/runs/update',
    });
    await client.close();
  });

  it('resolves experiments once under a race, and names a deleted or unknown one', async () => {
    const name = newName();
    const ids = await Promise.all(
      Array.from({ length: 8 }, () => createExperimentResolver(connection).resolve({ name })),
    );
    expect(new Set(ids).size).toBe(1);
    expect(ids[0]).not.toBe('0');
    const client = clientOf(name);
    expect(await client.getExperiment({ name })).toMatchObject({
      id: ids[0],
      lifecycleStage: 'active',
    });
    expect(await client.getExperiment({ id: ids[0] as string })).toMatchObject({ name });
    await connection.send({
      method: 'POST',
      path: '/api/2.0/mlflow/experiments/delete',
      body: { experiment_id: ids[0] },
    });
    const resolver = createExperimentResolver(connection);
    for (const ref of [{ name }, { id: ids[0] as string }]) {
      await expect(resolver.resolve(ref)).rejects.toThrow(
        `the MLflow experiment "${name}" (id ${ids[0]}) is deleted; restore it`,
      );
    }
    for (const id of ['999999', 'abc']) {
      await expect(resolver.resolve({ id })).rejects.toThrow(`no experiment with id ${id}`);
    }
    expect(await client.getExperiment({ name: newName() })).toBeUndefined();
    await expect(clientOf('never made').getTraces().toArray()).rejects.toThrow(
      /no experiment named "never made"/,
    );
    expect(await resolver.resolve({})).toBe('0');
    await client.close();
  });

  describe('runs that spans asked for', () => {
    it('hold what Python’s own runs of evaluations and compiles hold', async () => {
      for (const golden of Object.values(readGolden())) {
        const name = newName();
        const recorder = createRunRecorder(connection, createExperimentResolver(connection));
        const keys = new Map(golden.map(({ id }) => [id, `${hex(16)}:${hex(8)}`]));
        // Children end, and so are recorded, before their parents.
        for (const run of [...golden].reverse()) {
          const parentKey = run.parent && keys.get(run.parent);
          await recorder.record(toRecord(run, keys.get(run.id) as string, name, parentKey));
        }
        const read = await json(`
e = mlflow.set_experiment("${name}")
out = []
ids = {}
for r in client.search_runs([e.experiment_id]):
  arts = {f.path: json.loads(mlflow.artifacts.load_text(f"{r.info.artifact_uri}/{f.path}")) for f in client.list_artifacts(r.info.run_id)}
  tables = [t["path"] for t in json.loads(r.data.tags.get("mlflow.loggedArtifacts", "[]")) if t["type"] == "table"]
  for t in tables: assert len(mlflow.load_table(t, run_ids=[r.info.run_id])) == len(arts[t]["data"])
  ids[r.info.run_id] = r.info.run_name
  out.append(dict(name=r.info.run_name, status=r.info.status, params=r.data.params, artifacts=arts, tables=sorted(tables), parent=r.data.tags.get("mlflow.parentRunId"),
    metrics={k: [[m.step, m.value] for m in client.get_metric_history(r.info.run_id, k)] for k in r.data.metrics}))
for o in out: o["parent"] = ids.get(o["parent"])
print(json.dumps(out))`);
        const names = new Map(golden.map((run) => [run.id, run.name]));
        const expected = golden.map((run) => ({
          name: run.name,
          status: run.status,
          params: texts(run.params),
          metrics: run.metrics ?? {},
          artifacts: run.artifacts,
          tables: Object.keys(run.artifacts)
            .filter((path) => /table|set/.test(path))
            .sort(),
          parent: run.parent ? names.get(run.parent) : null,
        }));
        const byName = (a: { name: string }, b: { name: string }) => (a.name < b.name ? -1 : 1);
        expect((read as typeof expected).sort(byName)).toEqual(expected.sort(byName));
      }
    });

    it('are one run however often they are sent, also after a failure half-way', async () => {
      const name = newName();
      const traces = Array.from({ length: 120 }, () => traceRecord({ experiment: { name } }));
      await Promise.all(traces.map(({ info }) => startIn(name, info)));
      const record = runRecord({
        experiment: { name },
        status: 'FAILED',
        params: Object.fromEntries(Array.from({ length: 250 }, (_, i) => [`p${i}`, String(i)])),
        metrics: Array.from({ length: 2_100 }, (_, i) => ({
          key: 'm',
          value: i,
          step: i,
          timestampMs: 1_795_569_000_000 + i,
        })),
        tags: { own: 'x'.repeat(9_000) },
        artifacts: { 'model.json': '{}', 'result_table.json': '{"columns":["a"],"data":[[1]]}' },
        traceIds: traces.map(({ info }) => info.traceId),
      });
      const broken = await startBreakingProxy(server.url, /PUT .*result_table/, 1);
      const through = connectTo({ trackingUri: broken.url });
      const recorder = createRunRecorder(through, createExperimentResolver(through));
      await expect(recorder.record(record)).rejects.toMatchObject({ status: 502 });
      const made = await recorder.record(record);
      // Another process, that knows nothing of it, and one more time at once.
      const other = createRunRecorder(connection, createExperimentResolver(connection));
      const again = await Promise.all([other.record(record), other.record(record)]);
      expect(again.map(({ runId }) => runId)).toEqual([made.runId, made.runId]);
      expect(await other.find(record.key, { name })).toBe(made.runId);
      await through.close();
      await broken.close();
      const read = (await json(`
e = mlflow.get_experiment_by_name("${name}")
runs = client.search_runs([e.experiment_id])
r = runs[0]
print(json.dumps(dict(runs=len(runs), status=r.info.status, params=len(r.data.params), history=len(client.get_metric_history(r.info.run_id, "m")), tag=len(r.data.tags["own"]),
  artifacts=sorted(f.path for f in client.list_artifacts(r.info.run_id)))))`)) as object;
      expect(read).toEqual({
        runs: 1,
        status: 'FAILED',
        params: 250,
        history: 2_100,
        tag: 8_000,
        artifacts: ['model.json', 'result_table.json'],
      });
      const client = clientOf(name);
      const linked = client.getTraces({ runId: made.runId, includeSpans: false });
      expect(await linked.toArray()).toHaveLength(120);
      await client.close();
    });

    it('are apart when thirty are recorded at once, and a parent without a record ends KILLED', async () => {
      const name = newName();
      const recorder = createRunRecorder(connection, createExperimentResolver(connection));
      const parentKey = `${hex(16)}:${hex(8)}`;
      const records = Array.from({ length: 30 }, (_, i) =>
        runRecord({ name: `r${i}`, experiment: { name }, parentKey, params: { i: String(i) } }),
      );
      const made = await Promise.all(records.map((record) => recorder.record(record)));
      expect(new Set(made.map(({ runId }) => runId)).size).toBe(30);
      const client = clientOf(name);
      const runs = await Promise.all(made.map(({ runId }) => client.getRun(runId)));
      expect(runs.map((run) => [run?.name, run?.params.i])).toEqual(
        records.map(({ name, params }) => [name, params.i]),
      );
      const parents = new Set(runs.map((run) => run?.parentRunId));
      expect(parents.size).toBe(1);
      const parent = [...parents][0] as string;
      expect((await client.getRun(parent))?.status).toBe('RUNNING');
      await recorder.close();
      expect((await client.getRun(parent))?.status).toBe('KILLED');
      // Its record comes after all, from the spool of the next start.
      const next = createRunRecorder(connection, createExperimentResolver(connection));
      await next.record(runRecord({ key: parentKey, name: 'late', experiment: { name } }));
      expect(await client.getRun(parent)).toMatchObject({ status: 'FINISHED', name: 'late' });
      await client.close();
    });

    async function startIn(name: string, info: TraceRecord['info']): Promise<void> {
      const id = await createExperimentResolver(connection).resolve({ name });
      await startTrace(connection, info, id);
    }
  });
});

interface GoldenRun {
  id: string;
  name: string;
  status: RunRecord['status'];
  parent?: string;
  params: Record<string, unknown>;
  metrics?: Record<string, [number, number][]>;
  artifacts: Record<string, unknown>;
}

/** What `log_evals` and `log_compiles` of Python's DSPy integration left on a server, condensed. */
function readGolden(): Record<string, GoldenRun[]> {
  const path = new URL('./fixtures/python-runs.json', import.meta.url);
  return JSON.parse(readFileSync(path, 'utf8')) as Record<string, GoldenRun[]>;
}

/** MLflow's params are text. */
function texts(params: Record<string, unknown>): Record<string, string> {
  return Object.fromEntries(
    Object.entries(params).map(([key, value]) => [
      key,
      typeof value === 'string' ? value : JSON.stringify(value),
    ]),
  );
}

function toRecord(
  run: GoldenRun,
  key: string,
  experiment: string,
  parentKey: string | undefined,
): RunRecord {
  return runRecord({
    key,
    name: run.name,
    experiment: { name: experiment },
    status: run.status,
    params: texts(run.params),
    metrics: Object.entries(run.metrics ?? {}).flatMap(([name, points]) =>
      points.map(([step, value]) => ({
        key: name,
        value,
        step,
        timestampMs: 1_795_569_000_000 + step,
      })),
    ),
    artifacts: Object.fromEntries(
      Object.entries(run.artifacts).map(([path, content]) => [path, JSON.stringify(content)]),
    ),
    ...(parentKey === undefined ? {} : { parentKey }),
  });
}

/** Hands requests on, but answers the first `times` that fit with 502 after the server has taken them. */
async function startBreakingProxy(
  target: string,
  breaks: RegExp,
  times: number,
): Promise<{ url: string; close(): Promise<void> }> {
  let left = times;
  const proxy = createServer((req, res) => {
    const onward = request(
      `${target}${req.url}`,
      { method: req.method, headers: req.headers },
      (answer) => {
        if (left > 0 && breaks.test(`${req.method} ${req.url}`)) {
          left--;
          answer.resume();
          res.writeHead(502).end('<html><title>Bad Gateway</title></html>');
          return;
        }
        res.writeHead(answer.statusCode as number, answer.headers);
        answer.pipe(res);
      },
    );
    onward.on('error', () => res.destroy());
    req.pipe(onward);
  });
  return { url: await listen(proxy), close: () => close(proxy) };
}

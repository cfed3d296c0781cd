import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { autolog, disableAutolog, getAutologClient } from '@hokusai/mlflow-dspy';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { mockModel, question } from '../../packages/mlflow-dspy/test/support/programs.js';
import { freePort } from '../../scripts/lib/mlflow.mjs';
import { MlflowRest } from '../support/mlflow-rest.js';
import { startMlflowServer, type TestMlflowServer } from '../support/mlflow-server.js';
import { runProgram } from '../support/run-program.js';

const NAME = 'AxGen(question -> answer)';
const ENDING = 'packages/mlflow-dspy/test/fixtures/ending.mjs';

let server: TestMlflowServer;
let rest: MlflowRest;
let folder: string;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'autolog-e2e-'));
  server = await startMlflowServer();
  rest = new MlflowRest(server.url);
});
afterEach(async () => {
  const client = getAutologClient();
  disableAutolog();
  await client?.flush();
});
afterAll(async () => {
  await server?.stop();
  await rm(folder, { recursive: true, force: true });
});

describe('autolog() with a real server', () => {
  it('flush() resolves when the server has everything', async () => {
    const client = autolog({ trackingUri: server.url, experimentName: 'flush', spool: false });
    for (let i = 0; i < 3; i++) {
      await question().forward(mockModel(), { question: `${i}?` });
      await client.flush();
      const traces = await rest.traces('flush', i + 1, 0);
      expect(traces).toHaveLength(i + 1);
    }
    expect((await rest.traces('flush', 3))[2]).toMatchObject({
      name: NAME,
      state: 'OK',
      tokens: { input_tokens: 11, output_tokens: 7, total_tokens: 18 },
      roots: [{ inputs: { question: '2?' }, outputs: { answer: 'four' } }],
    });
  });

  it('a new configuration sends new executions elsewhere', async () => {
    const client = autolog({ trackingUri: server.url, experimentName: 'first', spool: false });
    await question().forward(mockModel(), { question: 'one?' });
    autolog({ trackingUri: server.url, experimentName: 'second', spool: false });
    await question().forward(mockModel(), { question: 'two?' });
    await client.flush();
    const inputs = async (experiment: string) =>
      (await rest.traces(experiment, 1)).map(({ roots }) => roots[0]?.inputs);
    expect(await inputs('first')).toEqual([{ question: 'one?' }]);
    expect(await inputs('second')).toEqual([{ question: 'two?' }]);
  });

  it('traces belong to the run that MLFLOW_RUN_ID names', async () => {
    const runId = await rest.startRun('runs', 'r');
    const client = autolog({
      trackingUri: server.url,
      experimentName: 'runs',
      runId,
      spool: false,
    });
    await question().forward(mockModel(), { question: 'in a run?' });
    await client.flush();
    const traces = await client.mlflow.getTraces({ runId, includeSpans: false }).toArray();
    expect(traces).toMatchObject([{ name: NAME, runId }]);
    await client.mlflow.close();
  });

  it('a burst of 10,000 executions in one tick arrives whole, with default settings', async () => {
    const client = autolog({
      trackingUri: server.url,
      experimentName: 'burst',
      spoolDirectory: join(folder, 'burst'),
    });
    const executions: Promise<unknown>[] = [];
    // Ax's programs and mock keep state that grows with every call, so they are shared by few.
    for (let i = 0; i < 500; i++) {
      const [program, model] = [question(), mockModel()];
      for (let j = 0; j < 20; j++)
        executions.push(program.forward(model, { question: `${i}.${j}` }));
    }
    await Promise.all(executions);
    await client.flush();
    const { exporter, dropped } = client.stats();
    expect({ dropped, byExporter: exporter?.dropped }).toEqual({ dropped: 0, byExporter: {} });
    // What did not get through in time waits in the spool, from where it is delivered.
    await expect.poll(() => client.stats().exporter?.sent, { timeout: 240_000 }).toBe(20_000);
    const found = new Set<string>();
    const list = client.mlflow.getTraces({
      experimentName: 'burst',
      includeSpans: false,
      pageSize: 500,
    });
    for await (const { traceId } of list) found.add(traceId);
    expect(found.size).toBe(10_000);
    await client.mlflow.close();
  }, 300_000);
});

describe('a process', () => {
  const run = (how: string, env: Record<string, string>) =>
    runProgram(ENDING, { args: [how], env: { MLFLOW_DSPY_SPOOL_DIRECTORY: folder, ...env } });

  it.each([
    ['end of work', 0],
    ['process.exit', 3],
    ['uncaught exception', 1],
    ['unhandled rejection', 1],
  ])('%s: the trace reaches the server, at the latest with the next process', async (how, code) => {
    const env = { MLFLOW_TRACKING_URI: server.url, MLFLOW_DSPY_EXPERIMENT: how };
    expect((await run(how, env)).code).toBe(code);
    if (how !== 'end of work') expect((await run('end of work', env)).code).toBe(0);
    const traces = await rest.traces(how, how === 'end of work' ? 1 : 2);
    expect(traces.every(({ state, roots }) => state === 'OK' && roots.length === 1)).toBe(true);
  });

  it('whose server was away delivers with the next one, when it is back', async () => {
    const port = await freePort();
    const uri = `http://127.0.0.1:${port}`;
    const env = { MLFLOW_TRACKING_URI: uri, MLFLOW_DSPY_EXPERIMENT: 'away' };
    const first = await run('end of work', env);
    expect(first.code).toBe(0);
    expect(first.stderr).toContain(uri);
    const late = await startMlflowServer({ port });
    try {
      const second = await run('end of work', env);
      expect({ code: second.code, stderr: second.stderr }).toEqual({ code: 0, stderr: '' });
      expect(await new MlflowRest(uri).traces('away', 2)).toHaveLength(2);
    } finally {
      await late.stop();
    }
  });
});

describe('the examples', () => {
  const env = () => ({
    MLFLOW_TRACKING_URI: server.url,
    MLFLOW_DSPY_SPOOL_DIRECTORY: folder,
    OPENAI_API_KEY: '',
  });

  it('serverless: three calls, each delivered when it returned', async () => {
    const experiment = { MLFLOW_DSPY_EXPERIMENT: 'serverless' };
    await runProgram('examples/serverless/main.js', { env: { ...env(), ...experiment } });
    const traces = await rest.traces('serverless', 3, 0);
    expect(traces.map(({ roots }) => roots[0]?.outputs)).toEqual(
      ['one', 'two', 'three'].map((n) => ({ answer: `you asked ${n}?` })),
    );
  });

  it('node-sdk: one complete trace below the span of the application', async () => {
    const experiment = { MLFLOW_DSPY_EXPERIMENT: 'node-sdk' };
    const { code } = await runProgram('examples/node-sdk/main.js', {
      env: { ...env(), ...experiment },
    });
    expect(code).toBe(0);
    const [trace] = await rest.traces('node-sdk', 1);
    expect(trace).toMatchObject({
      state: 'OK',
      tokens: { total_tokens: 160 },
      roots: [
        { name: 'GET /answer', children: [{ type: 'CHAIN', children: [{ type: 'CHAT_MODEL' }] }] },
      ],
    });
  });
});

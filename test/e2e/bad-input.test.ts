import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { MlflowRest } from '../support/mlflow-rest.js';
import { startMlflowServer, type TestMlflowServer } from '../support/mlflow-server.js';
import { type MockModel, startMockModel } from '../support/mock-model.js';
import { type ProgramResult, runProgram } from '../support/run-program.js';

const REGISTRATION = 'examples/demo/instrumentation.js';

let server: TestMlflowServer;
let model: MockModel;

beforeAll(async () => {
  [server, model] = await Promise.all([startMlflowServer(), startMockModel()]);
});
afterAll(() => Promise.all([server?.stop(), model?.stop()]));

const run = (env: Record<string, string>): Promise<ProgramResult> =>
  runProgram('test/e2e/fixtures/answer.mjs', {
    imports: [REGISTRATION],
    env: { MODEL_URL: model.apiURL, ...env },
  });

/** What the program says by itself. */
const UNHARMED = { code: 0, stdout: 'four\n' };

describe('a setting that cannot work leaves the program as it is and says once what to do', () => {
  it('no server', async () => {
    const result = await run({ MLFLOW_TRACKING_URI: 'http://127.0.0.1:9' });
    expect(result).toMatchObject(UNHARMED);
    const [problem, loss, ...rest] = result.stderr.trim().split('\n');
    expect(problem).toContain('no answer from MLflow at http://127.0.0.1:9');
    expect(problem).toContain('MLFLOW_TRACKING_URI');
    expect(loss).toContain('2 span(s) lost');
    expect(rest).toEqual([]);
    // The program itself takes about two seconds to load; the rest is patience.
    expect(result.durationMs).toBeLessThan(15_000);
  });

  it.each([
    ['no scheme', 'localhost:5000', 'write http://localhost:5000'],
    ['no URL at all', 'not a url', 'file:./traces'],
    ['a database', 'sqlite:///mlflow.db', 'mlflow server'],
  ])('a tracking URI that is %s', async (_, uri, advice) => {
    const result = await run({ MLFLOW_TRACKING_URI: uri });
    expect(result).toMatchObject(UNHARMED);
    const messages = result.stderr.trim().split('\n');
    expect(messages).toEqual([expect.stringContaining('MLFLOW_TRACKING_URI')]);
    expect(messages[0]).toContain(uri);
    expect(messages[0]).toContain(advice);
  });

  it.each([
    ['does not exist', '424242'],
    ['is not a number', 'support'],
  ])('an experiment id that %s', async (_, id) => {
    const result = await runProgram('test/e2e/fixtures/answer.mjs', {
      imports: ['test/e2e/fixtures/http.mjs'],
      env: {
        MODEL_URL: model.apiURL,
        MLFLOW_TRACKING_URI: server.url,
        MLFLOW_EXPERIMENT_ID: id,
      },
    });
    expect(result).toMatchObject(UNHARMED);
    const messages = result.stderr.trim().split('\n');
    expect(messages).toEqual([expect.stringContaining(`no experiment with id ${id}`)]);
    expect(messages[0]).toContain('MLFLOW_EXPERIMENT_NAME');
  });

  it('no Ax', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'hokusai-no-ax-'));
    try {
      const file = join(folder, 'app.mjs');
      await writeFile(file, "console.log('runs');");
      const result = await runProgram(file, {
        imports: [REGISTRATION],
        cwd: folder,
        env: { MLFLOW_TRACKING_URI: server.url },
      });
      expect(result).toMatchObject({ code: 0, stdout: 'runs\n' });
      const messages = result.stderr.trim().split('\n');
      expect(messages).toEqual([expect.stringContaining('@ax-llm/ax is not installed')]);
    } finally {
      await rm(folder, { recursive: true, force: true });
    }
  });
});

it('names an experiment that does not exist yet by making it', async () => {
  const result = await runProgram('test/e2e/fixtures/commonjs.cjs', {
    env: {
      MODEL_URL: model.apiURL,
      MLFLOW_TRACKING_URI: server.url,
      MLFLOW_EXPERIMENT_NAME: 'made by a CommonJS program',
    },
  });
  expect(result).toMatchObject({ ...UNHARMED, stderr: '' });
  const [trace] = await new MlflowRest(server.url).traces('made by a CommonJS program', 1);
  expect(trace?.roots[0]?.children.map(({ type }) => type)).toEqual(['CHAT_MODEL']);
});

import { afterAll, beforeAll, expect, it } from 'vitest';
import { flatten, MlflowRest } from '../support/mlflow-rest.js';
import { startMlflowServer, type TestMlflowServer } from '../support/mlflow-server.js';
import { type MockModel, startMockModel } from '../support/mock-model.js';
import { runProgram } from '../support/run-program.js';

let server: TestMlflowServer;
let model: MockModel;

beforeAll(async () => {
  [server, model] = await Promise.all([startMlflowServer(), startMockModel()]);
});
afterAll(() => Promise.all([server?.stop(), model?.stop()]));

it('an HTTP server span above a program is the root of one complete trace', async () => {
  const program = await runProgram('test/e2e/fixtures/service.mjs', {
    imports: ['test/e2e/fixtures/http.mjs'],
    env: {
      MLFLOW_TRACKING_URI: server.url,
      MLFLOW_EXPERIMENT_NAME: 'web',
      MODEL_URL: model.apiURL,
    },
  });
  expect(program).toMatchObject({ code: 0, stdout: '200 four\n', stderr: '' });

  const traces = await new MlflowRest(server.url).traces('web', 1);
  // The client of the same process is traced too: its request is the root of it all.
  expect(traces).toHaveLength(1);
  const [trace] = traces;
  expect(trace).toMatchObject({ state: 'OK', roots: [{ type: 'UNKNOWN' }] });
  expect(trace?.requestPreview).toContain('two plus two');
  expect(trace?.responsePreview).toContain('four');
  expect(trace?.tokens).toMatchObject({ input_tokens: 11, output_tokens: 7, total_tokens: 18 });
  const spans = flatten(trace?.roots ?? []);
  expect(spans.map(({ type }) => type)).toEqual(expect.arrayContaining(['CHAIN', 'CHAT_MODEL']));
});

import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { join, relative } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { ROOT } from '../../scripts/lib/cache.mjs';
import { MlflowRest } from '../support/mlflow-rest.js';
import { startMlflowServer, type TestMlflowServer } from '../support/mlflow-server.js';
import { type MockModel, startMockModel } from '../support/mock-model.js';
import { runProgram } from '../support/run-program.js';
import { runSnippet, snippetsOf, typeErrors } from '../support/snippets.js';

const README = 'README.md';
const snippets = snippetsOf(README);

let server: TestMlflowServer;
let model: MockModel;
let rest: MlflowRest;

beforeAll(async () => {
  [server, model] = await Promise.all([
    startMlflowServer(),
    startMockModel({ script: () => 'Sentiment: positive' }),
  ]);
  rest = new MlflowRest(server.url);
});
afterAll(() => Promise.all([server?.stop(), model?.stop()]));

function blockNamed(file: string): string {
  const found = snippets.find(({ code }) => code.startsWith(`// ${file}`));
  if (!found) throw new Error(`no block that starts with "// ${file}"`);
  return found.code;
}

/** Loads a block as the README says, above a program of two lines. */
async function runBelow(file: string, flag: 'imports' | 'requires', app: [string, string]) {
  const parent = join(ROOT, '.cache');
  mkdirSync(parent, { recursive: true });
  const folder = mkdtempSync(join(parent, 'readme-'));
  try {
    writeFileSync(join(folder, file), blockNamed(file));
    writeFileSync(join(folder, app[0]), app[1]);
    const path = (name: string) => join(relative(ROOT, folder), name);
    return await runProgram(path(app[0]), {
      [flag]: [path(file)],
      env: { MLFLOW_TRACKING_URI: server.url, MODEL_URL: model.apiURL },
    });
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

const APP = `
const llm = ai({ name: 'openai', apiKey: 'k', apiURL: process.env.MODEL_URL });
const classify = ax('review:string -> sentiment:class "positive, negative"');
classify.forward(llm, { review: 'It works.' }).then(console.log);
`;

describe('the README', () => {
  it('has TypeScript that type-checks', async () => {
    expect(snippets.filter(({ language }) => language === 'ts')).not.toHaveLength(0);
    expect(await typeErrors(README)).toBe('');
  });

  it('traces by one call of autolog()', async () => {
    const autologBlock = snippets.find(
      (one) => one.heading === 'One call' && one.language === 'ts',
    );
    const result = await runSnippet(autologBlock?.code ?? '', {
      modelURL: model.apiURL,
      env: {
        MLFLOW_TRACKING_URI: server.url,
        MLFLOW_EXPERIMENT_NAME: 'one-call',
        OPENAI_APIKEY: 'k',
      },
    });
    expect(result).toMatchObject({ code: 0, stdout: "{ sentiment: 'positive' }\n", stderr: '' });
    const [trace] = await rest.traces('one-call', 1);
    expect(trace).toMatchObject({ state: 'OK', responsePreview: '{"sentiment":"positive"}' });
  });

  it.each([
    ['instrumentation.mjs', 'imports', ['app.mjs', `import { ai, ax } from '@ax-llm/ax';${APP}`]],
    [
      'instrumentation.cjs',
      'requires',
      ['app.cjs', `const { ai, ax } = require('@ax-llm/ax');${APP}`],
    ],
  ] as const)('traces through a NodeSDK set up in %s', async (file, flag, app) => {
    const before = (await rest.experimentId('my-programs')) === undefined ? 0 : 1;
    const result = await runBelow(file, flag, [...app]);
    expect(result).toMatchObject({ code: 0, stdout: "{ sentiment: 'positive' }\n", stderr: '' });
    const traces = await rest.traces('my-programs', before + 1);
    expect(traces[0]).toMatchObject({ state: 'OK', responsePreview: '{"sentiment":"positive"}' });
  });
});

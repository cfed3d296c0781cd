import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { MlflowRest } from '../support/mlflow-rest.js';
import { startMlflowServer, type TestMlflowServer } from '../support/mlflow-server.js';
import { type MockModel, type ModelRequest, startMockModel } from '../support/mock-model.js';
import { runProgram } from '../support/run-program.js';
import { runSnippet, type Snippet, snippetsOf, typeErrors } from '../support/snippets.js';

const README = 'packages/dspy-pipeline/README.md';

let server: TestMlflowServer;
let model: MockModel;
let rest: MlflowRest;

beforeAll(async () => {
  [server, model] = await Promise.all([startMlflowServer(), startMockModel({ script: answer })]);
  rest = new MlflowRest(server.url);
});
afterAll(() => Promise.all([server?.stop(), model?.stop()]));

function answer({ messages }: ModelRequest): string {
  const system = String(messages[0]?.content);
  if (system.includes('`Email Body`')) return 'Email Body: Dear team';
  if (system.includes('`Summary`')) return 'Summary: short\nKey Points: ["one"]';
  if (system.includes('`Reply`')) return 'Reply: Soon.';
  return 'Draft: Be careful.';
}

const snippets = snippetsOf(README);

function snippetUnder(heading: string, language = 'ts'): Snippet {
  const found = snippets.find((one) => one.heading === heading && one.language === language);
  if (!found) throw new Error(`no ${language} block under "${heading}"`);
  return found;
}

/** Runs a block of the README with its traces in an experiment of its own. */
async function read(heading: string, experiment: string, files?: Record<string, string>) {
  const result = await runSnippet(snippetUnder(heading).code, {
    modelURL: model.apiURL,
    env: {
      MLFLOW_TRACKING_URI: server.url,
      MLFLOW_EXPERIMENT_NAME: experiment,
      OPENAI_API_KEY: 'k',
    },
    ...(files && { files }),
  });
  expect(result).toMatchObject({ code: 0, stderr: '' });
  return result.stdout;
}

describe('the README', () => {
  it('has code that type-checks', async () => {
    expect(await typeErrors(README)).toBe('');
    expect(snippets.filter(({ language }) => language === 'ts')).toHaveLength(5);
  });

  it('runs the quick start of the guide', async () => {
    expect(await read('Quick start', 'quick-start')).toBe('Be careful.\n');
    const [trace] = await rest.traces('quick-start', 1);
    expect(trace?.name).toBe('DraftText');
    expect(await rest.runs('quick-start')).toHaveLength(1);
  });

  it('runs the pipeline executor', async () => {
    expect(await read('Pipeline executor', 'executor')).toBe('short\nshort\n1\n');
    const traces = await rest.traces('executor', 2);
    expect(traces.map(({ name }) => name)).toEqual(['SummarizeText', 'SummarizeText']);
  });

  it('runs the model loader', async () => {
    const config = snippetUnder('Model loader', 'yaml').code;
    expect(await read('Model loader', 'loader', { 'config.yaml': config })).toBe('Soon.\n');
    const [trace] = await rest.traces('loader', 1);
    expect(trace?.name).toBe('support-reply');
  });

  it('runs the signature library', async () => {
    expect(await read('Signature library', 'library')).toBe('Dear team\n');
    const [trace] = await rest.traces('library', 1);
    expect(trace?.name).toBe('EmailDraft');
  });

  it('registers a signature', async () => {
    expect(await read('Signatures', 'none')).toBe(
      '[ \'Haiku\' ]\ntrue []\n"Write a haiku." season:string "season of the year", mood?:string "mood of the poem" -> haiku:string "three lines"\n',
    );
  });
});

describe('the examples', () => {
  const run = async (name: string) => {
    const result = await runProgram(`examples/${name}/main.js`, {
      // Whatever key is around: a test calls no real model.
      env: { MLFLOW_TRACKING_URI: server.url, OPENAI_API_KEY: '' },
    });
    expect(result.code).toBe(0);
    return result;
  };

  it('pipeline-email: three traces of one session', async () => {
    const { stdout, stderr } = await run('pipeline-email');
    expect(stdout).toContain('since the load test needs a day more');
    expect(stderr).toBe('');
    const traces = await rest.traces('pipeline-email', 3);
    expect(traces.map(({ name, session }) => [name, session])).toEqual([
      ['EmailDraft', 'launch-email'],
      ['CritiqueText', 'launch-email'],
      ['ReviseText', 'launch-email'],
    ]);
    expect(await rest.runs('pipeline-email')).toHaveLength(3);
  });

  it('pipeline-content: a chain from a YAML file that iterates until it is good', async () => {
    const { stdout, stderr } = await run('pipeline-content');
    expect(stdout).toBe('Tea is a drink.\ncontent-pipeline 1.2.0, judged 2 times\n');
    expect(stderr).toBe('');
    const [trace] = await rest.traces('pipeline-content', 1);
    const chain = trace?.roots[0]?.children[0];
    expect(chain?.name).toBe('invoke_workflow content-pipeline');
    expect(chain?.attributes['dspy.module.version']).toBe('1.2.0');
    expect(chain?.children.map(({ name }) => name.split(' ').at(-1))).toEqual([
      'Draft',
      'Judge',
      'ReviseText',
      'Judge',
      'ReviseText',
    ]);
  });

  it('pipeline-batch: a hundred results, one of them a failure', async () => {
    const { stdout, stderr } = await run('pipeline-batch');
    expect(stdout.split('\n')).toEqual([
      'Review 41 failed: ClassifyText: missing required input: text',
      '50 of 100 reviews are about delivery',
      '100 executions, 1 failed, success rate 0.99',
      '',
    ]);
    expect(stderr).toMatch(
      /^\[dspy-pipeline\] ClassifyText failed \(INVALID_INPUTS\) after \S+ s\n$/,
    );
    const traces = await rest.traces('pipeline-batch', 100);
    expect(traces).toHaveLength(100);
    expect(traces.filter(({ state }) => state === 'ERROR')).toHaveLength(1);
    const runs = await rest.runs('pipeline-batch');
    expect(runs).toHaveLength(100);
    expect(runs.filter(({ metrics }) => metrics.success === 0)).toHaveLength(1);
  });
});

import { readFileSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { fields, optionNames } from '../../packages/mlflow-dspy/src/config/fields.js';
import { ROOT } from '../../scripts/lib/cache.mjs';
import { MlflowRest, type StoredTrace } from '../support/mlflow-rest.js';
import { startMlflowServer, type TestMlflowServer } from '../support/mlflow-server.js';
import { type MockModel, type ModelRequest, startMockModel } from '../support/mock-model.js';
import { runSnippet, type Snippet, snippetsOf, typeErrors } from '../support/snippets.js';

const README = 'packages/mlflow-dspy/README.md';
const snippets = snippetsOf(README).filter(({ language }) => language === 'ts');
const NAME = 'AxGen(question -> answer)';

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
  if (system.includes('Draft')) return 'Draft: Be careful.';
  return system.includes('Reply') ? 'Reply: Hi.' : 'Answer: Because.';
}

const taken = new Set<Snippet>();

/** The next block under a heading that no test has run. */
function take(heading: string): Snippet {
  const found = snippets.find((one) => one.heading === heading && !taken.has(one));
  if (found === undefined) throw new Error(`no further TypeScript under "${heading}"`);
  taken.add(found);
  return found;
}

interface Run {
  env?: Record<string, string>;
  code?: number;
  /** Code that goes on where the block ends. */
  after?: string;
}

/** What a program does whose configuration the block is about. */
const EXECUTION = `
import { ai, ax } from '@ax-llm/ax';
const program = ax('question:string -> answer:string');
await program.forward(ai({ name: 'openai', apiKey: 'k' }), { question: 'Why?' });
`;
/** Prints the configuration in force. */
const CONFIG = `
import { getAutologClient as running } from '@hokusai/mlflow-dspy';
console.log(JSON.stringify(running().config));
`;

/** Runs the next block under a heading against the server. */
async function read(heading: string, { env, code = 0, after = '' }: Run = {}) {
  const experiment = `docs ${taken.size}`;
  const result = await runSnippet(take(heading).code + after, {
    modelURL: model.apiURL,
    env: {
      MLFLOW_TRACKING_URI: server.url,
      MLFLOW_DSPY_EXPERIMENT: experiment,
      MLFLOW_DSPY_SPOOL: 'false',
      OPENAI_API_KEY: 'k',
      ...env,
    },
  });
  expect({ code: result.code, stderr: result.stderr }).toEqual({ code, stderr: '' });
  const traces = (count: number, name = experiment): Promise<StoredTrace[]> =>
    rest.traces(name, count);
  return { stdout: result.stdout, experiment, traces };
}

describe('the README', () => {
  it('has code that type-checks', async () => {
    expect(await typeErrors(README)).toBe('');
  });

  it('lists every option with its variables and default', () => {
    const rows = readFileSync(`${ROOT}/${README}`, 'utf8')
      .split('\n')
      .map((line) => line.split('|').map((cell) => cell.trim()))
      .map(
        ([, name = '', variables = '', shown = '']) =>
          [name.slice(1, -1), variables, shown] as const,
      )
      .filter(([name]) => Object.hasOwn(fields, name));
    expect(rows.map(([name]) => name)).toEqual(optionNames);
    for (const [name, variables, shown] of rows) {
      const field = fields[name as keyof typeof fields];
      const named = [...variables.matchAll(/`([A-Z_]{5,})`/g)].map(([, variable]) => variable);
      expect([name, named]).toEqual([
        name,
        field.readByExporter ?? (field.variables ?? []).map((variable) => variable.name),
      ]);
      const { default: value } = field as { default?: unknown };
      if (typeof value === 'object') {
        expect([name, shown]).toEqual([
          name,
          Object.keys(value as object).length ? `\`${value}\`` : 'none',
        ]);
      } else if (value !== undefined) expect([name, shown]).toEqual([name, `\`${value}\``]);
    }
  });

  it('Quick start', async () => {
    const { stdout, traces } = await read('Quick start');
    expect(stdout).toBe('Be careful.\n');
    const [trace] = await traces(1);
    expect(trace).toMatchObject({
      name: 'AxGen(topic, requirements -> draft)',
      state: 'OK',
      tokens: { input_tokens: 11, output_tokens: 7, total_tokens: 18 },
    });
    expect(trace?.roots[0]).toMatchObject({
      type: 'CHAIN',
      inputs: { topic: 'AI safety', requirements: '200 words' },
      outputs: { draft: 'Be careful.' },
      children: [{ type: 'CHAT_MODEL' }],
    });
  });

  it('Configuration', async () => {
    const { traces } = await read('Configuration options', { after: EXECUTION });
    expect((await traces(1, 'dspy-traces'))[0]?.tags.team).toBe('ml');
    expect((await read('Programmatic configuration')).stdout).toBe('0.5 code default\n');
    expect((await read('Environment variables')).stdout).toBe('true\n');
    expect((await read('Runtime updates')).stdout).toBe('0.1\n');
  });

  it('Custom metadata', async () => {
    const { stdout, traces } = await read('Custom metadata');
    expect(stdout).toBe('Hi.\n');
    const [trace] = await traces(1);
    expect(trace).toMatchObject({
      session: 'abc-def',
      user: '12345',
      metadata: { modelVersion: 'v2.1' },
    });
  });

  it('Session, user, tags and run of one request', async () => {
    const { traces } = await read('Session, user, tags and run of one request');
    const [trace] = await traces(1);
    expect(trace).toMatchObject({ session: 'abc-def', user: '12345', tags: { plan: 'beta' } });
  });

  it('Sampling and buffering', async () => {
    const sampling = await read('Sampling', { after: CONFIG });
    expect(JSON.parse(sampling.stdout)).toMatchObject({ samplingRate: 0.1 });
    const buffering = await read('Buffering', { after: CONFIG });
    expect(JSON.parse(buffering.stdout)).toMatchObject({ traceBufferSize: 200 });
  });

  it('Programmatic access', async () => {
    const runId = await rest.startRun('with a run', 'r');
    const made = await runSnippet(snippets[0]?.code ?? '', {
      modelURL: model.apiURL,
      env: {
        MLFLOW_TRACKING_URI: server.url,
        MLFLOW_RUN_ID: runId,
        MLFLOW_DSPY_EXPERIMENT: 'with a run',
        MLFLOW_DSPY_SPOOL: 'false',
        OPENAI_API_KEY: 'k',
      },
    });
    expect(made.code).toBe(0);
    await rest.traces('with a run', 1);
    const { stdout } = await read('Programmatic access', { env: { MLFLOW_RUN_ID: runId } });
    expect(stdout).toMatch(
      /^Module: AxGen\(topic, requirements -> draft\)\nDuration: [\d.]+ms\nInputs: \{ topic: 'AI safety', requirements: '200 words' \}\nOutputs: \{ draft: 'Be careful.' \}\n$/,
    );
  });

  it('Troubleshooting', async () => {
    const { stdout } = await read('Tracing does not work');
    expect(stdout).toContain('Enabled: true (own)\n');
    expect(stdout).toContain(`Tracking URI: ${server.url}\n`);
    expect(stdout).toContain('Stats: {\n  received: 0,\n  waiting: 0,\n  dropped: 0,\n');
    expect(stdout).toContain('Sampling rate: 1\nProblems: []\n');
    expect((await read('Performance issues')).stdout).toBe('500\n');
    const { traces } = await read('Missing data', { after: EXECUTION });
    const [trace] = await traces(1);
    expect(trace?.roots[0]).toMatchObject({
      inputs: { question: 'Why?' },
      outputs: { answer: 'Because.' },
      attributes: { 'dspy.signature': expect.stringContaining('question') },
    });
  });

  it('Best practices', async () => {
    const production = await read('Production', { after: CONFIG });
    expect(JSON.parse(production.stdout)).toMatchObject({
      samplingRate: 0.1,
      traceBufferSize: 200,
      logIntermediateSteps: false,
      experimentName: 'dspy-prod',
    });

    const development = await read('Development', { after: EXECUTION });
    expect((await development.traces(1, 'dspy-dev'))[0]?.roots[0]?.children).toHaveLength(1);

    const debugging = await read('Debugging', { after: EXECUTION });
    const [debugged] = await debugging.traces(1, debugging.experiment);
    expect(debugged?.tags).toMatchObject({ debug: 'true', issue: 'JIRA-123' });

    const variant = await read('A/B testing', { after: EXECUTION, env: { VARIANT: 'B' } });
    expect((await variant.traces(1))[0]?.tags.variant).toBe('B');
    const both = await (await read('A/B testing')).traces(2);
    expect(both.map(({ tags }) => tags.variant)).toEqual(['A', 'B']);
  });

  it('Custom trace processing, alerts, live spans', async () => {
    expect((await read('Custom trace processing')).stdout).toBe(`fine: ${NAME}, 18 tokens\n`);
    await read('Alerts', { after: EXECUTION });
    expect((await read('Live spans')).stdout).toBe(`LLM gpt-5-mini true\nCHAIN ${NAME} true\n`);
  });

  it('Trace filtering and conditional tracing', async () => {
    const filtering = await read('Trace filtering', { after: EXECUTION });
    expect(await rest.experimentId(filtering.experiment)).toBeUndefined();
    const { traces } = await read('Conditional tracing');
    const found = await traces(1);
    expect(found.map(({ roots }) => roots[0]?.inputs)).toEqual([
      { question: 'Why?', userType: 'beta' },
    ]);
  });

  it('When the process ends', async () => {
    const { traces } = await read('When the process ends', { code: 137 });
    const found = await traces(3);
    expect(found.map(({ roots }) => roots[0]?.inputs)).toEqual(
      ['one?', 'two?', 'three?'].map((question) => ({ question })),
    );
  });

  it('Migration from manual logging', async () => {
    await read('From manual MLflow logging');
    const [run] = await rest.runs('manual');
    expect(run).toMatchObject({
      params: { question: 'Why?' },
      metrics: { answerLength: 8 },
      status: 'FINISHED',
    });
    const { traces } = await read('From manual MLflow logging');
    expect(await traces(1)).toHaveLength(1);
  });

  it('Migration from custom tracing', async () => {
    const { stdout } = await read('From custom tracing');
    expect(stdout).toBe("trace { question: 'Why?' } { answer: 'Because.' } true\n");
    const { traces } = await read('From custom tracing');
    expect((await traces(1))[0]?.name).toBe(NAME);
  });

  it('Sensitive data', async () => {
    const { traces } = await read('Sensitive data');
    const [trace] = await traces(1);
    const stored = JSON.stringify(trace, (_, value) =>
      typeof value === 'bigint' ? String(value) : value,
    );
    expect(stored).not.toMatch(/my secret|Because/);
    expect(stored).toContain('question');
  });

  it('Data sanitization', async () => {
    const { traces } = await read('Data sanitization');
    const [trace] = await traces(1);
    expect(trace?.roots[0]?.inputs).toEqual({ question: 'Why?' });
    const stored = JSON.stringify(trace, (_, value) =>
      typeof value === 'bigint' ? String(value) : value,
    );
    expect(stored).not.toContain('open sesame');
  });

  it('has no code that was not run', () => {
    expect(snippets.filter((snippet) => !taken.has(snippet)).map(({ line }) => line)).toEqual([]);
  });
});

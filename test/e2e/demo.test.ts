import { mkdtemp, rm, symlink } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { ROOT } from '../../scripts/lib/cache.mjs';
import { startGroup } from '../../scripts/lib/processes.mjs';
import { flatten, MlflowRest, type StoredSpan, type StoredTrace } from '../support/mlflow-rest.js';
import { startMlflowServer, type TestMlflowServer } from '../support/mlflow-server.js';
import { type ProgramResult, runProgram } from '../support/run-program.js';

const EXPERIMENT = 'support-desk';
const NAMES = [
  'DraftText',
  'Triage',
  'OrderDesk',
  'ReviewReader',
  'handbookAgent',
  'Letter',
  'AccountReader',
];

let server: TestMlflowServer;
let demo: ProgramResult;
let traces: StoredTrace[];

beforeAll(async () => {
  server = await startMlflowServer();
  demo = await runProgram('scripts/demo.mjs', { env: { MLFLOW_TRACKING_URI: server.url } });
  traces = await new MlflowRest(server.url).traces(EXPERIMENT, NAMES.length);
});
afterAll(() => server?.stop());

function trace(name: string): StoredTrace {
  const found = traces.find((candidate) => candidate.name === name);
  if (!found) throw new Error(`no trace "${name}"`);
  return found;
}
const spansOf = (name: string): StoredSpan[] => flatten(trace(name).roots);

/** The tree with types alone: `CHAIN(CHAT_MODEL, TOOL)`. */
const shape = ({ type, children }: StoredSpan): string =>
  children.length === 0 ? type : `${type}(${children.map(shape).join(', ')})`;

describe('npm run demo', () => {
  it('ends well and shows every trace as a tree with the address of its page', () => {
    expect(demo.stderr).toBe('');
    expect(demo.code).toBe(0);
    for (const { id, experimentId } of traces) {
      const page = `/#/experiments/${experimentId}/traces?selectedEvaluationId=${id}`;
      expect(demo.stdout).toContain(`${server.url}${page}\n└─ invoke_`);
    }
    expect(demo.stdout).toMatch(
      /└─ chat gpt-4o-mini +CHAT_MODEL +[\d.]+ m?s +\d+\+\d+ tokens {2}\$0\.0/,
    );
    expect(demo.stdout).toMatch(/\nAccountReader {2}ERROR {2}/);
    expect(demo.stdout).toMatch(/invoke_workflow AccountReader .* ERROR .*complete IBAN/);
  });

  it('leaves one trace of each execution', () => {
    expect(traces.map(({ name }) => name)).toEqual(NAMES);
    expect(traces.map(({ roots }) => roots.map(shape))).toEqual([
      ['CHAIN(CHAIN(CHAT_MODEL))'],
      ['CHAIN(CHAT_MODEL)'],
      ['CHAIN(CHAT_MODEL, TOOL, TOOL, CHAT_MODEL)'],
      ['CHAIN(CHAIN(CHAT_MODEL), CHAIN(CHAT_MODEL))'],
      [
        'AGENT(CHAIN(CHAT_MODEL), TOOL, CHAIN(CHAT_MODEL), TOOL(TOOL), CHAIN(CHAT_MODEL), TOOL, CHAIN(CHAT_MODEL))',
      ],
      ['CHAIN(CHAT_MODEL)'],
      ['CHAIN(CHAT_MODEL, CHAT_MODEL)'],
    ]);
  });

  it('has state, previews, tokens and cost of each', () => {
    const states = traces.map(({ state }) => state);
    expect(states).toEqual(['OK', 'OK', 'OK', 'OK', 'OK', 'OK', 'ERROR']);
    for (const { requestPreview, tokens, cost, durationMs } of traces) {
      expect(requestPreview).toBeTruthy();
      expect(durationMs).toBeGreaterThan(50);
      expect(tokens?.total_tokens).toBe((tokens?.input_tokens ?? 0) + (tokens?.output_tokens ?? 0));
      expect(cost?.total_cost).toBeGreaterThan(0);
    }
    expect(JSON.parse(trace('Triage').responsePreview ?? '')).toEqual({
      summary: 'Parcel A-1042 is late and needed tomorrow.',
      category: 'delivery',
      urgent: true,
    });
    expect(trace('AccountReader').responsePreview).toBeFalsy();
  });

  it('has inputs, outputs and the signature of each program', () => {
    const [program] = trace('Triage').roots;
    expect(program).toMatchObject({
      name: 'invoke_workflow Triage',
      inputs: { message: expect.stringContaining('A-1042') },
      outputs: { category: 'delivery', urgent: true },
      status: { code: 'OK' },
    });
    expect(program?.attributes['dspy.signature']).toContain('category:class');
    expect(program?.attributes['dspy.outcome']).toBe('completed');
  });

  it('has the messages, the tokens and the price of each model call', () => {
    const sum = { input: 0, output: 0, cost: 0 };
    const calls = spansOf('OrderDesk').filter(({ type }) => type === 'CHAT_MODEL');
    for (const { inputs, outputs, attributes } of calls) {
      expect(inputs).toEqual(expect.arrayContaining([expect.objectContaining({ role: 'user' })]));
      expect(outputs).toEqual([expect.objectContaining({ role: 'assistant' })]);
      const usage = attributes['mlflow.chat.tokenUsage'] as Record<string, number>;
      sum.input += usage.input_tokens ?? 0;
      sum.output += usage.output_tokens ?? 0;
      sum.cost += (attributes['mlflow.llm.cost'] as { total_cost: number }).total_cost;
    }
    const { tokens, cost } = trace('OrderDesk');
    expect(tokens).toMatchObject({ input_tokens: sum.input, output_tokens: sum.output });
    expect(cost?.total_cost).toBeCloseTo(sum.cost, 9);
  });

  it('has arguments and results of tools, also of those that an agent’s code calls', () => {
    const tools = [...spansOf('OrderDesk'), ...spansOf('handbookAgent')]
      .filter(({ name }) => /findOrder|convert|lookup/.test(name))
      .map(({ inputs, outputs }) => ({ inputs, outputs }));
    expect(tools).toEqual([
      { inputs: { number: 'A-1042' }, outputs: { status: 'shipped', carrier: 'DHL', total: 89.9 } },
      { inputs: { amount: 89.9, currency: 'USD' }, outputs: 89.9 * 1.08 },
      { inputs: { topic: 'returns' }, outputs: 'Goods may be returned within 30 days.' },
    ]);
  });

  it('has the whole of a streamed answer and when it began', () => {
    const [program] = trace('Letter').roots;
    expect(program?.outputs).toEqual({ letter: expect.stringMatching(/^Dear Ms Ito, .* desk$/) });
    expect(program?.attributes['dspy.stream.chunks']).toBeGreaterThan(1);
    const [call] = program?.children ?? [];
    expect(call?.attributes['gen_ai.response.time_to_first_chunk']).toBeGreaterThan(0);
  });

  it('says what failed, with the attempts before', () => {
    const [program] = trace('AccountReader').roots;
    expect(program?.status).toEqual({
      code: 'ERROR',
      message: expect.stringContaining('iban must be a complete IBAN'),
    });
    const events = program?.events.map(({ name }) => name);
    expect(events).toContain('exception');
    expect(events).toContain('dspy.attempt');
  });

  it('reads the same through MLflow’s own client in Python', async () => {
    const output = await server.python(`
import json, mlflow
client = mlflow.MlflowClient()
experiment = client.get_experiment_by_name("${EXPERIMENT}")
traces = client.search_traces(locations=[experiment.experiment_id], order_by=["timestamp_ms ASC"])
print(json.dumps([{
    "name": trace.info.tags["mlflow.traceName"],
    "state": trace.info.state.value,
    "spans": len(trace.data.spans),
    "root": trace.data.spans[0].inputs is not None,
    "types": sorted({span.span_type for span in trace.data.spans}),
    "tokens": trace.info.token_usage["total_tokens"],
} for trace in traces]))
`);
    const read = JSON.parse(output.trim().split('\n').at(-1) ?? '');
    expect(read).toEqual(
      traces.map(({ name, state, tokens, roots }) => ({
        name,
        state,
        spans: flatten(roots).length,
        root: true,
        types: [...new Set(flatten(roots).map(({ type }) => type))].sort(),
        tokens: tokens?.total_tokens,
      })),
    );
  });
});

describe('npm run demo, otherwise', () => {
  it('refuses an option it does not know and shows those it knows', async () => {
    const result = await runProgram('scripts/demo.mjs', { args: ['--kepp'] });
    expect(result.code).toBe(2);
    expect(result.stderr).toContain('--kepp');
    expect(result.stderr).toContain('--keep');
  });

  it('asks for the key that a real provider needs', async () => {
    const result = await runProgram('scripts/demo.mjs', {
      args: ['--provider', 'openai'],
      env: { OPENAI_API_KEY: '' },
    });
    expect(result.code).toBe(1);
    expect(result.stderr).toContain('OPENAI_API_KEY');
  });

  it('says so when the server that the environment names does not answer', async () => {
    const result = await runProgram('scripts/demo.mjs', {
      env: { MLFLOW_TRACKING_URI: 'http://127.0.0.1:9' },
    });
    expect(result.code).toBe(1);
    expect(result.stderr).toContain('http://127.0.0.1:9');
  });

  it('stops its server on Ctrl-C', async () => {
    let output = '';
    const group = startGroup(process.execPath, [join(ROOT, 'scripts/demo.mjs')], {
      env: { ...process.env, MLFLOW_TRACKING_URI: '' },
      onOutput: (chunk) => {
        output += chunk;
      },
    });
    const url = await new Promise<string>((resolve, reject) => {
      const timer = setInterval(() => {
        const found = /MLflow answers on (\S+)/.exec(output)?.[1];
        if (found) resolve(found);
        else if (!group.running()) reject(new Error(output));
        else return;
        clearInterval(timer);
      }, 50);
    });
    await group.stop();
    await expect(fetch(`${url}/health`)).rejects.toThrow();
  });

  it('shows the same trees from files where there is no Python, and says how to get MLflow', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'hokusai-no-python-'));
    try {
      for (const name of ['node', 'npm', 'npx']) {
        await symlink(join(dirname(process.execPath), name), join(folder, name));
      }
      await symlink('/bin/sh', join(folder, 'sh'));
      const result = await runProgram('scripts/demo.mjs', {
        env: { PATH: folder, PYTHON: '', HOKUSAI_CACHE_DIR: join(folder, 'cache') },
      });
      expect(result.code).toBe(1);
      expect(result.stdout).toMatch(/\nTriage {2}OK .*\n└─ invoke_workflow Triage +CHAIN/);
      expect(result.stdout).toContain('execute_tool handbook.lookup');
      expect(result.stderr).toContain('Python 3.10');
    } finally {
      await rm(folder, { recursive: true, force: true });
    }
  });
});

import { isDeepStrictEqual } from 'node:util';
import type { MlflowRest, StoredRun } from '../support/mlflow-rest.js';
import type { Difference } from './compare.js';
import { camelCase, type GoldenRun } from './golden.js';

/** What both sides say about a run, in one form. */
export interface RunFacts {
  name: string;
  status: string;
  /** Model and its parameters. */
  model: unknown;
  /** Score of the whole, 0 to 1, by step. */
  score: unknown;
  resultTable: unknown;
  trainset: unknown;
  valset: unknown;
  /** Field names of the program whose state is kept, with its demonstrations. */
  program: unknown;
  /** Number of traces found by the run. */
  traces: number;
}

export function goldenRunFacts(run: GoldenRun, traces: number): RunFacts {
  const lm = run.params.lm_params as Record<string, unknown> | undefined;
  return {
    name: run.name,
    status: run.status,
    model: lm && { model: lm.model, temperature: lm.temperature, maxTokens: lm.max_tokens },
    score: run.metrics.eval?.map(([step, percent]) => [step, Math.round(percent) / 100]),
    resultTable: readTable(run.artifacts['result_table.json']),
    trainset: readTable(run.artifacts['trainset.json']),
    valset: readTable(run.artifacts['valset.json']),
    program: readGoldenProgram(run.artifacts['model.json'] ?? run.artifacts['best_model.json']),
    traces,
  };
}

export async function ourRunFacts(
  rest: MlflowRest,
  experiment: string,
  run: StoredRun,
): Promise<RunFacts> {
  const artifact = async (name: string) => {
    const text = await rest.artifact(run, name);
    return text === undefined ? undefined : JSON.parse(text);
  };
  const { lm_params } = run.params;
  const lm = lm_params === undefined ? undefined : JSON.parse(lm_params);
  const scores = 'eval' in run.metrics ? await rest.metricHistory(run.id, 'eval') : undefined;
  return {
    name: run.name,
    status: run.status,
    model: lm && {
      model: `${lm.provider}/${lm.model}`,
      temperature: lm.temperature,
      maxTokens: lm.maxTokens,
    },
    score: scores?.map(([step, value]) => [step, Math.round(value * 100) / 100]),
    resultTable: readTable(await artifact('result_table.json')),
    trainset: readTable(await artifact('trainset.json')),
    valset: readTable(await artifact('valset.json')),
    program: readOurProgram((await artifact('model.json')) ?? (await artifact('best_model.json'))),
    traces: (await rest.traceIdsOfRun(experiment, run.id)).length,
  };
}

/** Why a fact about a run is not the same. */
export interface RunDifference {
  id: string;
  why: string;
  fields: readonly (keyof RunFacts)[];
  applies(at: Pick<Difference, 'golden' | 'ours'> & { scenario: string }): boolean;
}

export const RUN_DIFFERENCES: readonly RunDifference[] = [
  {
    id: 'names of runs',
    why: 'DSPy names every evaluation `eval` and gives a compile a random name; ours say what was scored or compiled by what.',
    fields: ['name'],
    applies: ({ ours }) => /^(exact of|AxBootstrapFewShot) AxGen\(/.test(String(ours)),
  },
  {
    id: 'rows once',
    why: 'Nested teleprompters of DSPy append their data sets to the same file, the first copy with other types.',
    fields: ['trainset'],
    applies: ({ golden, ours }) => {
      const [{ data: goldenRows }, { data: ourRows }] = [golden, ours] as { data: unknown[] }[] as [
        { data: unknown[] },
        { data: unknown[] },
      ];
      return isDeepStrictEqual(goldenRows.slice(-ourRows.length), ourRows);
    },
  },
  {
    id: 'scores are numbers',
    why: 'A metric of Ax gives a number; DSPy keeps the boolean of Python.',
    fields: ['resultTable'],
    applies: ({ golden, ours }) =>
      isDeepStrictEqual(
        JSON.parse(JSON.stringify(golden).replaceAll('[true,', '[1,').replaceAll('[false,', '[0,')),
        ours,
      ),
  },
  {
    id: 'one program',
    why: 'The DSPy program compiled here is a module of two; the Ax one a generator, whose demonstrations Ax keeps as one list.',
    fields: ['program'],
    applies: ({ scenario, ours }) =>
      scenario === 'compile_bootstrap' &&
      isDeepStrictEqual(ours, [{ fields: ['question', 'answer'], demos: 2 }]),
  },
  {
    id: 'the model chosen by the compile',
    why: 'Bootstrapping asks at a temperature of its own, which is the one in effect.',
    fields: ['model'],
    applies: ({ scenario, golden, ours }) =>
      scenario === 'compile_bootstrap' &&
      Math.abs((ours as { temperature: number }).temperature - 0.7) < 0.01 &&
      isDeepStrictEqual({ ...(ours as object), temperature: 0.5 }, golden),
  },
  {
    id: 'inner calls are sums',
    why: 'The calls of a compile are counted on its span; `recordOptimizerCalls` keeps each as spans.',
    fields: ['traces'],
    applies: ({ scenario, golden, ours }) =>
      scenario === 'compile_bootstrap' && golden === 1 && ours === 0,
  },
];

/** `{ columns, data }` with the names of TypeScript. */
function readTable(table: unknown): unknown {
  if (table === undefined) return undefined;
  const { columns, data } = table as { columns: string[]; data: unknown[] };
  return { columns, data };
}

interface GoldenState {
  demos: unknown[];
  signature: { fields: { prefix: string }[] };
}

function readGoldenProgram(state: unknown): unknown {
  if (state === undefined) return undefined;
  const { metadata: _, ...parts } = state as Record<string, GoldenState>;
  // A Predict is its own state; a module has one for each predictor.
  const predictors =
    'signature' in parts ? [parts as unknown as GoldenState] : Object.values(parts);
  return predictors.map(({ demos, signature }) => ({
    fields: signature.fields.map(({ prefix }) => camelCase(prefix.replace(':', ''))),
    demos: demos.length,
  }));
}

function readOurProgram(state: unknown): unknown {
  if (state === undefined) return undefined;
  const { fields, demos = [] } = state as {
    fields: { name: string }[];
    demos?: { traces?: unknown[] }[];
  };
  return [
    {
      fields: fields.map(({ name }) => name),
      demos: demos.reduce((sum, { traces = [] }) => sum + traces.length, 0),
    },
  ];
}

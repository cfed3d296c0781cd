import { readdirSync } from 'node:fs';
import * as axModule from '@ax-llm/ax';
import { MlflowSpanExporter } from '@hokusai/exporter-mlflow';
import { DspyInstrumentation } from '@hokusai/instrumentation-dspy';
import { context } from '@opentelemetry/api';
import { AsyncLocalStorageContextManager } from '@opentelemetry/context-async-hooks';
import { BasicTracerProvider, BatchSpanProcessor } from '@opentelemetry/sdk-trace-base';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { MlflowRest, type StoredTrace } from '../support/mlflow-rest.js';
import { startMlflowServer, type TestMlflowServer } from '../support/mlflow-server.js';
import { type MockModel, startMockModel } from '../support/mock-model.js';
import { compareRuns, compareTraces, describeDifference } from './compare.js';
import {
  EXTRA_SPANS,
  EXTRA_TRACES,
  FIELD_DIFFERENCES,
  STRUCTURE_DIFFERENCES,
  TRACE_DIFFERENCES,
} from './differences.js';
import { readGolden } from './golden.js';
import { RUN_DIFFERENCES } from './runs.js';
import { connect, NO_SCENARIO, SCENARIOS, type Scenario } from './scenarios.js';

const instrumentation = new DspyInstrumentation();
const explained = new Set<string>();
let server: TestMlflowServer;
let model: MockModel;

beforeAll(async () => {
  [server, model] = await Promise.all([startMlflowServer(), startMockModel()]);
  context.setGlobalContextManager(new AsyncLocalStorageContextManager().enable());
  instrumentation.manuallyInstrument(axModule);
});
afterAll(async () => {
  instrumentation.disable();
  context.disable();
  await Promise.all([server?.stop(), model?.stop()]);
});

/** Runs a scenario as its own experiment and reads back what arrived. */
async function record(scenario: Scenario): Promise<StoredTrace[]> {
  const exporter = new MlflowSpanExporter({
    trackingUri: server.url,
    experimentName: scenario.name,
  });
  const provider = new BasicTracerProvider({ spanProcessors: [new BatchSpanProcessor(exporter)] });
  instrumentation.setTracerProvider(provider);
  model.play(scenario.script);
  const rest = new MlflowRest(server.url);
  const started: string[] = [];
  const startRun = async (name: string) => {
    const id = await rest.startRun(scenario.name, name);
    started.push(id);
    return id;
  };
  // Some fail as they should; what the program gets is another test's matter.
  const { apiURL, exactURL } = model;
  await scenario.run(connect(apiURL), { apiURL, exactURL, startRun }).catch(() => {});
  await provider.shutdown();
  for (const id of started) await rest.endRun(id);
  return rest.traces(scenario.name, scenario.traces);
}

describe('parity with Python DSPy', () => {
  it.each(SCENARIOS)('of $name', async (scenario) => {
    const golden = readGolden(scenario.name, scenario.rename);
    const { name } = scenario;
    const comparisons = [
      compareTraces(name, golden.traces, await record(scenario)),
      await compareRuns(name, golden, new MlflowRest(server.url)),
    ];
    for (const comparison of comparisons) for (const id of comparison.explained) explained.add(id);
    const unexplained = comparisons.flatMap((comparison) => comparison.unexplained);
    expect(unexplained.map(describeDifference)).toEqual([]);
  });

  it('would see a fact that is missing or wrong', async () => {
    const [predict] = SCENARIOS;
    const [golden] = readGolden('predict').traces;
    if (!predict || !golden) throw new Error('no scenario of predict');
    const [ours] = await record({ ...predict, name: 'predict once more' });
    const [program] = ours?.roots ?? [];
    const [call] = program?.children ?? [];
    if (!ours || !program || !call) throw new Error('no trace of predict');
    const wrong: [string, Partial<StoredTrace>][] = [
      ['state', { state: 'ERROR' }],
      ['tokens', { tokens: undefined }],
      ['children', { roots: [{ ...program, children: [] }] }],
      ['outputs', { roots: [{ ...program, outputs: { answer: '3' } }] }],
      ['type', { roots: [{ ...program, type: 'UNKNOWN' }] }],
      ['inputs', { roots: [{ ...program, children: [{ ...call, inputs: [] }] }] }],
      ['model', { roots: [{ ...program, children: [{ ...call, attributes: {} }] }] }],
    ];
    for (const [field, change] of wrong) {
      const { unexplained } = compareTraces('predict', [golden], [{ ...ours, ...change }]);
      expect(unexplained.map((difference) => difference.field)).toContain(field);
    }
  });

  it('has a scenario for every golden file, or says why there is none', () => {
    const golden = readdirSync(new URL('./golden', import.meta.url)).map((file) =>
      file.replace('.json', ''),
    );
    const known = [...SCENARIOS.map(({ name }) => name), ...Object.keys(NO_SCENARIO)];
    expect(known.sort()).toEqual(golden.sort());
  });

  it('keeps no explanation that nothing needs', () => {
    const entries = [
      ...EXTRA_TRACES,
      ...EXTRA_SPANS,
      ...TRACE_DIFFERENCES,
      ...STRUCTURE_DIFFERENCES,
      ...FIELD_DIFFERENCES,
      ...RUN_DIFFERENCES,
    ].map(({ id }) => id);
    expect(entries.filter((id) => !explained.has(id))).toEqual([]);
  });
});

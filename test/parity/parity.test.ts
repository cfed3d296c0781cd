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
import { compareTraces, describeDifference } from './compare.js';
import {
  EXTRA_SPANS,
  FIELD_DIFFERENCES,
  STRUCTURE_DIFFERENCES,
  TRACE_DIFFERENCES,
} from './differences.js';
import { readGolden } from './golden.js';
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
  // Some fail as they should; what the program gets is another test's matter.
  await scenario.run(connect(model.apiURL), model).catch(() => {});
  await provider.shutdown();
  return new MlflowRest(server.url).traces(scenario.name, scenario.traces);
}

describe('parity with Python DSPy', () => {
  it.each(SCENARIOS)('of $name', async (scenario) => {
    const comparison = compareTraces(
      scenario.name,
      readGolden(scenario.name, scenario.rename).traces,
      await record(scenario),
    );
    for (const id of comparison.explained) explained.add(id);
    expect(comparison.unexplained.map(describeDifference)).toEqual([]);
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
      ...EXTRA_SPANS,
      ...TRACE_DIFFERENCES,
      ...STRUCTURE_DIFFERENCES,
      ...FIELD_DIFFERENCES,
    ].map(({ id }) => id);
    expect(entries.filter((id) => !explained.has(id))).toEqual([]);
  });
});

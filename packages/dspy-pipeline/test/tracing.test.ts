import * as ax from '@ax-llm/ax';
import { getAutologClient } from '@hokusai/mlflow-dspy';
import { context, trace } from '@opentelemetry/api';
import { AsyncLocalStorageContextManager } from '@opentelemetry/context-async-hooks';
import {
  BasicTracerProvider,
  InMemorySpanExporter,
  SimpleSpanProcessor,
} from '@opentelemetry/sdk-trace-base';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { DspyInstrumentation } from '../../instrumentation-dspy/src/index.js';
import { createProgram, DspyPipelineExecutor } from '../src/index.js';
import { useModel } from './support/model.js';

const model = useModel();
const exporter = new InMemorySpanExporter();
const provider = new BasicTracerProvider({ spanProcessors: [new SimpleSpanProcessor(exporter)] });
const instrumentation = new DspyInstrumentation();
const inputs = { topic: 't', purpose: 'p' };

beforeAll(() => {
  context.setGlobalContextManager(new AsyncLocalStorageContextManager().enable());
  trace.setGlobalTracerProvider(provider);
  instrumentation.setTracerProvider(provider);
  instrumentation.manuallyInstrument(ax);
});
afterAll(async () => {
  instrumentation.disable();
  await provider.shutdown();
});
beforeEach(() => exporter.reset());

/** Finished spans, those above before those below. */
const spans = () => exporter.getFinishedSpans().toReversed();

describe('in an application that traces DSPy programs by itself', () => {
  it('the executor starts no autolog(), and asks the application’s exporter for a run', async () => {
    const executor = new DspyPipelineExecutor({ ai: model.service() });
    expect(getAutologClient()).toBeUndefined();
    model.play(['Draft: d']);
    const result = await executor.execute({ program: createProgram('DraftText'), inputs });
    expect(spans().map(({ name }) => name.split(' ')[0])).toEqual([
      'invoke_workflow',
      'invoke_workflow',
      'chat',
    ]);
    const { attributes } = spans()[0] ?? {};
    expect(attributes).toMatchObject({
      'dspy.module.type': 'executor',
      'dspy.run.kind': 'execution',
      'dspy.run.name': 'DraftText',
      'dspy.run.trace_ids': [result.metadata.traceId],
    });
    expect(JSON.parse(String(attributes?.['dspy.run.params']))).toEqual({
      program_name: 'DraftText',
      mode: 'normal',
      input_keys: 'topic, purpose',
    });
    const metrics = JSON.parse(String(attributes?.['dspy.run.metrics'])) as {
      key: string;
      value: number;
    }[];
    expect(metrics.map(({ key }) => key)).toEqual(['execution_time', 'success']);
    expect(metrics[0]?.value).toBeLessThanOrEqual(result.executionTime);
    expect(metrics[1]?.value).toBe(1);
  });

  it('is traced without a run where mlflowTracking is off', async () => {
    const executor = new DspyPipelineExecutor({ ai: model.service(), mlflowTracking: false });
    model.play(['Draft: d']);
    await executor.execute({ program: 'DraftText', inputs });
    const { attributes = {} } = spans()[0] ?? {};
    expect(attributes['dspy.executor.mode']).toBe('normal');
    expect(Object.keys(attributes).filter((key) => key.startsWith('dspy.run.'))).toEqual([]);
  });

  it('is not disturbed by inputs that throw when they are looked at', async () => {
    const executor = new DspyPipelineExecutor({ ai: model.service(), logLevel: 'silent' });
    const program = { forward: async () => ({ done: true }) };
    const odd = new Proxy(
      {},
      {
        ownKeys() {
          throw new Error('do not look');
        },
      },
    );
    expect(await executor.execute({ program, inputs: odd })).toMatchObject({
      outputs: { done: true },
    });
    expect(spans()).toHaveLength(1);
  });
});

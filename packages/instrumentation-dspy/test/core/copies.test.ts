import { createRequire } from 'node:module';
import { trace } from '@opentelemetry/api';
import {
  BasicTracerProvider,
  InMemorySpanExporter,
  SimpleSpanProcessor,
} from '@opentelemetry/sdk-trace-base';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import {
  type MockModel,
  type Script,
  startMockModel,
} from '../../../../test/support/mock-model.js';
import { diagnostics } from '../../src/diagnostics.js';
import { DspyInstrumentation, traceCall } from '../../src/index.js';
import { AX_MAJORS, loadAx } from '../support/ax.js';
import { openAI } from '../support/service.js';
import { startTracing, type Tracing } from '../support/tracing.js';

// biome-ignore lint/suspicious/noExplicitAny: the types of Ax differ from major to major
const copies = new Map<string, any>();
let tracing: Tracing;
let model: MockModel;
beforeAll(async () => {
  for (const major of AX_MAJORS) copies.set(`${major}`, await loadAx(major));
  copies.set('24 CommonJS', createRequire(import.meta.url)('@ax-llm/ax'));
  model = await startMockModel();
  tracing = startTracing([...copies.values()]);
});
afterEach(() => {
  for (const { axGlobals } of copies.values()) if (axGlobals) axGlobals.tracer = undefined;
  tracing.instrumentation.enable();
  tracing.reset();
  expect(diagnostics.count()).toBe(0);
});
afterAll(async () => {
  await tracing.stop();
  await model.stop();
});

const script: Script = (_request, index) =>
  index === 0 ? { toolCalls: [{ name: 'lookUp', arguments: {} }] } : 'Answer: four';

const others = [...AX_MAJORS.filter((major) => major !== 24).map(String), '24 CommonJS'];

describe.each([
  ...others.map((other) => [other, '24'] as const),
  ...others.map((other) => ['24', other] as const),
])('a service of Ax %s in a program of Ax %s', (ofService, ofProgram) => {
  const run = (service: object) => {
    model.play(script);
    const lookUp = { name: 'lookUp', description: 'Looks up', func: async () => 'found' };
    const { AxGen } = copies.get(ofProgram);
    const program = new AxGen('question:string -> answer:string', { functions: [lookUp] });
    return program.forward(service, { question: 'why?' });
  };
  const serviceOf = () => openAI(copies.get(ofService), model.apiURL);
  const TREE = [
    'invoke_workflow AxGen(question -> answer)',
    '  chat gpt-4o-mini',
    '  execute_tool lookUp',
    '  chat gpt-4o-mini',
  ].join('\n');

  it('is one execution, counted once', async () => {
    expect(await run(serviceOf())).toEqual({ answer: 'four' });
    expect(tracing.tree()).toBe(TREE);
    const [program] = tracing.spans();
    expect(program?.attributes).toMatchObject({
      'dspy.usage.model_calls': 2,
      'dspy.usage.total_tokens': 36,
    });
  });

  it("silences Ax's own tracer wherever it was given", async () => {
    const exporter = new InMemorySpanExporter();
    const provider = new BasicTracerProvider({
      spanProcessors: [new SimpleSpanProcessor(exporter)],
    });
    const tracer = provider.getTracer('native');
    const service = serviceOf();
    service.setOptions({ ...service.getOptions(), tracer });
    await run(service);
    for (const copy of [ofService, ofProgram]) {
      const { axGlobals } = copies.get(copy);
      if (axGlobals === undefined) continue;
      axGlobals.tracer = tracer;
      await run(serviceOf());
      axGlobals.tracer = undefined;
    }
    expect(exporter.getFinishedSpans()).toEqual([]);
    expect(tracing.tree().startsWith(TREE)).toBe(true);
  });

  it('is left alone when the methods of both are put back', async () => {
    tracing.instrumentation.disable();
    expect(await run(serviceOf())).toEqual({ answer: 'four' });
    expect(tracing.spans()).toEqual([]);
    expect(trace.getActiveSpan()).toBeUndefined();
  });
});

describe('two instrumentations of one copy', () => {
  const stages = [
    ['the first', 0],
    ['the second', 1],
  ] as const;

  it.each(stages)('go on with one when %s is disabled, and end with both', async (_, ending) => {
    const second = new DspyInstrumentation();
    second.setTracerProvider(tracing.provider);
    const ax = copies.get('24');
    second.manuallyInstrument(ax);
    const pair = [tracing.instrumentation, second];
    const run = async () => {
      tracing.reset();
      model.play(['Answer: four']);
      const service = openAI(ax, model.apiURL);
      await new ax.AxGen('question:string -> answer:string').forward(service, { question: 'q' });
      await traceCall({ name: 'own', type: 'own', inputs: {} }, async () => 1);
      return tracing.spans().length;
    };
    expect(await run()).toBe(3);
    pair[ending]?.disable();
    expect(await run()).toBe(3);
    pair[1 - ending]?.disable();
    expect(await run()).toBe(0);
  });
});

import * as ax from '@ax-llm/ax';
import { DspyInstrumentation } from '@hokusai/instrumentation-dspy';
import { autolog, disableAutolog } from '@hokusai/mlflow-dspy';
import { context, diag, trace } from '@opentelemetry/api';
import {
  BasicTracerProvider,
  InMemorySpanExporter,
  SimpleSpanProcessor,
} from '@opentelemetry/sdk-trace-base';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { diagnostics } from '../../../packages/instrumentation-dspy/src/diagnostics.js';
import { forgetWarnings } from '../../../packages/mlflow-dspy/src/log.js';
import { ANSWER, CALL, mockModel, tool } from '../programs/world.js';
import { collector, QUESTION, SIGNATURE } from './support/tracing.js';

const said: string[] = [];
const exporter = new InMemorySpanExporter();
let provider: BasicTracerProvider;
beforeEach(() => {
  context.disable();
  trace.disable();
  diagnostics.reset();
  forgetWarnings();
  said.length = 0;
  exporter.reset();
  diag.setLogger(collector(said), { suppressOverrideMessage: true });
  provider = new BasicTracerProvider({ spanProcessors: [new SimpleSpanProcessor(exporter)] });
  trace.setGlobalTracerProvider(provider);
});
afterEach(() => {
  context.disable();
  trace.disable();
  diag.disable();
});

const run = () =>
  ax.ax(SIGNATURE, { functions: [tool(() => 'found')] }).forward(
    mockModel(() => {}, [CALL, ANSWER]),
    QUESTION,
  );

describe('a tracer provider without a context manager', () => {
  it('is one warning that says what to do, and the program runs', async () => {
    const instrumentation = new DspyInstrumentation();
    instrumentation.setTracerProvider(provider);
    instrumentation.manuallyInstrument(ax);
    try {
      for (let time = 0; time < 2; time++) expect(await run()).toEqual({ answerText: 'four' });
    } finally {
      instrumentation.disable();
    }
    expect(exporter.getFinishedSpans().length).toBeGreaterThan(0);
    expect(said.filter((text) => text.includes('context manager'))).toEqual([
      expect.stringMatching(/setGlobalContextManager|NodeTracerProvider/),
    ]);
  });

  it('gets one from autolog(), so that spans nest', async () => {
    const client = autolog({ exporters: [] });
    try {
      await run();
      await client.flush();
    } finally {
      disableAutolog();
    }
    const spans = exporter.getFinishedSpans();
    expect(new Set(spans.map((span) => span.spanContext().traceId)).size).toBe(1);
    expect(spans.filter(({ parentSpanContext }) => parentSpanContext === undefined)).toHaveLength(
      1,
    );
    expect(said).toEqual([]);
  });
});

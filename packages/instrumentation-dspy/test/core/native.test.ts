import { trace } from '@opentelemetry/api';
import {
  BasicTracerProvider,
  InMemorySpanExporter,
  SimpleSpanProcessor,
} from '@opentelemetry/sdk-trace-base';
import { expect, it } from 'vitest';
import type { Script } from '../../../../test/support/mock-model.js';
import { AX_MAJORS } from '../support/ax.js';
import { describeMajors } from '../support/majors.js';

const QUESTION = { questionText: 'two and two?' };
const script: Script = (request, index) =>
  index === 0
    ? { toolCalls: [{ name: String(request.tools?.[0]?.function.name), arguments: {} }] }
    : 'Answer Text: four';

/** A tracer of the application's own, given to Ax. */
function nativeTracer() {
  const exporter = new InMemorySpanExporter();
  const provider = new BasicTracerProvider({ spanProcessors: [new SimpleSpanProcessor(exporter)] });
  return { tracer: provider.getTracer('native'), spans: () => exporter.getFinishedSpans() };
}

describeMajors("Ax's own tracer", AX_MAJORS, (bench) => {
  const tool = (func: () => unknown) => ({
    name: 'getAge',
    description: 'Looks up the age of a thing',
    parameters: { type: 'object', properties: {} },
    func,
  });

  const places: readonly [string, (tracer: object) => Promise<unknown>][] = [
    [
      'in the options of a call',
      (tracer) => {
        const { ax, model, service } = bench();
        model.play(script);
        const gen = new ax.AxGen('questionText:string -> answerText:string', {
          functions: [tool(async () => trace.getActiveSpan()?.spanContext().spanId)],
        });
        return gen.forward(service(), QUESTION, { tracer });
      },
    ],
    [
      'in the options of a service',
      (tracer) => {
        const { ax, model, service } = bench();
        model.play(script);
        const gen = new ax.AxGen('questionText:string -> answerText:string', {
          functions: [tool(async () => trace.getActiveSpan()?.spanContext().spanId)],
        });
        const llm = service();
        llm.setOptions({ ...llm.getOptions(), tracer });
        return gen.forward(llm, QUESTION);
      },
    ],
    [
      'of a service that is called without a program',
      (tracer) => {
        const { model, service } = bench();
        model.play(['hello']);
        const llm = service();
        llm.setOptions({ ...llm.getOptions(), tracer });
        return llm.chat({ chatPrompt: [{ role: 'user', content: 'hi' }] });
      },
    ],
  ];

  it.each(places)('%s is silent by default: one span an operation', async (_name, run) => {
    const { tracing } = bench();
    const native = nativeTracer();
    await run(native.tracer);
    expect(native.spans()).toEqual([]);
    expect(tracing.spans().filter(({ name }) => name.startsWith('chat')).length).toBeGreaterThan(0);
    for (const tool of tracing.spans().filter(({ name }) => name.startsWith('execute_tool'))) {
      // What a tool does is below the tool's span, as ever.
      expect(tool.attributes['output.value']).toBe(tool.spanContext().spanId);
    }
  });

  it.each(places)('%s works with nativeSpans', async (_name, run) => {
    const { configure, tracing } = bench();
    configure({ nativeSpans: true });
    const native = nativeTracer();
    await run(native.tracer);
    expect(native.spans().length).toBeGreaterThan(0);
    expect(tracing.spans().filter(({ name }) => name.startsWith('chat')).length).toBeGreaterThan(0);
  });

  it('is back when the instrumentation is off', async () => {
    const { tracing } = bench();
    const native = nativeTracer();
    tracing.instrumentation.disable();
    await places[2]?.[1](native.tracer);
    tracing.instrumentation.enable();
    expect(native.spans()).toHaveLength(1);
    expect(tracing.spans()).toEqual([]);
  });
});

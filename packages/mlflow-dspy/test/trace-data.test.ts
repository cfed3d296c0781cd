import type { SpanLike } from '@hokusai/exporter-mlflow';
import { type Attributes, context, SpanStatusCode, trace } from '@opentelemetry/api';
import {
  BasicTracerProvider,
  InMemorySpanExporter,
  SimpleSpanProcessor,
} from '@opentelemetry/sdk-trace-base';
import { expect, it } from 'vitest';
import { describeTrace } from '../src/processors/trace-data.js';

const exporter = new InMemorySpanExporter();
const tracer = new BasicTracerProvider({
  spanProcessors: [new SimpleSpanProcessor(exporter)],
}).getTracer('t');

const usage = (input: number, output: number, cost?: number): Attributes => ({
  'openinference.span.kind': 'LLM',
  'gen_ai.usage.input_tokens': input,
  'gen_ai.usage.output_tokens': output,
  ...(cost !== undefined && { 'llm.cost.total': cost }),
});

function finished(): SpanLike[] {
  const spans = exporter.getFinishedSpans() as unknown as SpanLike[];
  exporter.reset();
  return [...spans];
}

it('describes the outermost program below a span of another kind', () => {
  const http = tracer.startSpan('GET /', { startTime: [1000, 0] });
  const below = trace.setSpan(context.active(), http);
  const program = tracer.startSpan(
    'invoke_workflow EmailDraft',
    {
      startTime: [1001, 0],
      attributes: {
        'dspy.module.name': 'EmailDraft',
        'openinference.span.kind': 'CHAIN',
        'input.value': '{"topic":"x"}',
        'input.mime_type': 'application/json',
        'output.value': 'plain',
        'output.mime_type': 'text/plain',
        'session.id': 's1',
        'user.id': 'u1',
        'dspy.tag.team': 'ml',
        'dspy.usage.input_tokens': 30,
        'dspy.usage.cost': 0.3,
      },
    },
    below,
  );
  const inside = trace.setSpan(below, program);
  for (const [cost, at] of [
    [0.1, 1002],
    [0.2, 1003],
  ] as const) {
    tracer
      .startSpan('chat m', { startTime: [at, 0], attributes: usage(10, 5, cost) }, inside)
      .end([at + 1, 0]);
  }
  program.end([1005, 500_000_000]);
  http.end([1006, 0]);

  const data = describeTrace(finished());
  expect(data).toMatchObject({
    name: 'EmailDraft',
    state: 'OK',
    durationMs: 4500,
    startTime: new Date(1_001_000),
    inputs: { topic: 'x' },
    outputs: 'plain',
    tokens: { inputTokens: 20, outputTokens: 10, totalTokens: 30 },
    tags: { team: 'ml' },
    session: 's1',
    user: 'u1',
  });
  expect(data.traceId).toMatch(/^tr-[0-9a-f]{32}$/);
  expect(data.cost?.totalCost).toBeCloseTo(0.3);
  expect(data.error).toBeUndefined();
  expect(data.spans.map(({ name, type }) => [name, type])).toEqual([
    ['GET /', 'SPAN'],
    ['EmailDraft', 'CHAIN'],
    ['chat m', 'LLM'],
    ['chat m', 'LLM'],
  ]);
  expect(data.spans[1]?.parentId).toBe(data.spans[0]?.spanId);
});

it('tells why the outermost program failed, and not what it recovered from', () => {
  const program = tracer.startSpan('p', { attributes: { 'dspy.module.name': 'p' } });
  const tool = tracer.startSpan('t', {}, trace.setSpan(context.active(), program));
  tool.setStatus({ code: SpanStatusCode.ERROR, message: 'tool' });
  tool.end();
  program.end();
  expect(describeTrace(finished())).toMatchObject({ state: 'OK' });

  const failed = tracer.startSpan('p', { attributes: { 'dspy.module.name': 'p' } });
  failed.setAttribute('error.type', 'AxGenerateError');
  failed.setStatus({ code: SpanStatusCode.ERROR, message: 'no answer' });
  failed.end();
  expect(describeTrace(finished())).toMatchObject({
    state: 'ERROR',
    error: { type: 'AxGenerateError', message: 'no answer' },
  });
});

it('leaves unknown things out', () => {
  tracer.startSpan('p', { attributes: { 'dspy.module.name': 'p' } }).end();
  expect(Object.keys(describeTrace(finished())).sort()).toEqual(
    ['durationMs', 'name', 'spans', 'startTime', 'state', 'tags', 'traceId'].sort(),
  );
});

it('gives JSON that was cut as text', () => {
  const attributes = { 'input.value': '{"a":', 'input.mime_type': 'application/json' };
  tracer.startSpan('p', { attributes }).end();
  expect(describeTrace(finished()).inputs).toBe('{"a":');
});

it('reads usage of either convention, once', () => {
  const program = tracer.startSpan('p', { attributes: { 'dspy.module.name': 'p' } });
  const inside = trace.setSpan(context.active(), program);
  tracer
    .startSpan('a', { attributes: { ...usage(1, 2), 'llm.token_count.prompt': 1 } }, inside)
    .end();
  tracer
    .startSpan(
      'b',
      {
        attributes: {
          'llm.token_count.prompt': 10,
          'llm.token_count.completion': 20,
          'llm.token_count.prompt_details.cache_read': 4,
        },
      },
      inside,
    )
    .end();
  program.end();
  expect(describeTrace(finished()).tokens).toEqual({
    inputTokens: 11,
    outputTokens: 22,
    totalTokens: 33,
    cacheReadInputTokens: 4,
  });
});

import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { startMockModel } from '../../examples/demo/mock-model.js';
import {
  type CollectedSpan,
  collectorOrSkip,
  startCollector,
  type TestCollector,
} from '../support/collector.js';
import { type ProgramResult, runProgram } from '../support/run-program.js';

const executable = await collectorOrSkip();

describe.skipIf(executable === undefined)('the demo with the stock OTLP exporter', () => {
  let collector: TestCollector;
  let program: ProgramResult;
  let spans: CollectedSpan[];

  beforeAll(async () => {
    collector = await startCollector(executable as string);
    const model = await startMockModel();
    program = await runProgram('examples/demo/main.js', {
      imports: ['test/e2e/fixtures/otlp.mjs'],
      env: {
        OTEL_EXPORTER_OTLP_ENDPOINT: collector.url,
        DEMO_API_URL: model.url,
        DEMO_MODEL: 'gpt-4o-mini',
      },
    });
    await model.stop();
    spans = await collector.spans(1);
  });
  afterAll(() => collector?.stop());

  const named = (name: string) => spans.filter((span) => span.name === name);
  const childrenOf = (parent: CollectedSpan) =>
    spans.filter(({ parentSpanId }) => parentSpanId === parent.spanId);

  it('runs as without tracing', () => {
    expect(program.stderr).toBe('');
    expect(program.code).toBe(0);
    expect(program.stdout).toContain('You may return goods within 30 days.');
  });

  it('arrives as seven whole traces', () => {
    const ids = new Set(spans.map(({ spanId }) => spanId));
    const roots = spans.filter(({ parentSpanId }) => parentSpanId === '');
    const orphans = spans.filter(
      ({ parentSpanId }) => parentSpanId !== '' && !ids.has(parentSpanId),
    );
    expect(orphans).toEqual([]);
    expect(roots.map(({ attributes }) => attributes['dspy.module.type'])).toEqual(
      expect.arrayContaining(['AxGen', 'AxFlow', 'AxAgent']),
    );
    expect(roots).toHaveLength(7);
    expect(new Set(spans.map(({ traceId }) => traceId)).size).toBe(7);
  });

  it('carries both conventions, values and token usage', () => {
    for (const chat of named('chat gpt-4o-mini')) {
      expect(chat.attributes).toMatchObject({
        'gen_ai.operation.name': 'chat',
        'gen_ai.provider.name': 'openai',
        'gen_ai.request.model': 'gpt-4o-mini',
        'openinference.span.kind': 'LLM',
        'llm.model_name': 'gpt-4o-mini',
      });
      expect(chat.attributes['gen_ai.usage.input_tokens']).toBeGreaterThan(0);
      expect(chat.attributes['gen_ai.usage.output_tokens']).toBeGreaterThan(0);
      expect(chat.attributes['gen_ai.input.messages']).toContain('"role":"system"');
    }
    const [find] = named('execute_tool findOrder');
    expect(find?.attributes).toMatchObject({
      'openinference.span.kind': 'TOOL',
      'gen_ai.tool.call.arguments': '{"number":"A-1042"}',
      'input.value': '{"number":"A-1042"}',
    });
  });

  it('keeps parents right in the flow, in the tools and in the agent', () => {
    const flow = spans.find(({ attributes }) => attributes['dspy.module.type'] === 'AxFlow');
    const branches = flow ? childrenOf(flow) : [];
    expect(branches.flatMap(childrenOf).map(({ name }) => name)).toEqual([
      'chat gpt-4o-mini',
      'chat gpt-4o-mini',
    ]);
    const [lookup] = named('execute_tool handbook.lookup');
    expect(lookup?.attributes['output.value']).toContain('30 days');
  });

  it('says what failed', () => {
    const failed = spans.filter(({ status }) => status.code === 2);
    expect(failed.length).toBeGreaterThan(0);
    for (const { events, status } of failed) {
      expect(status.message).toContain('IBAN');
      expect(events.map(({ name }) => name)).toContain('exception');
    }
  });
});

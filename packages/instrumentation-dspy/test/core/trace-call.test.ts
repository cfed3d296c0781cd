import * as axModule from '@ax-llm/ax';
import { type AxAIService, AxMockAIService, ax } from '@ax-llm/ax';
import { afterEach, describe, expect, it } from 'vitest';
import { type CallDescription, type CallSpan, traceCall } from '../../src/index.js';
import { startTracing, type Tracing } from '../support/tracing.js';

let tracing: Tracing | undefined;
afterEach(async () => {
  await tracing?.stop();
  tracing = undefined;
});

const service = () =>
  new AxMockAIService({
    features: { functions: false, streaming: false },
    chatResponse: { results: [{ index: 0, content: 'Answer: four', finishReason: 'stop' }] },
  });
const program = ax('question:string -> answer:string', { traceLabel: 'Asker' });
const call: CallDescription = {
  name: 'Asker',
  type: 'executor',
  version: '2.0',
  inputs: { question: 'two and two?' },
  attributes: { 'dspy.executor.mode': 'normal' },
};
const ask = () => program.forward(service() as AxAIService, { question: 'two and two?' });

describe('traceCall', () => {
  it('traces a call as a program, above what it runs', async () => {
    tracing = startTracing([axModule]);
    let traceId: string | undefined;
    const result = await traceCall(call, async (span) => {
      traceId = span.traceId;
      span.attemptFailed(1, new TypeError('no'));
      span.setAttributes({ 'dspy.executor.attempts': 2 });
      return ask();
    });
    expect(result).toEqual({ answer: 'four' });
    const [own, inner] = tracing.spans();
    expect(tracing.spans().map(({ name }) => name)).toEqual([
      'invoke_workflow Asker',
      'invoke_workflow Asker',
      'chat',
    ]);
    expect(inner?.parentSpanContext?.spanId).toBe(own?.spanContext().spanId);
    expect(own?.spanContext().traceId).toBe(traceId);
    expect(own?.attributes).toMatchObject({
      'dspy.module.name': 'Asker',
      'dspy.module.type': 'executor',
      'dspy.module.version': '2.0',
      'gen_ai.operation.name': 'invoke_workflow',
      'gen_ai.workflow.name': 'Asker',
      'openinference.span.kind': 'CHAIN',
      'input.value': '{"question":"two and two?"}',
      'output.value': '{"answer":"four"}',
      'dspy.executor.mode': 'normal',
      'dspy.executor.attempts': 2,
      'dspy.outcome': 'completed',
    });
    expect(own?.events.map(({ name, attributes }) => [name, attributes?.['error.type']])).toEqual([
      ['dspy.attempt', 'TypeError'],
    ]);
  });

  it('just runs where nothing is traced', async () => {
    const spans: CallSpan[] = [];
    const run = () => traceCall(call, async (span) => spans.push(span));
    await run();
    tracing = startTracing([axModule], { samplingRate: 0 });
    await run();
    await traceCall(call, ask);
    tracing.instrumentation.setConfig({ moduleFilter: () => false });
    await run();
    tracing.instrumentation.disable();
    await run();
    expect(spans.map(({ traceId }) => traceId)).toEqual([
      undefined,
      undefined,
      undefined,
      undefined,
    ]);
    for (const span of spans) {
      span.setAttributes({ a: 1 });
      span.attemptFailed(1, new Error('x'));
    }
    expect(tracing.spans()).toEqual([]);
  });

  it('passes failures on, and tells them apart', async () => {
    tracing = startTracing([axModule]);
    const failure = new Error('boom', { cause: new DOMException('late', 'TimeoutError') });
    await expect(traceCall(call, () => Promise.reject(failure))).rejects.toBe(failure);
    await expect(
      traceCall(call, async () => {
        throw new DOMException('stop', 'AbortError');
      }),
    ).rejects.toThrow('stop');
    expect(() =>
      traceCall(call, () => {
        throw failure;
      }),
    ).toThrow(failure);
    expect(tracing.spans().map(({ attributes }) => attributes['dspy.outcome'])).toEqual([
      'timeout',
      'aborted',
      'timeout',
    ]);
  });

  it('keeps content out as the settings say, and describes a program that is left out', async () => {
    tracing = startTracing([axModule], {
      logInputs: false,
      logOutputs: false,
      logIntermediateSteps: false,
    });
    await traceCall({ ...call, program }, async (span) => {
      span.attemptFailed(1, new Error('canary'));
      return ask();
    });
    const [own, ...rest] = tracing.spans();
    expect(rest.map(({ name }) => name.split(' ')[0])).toEqual(['chat']);
    expect(own?.attributes['dspy.signature']).toBe('question:string -> answer:string');
    expect(JSON.stringify([own?.attributes, own?.events])).not.toMatch(/canary|two and two|four/);
  });

  it('records no credentials in attributes', async () => {
    tracing = startTracing([axModule], { redactKeys: ['ssn'] });
    const attributes = { 'app.url': 'https://me:canary@host', 'app.api_key': 'canary', retries: 2 };
    await traceCall({ ...call, attributes }, async (span) => {
      span.setAttributes({
        'app.header': 'Bearer canary1234567',
        'app.list': ['https://me:canary@host', 'plain'],
        ssn: 'canary',
        password: ['canary'],
        'app.token': true,
      });
    });
    const [own] = tracing.spans();
    expect(own?.attributes).toMatchObject({
      'app.url': 'https://host',
      'app.api_key': '[REDACTED]',
      retries: 2,
      'app.header': 'Bearer [REDACTED]',
      'app.list': ['https://host', 'plain'],
      ssn: '[REDACTED]',
      password: ['[REDACTED]'],
      'app.token': true,
    });
  });

  it('never lets a fault of its own into the call', async () => {
    tracing = startTracing([axModule]);
    const broken = {
      ...call,
      get inputs(): never {
        throw new Error('inputs');
      },
    };
    expect(await traceCall(broken, async () => 'done')).toBe('done');
    const worse = {
      get name(): never {
        throw new Error('name');
      },
      type: 'executor',
    };
    expect(await traceCall(worse, async () => 'done')).toBe('done');
  });
});

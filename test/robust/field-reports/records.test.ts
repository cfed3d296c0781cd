import * as ax from '@ax-llm/ax';
import { withTraceContext } from '@hokusai/instrumentation-dspy';
import type { ReadableSpan } from '@opentelemetry/sdk-trace-base';
import { describe, expect, it } from 'vitest';
import { ANSWER, mockModel } from '../programs/world.js';
import { QUESTION, SIGNATURE, useTracing } from './support/tracing.js';

const traced = useTracing();
const model = (...answers: Parameters<typeof mockModel>[1]) => mockModel(() => {}, answers);
const nanos = ([seconds, rest]: readonly [number, number]): bigint =>
  BigInt(seconds) * 1_000_000_000n + BigInt(rest);

describe('tags', () => {
  it('are texts, whatever they were given as', async () => {
    const tags = {
      number: 1,
      flag: false,
      none: undefined,
      object: { a: 1 },
      list: [{ a: 1 }],
      'with.dots and spaces': 'v',
      map: new Map([['a', 1]]),
    };
    await withTraceContext({ tags: tags as never }, () =>
      ax.ax(SIGNATURE).forward(model(ANSWER), QUESTION),
    );
    const { attributes } = traced.tracing.span(/^invoke/);
    const written = Object.entries(attributes).filter(([key]) => key.startsWith('dspy.tag.'));
    expect(Object.fromEntries(written)).toMatchObject({
      'dspy.tag.number': '1',
      'dspy.tag.flag': 'false',
      'dspy.tag.with.dots and spaces': 'v',
    });
    expect(written.every(([, value]) => typeof value === 'string')).toBe(true);
    expect(JSON.stringify(written)).not.toContain('[object Object]');
    expect(written.map(([key]) => key)).not.toContain('dspy.tag.none');
  });
});

describe('an exception event', () => {
  it('lies between the start and the end of its span, in nanoseconds', async () => {
    const before = BigInt(Date.now() - 1) * 1_000_000n;
    await expect(
      ax.ax(SIGNATURE).forward(model({ throws: new Error('no') }), QUESTION),
    ).rejects.toThrow();
    const after = BigInt(Date.now() + 1) * 1_000_000n;
    const failed = traced.tracing.spans().filter(({ events }) => events.length > 0);
    expect(failed).toHaveLength(2);
    for (const { startTime, endTime, events } of failed as ReadableSpan[]) {
      for (const { time } of events) {
        expect(nanos(time)).toBeGreaterThanOrEqual(nanos(startTime));
        expect(nanos(time)).toBeLessThanOrEqual(nanos(endTime));
        expect(nanos(time)).toBeGreaterThanOrEqual(before);
        expect(nanos(time)).toBeLessThanOrEqual(after);
      }
    }
  });
});

describe('runs named one after the other', () => {
  it('each get their own execution', async () => {
    for (const runId of ['A', 'B']) {
      await withTraceContext({ runId }, () => ax.ax(SIGNATURE).forward(model(ANSWER), QUESTION));
    }
    await ax.ax(SIGNATURE).forward(model(ANSWER), QUESTION);
    const programs = traced.tracing.spans().filter(({ name }) => name.startsWith('invoke'));
    expect(programs.map(({ attributes }) => attributes['dspy.run_id'])).toEqual([
      'A',
      'B',
      undefined,
    ]);
  });
});

describe('a session named when the execution is over', () => {
  it('changes nothing of it, and holds for the next one', async () => {
    const program = ax.ax(SIGNATURE);
    await program.forward(model(ANSWER), QUESTION);
    await withTraceContext({ sessionId: 'late' }, async () => undefined);
    await withTraceContext({ sessionId: 'next' }, () => program.forward(model(ANSWER), QUESTION));
    const programs = traced.tracing.spans().filter(({ name }) => name.startsWith('invoke'));
    expect(programs.map(({ attributes }) => attributes['session.id'])).toEqual([undefined, 'next']);
  });
});

describe('sixteen evaluations at once', () => {
  it('of which some fail before their first score are each whole', async () => {
    const evaluate = async (index: number): Promise<string> => {
      const metric = () => {
        if (index % 4 === 0) throw new Error(`metric ${index}`);
        return index / 16;
      };
      Object.defineProperty(metric, 'name', { value: `metric${index}` });
      const examples = Array.from({ length: 3 }, (_, n) => ({
        questionText: `${index}.${n}`,
        answerText: 'four',
      }));
      // An evaluation without a model fails as it begins.
      const service = index % 5 === 0 ? model({ throws: new Error('no model') }) : model(ANSWER);
      const evaluation = new ax.AxTestPrompt({
        ai: service,
        program: ax.ax(SIGNATURE) as never,
        examples: examples as never,
      });
      return evaluation.run(metric as never).then(
        () => 'completed',
        () => 'error',
      );
    };
    const outcomes = await Promise.all(Array.from({ length: 16 }, (_, index) => evaluate(index)));
    const spans = traced.tracing.spans();
    const roots = spans.filter(({ name }) => name.startsWith('evaluation '));
    expect(roots).toHaveLength(16);
    for (const root of roots) {
      const name = String(root.attributes['dspy.run.name']);
      const index = Number(/metric(\d+)/.exec(name)?.[1]);
      expect(root.attributes['dspy.outcome']).toBe(outcomes[index]);
      const id = root.spanContext().spanId;
      const own = spans.filter(({ attributes }) => attributes['dspy.evaluation.id'] === id);
      expect(own.length).toBeGreaterThan(0);
      for (const { attributes } of own) {
        const inputs = String(attributes['input.value'] ?? `"${index}.`);
        expect(inputs).toContain(`"${index}.`);
      }
      expect(String(root.attributes['dspy.run.metrics'])).not.toMatch(/NaN|Infinity/);
    }
  });
});

import * as ax from '@ax-llm/ax';
import { ROOT_CONTEXT, SpanKind, trace } from '@opentelemetry/api';
import type { Sampler } from '@opentelemetry/sdk-trace-base';
import { describe, expect, it } from 'vitest';
import { DspyScopedSampler } from '../../src/index.js';
import { isSampled, samplingThreshold } from '../../src/sampling.js';
import { mockService } from '../support/mock-service.js';
import { startTracing } from '../support/tracing.js';

const randomId = (): string =>
  Array.from({ length: 32 }, () => Math.floor(Math.random() * 16).toString(16)).join('');

describe('the sampling rule', () => {
  it('keeps the share it is asked for, by the trace id', () => {
    const ids = Array.from({ length: 50_000 }, randomId);
    for (const rate of [0.01, 0.1, 0.5, 0.9]) {
      const kept = ids.filter((id) => isSampled(id, samplingThreshold(rate))).length;
      expect(kept / ids.length).toBeGreaterThan(rate - 0.01);
      expect(kept / ids.length).toBeLessThan(rate + 0.01);
    }
  });

  it('keeps at a higher rate what it keeps at a lower one', () => {
    const [low, high] = [samplingThreshold(0.1), samplingThreshold(0.3)];
    for (let i = 0; i < 10_000; i++) {
      const id = randomId();
      if (isSampled(id, low)) expect(isSampled(id, high)).toBe(true);
    }
  });

  it('is exact at the ends', () => {
    for (const id of ['0'.repeat(32), 'f'.repeat(32)]) {
      expect(isSampled(id, samplingThreshold(1))).toBe(true);
      expect(isSampled(id, samplingThreshold(0))).toBe(false);
    }
  });
});

describe('DspyScopedSampler', () => {
  const ask = (sampler: DspyScopedSampler, traceId: string, attributes = {}) =>
    sampler.shouldSample(ROOT_CONTEXT, traceId, 'name', SpanKind.INTERNAL, attributes, []).decision;
  const dspy = { 'dspy.module.type': 'AxGen' };

  it('is a sampler of the SDK', () => {
    const sampler: Sampler = new DspyScopedSampler({ ratio: 0.5 });
    expect(sampler.toString()).toBe(
      'DspyScopedSampler{ratio=0.5, delegate=ParentBased{root=AlwaysOn}}',
    );
  });

  it('decides about DSPy spans by the trace id, and asks another about the rest', () => {
    const sampler = new DspyScopedSampler({ ratio: 0.5 });
    expect(ask(sampler, 'f'.repeat(32), dspy)).toBe(2);
    expect(ask(sampler, '0'.repeat(32), dspy)).toBe(0);
    expect(ask(sampler, '0'.repeat(32))).toBe(2);
    const off = { shouldSample: () => ({ decision: 0 as const }), toString: () => 'Off' };
    expect(ask(new DspyScopedSampler({ ratio: 1, delegate: off }), 'f'.repeat(32))).toBe(0);
  });

  it('follows a parent that is not sampled', () => {
    const parent = { traceId: 'f'.repeat(32), spanId: '0123456789abcdef', traceFlags: 0 };
    const context = trace.setSpanContext(ROOT_CONTEXT, parent);
    const sampler = new DspyScopedSampler({ ratio: 1 });
    for (const attributes of [dspy, {}]) {
      const { decision } = sampler.shouldSample(
        context,
        parent.traceId,
        'name',
        SpanKind.INTERNAL,
        attributes,
        [],
      );
      expect(decision).toBe(0);
    }
  });

  it('keeps whole executions, each decided by its trace id', async () => {
    const tracing = startTracing([ax], {}, { sampler: new DspyScopedSampler({ ratio: 0.5 }) });
    const generator = ax.ax('question:string -> answer:string');
    for (let i = 0; i < 200; i++) {
      await generator.forward(mockService(ax), { question: 'why?' });
    }
    const counts = new Map<string, number>();
    for (const span of tracing.spans()) {
      const { traceId } = span.spanContext();
      expect(isSampled(traceId, samplingThreshold(0.5))).toBe(true);
      counts.set(traceId, (counts.get(traceId) ?? 0) + 1);
    }
    expect(new Set(counts.values())).toEqual(new Set([2]));
    expect(counts.size).toBeGreaterThan(60);
    expect(counts.size).toBeLessThan(140);
    await tracing.stop();
  });
});

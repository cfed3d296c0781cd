import { once } from 'node:events';
import { Worker } from 'node:worker_threads';
import * as ax from '@ax-llm/ax';
import { context, propagation, trace } from '@opentelemetry/api';
import { W3CTraceContextPropagator } from '@opentelemetry/core';
import { afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { buildPackage, runNode } from '../support/built.js';
import { startTracing, type Tracing } from '../support/tracing.js';

interface ElsewhereSpan {
  name: string;
  traceId: string;
  spanId: string;
  parentSpanId?: string;
}

interface Job {
  headers: Record<string, string>;
  samplingRate: number;
}

const PLACES: [string, (job: Job) => Promise<ElsewhereSpan[]>][] = [
  [
    'a worker thread',
    async (job) => {
      const url = new URL('../fixtures/elsewhere.mjs', import.meta.url);
      const worker = new Worker(url, { workerData: job });
      const [spans] = await once(worker, 'message');
      await worker.terminate();
      return spans;
    },
  ],
  [
    'another process',
    async (job) => {
      const { stdout, stderr } = await runNode(['elsewhere.mjs', JSON.stringify(job)]);
      expect(stderr).toBe('');
      return JSON.parse(stdout);
    },
  ],
];

let tracing: Tracing;
beforeAll(buildPackage, 120_000);
beforeEach(() => {
  tracing = startTracing([ax]);
  propagation.setGlobalPropagator(new W3CTraceContextPropagator());
});
afterEach(async () => {
  propagation.disable();
  await tracing.stop();
});

describe.each(PLACES)('an execution that goes on in %s', (_place, goOn) => {
  it('is one trace, below the program that sent it there', async () => {
    let spans: ElsewhereSpan[] = [];
    await ax
      .flow<{ doc: string }>()
      .map(async (state) => {
        const headers = {};
        propagation.inject(context.active(), headers);
        spans = await goOn({ headers, samplingRate: 1 });
        return state;
      })
      .returns((state) => state)
      .forward(new ax.AxMockAIService<string>(), { doc: 'one' });
    const flow = tracing.span(/^invoke_workflow/).spanContext();
    const program = spans.find(({ name }) => name.startsWith('invoke_workflow'));
    const model = spans.find(({ name }) => name.startsWith('chat'));
    expect(spans).toHaveLength(2);
    expect(spans.map(({ traceId }) => traceId)).toEqual([flow.traceId, flow.traceId]);
    expect(program?.parentSpanId).toBe(flow.spanId);
    expect(model?.parentSpanId).toBe(program?.spanId);
  });

  it('is decided there as here, by the trace id', async () => {
    const headersOf = (traceId: string): Record<string, string> => {
      const headers = {};
      const parent = { traceId, spanId: 'b7ad6b7169203331', traceFlags: 1 };
      propagation.inject(trace.setSpanContext(context.active(), parent), headers);
      return headers;
    };
    // The last seven bytes decide: the share kept is their upper end.
    const low = await goOn({
      headers: headersOf('0af7651916cd43dd8400000000000001'),
      samplingRate: 0.5,
    });
    const high = await goOn({
      headers: headersOf('0af7651916cd43dd84ffffffffffffff'),
      samplingRate: 0.5,
    });
    expect([low.length, high.length]).toEqual([0, 2]);
  });
});

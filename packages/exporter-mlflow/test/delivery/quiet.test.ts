import { context, trace } from '@opentelemetry/api';
import { AsyncLocalStorageContextManager } from '@opentelemetry/context-async-hooks';
import { isTracingSuppressed } from '@opentelemetry/core';
import { UndiciInstrumentation } from '@opentelemetry/instrumentation-undici';
import { InMemorySpanExporter, SimpleSpanProcessor } from '@opentelemetry/sdk-trace-base';
import { NodeTracerProvider } from '@opentelemetry/sdk-trace-node';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { MlflowSpanExporter } from '../../src/exporter.js';
import { withoutTracing } from '../../src/suppress-tracing.js';
import { type FakeMlflow, startFakeMlflow } from '../support/fake-mlflow.js';
import { exportSpans, smallTrace } from '../support/spans.js';

let server: FakeMlflow;
const recorded = new InMemorySpanExporter();
const instrumentation = new UndiciInstrumentation();
const provider = new NodeTracerProvider({ spanProcessors: [new SimpleSpanProcessor(recorded)] });

beforeEach(async () => {
  server = await startFakeMlflow();
  provider.register({ contextManager: new AsyncLocalStorageContextManager().enable() });
  instrumentation.setTracerProvider(provider);
  instrumentation.enable();
  vi.spyOn(console, 'warn').mockImplementation(() => undefined);
});
afterEach(async () => {
  instrumentation.disable();
  trace.disable();
  context.disable();
  recorded.reset();
  vi.restoreAllMocks();
  await server.close();
});

describe("the exporter's own requests", () => {
  it('use the key by which the SDK knows them', () => {
    expect(isTracingSuppressed(context.active())).toBe(false);
    expect(withoutTracing(() => isTracingSuppressed(context.active()))).toBe(true);
  });

  it('make no spans: not when started from a traced request, not in retries, not from timers', async () => {
    server.onTraces = (_, count) => (count <= 2 ? { status: 503 } : undefined);
    const exporter = new MlflowSpanExporter({ trackingUri: server.url });
    await provider.getTracer('test').startActiveSpan('request', async (span) => {
      await exportSpans(exporter, smallTrace('QA', { metadata: '{"a":"b"}' }));
      span.end();
    });
    await exporter.shutdown();
    expect(server.posts()).toHaveLength(3);
    expect(recorded.getFinishedSpans().map(({ name }) => name)).toEqual(['request']);
  });

  it('wait for no timer, so that a flush takes as long as its request', async () => {
    const exporter = new MlflowSpanExporter({ trackingUri: server.url });
    await exportSpans(exporter, smallTrace('first'));
    const timers = vi.spyOn(globalThis, 'setTimeout');
    await exportSpans(exporter, smallTrace('second'));
    expect(server.posts()).toHaveLength(2);
    // What is left are limits of requests.
    const shortest = Math.min(...timers.mock.calls.map(([, ms]) => ms ?? 0));
    await exporter.shutdown();
    expect(shortest).toBeGreaterThan(1_000);
  });

  it('leave requests of the program traced', async () => {
    const response: Response = await fetch(`${server.url}/version`);
    await response.text();
    expect(recorded.getFinishedSpans()).toHaveLength(1);
  });
});

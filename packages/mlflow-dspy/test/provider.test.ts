import { setTimeout as sleep } from 'node:timers/promises';
import type { SpanLike } from '@hokusai/exporter-mlflow';
import {
  context,
  diag,
  metrics,
  ProxyTracerProvider,
  propagation,
  ROOT_CONTEXT,
  type Span,
  type TracerProvider,
  trace,
} from '@opentelemetry/api';
import { AsyncLocalStorageContextManager } from '@opentelemetry/context-async-hooks';
import { W3CTraceContextPropagator } from '@opentelemetry/core';
import { NodeSDK } from '@opentelemetry/sdk-node';
import {
  BasicTracerProvider,
  InMemorySpanExporter,
  SimpleSpanProcessor,
} from '@opentelemetry/sdk-trace-base';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { forgetWarnings, showWarnings } from '../src/log.js';
import { ProviderSetup } from '../src/provider/setup.js';
import type { SpanSink } from '../src/provider/span-sink.js';

class Sink implements SpanSink {
  started: string[] = [];
  ended: SpanLike[] = [];
  onStart(span: Span): void {
    this.started.push((span as unknown as SpanLike).name);
  }
  onEnd(span: SpanLike): void {
    this.ended.push(span);
  }
  async forceFlush(): Promise<void> {}
  async shutdown(): Promise<void> {}
  get names(): string[] {
    return this.ended.map(({ name }) => name);
  }
}

let sink: Sink;
let changes: number;
let setup: ProviderSetup;
const sdks: NodeSDK[] = [];
const warnings: string[] = [];

beforeEach(() => {
  sink = new Sink();
  changes = 0;
  setup = new ProviderSetup(sink, () => changes++);
});

afterEach(async () => {
  for (const sdk of sdks.splice(0)) await sdk.shutdown();
  // The APIs as a new process has them, methods included.
  // `logs` is part of the API since 1.10.
  const { logs } = (await import('@opentelemetry/api')) as { logs?: { disable(): void } };
  for (const api of [trace, context, propagation, diag, metrics, logs]) {
    if (api === undefined) continue;
    api.disable();
    for (const method of [
      'setGlobalTracerProvider',
      'setGlobalContextManager',
      'setGlobalPropagator',
    ]) {
      Reflect.deleteProperty(api, method);
    }
  }
  forgetWarnings();
  warnings.splice(0);
  vi.restoreAllMocks();
});

const collectWarnings = () =>
  diag.setLogger({
    warn: (message) => warnings.push(message),
    error: (message) => warnings.push(message),
    info: () => {},
    debug: () => {},
    verbose: () => {},
  });

const span = (name: string, provider: TracerProvider = setup.tracerProvider) => {
  const made = provider.getTracer('t').startSpan(name);
  made.end();
  return made;
};

function startSdk(exporter = new InMemorySpanExporter()) {
  const sdk = new NodeSDK({ spanProcessors: [new SimpleSpanProcessor(exporter)] });
  sdk.start();
  sdks.push(sdk);
  return exporter;
}

// The stock processor waits for the resource of the SDK first.
const namesIn = async (exporter: InMemorySpanExporter, count: number) => {
  await vi.waitFor(() => expect(exporter.getFinishedSpans()).toHaveLength(count));
  return exporter.getFinishedSpans().map(({ name }) => name);
};

describe('without a provider', () => {
  it('sets one up and registers it, with context and propagation', async () => {
    setup.start({});
    expect(setup.mode).toBe('own');
    await trace.getTracer('app').startActiveSpan('outer', async (outer) => {
      await sleep(1);
      span('inner');
      const carrier: Record<string, string> = {};
      propagation.inject(context.active(), carrier);
      expect(carrier.traceparent).toContain(outer.spanContext().traceId);
      outer.end();
    });
    expect(sink.names).toEqual(['inner', 'outer']);
    const [inner, outer] = sink.ended as [SpanLike, SpanLike];
    expect(inner.parentSpanContext?.spanId).toBe(outer.spanContext().spanId);
  });

  it('describes the service by OTEL_SERVICE_NAME and OTEL_RESOURCE_ATTRIBUTES', () => {
    vi.stubEnv('OTEL_SERVICE_NAME', 'shop');
    vi.stubEnv('OTEL_RESOURCE_ATTRIBUTES', 'deployment.environment.name=test');
    setup.start({});
    span('a');
    vi.unstubAllEnvs();
    expect(sink.ended[0]?.resource.attributes).toMatchObject({
      'service.name': 'shop',
      'deployment.environment.name': 'test',
    });
  });

  it.each([
    ['always_off', '', 0],
    ['always_on', '', 200],
    ['traceidratio', '0.5', 100],
    ['parentbased_traceidratio', '0', 0],
  ])('samples by OTEL_TRACES_SAMPLER=%s', (sampler, argument, expected) => {
    vi.stubEnv('OTEL_TRACES_SAMPLER', sampler);
    vi.stubEnv('OTEL_TRACES_SAMPLER_ARG', argument);
    setup.start({});
    vi.unstubAllEnvs();
    for (let i = 0; i < 200; i++) span('a');
    // Six standard deviations of a coin thrown 200 times.
    expect(Math.abs(sink.ended.length - expected)).toBeLessThanOrEqual(expected === 100 ? 43 : 0);
  });

  it('says what is wrong with OTEL_TRACES_SAMPLER', () => {
    const warn = vi.spyOn(console, 'warn').mockReturnValue();
    showWarnings({});
    vi.stubEnv('OTEL_TRACES_SAMPLER', 'Always_Off');
    setup.start({});
    vi.unstubAllEnvs();
    expect(warn).toHaveBeenCalledOnce();
    expect(warn.mock.calls[0]?.[0]).toContain('OTEL_TRACES_SAMPLER value "Always_Off" invalid');
  });

  it.each([
    ['none', undefined],
    ['baggage', ['baggage']],
    [undefined, ['traceparent', 'tracestate', 'baggage']],
  ])('propagates by OTEL_PROPAGATORS=%s', (value, expected) => {
    setup.start({ OTEL_PROPAGATORS: value });
    expect(propagation.fields()).toEqual(expected ?? []);
  });

  it('names a propagator that it does not have', () => {
    collectWarnings();
    setup.start({ OTEL_PROPAGATORS: 'b3,tracecontext' });
    expect(warnings).toEqual([expect.stringContaining('OTEL_PROPAGATORS: "b3"')]);
    expect(propagation.fields()).toEqual(['traceparent', 'tracestate']);
  });

  it('makes nothing after stop(), and goes on after start()', () => {
    setup.start({});
    const early = trace.getTracer('app');
    early.startSpan('a').end();
    setup.stop();
    early.startSpan('b').end();
    span('c');
    setup.start({});
    early.startSpan('d').end();
    expect(sink.names).toEqual(['a', 'd']);
  });

  it('leaves a context manager and a propagator of the application in place', () => {
    const manager = new AsyncLocalStorageContextManager().enable();
    context.setGlobalContextManager(manager);
    propagation.setGlobalPropagator(new W3CTraceContextPropagator());
    setup.start({});
    expect(propagation.fields()).toEqual(['traceparent', 'tracestate']);
    context.with(ROOT_CONTEXT.setValue(Symbol.for('k'), 1), () => {
      expect(manager.active().getValue(Symbol.for('k'))).toBe(1);
    });
  });
});

describe("with the application's provider", () => {
  it('joins it: spans go to its exporters and to us, once', async () => {
    const exporter = startSdk();
    setup.start({});
    setup.start({});
    expect(setup.mode).toBe('joined');
    span('program');
    span('http', trace.getTracerProvider());
    expect(sink.names).toEqual(['program', 'http']);
    expect(await namesIn(exporter, 2)).toEqual(['program', 'http']);
  });

  it('leaves the array of processors that the application passed in as it was', () => {
    const processors = [new SimpleSpanProcessor(new InMemorySpanExporter())];
    trace.setGlobalTracerProvider(new BasicTracerProvider({ spanProcessors: processors }));
    setup.start({});
    expect(setup.mode).toBe('joined');
    expect(processors).toHaveLength(1);
  });

  it('that comes later takes over, with everything it brings', async () => {
    setup.start({});
    const early = trace.getTracer('app');
    early.startSpan('before').end();
    collectWarnings();
    const exporter = startSdk();
    expect(setup.mode).toBe('joined');
    expect(changes).toBe(1);
    early.startSpan('early tracer').end();
    trace.getTracer('app').startSpan('late tracer').end();
    span('program');
    const after = ['early tracer', 'late tracer', 'program'];
    expect(await namesIn(exporter, 3)).toEqual(after);
    expect(sink.names).toEqual(['before', ...after]);
    expect(warnings).toEqual([]);
    await trace.getTracer('app').startActiveSpan('outer', async (outer) => {
      await sleep(1);
      expect(trace.getActiveSpan()).toBe(outer);
      outer.end();
    });
  });

  it('that comes while tracing is off is joined when it is on again', async () => {
    setup.start({});
    setup.stop();
    const exporter = startSdk();
    span('off');
    setup.start({});
    span('on');
    expect(setup.mode).toBe('joined');
    expect(await namesIn(exporter, 1)).toEqual(['on']);
    expect(sink.names).toEqual(['on']);
  });

  it('of SDK 1.x is joined by its own method', () => {
    const processors: unknown[] = [];
    const provider = Object.assign(new BasicTracerProvider(), {
      _activeSpanProcessor: undefined,
      addSpanProcessor: (processor: unknown) => processors.push(processor),
    });
    trace.setGlobalTracerProvider(provider);
    setup.start({});
    expect(setup.mode).toBe('joined');
    expect(processors).toEqual([sink]);
  });

  it('that takes no processor is left alone, and said', () => {
    collectWarnings();
    const foreign: string[] = [];
    class OtherProvider implements TracerProvider {
      getTracer() {
        const tracer = new BasicTracerProvider().getTracer('other');
        const { startSpan } = tracer;
        tracer.startSpan = (...args) => {
          foreign.push(args[0]);
          return Reflect.apply(startSpan, tracer, args);
        };
        return tracer;
      }
    }
    trace.setGlobalTracerProvider(new OtherProvider());
    setup.start({});
    expect(setup.mode).toBe('isolated');
    span('program');
    span('http', trace.getTracerProvider());
    expect(sink.names).toEqual(['program']);
    expect(foreign).toEqual(['http']);
    expect(warnings).toEqual([expect.stringContaining('(OtherProvider) takes no span processor')]);
  });
});

describe('zero ids', () => {
  it('give one warning', () => {
    collectWarnings();
    const provider = new BasicTracerProvider();
    provider.getTracer = () => new ProxyTracerProvider().getTracer('nothing') as never;
    trace.setGlobalTracerProvider(provider);
    setup.start({});
    span('a');
    span('b');
    expect(warnings).toEqual([expect.stringContaining('Spans have no ids')]);
  });

  it('where tracing is suppressed are right', () => {
    collectWarnings();
    setup.start({});
    const suppressed = ROOT_CONTEXT.setValue(
      Symbol.for('OpenTelemetry SDK Context Key SUPPRESS_TRACING'),
      true,
    );
    setup.tracerProvider.getTracer('t').startSpan('a', {}, suppressed).end();
    span('b');
    expect(warnings).toEqual([]);
    expect(sink.names).toEqual(['b']);
  });
});

describe('warnings', () => {
  it('are shown where nobody set a logger, ours alone', () => {
    const warn = vi.spyOn(console, 'warn').mockReturnValue();
    showWarnings({});
    diag.warn('@hokusai/exporter-mlflow: x');
    diag.warn('something else');
    diag.debug('@hokusai/exporter-mlflow: debug');
    expect(warn.mock.calls).toEqual([['@hokusai/exporter-mlflow: x']]);
  });
  it('follow OTEL_LOG_LEVEL', () => {
    const warn = vi.spyOn(console, 'warn').mockReturnValue();
    const debugging = vi.spyOn(console, 'debug').mockReturnValue();
    showWarnings({ OTEL_LOG_LEVEL: ' debug ' });
    diag.warn('something else');
    diag.debug('detail');
    expect(warn).toHaveBeenCalledOnce();
    expect(debugging).toHaveBeenCalledWith('detail');
  });
  it('leave the logger of the application alone, and make way for one that comes later', () => {
    const warn = vi.spyOn(console, 'warn').mockReturnValue();
    showWarnings({});
    collectWarnings();
    showWarnings({});
    diag.warn('mlflow');
    expect(warn).not.toHaveBeenCalled();
    expect(warnings).toEqual(['mlflow']);
  });
});

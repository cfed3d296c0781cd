import { setTimeout as sleep } from 'node:timers/promises';
import type { SpanLike } from '@hokusai/exporter-mlflow';
import { MlflowDspyConfig, type MlflowDspyOptions } from '@hokusai/mlflow-dspy';
import { context, diag, ROOT_CONTEXT, type Span, trace } from '@opentelemetry/api';
import { BasicTracerProvider, type SpanProcessor } from '@opentelemetry/sdk-trace-base';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { forgetWarnings } from '../src/log.js';
import { ExportLane, type LaneExporter, type LaneOptions } from '../src/pipeline/export-lane.js';
import { SpanHub } from '../src/pipeline/hub.js';
import { Pipeline } from '../src/pipeline/pipeline.js';
import { Listeners } from '../src/processors/listeners.js';
import { describeSpan, describeTrace, type TraceData } from '../src/processors/trace-data.js';

type Done = (result: { code: number; error?: Error }) => void;

/** An exporter whose answers the test gives. */
class Exporter implements LaneExporter {
  batches: SpanLike[][] = [];
  unanswered: Done[] = [];
  flushed = 0;
  keptSync = 0;
  closed = false;
  answer: 'at once' | 'when told' = 'at once';
  export(spans: SpanLike[], done: Done): void {
    this.batches.push(spans);
    if (this.answer === 'at once') done({ code: 0 });
    else this.unanswered.push(done);
  }
  async forceFlush(): Promise<void> {
    this.flushed++;
  }
  flushSync(): number {
    this.keptSync++;
    return 0;
  }
  async shutdown(): Promise<void> {
    this.closed = true;
  }
  get names(): string[] {
    return this.batches.flat().map(({ name }) => name);
  }
}

const warnings: string[] = [];
const hubs: SpanHub[] = [];

beforeEach(() => {
  diag.setLogger(
    {
      warn: (message) => warnings.push(message),
      error: (message) => warnings.push(message),
      info: () => {},
      debug: () => {},
      verbose: () => {},
    },
    { suppressOverrideMessage: true },
  );
});

afterEach(() => {
  forgetWarnings();
  warnings.splice(0);
  hubs.splice(0);
});

const MLFLOW: LaneOptions = {
  name: 'MLflow',
  programsOnly: true,
  reportsItself: false,
  concurrency: Number.POSITIVE_INFINITY,
  maxWaitingSpans: Number.POSITIVE_INFINITY,
};

function make(options: MlflowDspyOptions = {}, lane: Partial<LaneOptions> = {}) {
  const exporter = new Exporter();
  const lanes = [new ExportLane(exporter, { ...MLFLOW, ...lane })];
  const listeners = {
    traces: new Listeners<readonly SpanLike[], TraceData>('trace processor', describeTrace),
    spans: new Listeners('span listener', describeSpan),
  };
  const pipeline = new Pipeline(new MlflowDspyConfig(options, {}), lanes, listeners);
  const hub = new SpanHub();
  hub.switchTo(pipeline);
  hubs.push(hub);
  const provider = new BasicTracerProvider({ spanProcessors: [hub as unknown as SpanProcessor] });
  const tracer = provider.getTracer('t');
  const start = (name: string, parent?: Span, attributes = { 'dspy.module.name': name }) =>
    tracer.startSpan(name, { attributes }, parent && trace.setSpan(context.active(), parent));
  return { exporter, listeners, pipeline, hub, tracer, start, options };
}

const NONE = {} as never;

describe('the buffer', () => {
  it('hands a trace on when its last span has ended', async () => {
    const { start, exporter, hub } = make();
    const root = start('root');
    const child = start('child', root);
    root.end();
    expect(hub.current?.stats()).toEqual({ received: 1, waiting: 1, dropped: 0 });
    child.end();
    await hub.forceFlush();
    expect(exporter.batches.map((batch) => batch.map(({ name }) => name))).toEqual([
      ['root', 'child'],
    ]);
    expect(hub.current?.stats()).toEqual({ received: 2, waiting: 0, dropped: 0 });
  });

  it('hands on by itself after traceBufferSize traces, and not before', async () => {
    const { start, exporter } = make({ traceBufferSize: 3, flushIntervalMs: 60_000 });
    start('a').end();
    start('b').end();
    await sleep(5);
    expect(exporter.names).toEqual([]);
    start('c').end();
    expect(exporter.names).toEqual([]);
    await expect.poll(() => exporter.names).toEqual(['a', 'b', 'c']);
    expect(exporter.batches).toHaveLength(1);
  });

  it('hands on by itself after flushIntervalMs', async () => {
    const { start, exporter } = make({ flushIntervalMs: 20 });
    start('a').end();
    await expect.poll(() => exporter.names).toEqual(['a']);
    start('b').end();
    await expect.poll(() => exporter.names).toEqual(['a', 'b']);
  });

  it('bounds batches, and keeps a trace in one', async () => {
    const { start, exporter, hub } = make({ maxExportBatchSize: 4 });
    for (const name of ['a', 'b', 'c']) {
      const root = start(name);
      start(`${name}1`, root).end();
      start(`${name}2`, root).end();
      root.end();
    }
    await hub.forceFlush();
    expect(exporter.batches.map((batch) => batch.length)).toEqual([3, 3, 3]);
  });

  it('leaves traces without a program to others', async () => {
    const { start, exporter, hub } = make();
    const http = start('GET /', undefined, NONE);
    start('db', http, NONE).end();
    http.end();
    const other = start('POST /', undefined, NONE);
    start('program', other).end();
    start('db2', other, NONE).end();
    other.end();
    await hub.forceFlush();
    expect(exporter.names).toEqual(['program', 'db2', 'POST /']);
    expect(hub.current?.stats()).toEqual({ received: 5, waiting: 0, dropped: 0 });
  });

  it('gives them to an exporter that takes everything', async () => {
    const { start, exporter, hub } = make({}, { programsOnly: false });
    start('GET /', undefined, NONE).end();
    await hub.forceFlush();
    expect(exporter.names).toEqual(['GET /']);
  });

  it('delivers what has ended of a trace that has not, and the rest later', async () => {
    const { start, exporter, hub, listeners } = make();
    const seen: TraceData[] = [];
    listeners.traces.add((data) => seen.push(data));
    const root = start('request', undefined, NONE);
    start('program', root).end();
    await hub.forceFlush();
    expect(exporter.names).toEqual(['program']);
    expect(seen).toEqual([]);
    root.end();
    await hub.forceFlush();
    expect(exporter.names).toEqual(['program', 'request']);
    expect(seen.map(({ name, spans }) => [name, spans.length])).toEqual([['program', 2]]);
  });

  it('does not wait for a child that never ends', async () => {
    const { start, exporter, listeners } = make({ flushIntervalMs: 10 });
    const seen: TraceData[] = [];
    listeners.traces.add((data) => seen.push(data));
    const root = start('root');
    const stuck = start('stuck', root);
    root.end();
    await expect.poll(() => exporter.names).toEqual(['root']);
    await expect.poll(() => seen.length).toBe(1);
    stuck.end();
    await expect.poll(() => exporter.names).toEqual(['root', 'stuck']);
    expect(seen).toHaveLength(1);
  });

  it('loses nothing in a burst of 10,000 executions in one tick', async () => {
    const { start, exporter, hub } = make();
    for (let i = 0; i < 10_000; i++) {
      const root = start('root');
      start('model', root).end();
      root.end();
    }
    await hub.forceFlush();
    expect(exporter.names).toHaveLength(20_000);
    expect(new Set(exporter.batches.flat().map((span) => span.spanContext().spanId)).size).toBe(
      20_000,
    );
    expect(hub.current?.stats().dropped).toBe(0);
  });

  it('hands on at once what is beyond its bytes, the oldest unfinished trace too', () => {
    const { start, exporter } = make({ maxBufferBytes: 64 * 1024 });
    const long = start('unfinished');
    start('early', long).end();
    for (let i = 0; exporter.batches.length === 0; i++) {
      start('a', undefined, { 'dspy.module.name': 'x'.repeat(1000) }).end();
      expect(i).toBeLessThan(66);
    }
    for (let i = 0; i < 132; i++) start('x'.repeat(10), long).end();
    expect(exporter.names).toContain('early');
    long.end();
  });

  it('drops beyond OTEL_BSP_MAX_QUEUE_SIZE where it is set, counts, and says so once', async () => {
    const { start, exporter, hub } = make({ maxQueueSize: 3 });
    for (let i = 0; i < 10; i++) start('a').end();
    expect(hub.current?.stats()).toEqual({ received: 10, waiting: 3, dropped: 7 });
    await hub.forceFlush();
    expect(exporter.names).toHaveLength(3);
    expect(warnings).toEqual([expect.stringContaining('OTEL_BSP_MAX_QUEUE_SIZE=3')]);
  });

  it('takes spans that began before it', async () => {
    const { start, exporter, hub, pipeline } = make();
    hub.switchTo(undefined);
    const early = start('early');
    hub.switchTo(pipeline);
    early.end();
    await hub.forceFlush();
    expect(exporter.names).toEqual(['early']);
  });

  it('does not keep the process alive', () => {
    const before = process.getActiveResourcesInfo().filter((name) => name === 'Timeout').length;
    const { start } = make({ flushIntervalMs: 60_000 });
    start('a').end();
    const after = process.getActiveResourcesInfo().filter((name) => name === 'Timeout').length;
    expect(after).toBe(before);
  });
});

describe('switching', () => {
  it('off takes nothing new, and delivers what had begun', async () => {
    const { start, exporter, hub } = make();
    const root = start('root');
    start('done', root).end();
    hub.switchTo(undefined);
    start('new').end();
    start('child', root).end();
    root.end();
    await hub.forceFlush();
    expect(exporter.names.sort()).toEqual(['child', 'done', 'root']);
  });

  it('to another configuration keeps traces in the one they began in, which then shuts down', async () => {
    const first = make();
    const second = make();
    const root = first.start('begun');
    first.hub.switchTo(second.pipeline);
    first.start('child', root).end();
    first.start('new').end();
    expect(first.exporter.closed).toBe(false);
    root.end();
    await first.hub.forceFlush();
    expect(first.exporter.names).toEqual(['child', 'begun']);
    expect(second.exporter.names).toEqual(['new']);
    await expect.poll(() => first.exporter.closed, { timeout: 3000 }).toBe(true);
    expect(second.exporter.closed).toBe(false);
  });
});

describe('the way to an exporter', () => {
  it('waits in flush() for acknowledgement, then flushes the exporter', async () => {
    const { start, exporter, hub } = make();
    exporter.answer = 'when told';
    start('a').end();
    let flushed = false;
    const flush = hub.forceFlush().then(() => {
      flushed = true;
    });
    await sleep(5);
    expect([flushed, exporter.flushed]).toEqual([false, 0]);
    exporter.unanswered[0]?.({ code: 0 });
    await flush;
    expect(exporter.flushed).toBe(1);
  });

  it('keeps to its concurrency and its order', async () => {
    const { start, exporter, hub } = make({ maxExportBatchSize: 1 }, { concurrency: 2 });
    exporter.answer = 'when told';
    for (const name of ['a', 'b', 'c', 'd']) start(name).end();
    const flush = hub.forceFlush();
    expect(exporter.names).toEqual(['a', 'b']);
    exporter.unanswered[1]?.({ code: 0 });
    expect(exporter.names).toEqual(['a', 'b', 'c']);
    exporter.unanswered[0]?.({ code: 0 });
    exporter.unanswered[2]?.({ code: 0 });
    exporter.unanswered[2]?.({ code: 0 });
    exporter.unanswered[3]?.({ code: 0 });
    await flush;
    expect(exporter.names).toEqual(['a', 'b', 'c', 'd']);
  });

  it('does not run deep with an exporter that answers at once', async () => {
    const { start, exporter, hub } = make({ maxExportBatchSize: 1 }, { concurrency: 1 });
    for (let i = 0; i < 20_000; i++) start('a').end();
    await hub.forceFlush();
    expect(exporter.batches).toHaveLength(20_000);
  });

  it('drops what an exporter that does not keep up cannot take, counts, says so once', async () => {
    const { start, exporter, hub } = make(
      { maxExportBatchSize: 1, traceBufferSize: 1 },
      { concurrency: 1, maxWaitingSpans: 2 },
    );
    exporter.answer = 'when told';
    for (let i = 0; i < 5; i++) {
      start('a').end();
      await sleep(1);
    }
    expect(exporter.batches).toHaveLength(1);
    expect(hub.current?.stats().dropped).toBe(2);
    expect(warnings).toEqual([expect.stringContaining('does not keep up')]);
  });

  it('survives an exporter that fails, throws, or answers twice', async () => {
    const { start, exporter, hub } = make();
    exporter.answer = 'when told';
    start('a').end();
    const flush = hub.forceFlush();
    exporter.unanswered[0]?.({ code: 1, error: new Error('server says no') });
    exporter.unanswered[0]?.({ code: 1, error: new Error('again') });
    await flush;
    exporter.export = () => {
      throw new Error('broken');
    };
    exporter.forceFlush = () => Promise.reject(new Error('broken flush'));
    start('b').end();
    await hub.forceFlush();
    expect(warnings.map((message) => message.replace(/^.*failed: /, ''))).toEqual([
      'server says no',
      'broken',
      'broken flush',
    ]);
  });

  it('exports where instrumentations make no spans', async () => {
    const { start, exporter, hub } = make();
    let suppressed: unknown;
    exporter.forceFlush = async () => {
      suppressed = context
        .active()
        .getValue(Symbol.for('OpenTelemetry SDK Context Key SUPPRESS_TRACING'));
    };
    const { AsyncLocalStorageContextManager } = await import('@opentelemetry/context-async-hooks');
    context.setGlobalContextManager(new AsyncLocalStorageContextManager().enable());
    start('a').end();
    await hub.forceFlush();
    context.disable();
    expect(suppressed).toBe(true);
  });

  it('hands everything over and has it kept when there is no time', () => {
    const { start, exporter, hub } = make({ maxExportBatchSize: 1 }, { concurrency: 1 });
    exporter.answer = 'when told';
    const open = start('open');
    start('child', open).end();
    start('a').end();
    start('b').end();
    hub.flushSync();
    expect(exporter.names.sort()).toEqual(['a', 'b', 'child']);
    expect(exporter.keptSync).toBe(1);
  });
});

describe('a trace of very many spans', () => {
  it('goes its way', async () => {
    const { start, exporter, hub, listeners } = make();
    let reported = 0;
    listeners.traces.add(({ spans }) => {
      reported = spans.length;
    });
    const root = start('root');
    for (let i = 0; i < 150_000; i++) start('s', root).end();
    await hub.forceFlush();
    root.end();
    await hub.forceFlush();
    expect(exporter.names).toHaveLength(150_001);
    expect(reported).toBe(150_001);
  }, 60_000);
});

describe('listeners', () => {
  it('change nothing that is exported', async () => {
    const { start, listeners, exporter, hub } = make();
    listeners.spans.add(({ attributes }) => {
      attributes['dspy.module.name'] = 'changed';
    });
    start('a').end();
    await hub.forceFlush();
    expect(exporter.batches[0]?.[0]?.attributes['dspy.module.name']).toBe('a');
  });

  it('are told off the call stack, in order, and may be removed', async () => {
    const { start, listeners, hub } = make();
    const traces: string[] = [];
    const spans: string[] = [];
    const remove = listeners.traces.add(({ name }) => traces.push(name));
    listeners.spans.add(({ name }) => spans.push(name));
    const root = start('a');
    start('b', root).end();
    root.end();
    expect([traces, spans]).toEqual([[], []]);
    await hub.forceFlush();
    expect([traces, spans]).toEqual([['a'], ['b', 'a']]);
    remove();
    start('c').end();
    await hub.forceFlush();
    expect(traces).toEqual(['a']);
  });

  it('are told without waiting for the buffer', async () => {
    const { start, listeners, exporter } = make({ flushIntervalMs: 60_000 });
    const traces: string[] = [];
    listeners.traces.add(({ name }) => traces.push(name));
    start('a').end();
    await expect.poll(() => traces).toEqual(['a']);
    expect(exporter.names).toEqual([]);
  });

  it('that throw or reject harm nobody, and are reported once', async () => {
    const { start, listeners, hub, exporter } = make();
    const traces: string[] = [];
    listeners.traces.add(() => {
      throw new Error('mine');
    });
    listeners.traces.add(async () => {
      throw Object.create(null);
    });
    listeners.traces.add(({ name }) => traces.push(name));
    for (const name of ['a', 'b']) {
      start(name).end();
      await hub.forceFlush();
    }
    expect(traces).toEqual(['a', 'b']);
    expect(exporter.names).toEqual(['a', 'b']);
    expect(warnings).toHaveLength(2);
  });

  it('get a description each, which nobody else sees changed', async () => {
    const { start, listeners, hub, exporter } = make();
    const seen: unknown[] = [];
    listeners.traces.add((trace) => {
      Object.assign(trace, { name: 'changed' });
      (trace.spans[0]?.attributes.list as string[] | undefined)?.push('c');
    });
    listeners.traces.add(({ name, spans }) => seen.push(name, spans[0]?.attributes.list));
    const list = ['a', 'b'];
    start('a').setAttribute('list', list).end();
    await hub.forceFlush();
    expect(seen).toEqual(['a', ['a', 'b']]);
    expect(exporter.batches[0]?.[0]?.attributes.list).toEqual(['a', 'b']);
  });

  it('that fail with ever new words are reported once each, and leave room for others', async () => {
    const { start, listeners, hub } = make();
    listeners.traces.add(({ traceId }) => {
      throw new Error(`no ${traceId}`);
    });
    for (let i = 0; i < 300; i++) start('a').end();
    await hub.forceFlush();
    expect(warnings).toHaveLength(1);
  });

  it('that never come back are waited for a minute, and then forgotten', async () => {
    const listeners = new Listeners<string, string>('trace processor', (text) => text);
    listeners.add(() => new Promise(() => {}));
    vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] });
    try {
      listeners.push('a');
      listeners.push('b');
      const settled = listeners.settle();
      await vi.advanceTimersByTimeAsync(60_000);
      await settled;
      await listeners.settle();
    } finally {
      vi.useRealTimers();
    }
    expect(warnings).toEqual([expect.stringContaining('not done after 60 s')]);
  });

  it('are waited for by flush()', async () => {
    const { start, listeners, hub } = make();
    let done = false;
    listeners.traces.add(async () => {
      await sleep(20);
      done = true;
    });
    start('a').end();
    await hub.forceFlush();
    expect(done).toBe(true);
  });
});

describe('a fault inside', () => {
  it('reaches no timer, where it would end the process', async () => {
    const { start, pipeline } = make({ traceBufferSize: 1 });
    const lane = new ExportLane(new Exporter(), MLFLOW);
    lane.push = () => {
      throw new Error('fault');
    };
    const broken = new Pipeline(new MlflowDspyConfig({ traceBufferSize: 1 }, {}), [lane], {
      traces: new Listeners('', describeTrace),
      spans: new Listeners('', describeSpan),
    });
    const { hub } = make();
    hub.switchTo(broken);
    const provider = new BasicTracerProvider({ spanProcessors: [hub as unknown as SpanProcessor] });
    provider
      .getTracer('t')
      .startSpan('a', { attributes: { 'dspy.module.name': 'a' } })
      .end();
    await expect.poll(() => warnings).toEqual([expect.stringContaining('Internal fault')]);
    start('b').end();
    expect(() => hub.flushSync()).not.toThrow();
    await hub.forceFlush();
    expect(pipeline.stats().received).toBe(1);
  });

  it('of the context manager stops neither listeners nor exporters', async () => {
    const { start, listeners, exporter, hub } = make();
    const told: string[] = [];
    listeners.traces.add(({ name }) => told.push(name));
    start('a').end();
    context.setGlobalContextManager({
      active: () => ROOT_CONTEXT,
      with: () => {
        throw new Error('context');
      },
      bind: (_, target) => target,
      enable() {
        return this;
      },
      disable() {
        return this;
      },
    });
    await hub.forceFlush();
    context.disable();
    expect(told).toEqual(['a']);
    expect(exporter.names).toEqual(['a']);
    expect(warnings).toEqual([]);
  });

  it('reaches neither start nor end of a span', () => {
    const { start, hub, pipeline } = make();
    pipeline.buffer.onStart = () => {
      throw new Error('fault');
    };
    pipeline.buffer.onEnd = () => {
      throw new Error('fault');
    };
    expect(() => start('a').end()).not.toThrow();
    expect(warnings).toEqual([expect.stringContaining('Internal fault')]);
    hub.switchTo(undefined);
  });
});

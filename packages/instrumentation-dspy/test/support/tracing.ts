import { context, trace } from '@opentelemetry/api';
import { AsyncLocalStorageContextManager } from '@opentelemetry/context-async-hooks';
import {
  BasicTracerProvider,
  InMemorySpanExporter,
  type ReadableSpan,
  SimpleSpanProcessor,
  type SpanProcessor,
  type TracerConfig,
} from '@opentelemetry/sdk-trace-base';
import { DspyInstrumentation, type DspyInstrumentationConfig } from '../../src/index.js';

export interface Tracing {
  readonly instrumentation: DspyInstrumentation;
  readonly provider: BasicTracerProvider;
  readonly exporter: InMemorySpanExporter;
  /** Finished spans in the order of their start. */
  spans(): ReadableSpan[];
  /** The one finished span of a name. */
  span(name: string | RegExp): ReadableSpan;
  /** Finished spans as an indented tree of their names. */
  tree(): string;
  reset(): void;
  stop(): Promise<void>;
}

/** A real SDK and an instrumentation of the given copies of Ax. */
export function startTracing(
  copies: readonly object[],
  config: DspyInstrumentationConfig = {},
  tracerConfig: TracerConfig = {},
): Tracing {
  context.setGlobalContextManager(new AsyncLocalStorageContextManager().enable());
  const exporter = new InMemorySpanExporter();
  // The clock of a span's start has milliseconds: order within one is known to a processor alone.
  const started: string[] = [];
  const order: SpanProcessor = {
    onStart: (span) => void started.push(span.spanContext().spanId),
    onEnd: () => {},
    forceFlush: async () => {},
    shutdown: async () => {},
  };
  const provider = new BasicTracerProvider({
    ...tracerConfig,
    spanProcessors: [
      order,
      ...(tracerConfig.spanProcessors ?? []),
      new SimpleSpanProcessor(exporter),
    ],
  });
  trace.setGlobalTracerProvider(provider);
  const instrumentation = new DspyInstrumentation(config);
  instrumentation.setTracerProvider(provider);
  for (const copy of copies) instrumentation.manuallyInstrument(copy);

  const indexOf = (span: ReadableSpan): number => started.indexOf(span.spanContext().spanId);
  const spans = (): ReadableSpan[] =>
    exporter.getFinishedSpans().toSorted((a, b) => indexOf(a) - indexOf(b));
  return {
    instrumentation,
    provider,
    exporter,
    spans,
    span(name) {
      const found = spans().filter((span) =>
        typeof name === 'string' ? span.name === name : name.test(span.name),
      );
      if (found.length !== 1) {
        throw new Error(`${found.length} spans match ${name}:\n${treeOf(spans())}`);
      }
      return found[0] as ReadableSpan;
    },
    tree: () => treeOf(spans()),
    reset() {
      exporter.reset();
      started.length = 0;
    },
    async stop() {
      instrumentation.disable();
      await provider.shutdown();
      trace.disable();
      context.disable();
    },
  };
}

function treeOf(spans: readonly ReadableSpan[]): string {
  const ids = new Set(spans.map((span) => span.spanContext().spanId));
  const lines: string[] = [];
  const visit = (parent: string | undefined, indent: string): void => {
    for (const span of spans) {
      const above = span.parentSpanContext?.spanId;
      const isChild =
        parent === undefined ? above === undefined || !ids.has(above) : above === parent;
      if (!isChild) continue;
      lines.push(indent + span.name);
      visit(span.spanContext().spanId, `${indent}  `);
    }
  };
  visit(undefined, '');
  return lines.join('\n');
}

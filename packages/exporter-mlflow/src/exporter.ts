import { diag } from '@opentelemetry/api';
import type { AttributeMap, SpanRecord } from './internal-types.js';
import { encodeTraceRequest } from './otlp/encode.js';
import { createExperimentResolver } from './server/experiments.js';
import { createConnection } from './server/http.js';
import { describeProblems, resolveSettings } from './server/settings.js';
import type { ExporterStats, ExportOutcome, MlflowSpanExporterOptions, SpanLike } from './types.js';

/** Sends spans to MLflow; goes behind any span processor of OpenTelemetry JS 2.x and 3.x. */
export class MlflowSpanExporter {
  readonly #options: MlflowSpanExporterOptions;
  readonly #pending = new Set<Promise<void>>();
  #send: ((spans: SpanRecord[]) => Promise<void>) | undefined;
  readonly #stats: ExporterStats = {
    received: 0,
    sent: 0,
    held: 0,
    spooled: 0,
    folded: 0,
    dropped: {},
    requests: 0,
    retried: 0,
    runs: 0,
    bytesSent: 0,
    bytesHeld: 0,
  };

  constructor(options: MlflowSpanExporterOptions = {}) {
    this.#options = options;
  }

  /** Never throws; calls back exactly once, with `0` after delivery. */
  export(spans: readonly SpanLike[], resultCallback: (result: ExportOutcome) => void): void {
    this.#stats.received += spans.length;
    const sending = this.#deliver(spans).then(
      () => {
        this.#stats.sent += spans.length;
        resultCallback({ code: 0 });
      },
      (error: Error) => {
        diag.warn(`mlflow exporter: ${error.message}`);
        resultCallback({ code: 1, error });
      },
    );
    this.#pending.add(sending);
    void sending.finally(() => this.#pending.delete(sending));
  }

  async forceFlush(): Promise<void> {
    await Promise.allSettled(this.#pending);
  }

  async shutdown(): Promise<void> {
    await this.forceFlush();
  }

  stats(): ExporterStats {
    return { ...this.#stats, dropped: { ...this.#stats.dropped } };
  }

  async #deliver(spans: readonly SpanLike[]): Promise<void> {
    this.#send ??= this.#open();
    await this.#send(spans.map(toRecord));
  }

  #open(): (spans: SpanRecord[]) => Promise<void> {
    const result = resolveSettings(this.#options);
    if (!result.ok) throw new Error(describeProblems(result.problems));
    const { destination, experiment } = result.settings;
    if (destination.kind === 'local') throw new Error('the local store is not connected yet');
    const connection = createConnection(destination.connection);
    const experiments = createExperimentResolver(connection);
    return async (spans) => {
      const response = await connection.send({
        method: 'POST',
        path: '/v1/traces',
        headers: {
          'content-type': 'application/x-protobuf',
          'x-mlflow-experiment-id': await experiments.resolve(experiment),
        },
        body: await encodeTraceRequest(spans),
      });
      if (response.status > 299) throw new Error(`answered ${response.status}: ${response.text}`);
    };
  }
}

function toRecord(span: SpanLike): SpanRecord {
  const { traceId, spanId } = span.spanContext();
  const parentSpanId = span.parentSpanContext?.spanId ?? span.parentSpanId;
  const attributes = { ...span.attributes } as AttributeMap;
  if (parentSpanId === undefined) {
    attributes['mlflow.traceTag.mlflow.traceName'] = attributes['dspy.module.name'] ?? span.name;
  }
  const nanos = ([s, ns]: readonly [number, number]) => BigInt(s) * 1_000_000_000n + BigInt(ns);
  return {
    traceId,
    spanId,
    ...(parentSpanId === undefined ? {} : { parentSpanId }),
    name: span.name,
    kind: span.kind,
    startTimeUnixNano: nanos(span.startTime),
    endTimeUnixNano: nanos(span.endTime),
    attributes,
    events: span.events.map((event) => ({
      name: event.name,
      timeUnixNano: nanos(event.time),
      attributes: (event.attributes ?? {}) as AttributeMap,
    })),
    links: [],
    status: { code: span.status.code === 2 ? 2 : 1 },
    resource: {},
    scope: { name: span.instrumentationScope?.name ?? '' },
  };
}

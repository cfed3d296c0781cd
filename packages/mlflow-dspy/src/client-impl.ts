import { MlflowClient, MlflowSpanExporter, type SpanLike } from '@hokusai/exporter-mlflow';
import type {
  AutologClient,
  AutologStats,
  SpanListener,
  TraceProcessor,
  TracingMode,
} from './client.js';
import { MlflowDspyConfig } from './config/config.js';
import type { OptionName } from './config/options.js';
import type { ExportLane } from './pipeline/export-lane.js';
import { createLanes, serverOptions } from './pipeline/exporters.js';
import type { SpanHub } from './pipeline/hub.js';
import { Pipeline } from './pipeline/pipeline.js';
import { Listeners } from './processors/listeners.js';
import { describeSpan, describeTrace } from './processors/trace-data.js';
import type { ProviderSetup } from './provider/setup.js';

/** Options that decide where spans go; a new value needs new exporters. */
const DESTINATION: readonly OptionName[] = [
  'trackingUri',
  'experimentId',
  'experimentName',
  'runId',
  'username',
  'password',
  'token',
  'headers',
  'workspace',
  'serverCertPath',
  'clientCertPath',
  'clientKeyPath',
  'insecureTls',
  'requestTimeoutMs',
  'spool',
  'spoolDirectory',
  'exporters',
  'traceBufferSize',
  'flushIntervalMs',
  'maxExportBatchSize',
  'maxBufferBytes',
  'maxQueueSize',
  'shutdownTimeoutMs',
];

interface Running {
  readonly pipeline: Pipeline;
  readonly lanes: readonly ExportLane[];
  readonly config: MlflowDspyConfig;
  readonly joined: boolean;
}

export class Client implements AutologClient {
  readonly #hub: SpanHub;
  readonly #provider: ProviderSetup;
  readonly #traces = new Listeners<readonly SpanLike[], ReturnType<typeof describeTrace>>(
    'trace processor',
    describeTrace,
  );
  readonly #spans = new Listeners<SpanLike, ReturnType<typeof describeSpan>>(
    'span listener',
    describeSpan,
  );
  #config = new MlflowDspyConfig({ enabled: false }, {});
  #running: Running | undefined;
  #mlflow: MlflowClient | undefined;

  constructor(hub: SpanHub, provider: ProviderSetup) {
    this.#hub = hub;
    this.#provider = provider;
  }

  get config(): MlflowDspyConfig {
    return this.#config;
  }

  get mode(): TracingMode {
    return this.#running === undefined ? 'off' : (this.#provider.mode ?? 'off');
  }

  get mlflow(): MlflowClient {
    this.#mlflow ??= new MlflowClient(serverOptions(this.#config));
    return this.#mlflow;
  }

  /** Puts a configuration in force; exporters are kept where it asks for the same ones. */
  start(config: MlflowDspyConfig): void {
    const joined = this.#provider.mode === 'joined';
    const running = this.#running;
    this.#config = config;
    if (running?.joined === joined && sameDestination(running.config, config)) return;
    const lanes = createLanes(config, joined, process.env);
    const pipeline = new Pipeline(config, lanes, { traces: this.#traces, spans: this.#spans });
    this.#running = { pipeline, lanes, config, joined };
    this.#forgetMlflow();
    this.#hub.switchTo(pipeline);
  }

  /** Takes no more traces. What was begun is still delivered. */
  stop(config: MlflowDspyConfig): void {
    this.#config = config;
    this.#running = undefined;
    this.#hub.switchTo(undefined);
  }

  async flush(): Promise<void> {
    await this.#hub.forceFlush();
  }

  stats(): AutologStats {
    const stats = this.#running?.pipeline.stats() ?? { received: 0, waiting: 0, dropped: 0 };
    const exporter = this.#running?.lanes
      .map((lane) => lane.exporter)
      .find((one) => one instanceof MlflowSpanExporter);
    return exporter === undefined ? stats : { ...stats, exporter: exporter.stats() };
  }

  addTraceProcessor(processor: TraceProcessor): () => void {
    return this.#traces.add(processor);
  }

  removeTraceProcessor(processor: TraceProcessor): void {
    this.#traces.remove(processor);
  }

  onSpan(listener: SpanListener): () => void {
    return this.#spans.add(listener);
  }

  #forgetMlflow(): void {
    const previous = this.#mlflow;
    this.#mlflow = undefined;
    void previous?.close().catch(() => {});
  }
}

function sameDestination(a: MlflowDspyConfig, b: MlflowDspyConfig): boolean {
  return DESTINATION.every((name) => {
    const [one, other] = [a[name], b[name]];
    return one === other || JSON.stringify(one) === JSON.stringify(other);
  });
}

import { isDeepStrictEqual } from 'node:util';
import { MlflowClient, MlflowSpanExporter, type SpanLike } from '@hokusai/exporter-mlflow';
import { MlflowDspyConfig } from './config/config.js';
import type { OptionName } from './config/options.js';
import type { ExportLane } from './pipeline/export-lane.js';
import { createLanes, type Surroundings, serverOptions } from './pipeline/exporters.js';
import type { SpanHub } from './pipeline/hub.js';
import { Pipeline } from './pipeline/pipeline.js';
import { Listeners } from './processors/listeners.js';
import { describeSpan, describeTrace } from './processors/trace-data.js';
import type { ProviderSetup } from './provider/setup.js';
import type {
  AutologClient,
  AutologStats,
  SpanListener,
  TraceProcessor,
  TracingMode,
} from './types.js';

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

/** What a pipeline was made for. */
interface Purpose {
  readonly config: MlflowDspyConfig;
  readonly surroundings: Surroundings;
}

interface Running extends Purpose {
  readonly pipeline: Pipeline;
  readonly lanes: readonly ExportLane[];
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
    const running = this.#running;
    const surroundings = {
      joined: this.#provider.mode === 'joined',
      exportsToMlflow: this.#provider.exportsToMlflow,
    };
    this.#config = config;
    if (running !== undefined && isAlike(running, { config, surroundings })) return;
    const lanes = createLanes(config, surroundings, process.env);
    const pipeline = new Pipeline(config, lanes, { traces: this.#traces, spans: this.#spans });
    this.#running = { pipeline, lanes, config, surroundings };
    // Not closed: the program may still be reading with it. Idle, it holds nothing.
    this.#mlflow = undefined;
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
}

function isAlike(a: Purpose, b: Purpose): boolean {
  const options = (config: MlflowDspyConfig) => DESTINATION.map((name) => config[name]);
  return isDeepStrictEqual(
    [a.surroundings, options(a.config)],
    [b.surroundings, options(b.config)],
  );
}

import { MlflowSpanExporter, type ServerOptions } from '@hokusai/exporter-mlflow';
// Bundled into the build, as the SDK is (docs/decisions/tracer-provider.md).
import { OTLPTraceExporter as OtlpJsonExporter } from '@opentelemetry/exporter-trace-otlp-http';
import { OTLPTraceExporter as OtlpProtobufExporter } from '@opentelemetry/exporter-trace-otlp-proto';
import { ConsoleSpanExporter } from '@opentelemetry/sdk-trace-base';
import type { MlflowDspyConfig } from '../config/config.js';
import type { Environment } from '../config/resolve.js';
import { inOwnSdk, warnOnce } from '../log.js';
import { ExportLane, type LaneExporter } from './export-lane.js';
import { spoolDirectory } from './spool-directory.js';

// Far below the 30 at which the OTLP exporter refuses further calls.
const OTLP_CONCURRENCY = 4;
const OTLP_MAX_WAITING_SPANS = 100_000;

const TWICE =
  "Your OpenTelemetry SDK has an MlflowSpanExporter, so autolog() leaves the export to it: the exporter's options hold, not those of autolog(). Remove one of the two.";

/** Which exporters an SDK of the application leaves to us. */
export interface Surroundings {
  /** The SDK has its own OTLP and console exporters. */
  readonly joined: boolean;
  /** Its own MLflow exporter too. */
  readonly exportsToMlflow: boolean;
}

/** Ways to the exporters of a configuration. */
export function createLanes(
  config: MlflowDspyConfig,
  { joined, exportsToMlflow }: Surroundings,
  env: Environment,
): ExportLane[] {
  const lanes: ExportLane[] = [];
  for (const name of new Set(config.exporters)) {
    if (name === 'mlflow') {
      if (!exportsToMlflow) lanes.push(mlflowLane(config, env));
      else warnOnce(TWICE);
    } else if (joined) continue;
    else if (name === 'console') lanes.push(plainLane(config, name, new ConsoleSpanExporter()));
    else lanes.push(plainLane(config, name, createOtlpExporter(env)));
  }
  return lanes;
}

function mlflowLane(config: MlflowDspyConfig, env: Environment): ExportLane {
  const exporter = new MlflowSpanExporter({
    ...serverOptions(config),
    spool: config.spool && (config.spoolDirectory ?? spoolDirectory(config, env)),
    maxQueueBytes: config.maxBufferBytes,
    shutdownTimeoutMs: config.shutdownTimeoutMs,
  });
  return new ExportLane(exporter, {
    name: 'MLflow',
    programsOnly: true,
    reportsItself: true,
    // It has a queue of its own, bounded in bytes, and a spool behind it.
    concurrency: Number.POSITIVE_INFINITY,
    maxWaitingSpans: Number.POSITIVE_INFINITY,
  });
}

function plainLane(config: MlflowDspyConfig, name: string, exporter: LaneExporter): ExportLane {
  return new ExportLane(exporter, {
    name,
    programsOnly: false,
    reportsItself: false,
    concurrency: OTLP_CONCURRENCY,
    maxWaitingSpans: config.maxQueueSize ?? OTLP_MAX_WAITING_SPANS,
  });
}

/** Endpoint, headers, timeout and compression come from `OTEL_EXPORTER_OTLP_*`, read by the exporter itself. */
function createOtlpExporter(env: Environment): LaneExporter {
  const protocol =
    env.OTEL_EXPORTER_OTLP_TRACES_PROTOCOL?.trim() || env.OTEL_EXPORTER_OTLP_PROTOCOL?.trim() || '';
  if (protocol === 'http/json') return inOwnSdk(() => new OtlpJsonExporter());
  if (protocol !== '' && protocol !== 'http/protobuf') {
    warnOnce(
      `OTEL_EXPORTER_OTLP_PROTOCOL=${JSON.stringify(protocol)} is not one of http/protobuf, http/json; using http/protobuf. ` +
        'For gRPC start an OpenTelemetry SDK before autolog(), which joins it.',
    );
  }
  return inOwnSdk(() => new OtlpProtobufExporter());
}

/** Where MLflow is. What the environment gives and may change while running the exporter reads itself. */
export function serverOptions(config: MlflowDspyConfig): ServerOptions {
  return {
    trackingUri: config.trackingUri,
    experimentId: config.experimentId,
    experimentName: config.experimentName,
    runId: config.runId,
    username: config.username,
    password: config.password,
    token: config.token,
    headers: config.headers === undefined ? undefined : { ...config.headers },
    workspace: config.workspace,
    serverCertPath: config.serverCertPath,
    clientCertPath: config.clientCertPath,
    clientKeyPath: config.clientKeyPath,
    insecureTls: config.insecureTls,
    requestTimeoutMs: config.requestTimeoutMs,
  };
}

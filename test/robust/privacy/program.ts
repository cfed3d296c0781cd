/**
 * A process of its own: runs programs with content in every place, traced in one way, and writes down
 * how each of them ended. `node program.mjs '{"tracing": …, "urls": …, "folder": …, "out": …}'`
 */
import { writeFileSync } from 'node:fs';
import * as ax from '@ax-llm/ax';
import { MlflowSpanExporter } from '@hokusai/exporter-mlflow';
import { DspyInstrumentation } from '@hokusai/instrumentation-dspy';
import { alertOn, autolog, getAutologClient, logSink, webhookSink } from '@hokusai/mlflow-dspy';
import { context, DiagConsoleLogger, DiagLogLevel, diag, trace } from '@opentelemetry/api';
import { AsyncLocalStorageContextManager } from '@opentelemetry/context-async-hooks';
import { OTLPTraceExporter } from '@opentelemetry/exporter-trace-otlp-proto';
import {
  BasicTracerProvider,
  BatchSpanProcessor,
  ConsoleSpanExporter,
  SimpleSpanProcessor,
} from '@opentelemetry/sdk-trace-base';
import type { PrivacyRequest } from './request.js';
import { SCENARIOS } from './scenarios.js';

const { tracing, model, urls, folder, out } = JSON.parse(process.argv[2] ?? '') as PrivacyRequest;
// Whatever is written to no place in particular comes to light there.
process.chdir(folder);
diag.setLogger(new DiagConsoleLogger(), { logLevel: DiagLogLevel.ALL });
const flush = {
  autolog: startAutolog,
  instrumentation: startInstrumentation,
  nothing: () => async () => {},
}[tracing.by]();

const ends: Record<string, string> = {};
for (const [name, scenario] of Object.entries(SCENARIOS)) {
  ends[name] = await scenario(model).then(
    () => 'returned',
    () => 'threw',
  );
}
// Of a session or an abandoned stream, what ends later ends now.
global.gc?.();
await flush();
writeFileSync(out, JSON.stringify(ends));

function startAutolog(): () => Promise<void> {
  const { config = {}, guards, destination } = tracing;
  const fail = () => {
    throw new Error('callback');
  };
  autolog({
    ...config,
    ...(guards === 'throw' && { inputSanitizer: fail, outputSanitizer: fail }),
    ...(guards === 'broken' && { inputSanitizer: 'yes' as never }),
    ...(guards === 'promise' && {
      inputSanitizer: async (inputs) => inputs,
      outputSanitizer: async (outputs) => outputs,
    }),
    ...(destination === 'server' && {
      trackingUri: urls.mlflow,
      exporters: ['mlflow', 'otlp', 'console'],
    }),
    ...(destination === 'store' && { trackingUri: `file:${folder}/store` }),
    ...(destination === 'spool' && {
      trackingUri: 'http://127.0.0.1:9',
      spoolDirectory: `${folder}/spool`,
    }),
  });
  const client = getAutologClient();
  const alerts = { slowerThanMs: 0, errorRateOver: 0, errorRateWindow: 1, repeatAfterMs: 0 };
  client?.addTraceProcessor(alertOn(alerts, webhookSink(urls.webhook)));
  client?.addTraceProcessor(alertOn(alerts, logSink()));
  return async () => client?.flush();
}

/** An SDK of the application's own, with every destination at once. */
function startInstrumentation(): () => Promise<void> {
  context.setGlobalContextManager(new AsyncLocalStorageContextManager().enable());
  const exporters = [
    new MlflowSpanExporter({ trackingUri: urls.mlflow, experimentName: 'x' }),
    new MlflowSpanExporter({ trackingUri: `file:${folder}/store` }),
    new MlflowSpanExporter({ trackingUri: 'http://127.0.0.1:9', spool: `${folder}/spool` }),
    new OTLPTraceExporter({ url: `${urls.otlp}/v1/traces` }),
  ];
  const provider = new BasicTracerProvider({
    spanProcessors: [
      ...exporters.map((exporter) => new BatchSpanProcessor(exporter)),
      new SimpleSpanProcessor(new ConsoleSpanExporter()),
    ],
  });
  trace.setGlobalTracerProvider(provider);
  new DspyInstrumentation(tracing.config as never).manuallyInstrument(ax);
  return async () => {
    await provider.forceFlush();
    await provider.shutdown();
  };
}

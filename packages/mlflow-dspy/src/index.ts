export {
  MlflowClient,
  type Trace,
  type TraceQuery,
  type TraceSpan,
} from '@hokusai/exporter-mlflow';
export {
  type CallDescription,
  type CallSpan,
  DspyScopedSampler,
  type DspyScopedSamplerOptions,
  isTracing,
  type TraceableProgram,
  type TraceContext,
  TracedModule,
  type TraceMetadata,
  traceCall,
  traced,
  withTraceContext,
} from '@hokusai/instrumentation-dspy';
export {
  type Alert,
  type AlertConditions,
  type AlertSink,
  alertOn,
} from './alerts/alert.js';
export { logSink, type WebhookOptions, webhookSink } from './alerts/sinks.js';
export { autolog, disableAutolog, getAutologClient } from './autolog.js';
export { MlflowDspyConfig } from './config/config.js';
export type {
  ExporterName,
  MlflowDspyOptions,
  OptionName,
  ResolvedOptions,
} from './config/options.js';
export type { ConfigProblem, Environment, Source } from './config/resolve.js';
export type { SpanData, TraceData, TraceError } from './processors/trace-data.js';
export type {
  AutologClient,
  AutologStats,
  SpanListener,
  TraceProcessor,
  TracingMode,
} from './types.js';

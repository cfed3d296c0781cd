export type {
  Expectation,
  Feedback,
  Metric,
  NewRun,
  PromptVersion,
  Run,
  RunData,
  RunEndStatus,
  TokenUsage,
  Trace,
  TraceCost,
  TraceList,
  TraceQuery,
  TraceSpan,
} from './client/types.js';
export { MlflowClient } from './client.js';
export { MlflowSpanExporter } from './exporter.js';
export type { AssessmentRecord } from './internal-types.js';
export { ConnectionError } from './server/connection.js';
export { MlflowApiError, MlflowConfigError } from './server/errors.js';
export { ExperimentError, type ExperimentInfo } from './server/experiments.js';
export type { ServerOptions } from './server/settings.js';
export type {
  DeliveryMode,
  DropReason,
  DropReport,
  ExporterStats,
  ExportOutcome,
  MlflowSpanExporterOptions,
  SpanLike,
  SpoolSettings,
} from './types.js';

export { MlflowSpanExporter } from './exporter.js';
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

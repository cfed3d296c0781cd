import type { SpanLike } from '@hokusai/exporter-mlflow';
import type { Context, Span } from '@opentelemetry/api';

/** The span processor interface of both SDK lines, without a dependency on either. */
export interface SpanSink {
  onStart(span: Span, parentContext: Context): void;
  onEnd(span: SpanLike): void;
  forceFlush(): Promise<void>;
  shutdown(): Promise<void>;
}

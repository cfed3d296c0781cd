import { MlflowSpanExporter } from '@hokusai/exporter-mlflow';
import { OTLPTraceExporter } from '@opentelemetry/exporter-trace-otlp-proto';

/** The exporter under test, sending to a loopback sink. @param {'mlflow' | 'otlp'} kind */
export async function exporterFor(kind, url) {
  return kind === 'mlflow'
    ? new MlflowSpanExporter({ trackingUri: url, experimentName: 'bench' })
    : new OTLPTraceExporter({ url: `${url}/v1/traces` });
}

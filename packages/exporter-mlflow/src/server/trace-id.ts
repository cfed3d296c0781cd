/** MLflow's id of a trace, from it or from the 32 hex characters of OpenTelemetry's. */
export function traceIdOf(id: string): string {
  return id.startsWith('tr-') ? id : `tr-${id}`;
}

/** The 32 hex characters of OpenTelemetry's trace id. */
export function otelTraceId(id: string): string {
  return id.startsWith('tr-') ? id.slice('tr-'.length) : id;
}

/** `/api/3.0/mlflow/traces/tr-…`. */
export function traceRequestPath(id: string): string {
  return `/api/3.0/mlflow/traces/${encodeURIComponent(traceIdOf(id))}`;
}

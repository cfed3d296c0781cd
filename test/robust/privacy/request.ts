/** How the process under test traces. */
export interface Tracing {
  readonly by: 'autolog' | 'instrumentation' | 'nothing';
  readonly config?: object;
  /** Sanitizers that cannot do their work. */
  readonly guards?: 'throw' | 'broken' | 'promise';
  /** Of `autolog()`; the instrumentation sends to all of them. */
  readonly destination?: 'server' | 'store' | 'spool';
}

/** What the process under test is asked to do. */
export interface PrivacyRequest {
  readonly tracing: Tracing;
  readonly urls: { model: string; mlflow: string; otlp: string; webhook: string };
  /** Folder for what tracing stores. */
  readonly folder: string;
  /** File for how each scenario ended. */
  readonly out: string;
}

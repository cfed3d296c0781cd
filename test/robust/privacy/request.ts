/** How the process under test traces. */
export interface Tracing {
  readonly by: 'autolog' | 'instrumentation' | 'nothing';
  readonly config?: object;
  /** Sanitizers that cannot do their work. */
  readonly guards?: 'throw' | 'broken' | 'promise';
  /** Of `autolog()`; the instrumentation sends to all of them. */
  readonly destination?: 'server' | 'store' | 'spool';
}

/** Where everything is that takes bytes and answers. */
export interface Urls {
  readonly mlflow: string;
  readonly otlp: string;
  readonly webhook: string;
  /** A model that is part of the sink. */
  readonly model: string;
}

/** What the process under test is asked to do. */
export interface PrivacyRequest {
  readonly tracing: Tracing;
  /** Base URL of the model. */
  readonly model: string;
  readonly urls: Urls;
  /** Folder for what tracing stores. */
  readonly folder: string;
  /** File for how each scenario ended. */
  readonly out: string;
}

/** How the process under test gets into MLflow. */
export interface Access {
  readonly by: 'basic' | 'token' | 'token function' | 'URL' | 'header';
  /** Whose exporter sends. */
  readonly through: 'autolog' | 'SDK';
  /** Nothing listens there. */
  readonly dead?: boolean;
}

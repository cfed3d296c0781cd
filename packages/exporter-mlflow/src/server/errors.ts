/** A setting that cannot be used. The message names the setting, the value and what to do. */
export class MlflowConfigError extends Error {
  override readonly name = 'MlflowConfigError';
}

/**
 * The server answered with an error. `errorCode` is MLflow's (`RESOURCE_DOES_NOT_EXIST`, …) where the
 * answer had one, `reason` the server's own text, capped. Holds no credentials.
 */
export class MlflowApiError extends Error {
  override readonly name = 'MlflowApiError';
  constructor(
    readonly status: number,
    /** Method and path, such as `POST /api/3.0/mlflow/traces`. */
    readonly endpoint: string,
    readonly errorCode: string | undefined,
    readonly reason: string,
    /** Seconds or HTTP date, as the server sent it. */
    readonly retryAfter?: string,
  ) {
    super(`${endpoint} answered ${status}${errorCode ? ` ${errorCode}` : ''}: ${reason}`);
  }
}

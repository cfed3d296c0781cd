import type { InvalidInput } from '../program/inputs.js';

/** What kept an execution from succeeding. */
export type ExecutionErrorCode =
  /** No model of this id is in the executor's registry. */
  | 'MODEL_NOT_FOUND'
  /** The model's loader failed, or gave no program. */
  | 'MODEL_LOAD_FAILED'
  /** The request names no program, or neither an executor nor a request has a model service. */
  | 'INVALID_REQUEST'
  /** Required inputs are missing or inputs are wrong; no model was called. */
  | 'INVALID_INPUTS'
  /** The time limit passed; the model call was aborted. */
  | 'TIMEOUT'
  /** The caller's signal was aborted. */
  | 'ABORTED'
  /** The program threw, after any retries. */
  | 'PROGRAM_FAILED'
  /** The executor was shut down. */
  | 'SHUT_DOWN';

/** Why an execution failed. `cause` is what was thrown, where something was. */
export class ExecutionError extends Error {
  override readonly name = 'ExecutionError';
  /** With `INVALID_INPUTS`: required inputs that are absent or empty. */
  readonly missing: readonly string[];
  /** With `INVALID_INPUTS`: inputs that are there and wrong. */
  readonly invalid: readonly InvalidInput[];

  constructor(
    readonly code: ExecutionErrorCode,
    message: string,
    details: {
      cause?: unknown;
      missing?: readonly string[];
      invalid?: readonly InvalidInput[];
    } = {},
  ) {
    super(message, 'cause' in details ? { cause: details.cause } : undefined);
    this.missing = details.missing ?? [];
    this.invalid = details.invalid ?? [];
  }

  /** Code and message; a plain Error would be `{}` in JSON. */
  toJSON(): { name: string; code: ExecutionErrorCode; message: string } {
    return { name: this.name, code: this.code, message: this.message };
  }
}

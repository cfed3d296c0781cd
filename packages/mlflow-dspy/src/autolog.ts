import { type AxModule, loadedCopies } from './ax.js';
import type { MlflowDspyConfig } from './config/config.js';
import type { MlflowDspyOptions } from './config/options.js';
import { Runtime } from './runtime.js';
import type { AutologClient } from './types.js';

/**
 * What copies of this package in one process share (ESM beside CJS, two versions, a hot reload): the
 * first one's runtime does the work for all. Only additive changes, or the key changes.
 */
interface SharedRuntime {
  readonly client: AutologClient | undefined;
  enable(options?: MlflowDspyConfig | MlflowDspyOptions): AutologClient;
  disable(): void;
  adopt(copies: readonly AxModule[]): void;
}

const KEY = Symbol.for('@hokusai/mlflow-dspy/runtime/1');

const slot = globalThis as { [KEY]?: SharedRuntime };

/**
 * Traces every DSPy execution from now on, synchronously and without a change to the programs. Called
 * again it is the same client; with options it puts those in force, without it changes nothing. Options
 * win over environment variables, which win over defaults. Never throws: what cannot be used is
 * warned of, once.
 *
 * ```ts
 * autolog({ samplingRate: 0.1, experimentName: 'dspy-prod' });
 * ```
 */
export function autolog(config?: MlflowDspyConfig | MlflowDspyOptions): AutologClient {
  slot[KEY] ??= new Runtime();
  const client = slot[KEY].enable(config);
  // This copy of the package may import another copy of Ax than the one that does the work.
  if (client.config.enabled) slot[KEY].adopt(loadedCopies());
  return client;
}

/** Stops tracing at once. What was recorded, and executions that had begun, are still delivered. */
export function disableAutolog(): void {
  slot[KEY]?.disable();
}

/** The client of the running `autolog()`; `undefined` before it and after `disableAutolog()`. */
export function getAutologClient(): AutologClient | undefined {
  return slot[KEY]?.client;
}

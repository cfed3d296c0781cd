import type { CallOptions } from '../program/contract.js';
import type { DebugEvent } from './types.js';

/** Collects what Ax reports of its own work in one execution. */
export class DebugRecorder {
  readonly events: DebugEvent[] = [];
  readonly #start = performance.now();

  /** Options that make Ax report here, and not to the console. */
  readonly callOptions: CallOptions = {
    debug: true,
    logger: ({ name, value, ...rest }: { name: string; value?: unknown }) => {
      const at = performance.now() - this.#start;
      this.events.push({ at, name, value: value ?? rest });
    },
  };
}

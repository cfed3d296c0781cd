import { diag } from '@opentelemetry/api';
import { safeString } from './capture/redact.js';

const LOG_NAMESPACE = '@hokusai/instrumentation-dspy';

/**
 * Faults of the instrumentation itself, by the place that caught them. A fault is counted, logged
 * once for its place, and never reaches the traced program.
 */
class Diagnostics {
  readonly #faults = new Map<string, number>();
  readonly #said = new Set<string>();

  /** Counts a fault caught at `place` and logs the first one. Never throws. */
  fault(place: string, error: unknown): void {
    const count = this.#faults.get(place) ?? 0;
    this.#faults.set(place, count + 1);
    if (count > 0) return;
    this.#log('error', () => {
      // The text of a fault may quote the program's values, which must not reach a log.
      const name = error instanceof Error ? safeString(error.name) : typeof error;
      return `internal fault in ${place} (${name}); the program is not affected`;
    });
  }

  /** Logs a warning once in the life of the process. Never throws. */
  warnOnce(key: string, message: string): void {
    if (this.#said.has(key)) return;
    this.#said.add(key);
    this.#log('warn', () => message);
  }

  /**
   * Says once what is wrong with the setup. Goes to the console while the program has set no logger of
   * OpenTelemetry's: nobody would learn of it otherwise. Never throws.
   */
  tell(message: string): void {
    if (hasLogger()) this.warnOnce(message, message);
    else if (!this.#said.has(message)) {
      this.#said.add(message);
      console.warn(`${LOG_NAMESPACE} ${message}`);
    }
  }

  debug(message: string): void {
    this.#log('debug', () => message);
  }

  /** Faults caught so far, at one place or at all. */
  count(place?: string): number {
    if (place !== undefined) return this.#faults.get(place) ?? 0;
    let total = 0;
    for (const count of this.#faults.values()) total += count;
    return total;
  }

  /** Forgets what was counted and said. */
  reset(): void {
    this.#faults.clear();
    this.#said.clear();
  }

  #log(level: 'error' | 'warn' | 'debug', message: () => string): void {
    try {
      diag[level](`${LOG_NAMESPACE} ${message()}`);
    } catch {
      // Neither a logger that throws nor a fault that cannot be described is the program's problem.
    }
  }
}

/** The API has no question for it: it keeps the logger on its global object. */
function hasLogger(): boolean {
  const api = (globalThis as Record<symbol, unknown>)[Symbol.for('opentelemetry.js.api.1')];
  return typeof api === 'object' && api !== null && 'diag' in api && api.diag !== undefined;
}

export const diagnostics = new Diagnostics();

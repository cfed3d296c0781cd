// Built into both packages, and of the interface of neither.
import { onEndingSignals } from '../../instrumentation-dspy/src/signals.js';
import { withinLimit } from '../../instrumentation-dspy/src/time-limit.js';
import { warnOnce } from './log.js';
import type { SpanHub } from './pipeline/hub.js';

/**
 * Delivers what has finished before the process ends, whichever way it ends, and leaves the way as it
 * is: exit code, signal, the handlers of the application.
 *
 * | ending | what happens |
 * |---|---|
 * | the event loop is empty | delivered, within the time limit |
 * | SIGTERM, SIGINT, nobody else listens | delivered, within the time limit; then the signal does its work |
 * | SIGTERM, SIGINT, the application listens | delivery begins; the application decides when to end |
 * | `process.exit()`, an uncaught error | only synchronous work is possible: kept in the local store or the spool |
 *
 * What the time limit leaves over is kept in the same way.
 */
export class Endings {
  readonly #hub: SpanHub;
  #timeoutMs = 0;
  #installed = false;

  constructor(hub: SpanHub) {
    this.#hub = hub;
  }

  /** Milliseconds that an ending may be delayed. */
  limitTo(timeoutMs: number): void {
    this.#timeoutMs = timeoutMs;
  }

  install(): void {
    if (this.#installed) return;
    this.#installed = true;
    process.on('beforeExit', () => {
      if (this.#hub.pending) void this.#deliver();
    });
    process.on('exit', () => this.#hub.flushSync());
    onEndingSignals({
      begin: () => this.#hub.deliver(),
      deliver: async () => {
        if (this.#hub.pending || this.#hub.flushing) await this.#deliver();
      },
      keep: () => this.#hub.flushSync(),
    });
  }

  /** Resolves after delivery or at the time limit, whichever comes first. */
  async #deliver(): Promise<void> {
    try {
      await withinLimit(this.#timeoutMs, () => this.#hub.deliver());
    } catch {
      this.#hub.flushSync();
      // What could be kept is not waited for any more, which shows in the next turn.
      await new Promise(setImmediate);
      if (!this.#hub.flushing) return;
      warnOnce(
        `Delivery did not finish within ${this.#timeoutMs} ms (shutdownTimeoutMs): spans or alerts may be lost.`,
      );
    }
  }
}

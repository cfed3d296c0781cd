import { isMainThread } from 'node:worker_threads';
import type { SpanHub } from './pipeline/hub.js';

const SIGNALS = ['SIGTERM', 'SIGINT'] as const;

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
    // Signals reach the main thread alone.
    if (isMainThread) for (const signal of SIGNALS) this.#listen(signal);
  }

  #listen(signal: NodeJS.Signals): void {
    let delivering = false;
    const listener = () => {
      if (isHandledByOthers(signal, listener)) {
        void this.#hub.deliver();
        return;
      }
      const end = () => {
        this.#hub.flushSync();
        process.removeListener(signal, listener);
        process.kill(process.pid, signal);
      };
      // Somebody is impatient: what is left is kept, not waited for.
      if (delivering || !(this.#hub.pending || this.#hub.flushing)) return end();
      delivering = true;
      void this.#deliver().then(end);
    };
    // First, so that `once` listeners of the application are still there to be seen.
    process.prependListener(signal, listener);
  }

  /** Resolves after delivery or at the time limit, whichever comes first. */
  async #deliver(): Promise<void> {
    let timer: NodeJS.Timeout | undefined;
    const limit = new Promise<'late'>((resolve) => {
      // Not unref'd: it is what keeps the process alive for the delivery.
      timer = setTimeout(() => resolve('late'), this.#timeoutMs);
    });
    const outcome = await Promise.race([this.#hub.deliver(), limit]);
    clearTimeout(timer);
    if (outcome === 'late') this.#hub.flushSync();
  }
}

interface SignalExitEmitter {
  count?: number;
}

/**
 * `true` when the application listens for the signal, so ending is its decision. The `signal-exit`
 * library, which many packages bring along, listens too but only ends a process that nobody else
 * listens for; left out here, or each of us would wait for the other.
 */
function isHandledByOthers(signal: NodeJS.Signals, own: () => void): boolean {
  const others = process.listeners(signal).filter((listener) => listener !== own).length;
  const emitters = [
    (globalThis as Record<symbol, unknown>)[Symbol.for('signal-exit emitter')],
    (process as unknown as Record<string, unknown>).__signal_exit_emitter__,
  ] as (SignalExitEmitter | undefined)[];
  const signalExit = emitters.reduce((sum, emitter) => sum + (emitter?.count ?? 0), 0);
  return others > signalExit;
}

import { messageOf, warnOnce } from '../log.js';
import { untraced } from '../pipeline/export-lane.js';

type Listener<T> = (value: T) => unknown;

/** Milliseconds that a listener may take before nobody waits for it any more. */
const PATIENCE_MS = 60_000;

/**
 * Functions of the application that are told of finished things. They run off the call stack of the
 * program that finished them; what one throws or rejects with is reported once and goes no further.
 */
export class Listeners<Raw, T> {
  readonly #what: string;
  readonly #describe: (raw: Raw) => T;
  readonly #listeners = new Set<Listener<T>>();
  readonly #running = new Set<Promise<void>>();
  /** Their errors differ from call to call, and may quote what they were told. */
  readonly #reported = new WeakSet<Listener<T>>();
  #waiting: Raw[] = [];

  constructor(what: string, describe: (raw: Raw) => T) {
    this.#what = what;
    this.#describe = describe;
  }

  get size(): number {
    return this.#listeners.size;
  }

  /** Returns the function that removes it again. */
  add(listener: Listener<T>): () => void {
    this.#listeners.add(listener);
    return () => this.remove(listener);
  }

  remove(listener: Listener<T>): void {
    this.#listeners.delete(listener);
  }

  /** Takes note; the listeners are told from the event loop. */
  push(raw: Raw): void {
    if (this.#listeners.size === 0) return;
    this.#waiting.push(raw);
    if (this.#waiting.length === 1) setImmediate(() => this.tell());
  }

  /** Tells the listeners at once of everything noted. */
  tell(): void {
    const waiting = this.#waiting;
    this.#waiting = [];
    // What a listener does (a webhook, a log call) must not make spans of its own.
    untraced(() => {
      for (const raw of waiting) this.#tellOf(raw);
    });
  }

  /** Resolves when every listener is done with everything noted so far, or has had its time. Never rejects. */
  async settle(): Promise<void> {
    this.tell();
    await Promise.all(this.#running);
  }

  #tellOf(raw: Raw): void {
    for (const listener of this.#listeners) {
      try {
        // A description for each: what one does to its own is not seen by the next.
        const result = listener(this.#describe(raw));
        if (isThenable(result)) this.#follow(listener, result);
      } catch (error) {
        this.#failed(listener, error);
      }
    }
  }

  #follow(listener: Listener<T>, result: PromiseLike<unknown>): void {
    const settled = new Promise<void>((resolve) => {
      const timer = setTimeout(() => {
        this.#failed(listener, new Error(`not done after ${PATIENCE_MS / 1000} s`));
        resolve();
      }, PATIENCE_MS).unref();
      Promise.resolve(result)
        .then(
          () => {},
          (error: unknown) => this.#failed(listener, error),
        )
        .finally(() => {
          clearTimeout(timer);
          resolve();
        });
    });
    this.#running.add(settled);
    void settled.then(() => this.#running.delete(settled));
  }

  #failed(listener: Listener<T>, error: unknown): void {
    if (typeof listener === 'function') {
      if (this.#reported.has(listener)) return;
      this.#reported.add(listener);
    }
    warnOnce(`A ${this.#what} failed (${messageOf(error)}); tracing goes on.`);
  }
}

function isThenable(value: unknown): value is PromiseLike<unknown> {
  return typeof (value as { then?: unknown } | null | undefined)?.then === 'function';
}

import { messageOf, warnOnce } from '../log.js';
import { untraced } from '../pipeline/export-lane.js';

type Listener<T> = (value: T) => unknown;

/**
 * Functions of the application that are told of finished things. They run off the call stack of the
 * program that finished them; what they throw or reject with is reported once and goes no further.
 */
export class Listeners<Raw, T> {
  readonly #what: string;
  readonly #describe: (raw: Raw) => T;
  readonly #listeners = new Set<Listener<T>>();
  readonly #running = new Set<Promise<void>>();
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

  /** Resolves when every listener is done with everything noted so far. Never rejects. */
  async settle(): Promise<void> {
    this.tell();
    await Promise.all(this.#running);
  }

  #tellOf(raw: Raw): void {
    let value: T;
    try {
      value = this.#describe(raw);
    } catch (error) {
      this.#failed(error);
      return;
    }
    for (const listener of this.#listeners) {
      try {
        const result = listener(value);
        if (isThenable(result)) this.#follow(result);
      } catch (error) {
        this.#failed(error);
      }
    }
  }

  #follow(result: PromiseLike<unknown>): void {
    const settled = Promise.resolve(result).then(
      () => {},
      (error: unknown) => this.#failed(error),
    );
    this.#running.add(settled);
    void settled.then(() => this.#running.delete(settled));
  }

  #failed(error: unknown): void {
    warnOnce(`A ${this.#what} failed (${messageOf(error)}); tracing goes on.`);
  }
}

function isThenable(value: unknown): value is PromiseLike<unknown> {
  return typeof (value as { then?: unknown } | null | undefined)?.then === 'function';
}

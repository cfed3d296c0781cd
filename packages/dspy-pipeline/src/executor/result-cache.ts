import { LRUCache } from 'lru-cache';

/** Outputs of earlier executions. They are copied on both ways: what a caller does to its own changes no other's. */
export class ResultCache {
  readonly #results: LRUCache<string, { readonly outputs: unknown }>;
  #emptied = 0;

  /** @param ttlMs how long a result is kept, in milliseconds; 0 without limit. */
  constructor(maxEntries: number, ttlMs: number) {
    this.#results = new LRUCache({ max: maxEntries, ttl: ttlMs });
  }

  /** The outputs under a key, or `undefined`. */
  get(key: string): { outputs: unknown } | undefined {
    const found = this.#results.get(key);
    return found && { outputs: structuredClone(found.outputs) };
  }

  /** Keeps outputs that can be copied; others are not cached. */
  set(key: string, outputs: unknown): void {
    try {
      this.#results.set(key, { outputs: structuredClone(outputs) });
    } catch {
      // A function or a stream among the outputs: it belongs to its own execution.
    }
  }

  clear(): void {
    this.#results.clear();
    this.#emptied++;
  }

  /** How often it was cleared. */
  get emptied(): number {
    return this.#emptied;
  }

  get size(): number {
    return this.#results.size;
  }
}

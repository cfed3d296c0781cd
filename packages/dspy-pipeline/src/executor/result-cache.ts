import { serialize } from 'node:v8';
import { LRUCache } from 'lru-cache';

interface Kept {
  readonly outputs: unknown;
  readonly bytes: number;
}

/** Outputs of earlier executions. They are copied on both ways: what a caller does to its own changes no other's. */
export class ResultCache {
  readonly #results: LRUCache<string, Kept>;
  #emptied = 0;

  /**
   * @param maxBytes of results with their keys; a larger one is not kept
   * @param ttlMs how long a result is kept, in milliseconds; 0 without limit
   */
  constructor(maxEntries: number, maxBytes: number, ttlMs: number) {
    this.#results = new LRUCache({
      max: maxEntries,
      maxSize: maxBytes,
      sizeCalculation: ({ bytes }, key) => bytes + key.length,
      ttl: ttlMs,
    });
  }

  /** The outputs under a key, or `undefined`. */
  get(key: string): { outputs: unknown } | undefined {
    const found = this.#results.get(key);
    return found && { outputs: structuredClone(found.outputs) };
  }

  /** Keeps outputs that can be copied; others are not cached. */
  set(key: string, outputs: unknown): void {
    try {
      const bytes = serialize(outputs).byteLength;
      this.#results.set(key, { outputs: structuredClone(outputs), bytes });
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

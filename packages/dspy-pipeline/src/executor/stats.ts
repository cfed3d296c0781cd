import { createHistogram } from 'node:perf_hooks';
import type { ExecutionStats } from './types.js';

/** Longest execution told apart, in microseconds: a day. */
const HIGHEST = 86_400_000_000;

/** Counts executions in constant memory, however many there are. */
export class StatsCollector {
  // 0.1 % exact.
  readonly #times = createHistogram({ lowest: 1, highest: HIGHEST, figures: 3 });
  #total = 0;
  #successes = 0;
  #cacheHits = 0;
  #seconds = 0;

  record(seconds: number, success: boolean, cacheHit: boolean): void {
    this.#total++;
    if (success) this.#successes++;
    if (cacheHit) this.#cacheHits++;
    this.#seconds += seconds;
    this.#times.record(Math.min(HIGHEST, Math.max(1, Math.round(seconds * 1e6))));
  }

  snapshot(): ExecutionStats {
    const total = this.#total;
    return {
      totalExecutions: total,
      successes: this.#successes,
      failures: total - this.#successes,
      successRate: total === 0 ? 0 : this.#successes / total,
      averageExecutionTime: total === 0 ? 0 : this.#seconds / total,
      p95ExecutionTime: total === 0 ? 0 : this.#times.percentile(95) / 1e6,
      cacheHits: this.#cacheHits,
    };
  }
}

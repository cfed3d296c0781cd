import { random } from './random.js';

/** The first wait is below this, each further one below twice the last (full jitter). */
const FIRST_WAIT_MS = 500;
const LONGEST_WAIT_MS = 30_000;
/** A server may ask for longer waits than ours, up to this. */
const LONGEST_ASKED_MS = 10 * 60_000;
const SHORTEST_WAIT_MS = 50;

/** When the server may be asked again. One for a server: what one request learned counts for all. */
export class Gate {
  #failures = 0;
  #opensAt = 0;
  readonly #random: () => number;

  constructor(draw: () => number = random) {
    this.#random = draw;
  }

  /** The last request failed: one probe at a time. */
  get isProbing(): boolean {
    return this.#failures > 0;
  }

  /** Milliseconds until a request may go; 0 now. */
  wait(now: number): number {
    return Math.max(0, this.#opensAt - now);
  }

  /** @param retryAfterMs what the server asked for */
  failed(now: number, retryAfterMs?: number): void {
    this.#failures++;
    // A server that asks for no wait, or for one until a time that has passed by this clock, is backed off from.
    const asked = Math.min(retryAfterMs ?? 0, LONGEST_ASKED_MS);
    const wait = Math.max(asked, backoff(this.#failures, this.#random));
    this.#opensAt = Math.max(this.#opensAt, now + Math.max(SHORTEST_WAIT_MS, wait));
  }

  succeeded(): void {
    this.#failures = 0;
    this.#opensAt = 0;
  }

  /** For the last tries before the process ends. */
  openNow(): void {
    this.#opensAt = 0;
  }
}

/** Milliseconds before the next try after so many failures: anything up to the bound, so that clients spread. */
export function backoff(failures: number, draw: () => number = random): number {
  return draw() * Math.min(LONGEST_WAIT_MS, FIRST_WAIT_MS * 2 ** Math.min(failures - 1, 10));
}

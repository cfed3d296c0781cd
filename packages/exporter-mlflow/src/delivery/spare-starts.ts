/** With more traces in one request the program makes them faster than the server should start them. */
const MAX_TRACES = 20;
/** Milliseconds of one StartTraceV3 beyond which the server has no time to spare; idle it takes 10 to 20. */
const SLOW_MS = 250;
const PAUSE_MS = 60_000;

/**
 * Whether traces are started for what they could go without. StartTraceV3 costs the server more than
 * storing the trace does, so that happens while programs make few traces and the server answers fast.
 */
export class SpareStarts {
  #pausedUntil = 0;

  /** @param traces in a request that has the exporter for itself */
  affords(traces: number, now: number): boolean {
    return traces <= MAX_TRACES && now >= this.#pausedUntil;
  }

  took(ms: number, now: number): void {
    if (ms > SLOW_MS) this.#pausedUntil = now + PAUSE_MS;
  }

  failed(now: number): void {
    this.#pausedUntil = now + PAUSE_MS;
  }
}

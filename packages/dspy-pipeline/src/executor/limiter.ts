/** Runs at most so many tasks at once, in the order they were given. */
export class Limiter {
  #waiting: (() => void)[] = [];
  #next = 0;
  #running = 0;

  constructor(private readonly limit: number) {}

  async run<T>(task: () => Promise<T>): Promise<T> {
    if (this.#running >= this.limit) {
      await new Promise<void>((resolve) => this.#waiting.push(resolve));
    } else {
      this.#running++;
    }
    try {
      return await task();
    } finally {
      // The place goes to the next in line, so that nobody slips in between.
      const next = this.#take();
      if (next) next();
      else this.#running--;
    }
  }

  /** Not by `shift()`, which moves the whole line of a large batch at each call. */
  #take(): (() => void) | undefined {
    const next = this.#waiting[this.#next++];
    if (next) return next;
    this.#waiting = [];
    this.#next = 0;
    return undefined;
  }
}

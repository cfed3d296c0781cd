import { setImmediate } from 'node:timers/promises';

/** Milliseconds of work before the event loop gets a turn. Half of the 10 ms that a program may notice. */
const SLICE_MS = 4;

/** Cuts long synchronous work into slices: after each unit ask `due()`, and when it is, await `turn()`. */
export class Slicer {
  private until = performance.now() + SLICE_MS;

  due(): boolean {
    return performance.now() >= this.until;
  }

  async turn(): Promise<void> {
    await setImmediate();
    this.until = performance.now() + SLICE_MS;
  }
}

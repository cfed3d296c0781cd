import { setImmediate } from 'node:timers/promises';

/**
 * Milliseconds of work in one turn of the event loop, of everything that is sliced together: a program
 * may notice 10, and requests and garbage collection take their part.
 */
const SLICE_MS = 1;

/** Shared, so that two requests encoded at once do not take two slices of the same turn. */
let until = 0;
let nextTurn: Promise<void> | undefined;

/** Cuts long synchronous work into slices: after each unit ask `isDue()`, and when it is, await `turn()`. */
export const slicer = {
  isDue: (): boolean => performance.now() >= until,
  turn(): Promise<void> {
    nextTurn ??= setImmediate().then(() => {
      nextTurn = undefined;
      until = performance.now() + SLICE_MS;
    });
    return nextTurn;
  },
};

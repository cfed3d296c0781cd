import { follow, isThenable } from './result.js';

/** What a function of the user's gave. Throws for a promise: nobody can wait for it where it is needed. */
export function inTime<T>(value: T): T {
  if (!isThenable(value)) return value;
  // Its rejection must not end the process.
  follow(
    Promise.resolve(value),
    () => {},
    () => {},
  );
  throw new TypeError('a promise');
}

import { types } from 'node:util';
import type { Method } from '../hooks/types.js';

const steps: object = Object.getPrototypeOf(async function* () {}.prototype);

/** Functions that give a new promise every call and are no async functions. */
const known = new WeakSet<Method>(
  Object.values(Object.getOwnPropertyDescriptors(steps))
    .map(({ value }) => value as unknown)
    .filter((value): value is Method => typeof value === 'function'),
);

/** Notes a method of Ax's: the few that are no async functions pass on the promise of one. */
export function declareFresh(method: Method): void {
  known.add(method);
}

/** `true` when whoever calls the function is certainly the first to see the promise that it returns. */
export function givesNewPromise(method: Method): boolean {
  return types.isAsyncFunction(method) || known.has(method);
}

import type { AxCopy } from '../copy.js';

/** A method as found on one of Ax's prototypes. */
// biome-ignore lint/suspicious/noExplicitAny: stands for methods of every signature
export type Method = (this: any, ...args: any[]) => any;

/** Builds the replacement of a method. Called once for each copy of Ax that is patched. */
export type Wrapper = (original: Method, copy: AxCopy) => Method;

/** One method of one class that Ax exports. */
export interface Hook {
  /** Name of the exported class. A copy of Ax without it is left alone. */
  readonly target: string;
  /** Name of the method on the class's prototype, own or inherited. */
  readonly method: string;
  readonly wrap: Wrapper;
}

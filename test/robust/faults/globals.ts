import type { Probes } from './probes.js';

declare global {
  /** What the probes of an instrumented build call. */
  var __probes: Probes;
}

/** What a function throws that is made to fail. */
export class Fault extends Error {
  override readonly name = 'InjectedFault';
}

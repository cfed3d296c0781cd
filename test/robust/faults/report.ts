import type { Urls } from '../programs/journal.js';

export interface FaultRequest {
  readonly urls: Urls;
  /** File for the {@link FaultReport}. */
  readonly out: string;
  /** Names of programs not to run. */
  readonly leaveOut: readonly string[];
  /** How many programs that reach a function are run with it failing. */
  readonly programsPerFunction: number;
  /** Functions whose id has this in it. Default all. */
  readonly only?: string;
}

/** What came of one function that failed while one program ran. */
export interface Outcome {
  readonly id: string;
  readonly at: 'enter' | 'leave';
  readonly program: string;
  /** How often it failed. */
  readonly fired: number;
  /** Faults that were counted. */
  readonly counted: number;
  /** The program did what it does without tracing. */
  readonly same: boolean;
  readonly difference?: string;
}

export interface FaultReport {
  /** Functions that the programs reach. */
  readonly functions: string[];
  readonly outcomes: Outcome[];
}

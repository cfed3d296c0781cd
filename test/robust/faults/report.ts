import type { Urls } from '../programs/world.js';

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

/** Parts of an SDK that are made to throw, one at a time. */
export const SDK_PARTS = [
  'tracer.startSpan',
  'span.isRecording',
  'span.spanContext',
  'span.setAttribute',
  'span.addEvent',
  'span.setStatus',
  'span.end',
  'contextManager.active',
  'contextManager.with',
  'sampler.shouldSample',
  'processor.onStart',
  'processor.onEnd',
  'exporter.export',
] as const;

/** What came of one program on an SDK with a part that throws. */
export interface SdkOutcome {
  readonly part: (typeof SDK_PARTS)[number];
  readonly program: string;
  readonly fired: number;
  readonly counted: number;
  readonly same: boolean;
}

export interface DeliveryRequest {
  /** Folder for stores and spools. */
  readonly folder: string;
  /** File for the {@link DeliveryReport}. */
  readonly out: string;
  /** Functions whose id has this in it. Default all. */
  readonly only?: string;
}

/** What came of one delivery while one function failed; `id` is empty where none did. */
export interface DeliveryOutcome {
  readonly id: string;
  readonly destination: string;
  /** How often `export()` called back. */
  readonly callbacks: number;
  /** Calls that did not come to an end. */
  readonly hung: string[];
  /** What reached the process, or the caller. */
  readonly unhandled: string[];
  /** Spans that were taken and of which nothing is known. */
  readonly unaccounted: number;
  /** Spans that were reported as lost. */
  readonly lost: number;
  readonly milliseconds: number;
}

export interface DeliveryReport {
  /** Functions that a delivery reaches. */
  readonly functions: string[];
  readonly outcomes: DeliveryOutcome[];
}

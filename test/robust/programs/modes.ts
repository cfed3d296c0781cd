import type { AutologClient, autolog } from '@hokusai/mlflow-dspy';
import type { Urls } from './world.js';

/** What the process under test is asked to do. */
export interface RunRequest {
  readonly mode: keyof typeof MODES;
  /** Programs whose name has this in it. Default all. */
  readonly only?: string;
  readonly urls: Urls;
  /** Folder for what tracing stores. */
  readonly folder: string;
  /** File for the {@link RunReport}. */
  readonly out: string;
}

export interface RunReport {
  /** Everything each program saw, in order. */
  readonly journals: Record<string, unknown[]>;
  /** What tracing itself said, behind the name of the program that ran. */
  readonly said: string[];
  /** What keeps the process alive at the end. */
  readonly handles: string[];
  /** Spans that were recorded. */
  readonly spans: number;
}

type Start = (start: typeof autolog, request: RunRequest) => AutologClient;

/** Ways to trace, none of which may show. */
export const MODES = {
  off: {},
  'off again': {},
  on: {
    start: (start, { folder }) => start({ trackingUri: `file:${folder}` }),
  },
  'on, to a server that is not there': {
    start: (start, { folder }) =>
      start({ trackingUri: 'http://127.0.0.1:9', spoolDirectory: folder, spool: true }),
  },
  'with sampling at zero': {
    start: (start, { folder }) => start({ trackingUri: `file:${folder}`, samplingRate: 0 }),
  },
  'without content and steps': {
    start: (start, { folder }) =>
      start({
        trackingUri: `file:${folder}`,
        logInputs: false,
        logOutputs: false,
        logIntermediateSteps: false,
      }),
  },
  'with callbacks that throw': {
    start: (start, { folder }) => {
      const fail = () => {
        throw new Error('callback');
      };
      return start({
        trackingUri: `file:${folder}`,
        moduleFilter: fail,
        traceCondition: fail,
        inputSanitizer: fail,
        outputSanitizer: fail,
      });
    },
  },
} satisfies Record<string, { start?: Start }> as Record<
  | 'off'
  | 'off again'
  | 'on'
  | 'on, to a server that is not there'
  | 'with sampling at zero'
  | 'without content and steps'
  | 'with callbacks that throw',
  { start?: Start }
>;

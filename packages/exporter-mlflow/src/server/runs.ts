import type { RunRecord } from '../internal-types.js';
import type { Connection } from './connection.js';
import type { ExperimentResolver } from './experiments.js';

export interface RecordedRun {
  runId: string;
  experimentId: string;
}

export interface RunRecorder {
  /**
   * Makes the run complete on the server: found again by its key or created, params, metrics, tags,
   * artifacts, traces linked, ended. Repeating it changes nothing. Concurrent calls for one key are
   * one. The parent is found by `parentKey`, and made as a running run when it is not there yet.
   */
  record(run: RunRecord): Promise<RecordedRun>;
  /** The run of a key, when this recorder has made or found it, or the server has it. */
  find(key: string, experimentId: string): Promise<string | undefined>;
}

/** Run tag that holds {@link RunRecord.key}. */
export const RUN_KEY_TAG = 'dspy.run_key';

export declare function createRunRecorder(
  connection: Connection,
  experiments: ExperimentResolver,
): RunRecorder;

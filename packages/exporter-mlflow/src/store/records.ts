import type { AssessmentRecord, ExperimentRef, RunRecord, TraceRecord } from '../internal-types.js';

/** Later changes to a run that a program made through the client; merged in the order of writing. */
export interface RunPatch {
  runId: string;
  experiment?: ExperimentRef;
  name?: string;
  parentRunId?: string;
  startTimeMs?: number;
  endTimeMs?: number;
  status?: 'RUNNING' | 'FINISHED' | 'FAILED' | 'KILLED';
  params?: Record<string, string>;
  metrics?: RunRecord['metrics'];
  tags?: Record<string, string>;
  /** Text, or bytes in base64. */
  artifacts?: Record<string, string | { base64: string }>;
  /** 32 lower-case hex characters each. */
  traceIds?: string[];
}

/** Later changes to the tags of a trace; `null` removes a tag. */
interface TraceTagPatch {
  /** 32 lower-case hex characters. */
  traceId: string;
  tags: Record<string, string | null>;
}

/** An assessment given after its trace was written; the same `id` replaces. */
interface AssessmentPatch {
  /** 32 lower-case hex characters. */
  traceId: string;
  assessment?: AssessmentRecord;
  /** Id of an assessment to remove. */
  remove?: string;
}

/** What one line of a store file holds. The exporter writes `trace` and `run`; the client also the rest. */
export type StoreRecord =
  | { type: 'trace'; value: TraceRecord }
  | { type: 'run'; value: RunRecord }
  | { type: 'assessment'; value: AssessmentPatch }
  | { type: 'tags'; value: TraceTagPatch }
  | { type: 'runPatch'; value: RunPatch };

import type { AssessmentRecord, RunRecord } from '../internal-types.js';
import type { ExperimentInfo } from '../server/experiments.js';
import type { PromptVersion, Run, RunEndStatus, Trace } from './types.js';

/** A checked {@link TraceQuery}. */
export interface PlannedQuery {
  runId?: string;
  experimentId?: string;
  experimentName?: string;
  filter?: string;
  orderBy: readonly string[];
  pageSize: number;
  includeSpans: boolean;
}

export interface PlannedRun {
  experimentId?: string;
  experimentName?: string;
  name?: string;
  tags: Record<string, string>;
  startTimeMs: number;
}

export interface PlannedRunData {
  params: Record<string, string>;
  metrics: RunRecord['metrics'];
  tags: Record<string, string>;
}

/** What the client asks of a server or of the local store. Trace ids are MLflow's (`tr-…`). */
export interface ClientBackend {
  /** Pages of traces, fetched as they are asked for. */
  traces(query: PlannedQuery): AsyncGenerator<Trace[], void, undefined>;
  /** `undefined` when there is none. */
  trace(traceId: string): Promise<Trace | undefined>;
  /** Whether the trace can be given tags and assessments. */
  hasTrace(traceId: string): Promise<boolean>;
  setTraceTag(traceId: string, key: string, value: string): Promise<void>;
  deleteTraceTag(traceId: string, key: string): Promise<void>;
  /** The same id again changes nothing. */
  addAssessment(traceId: string, assessment: AssessmentRecord): Promise<AssessmentRecord>;
  deleteAssessment(traceId: string, assessmentId: string): Promise<void>;
  linkPrompts(traceId: string, prompts: readonly PromptVersion[]): Promise<void>;
  experiment(by: { id: string } | { name: string }): Promise<ExperimentInfo | undefined>;
  getOrCreateExperiment(name: string): Promise<string>;
  createRun(run: PlannedRun): Promise<Run>;
  run(runId: string): Promise<Run | undefined>;
  logToRun(runId: string, data: PlannedRunData): Promise<void>;
  logArtifact(runId: string, name: string, content: string | Uint8Array): Promise<void>;
  /** Text of an artifact; `undefined` when there is none. */
  artifact(runId: string, name: string): Promise<string | undefined>;
  linkTraces(runId: string, traceIds: readonly string[]): Promise<void>;
  endRun(runId: string, status: RunEndStatus, endTimeMs: number): Promise<void>;
  close(): Promise<void>;
}

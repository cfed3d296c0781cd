import type {
  Expectation,
  Feedback,
  NewRun,
  Run,
  RunData,
  RunEndStatus,
  Trace,
  TraceList,
  TraceQuery,
} from './client/types.js';
import type { AssessmentRecord } from './internal-types.js';
import type { ExperimentInfo } from './server/experiments.js';
import type { ServerOptions } from './server/settings.js';

export declare class MlflowClient {
  constructor(options?: ServerOptions);
  /** Tracking URI in use, without user info. */
  readonly trackingUri: string;
  getTraces(query?: TraceQuery): TraceList;
  getTrace(traceId: string): Promise<Trace | undefined>;
  setTraceTag(traceId: string, key: string, value: string): Promise<void>;
  deleteTraceTag(traceId: string, key: string): Promise<void>;
  logFeedback(feedback: Feedback): Promise<AssessmentRecord>;
  logExpectation(expectation: Expectation): Promise<AssessmentRecord>;
  deleteAssessment(traceId: string, assessmentId: string): Promise<void>;
  getExperiment(by: { id: string } | { name: string }): Promise<ExperimentInfo | undefined>;
  getOrCreateExperiment(name: string): Promise<string>;
  createRun(run?: NewRun): Promise<Run>;
  getRun(runId: string): Promise<Run | undefined>;
  logToRun(runId: string, data: RunData): Promise<void>;
  logArtifact(runId: string, name: string, content: string | Uint8Array): Promise<void>;
  linkTraces(runId: string, traceIds: readonly string[]): Promise<void>;
  endRun(runId: string, status?: RunEndStatus): Promise<void>;
  close(): Promise<void>;
}

import type {
  AssessmentRecord,
  ExperimentRef,
  PromptRecord,
  SpanRecord,
} from '../internal-types.js';
import { createFoldMemory, type FoldMemory } from './fold.js';
import { Lead } from './lead.js';

/** What is remembered of a trace between its batches. */
export interface TraceMemory {
  traceId: string;
  /** Milliseconds since the epoch of the last span. */
  touchedAt: number;
  experiment: ExperimentRef | undefined;
  runId: string | undefined;
  lead: Lead;
  /** `remote`: a local root has come, its parent lives elsewhere. `closed`: ended from here without a root. */
  root: 'none' | 'local' | 'remote' | 'closed';
  rootStatus: 1 | 2 | undefined;
  rootName: string | undefined;
  /** The root as it was sent, while it still lacks what the trace is about. */
  bareRoot: SpanRecord | undefined;
  startMs: number;
  endMs: number;
  clientRequestId: string | undefined;
  session: string | undefined;
  user: string | undefined;
  tags: Record<string, string>;
  metadata: Record<string, string>;
  /** Not handed on yet. */
  assessments: AssessmentRecord[];
  prompts: PromptRecord[];
  /** How many of them were handed on to be linked. */
  promptsHanded: number;
  fold: FoldMemory;
  /** Ids of spans with token counts below them. */
  usageAbove: Set<string>;
  /** A request went out that another process may have continued the trace from. */
  leftProcess: boolean;
  /** What the server was told of the trace is no longer right. */
  restates: boolean;
}

export function newTraceMemory(traceId: string, now: number): TraceMemory {
  return {
    traceId,
    touchedAt: now,
    experiment: undefined,
    runId: undefined,
    lead: new Lead(),
    root: 'none',
    rootStatus: undefined,
    rootName: undefined,
    bareRoot: undefined,
    startMs: Number.POSITIVE_INFINITY,
    endMs: 0,
    clientRequestId: undefined,
    session: undefined,
    user: undefined,
    tags: {},
    metadata: {},
    assessments: [],
    prompts: [],
    promptsHanded: 0,
    fold: createFoldMemory(),
    usageAbove: new Set(),
    leftProcess: false,
    restates: false,
  };
}

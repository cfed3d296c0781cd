import { createHash } from 'node:crypto';
import { crc32 } from 'node:zlib';
import type {
  AssessmentRecord,
  ExperimentRef,
  RunRecord,
  SpanRecord,
  TraceInfoRecord,
  TraceRecord,
} from '../internal-types.js';
import type { RunPatch, StoreRecord } from './records.js';

/** A run as the records of a store add up to it. */
export interface StoredRun {
  runId: string;
  experiment: ExperimentRef;
  name?: string;
  parentRunId?: string;
  status: 'RUNNING' | 'FINISHED' | 'FAILED' | 'KILLED';
  startTimeMs: number;
  endTimeMs?: number;
  params: Record<string, string>;
  metrics: RunRecord['metrics'];
  tags: Record<string, string>;
  artifacts: NonNullable<RunPatch['artifacts']>;
  /** 32 lower-case hex characters each. */
  traceIds: Set<string>;
}

/** Where those who name no experiment write to; MLflow's own name and id. */
const DEFAULT_EXPERIMENT = { id: '0', name: 'Default' };

/** Id of an experiment in a local store: its own, or a number that always is the same for the name. */
export function localExperimentId({ id, name }: ExperimentRef): string {
  if (id) return id;
  if (!name || name === DEFAULT_EXPERIMENT.name) return DEFAULT_EXPERIMENT.id;
  return String(crc32(name));
}

/** Name of an experiment; `undefined` when only its id is known. */
export function localExperimentName({ id, name }: ExperimentRef): string | undefined {
  return name ?? (id ? undefined : DEFAULT_EXPERIMENT.name);
}

/** Id of the run that a span asked for: always the same for its key. */
export function localRunId(key: string): string {
  return createHash('sha256').update(key).digest('hex').slice(0, 32);
}

/**
 * The trace that the records of one trace id add up to, in the order of writing: spans by id, the last
 * complete info, later tags and assessments. `undefined` while no part of the trace itself is there.
 */
export function mergeTrace(records: readonly StoreRecord[]): TraceRecord | undefined {
  const parts = records.filter((record) => record.type === 'trace').map(({ value }) => value);
  const last = parts.findLast(({ complete }) => complete) ?? parts.at(-1);
  if (!last) return undefined;
  const spans = new Map<string, SpanRecord>();
  const info: TraceInfoRecord = { ...last.info, metadata: {}, tags: {} };
  const assessments = new Map<string, AssessmentRecord>();
  for (const part of [...parts.filter((one) => one !== last), last]) {
    Object.assign(info.metadata, part.info.metadata);
    Object.assign(info.tags, part.info.tags);
    info.requestTimeMs = Math.min(info.requestTimeMs, part.info.requestTimeMs);
    for (const assessment of part.info.assessments) assessments.set(assessment.id, assessment);
  }
  for (const part of parts) for (const span of part.spans) spans.set(span.spanId, span);
  for (const record of records) {
    if (record.type === 'tags') applyTags(info.tags, record.value.tags);
    if (record.type !== 'assessment') continue;
    const { assessment, remove } = record.value;
    if (assessment) assessments.set(assessment.id, assessment);
    if (remove !== undefined) assessments.delete(remove);
  }
  info.assessments = [...assessments.values()];
  return { info, complete: parts.some(({ complete }) => complete), spans: [...spans.values()] };
}

function applyTags(tags: Record<string, string>, patch: Record<string, string | null>): void {
  for (const [key, value] of Object.entries(patch)) {
    if (value === null) delete tags[key];
    else tags[key] = value;
  }
}

/** The run that its record and later changes add up to. */
export function mergeRun(runId: string, records: readonly StoreRecord[]): StoredRun | undefined {
  let run: StoredRun | undefined;
  for (const record of records) {
    if (record.type === 'run') run = applyPatch(run, runId, patchOf(record.value, runId));
    else if (record.type === 'runPatch') run = applyPatch(run, runId, record.value);
  }
  return run;
}

function patchOf(record: RunRecord, runId: string): RunPatch {
  const { key: _, parentKey, parentStartTimeMs: _parentStart, ...rest } = record;
  return { ...rest, runId, ...(parentKey ? { parentRunId: localRunId(parentKey) } : {}) };
}

function applyPatch(before: StoredRun | undefined, runId: string, patch: RunPatch): StoredRun {
  const run: StoredRun = before ?? {
    runId,
    experiment: {},
    status: 'RUNNING',
    startTimeMs: 0,
    params: {},
    metrics: [],
    tags: {},
    artifacts: {},
    traceIds: new Set(),
  };
  if (patch.experiment) run.experiment = patch.experiment;
  if (patch.name !== undefined) run.name = patch.name;
  if (patch.parentRunId !== undefined) run.parentRunId = patch.parentRunId;
  if (patch.status !== undefined) run.status = patch.status;
  if (patch.startTimeMs !== undefined) run.startTimeMs = patch.startTimeMs;
  if (patch.endTimeMs !== undefined) run.endTimeMs = patch.endTimeMs;
  Object.assign(run.params, patch.params);
  Object.assign(run.tags, patch.tags);
  Object.assign(run.artifacts, patch.artifacts);
  run.metrics = withoutRepeats([...run.metrics, ...(patch.metrics ?? [])]);
  for (const id of patch.traceIds ?? []) run.traceIds.add(id);
  return run;
}

/** A record that was written twice counts once, as on a server. */
function withoutRepeats(metrics: RunRecord['metrics']): RunRecord['metrics'] {
  const seen = new Map(metrics.map((one) => [JSON.stringify(Object.values(one)), one]));
  return [...seen.values()];
}

/** Latest value of each metric: the highest step, then the latest time. */
export function latestMetrics(metrics: RunRecord['metrics']): Record<string, number> {
  const ordered = [...metrics].sort(
    (a, b) => a.step - b.step || a.timestampMs - b.timestampMs || 0,
  );
  return Object.fromEntries(
    ordered.filter(({ value }) => Number.isFinite(value)).map(({ key, value }) => [key, value]),
  );
}

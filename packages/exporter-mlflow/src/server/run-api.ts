import { mend } from '../mapping/text.js';
import type { Connection } from './connection.js';
import { MlflowApiError } from './errors.js';
import { call, callFor, reading } from './rest.js';
import { type PreparedRunData, prepareRunData, type RunData } from './run-data.js';

export type RunStatus = 'RUNNING' | 'SCHEDULED' | 'FINISHED' | 'FAILED' | 'KILLED';

/** A run as the server has it (`GET /api/2.0/mlflow/runs/get`). */
export interface RunInfo {
  runId: string;
  experimentId: string;
  name?: string;
  status: RunStatus;
  startTimeMs?: number;
  endTimeMs?: number;
  artifactUri?: string;
  lifecycleStage: 'active' | 'deleted';
  params: Record<string, string>;
  /** Latest value of each. */
  metrics: Record<string, number>;
  tags: Record<string, string>;
}

interface WireRun {
  info: {
    run_id: string;
    experiment_id: string;
    run_name?: string;
    status?: RunStatus;
    start_time?: number | string;
    end_time?: number | string;
    artifact_uri?: string;
    lifecycle_stage?: string;
  };
  data?: {
    params?: { key: string; value?: string }[];
    tags?: { key: string; value?: string }[];
    metrics?: { key: string; value: number | string }[];
  };
}

export interface NewRunInfo {
  experimentId: string;
  /** Absent: the server invents one. */
  name?: string;
  startTimeMs: number;
  tags: Readonly<Record<string, string>>;
}

/** `POST /api/2.0/mlflow/runs/create`. */
export async function createRun(connection: Connection, run: NewRunInfo): Promise<RunInfo> {
  const [first] = prepareRunData({ tags: run.tags }).batches;
  const request = {
    method: 'POST',
    path: '/api/2.0/mlflow/runs/create',
    body: {
      experiment_id: run.experimentId,
      start_time: Math.round(run.startTimeMs),
      tags: first?.tags ?? [],
      ...(run.name === undefined ? {} : { run_name: mend(run.name) }),
    },
  } as const;
  const wire = await callFor<WireRun>(connection, request, 'run');
  return reading(request, () => readRun(wire));
}

/** `undefined` when the server has none of that id. */
export async function getRun(connection: Connection, runId: string): Promise<RunInfo | undefined> {
  try {
    const request = {
      method: 'GET',
      path: '/api/2.0/mlflow/runs/get',
      query: { run_id: runId },
    } as const;
    const wire = await callFor<WireRun>(connection, request, 'run');
    return reading(request, () => readRun(wire));
  } catch (error) {
    if (error instanceof MlflowApiError && error.errorCode === 'RESOURCE_DOES_NOT_EXIST') {
      return undefined;
    }
    throw error;
  }
}

export interface RunSearch {
  experimentIds: readonly string[];
  filter?: string;
  orderBy?: readonly string[];
  maxResults?: number;
  pageToken?: string;
}

/** `POST /api/2.0/mlflow/runs/search`: one page of runs that are not deleted. */
export async function searchRuns(
  connection: Connection,
  search: RunSearch,
): Promise<{ runs: RunInfo[]; nextPageToken?: string }> {
  const request = {
    method: 'POST',
    path: '/api/2.0/mlflow/runs/search',
    body: {
      experiment_ids: search.experimentIds,
      max_results: search.maxResults ?? 100,
      ...(search.filter ? { filter: search.filter } : {}),
      ...(search.orderBy?.length ? { order_by: search.orderBy } : {}),
      ...(search.pageToken ? { page_token: search.pageToken } : {}),
    },
  } as const;
  const answer = await call<{ runs?: WireRun[]; next_page_token?: string }>(connection, request);
  return {
    runs: reading(request, () => (answer.runs ?? []).map(readRun)),
    ...(answer.next_page_token ? { nextPageToken: answer.next_page_token } : {}),
  };
}

/** `POST /api/2.0/mlflow/runs/log-batch`, in as many requests as its limits ask for. Repeating it changes nothing. */
export async function logRunData(
  connection: Connection,
  runId: string,
  data: RunData,
): Promise<Pick<PreparedRunData, 'artifacts' | 'skippedMetrics'>> {
  const { batches, artifacts, skippedMetrics } = prepareRunData(data);
  for (const batch of batches) {
    await call(connection, {
      method: 'POST',
      path: '/api/2.0/mlflow/runs/log-batch',
      body: { run_id: runId, ...batch },
    });
  }
  return { artifacts, skippedMetrics };
}

/** `POST /api/2.0/mlflow/runs/update`. */
export async function updateRun(
  connection: Connection,
  runId: string,
  change: { status?: RunStatus; endTimeMs?: number; name?: string },
): Promise<void> {
  await call(connection, {
    method: 'POST',
    path: '/api/2.0/mlflow/runs/update',
    body: {
      run_id: runId,
      ...(change.status === undefined ? {} : { status: change.status }),
      ...(change.endTimeMs === undefined ? {} : { end_time: Math.round(change.endTimeMs) }),
      ...(change.name === undefined ? {} : { run_name: mend(change.name) }),
    },
  });
}

function readRun({ info, data }: WireRun): RunInfo {
  const run: RunInfo = {
    runId: info.run_id,
    experimentId: info.experiment_id,
    status: info.status ?? 'RUNNING',
    lifecycleStage: info.lifecycle_stage === 'deleted' ? 'deleted' : 'active',
    params: toObject(data?.params, ({ value }) => value ?? ''),
    metrics: toObject(data?.metrics, ({ value }) => Number(value)),
    tags: toObject(data?.tags, ({ value }) => value ?? ''),
  };
  if (info.run_name) run.name = info.run_name;
  if (info.artifact_uri) run.artifactUri = info.artifact_uri;
  // 0 is protobuf's "not set".
  if (Number(info.start_time)) run.startTimeMs = Number(info.start_time);
  if (Number(info.end_time)) run.endTimeMs = Number(info.end_time);
  return run;
}

function toObject<T extends { key: string }, V>(
  entries: readonly T[] | undefined,
  read: (entry: T) => V,
): Record<string, V> {
  return Object.fromEntries((entries ?? []).map((entry) => [entry.key, read(entry)]));
}

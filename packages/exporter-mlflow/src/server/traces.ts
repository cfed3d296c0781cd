import type { AssessmentRecord, TraceInfoRecord } from '../internal-types.js';
import { mend } from '../mapping/text.js';
import { fromWireAssessment, toWireAssessment, type WireAssessment } from './assessments.js';
import type { Connection } from './connection.js';
import { call, callFor, reading } from './rest.js';
import { traceIdOf, traceRequestPath } from './trace-id.js';

/** Most traces that one call may link to a run. */
const MAX_LINKED_TRACES = 100;
/** Most traces of one page of a search. */
export const MAX_SEARCH_PAGE = 500;

/** Trace info as the server writes and reads it. */
export interface WireTraceInfo {
  trace_id: string;
  client_request_id?: string;
  trace_location?: { type?: string; mlflow_experiment?: { experiment_id: string } };
  request_time?: string;
  execution_duration?: string;
  state?: string;
  request_preview?: string;
  response_preview?: string;
  trace_metadata?: Record<string, string>;
  tags?: Record<string, string>;
  assessments?: WireAssessment[];
}

/**
 * The whole body of StartTraceV3. It must be complete every time: the server overwrites time, state
 * and client request id with what is there, absent ones with nothing.
 */
function toWireTraceInfo(info: TraceInfoRecord, experimentId: string): WireTraceInfo {
  const metadata: Record<string, string> = { 'mlflow.trace_schema.version': '3', ...info.metadata };
  if (info.runId) metadata['mlflow.sourceRun'] = info.runId;
  const tags = { ...info.tags };
  if (info.name !== undefined) tags['mlflow.traceName'] = info.name;
  return {
    trace_id: traceIdOf(info.traceId),
    trace_location: {
      type: 'MLFLOW_EXPERIMENT',
      mlflow_experiment: { experiment_id: experimentId },
    },
    request_time: new Date(info.requestTimeMs).toISOString(),
    state: info.state,
    trace_metadata: metadata,
    tags,
    assessments: info.assessments.map((one) => toWireAssessment(one, info.traceId)),
    ...(info.durationMs === undefined ? {} : { execution_duration: wireDuration(info.durationMs) }),
    ...(info.clientRequestId === undefined ? {} : { client_request_id: info.clientRequestId }),
    ...(info.requestPreview === undefined ? {} : { request_preview: info.requestPreview }),
    ...(info.responsePreview === undefined ? {} : { response_preview: info.responsePreview }),
  };
}

/** Protobuf's JSON form of a duration: seconds with an `s`. */
function wireDuration(ms: number): string {
  return `${(Math.max(0, ms) / 1000).toFixed(3)}s`;
}

/** Milliseconds, from protobuf's JSON form of a duration. */
export function readDuration(text: string | undefined): number | undefined {
  const seconds = text === undefined ? Number.NaN : Number(text.replace(/s$/, ''));
  return Number.isFinite(seconds) ? Math.round(seconds * 1000) : undefined;
}

/** `POST /api/3.0/mlflow/traces` (StartTraceV3). Merges into a trace that exists; repeating it changes nothing. */
export async function startTrace(
  connection: Connection,
  info: TraceInfoRecord,
  experimentId: string,
): Promise<WireTraceInfo> {
  const answer = await call<{ trace?: { trace_info?: WireTraceInfo } }>(connection, {
    method: 'POST',
    path: '/api/3.0/mlflow/traces',
    body: { trace: { trace_info: toWireTraceInfo(info, experimentId) } },
  });
  return answer.trace?.trace_info ?? { trace_id: traceIdOf(info.traceId) };
}

/** `POST /api/2.0/mlflow/traces/link-to-run`, in steps of 100. Repeating it changes nothing. The server does not check that the run exists. */
export async function linkTracesToRun(
  connection: Connection,
  runId: string,
  traceIds: readonly string[],
): Promise<void> {
  for (let start = 0; start < traceIds.length; start += MAX_LINKED_TRACES) {
    await call(connection, {
      method: 'POST',
      path: '/api/2.0/mlflow/traces/link-to-run',
      body: {
        run_id: runId,
        trace_ids: traceIds.slice(start, start + MAX_LINKED_TRACES).map(traceIdOf),
      },
    });
  }
}

/** `POST /api/2.0/mlflow/traces/link-prompts`: registered prompt versions that the trace used. */
export async function linkPrompts(
  connection: Connection,
  traceId: string,
  prompts: readonly { name: string; version: string | number }[],
): Promise<void> {
  if (prompts.length === 0) return;
  await call(connection, {
    method: 'POST',
    path: '/api/2.0/mlflow/traces/link-prompts',
    body: {
      trace_id: traceIdOf(traceId),
      prompt_versions: prompts.map(({ name, version }) => ({ name, version: String(version) })),
    },
  });
}

/** `PATCH …/tags`, one call a tag. */
export async function setTraceTag(
  connection: Connection,
  traceId: string,
  key: string,
  value: string,
): Promise<void> {
  await call(connection, {
    method: 'PATCH',
    path: `${traceRequestPath(traceId)}/tags`,
    body: { key, value: mend(value) },
  });
}

/** `DELETE …/tags`; the key goes in the body. */
export async function deleteTraceTag(
  connection: Connection,
  traceId: string,
  key: string,
): Promise<void> {
  await call(connection, {
    method: 'DELETE',
    path: `${traceRequestPath(traceId)}/tags`,
    body: { key },
  });
}

/** `GET /api/3.0/mlflow/traces/{id}`: info without spans. Rejects with `RESOURCE_DOES_NOT_EXIST` while the trace is not there. */
export async function getTraceInfo(
  connection: Connection,
  traceId: string,
): Promise<WireTraceInfo> {
  const request = { method: 'GET', path: traceRequestPath(traceId) } as const;
  const trace = await callFor<{ trace_info: unknown }>(connection, request, 'trace');
  return reading(request, () => checkInfo(trace.trace_info));
}

/** @throws where something that is read of an info is not what it should be */
function checkInfo(given: unknown): WireTraceInfo {
  const info = given as WireTraceInfo;
  const isMap = (value: unknown) =>
    value === undefined || value === null || (typeof value === 'object' && !Array.isArray(value));
  const fits =
    typeof info.trace_id === 'string' &&
    [info.tags, info.trace_metadata, info.trace_location].every(isMap);
  if (!fits) throw new TypeError('no trace info');
  readAssessments(info);
  return info;
}

export interface TraceSearch {
  experimentIds: readonly string[];
  filter?: string;
  orderBy?: readonly string[];
  maxResults?: number;
  pageToken?: string;
}

/** `POST /api/3.0/mlflow/traces/search`: one page of infos without spans. */
export async function searchTraces(
  connection: Connection,
  search: TraceSearch,
): Promise<{ traces: WireTraceInfo[]; nextPageToken?: string }> {
  const request = {
    method: 'POST',
    path: '/api/3.0/mlflow/traces/search',
    body: {
      locations: search.experimentIds.map((id) => ({
        type: 'MLFLOW_EXPERIMENT',
        mlflow_experiment: { experiment_id: id },
      })),
      max_results: Math.min(search.maxResults ?? 100, MAX_SEARCH_PAGE),
      ...(search.filter ? { filter: search.filter } : {}),
      ...(search.orderBy?.length ? { order_by: search.orderBy } : {}),
      ...(search.pageToken ? { page_token: search.pageToken } : {}),
    },
  } as const;
  const answer = await call<{ traces?: unknown[]; next_page_token?: string }>(connection, request);
  return {
    traces: reading(request, () => {
      // The same page for ever.
      const { next_page_token: next } = answer;
      if (next && next === search.pageToken) throw new TypeError('a page that leads to itself');
      return (answer.traces ?? []).map(checkInfo);
    }),
    ...(answer.next_page_token ? { nextPageToken: answer.next_page_token } : {}),
  };
}

export function readAssessments(info: WireTraceInfo): AssessmentRecord[] {
  return (info.assessments ?? []).map(fromWireAssessment);
}

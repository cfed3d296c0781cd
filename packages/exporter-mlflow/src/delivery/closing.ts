import type { TraceInfoRecord } from '../internal-types.js';
import type { Connection } from '../server/connection.js';
import { MlflowApiError } from '../server/errors.js';
import { call } from '../server/rest.js';
import { traceIdOf } from '../server/trace-id.js';
import {
  getTraceInfo,
  linkTracesToRun,
  readDuration,
  startTrace,
  type WireTraceInfo,
} from '../server/traces.js';
import { forEachLimited } from './limited.js';
import type { TraceParcel } from './parcel.js';
import { isSourceKey } from './source-metadata.js';
import { SENT, type Verdict, verdictOfError } from './verdict.js';

const AT_ONCE = 4;

/**
 * Ends traces whose root did not come from this process. Where the server still has one in progress it
 * gets the state, name and previews known here, so that no trace stays in progress for ever; where the
 * real root has arrived meanwhile, its state, name and previews stay. Metadata, tags and assessments
 * of the part of the trace that ran here are added in both cases.
 */
export async function closeTraces(
  connection: Connection,
  parcels: readonly TraceParcel[],
  experimentId: string,
  verdicts: Map<TraceParcel, Verdict>,
): Promise<void> {
  const infos = await fetchInfos(connection, parcels);
  await forEachLimited(parcels, AT_ONCE, async (parcel) => {
    try {
      const known = infos.get(parcel.lane);
      if (known) await closeTrace(connection, parcel.record.info, known, experimentId);
      verdicts.set(parcel, SENT);
    } catch (error) {
      verdicts.set(parcel, verdictOfError(error));
    }
  });
}

export async function closeTrace(
  connection: Connection,
  info: TraceInfoRecord,
  known: WireTraceInfo,
  experimentId: string,
): Promise<void> {
  if (info.runId !== undefined) await linkTracesToRun(connection, info.runId, [info.traceId]);
  const open = known.state === undefined || !/^(OK|ERROR)$/.test(known.state);
  if (!open && !addsAnything(info, known)) return;
  const { name, requestPreview, responsePreview, runId: _linked, ...facts } = info;
  // Where the trace comes from is told by the process that began it.
  const rest = open ? facts : { ...facts, metadata: withoutSource(facts.metadata) };
  const merged: TraceInfoRecord = {
    ...rest,
    // The server has seen all parts of the trace, and StartTraceV3 replaces its times with ours.
    requestTimeMs: known.request_time ? Date.parse(known.request_time) : info.requestTimeMs,
  };
  const durationMs = readDuration(known.execution_duration) ?? info.durationMs;
  if (durationMs !== undefined) merged.durationMs = durationMs;
  const clientRequestId = known.client_request_id || info.clientRequestId;
  if (clientRequestId) merged.clientRequestId = clientRequestId;
  if (open) {
    if (name !== undefined && !known.tags?.['mlflow.traceName']) merged.name = name;
    if (requestPreview !== undefined) merged.requestPreview = requestPreview;
    if (responsePreview !== undefined) merged.responsePreview = responsePreview;
  } else {
    merged.state = known.state as TraceInfoRecord['state'];
  }
  const home = known.trace_location?.mlflow_experiment?.experiment_id ?? experimentId;
  await startTrace(connection, merged, home);
}

function addsAnything(info: TraceInfoRecord, known: WireTraceInfo): boolean {
  const missing = (ours: Record<string, string>, theirs: Record<string, string> | undefined) =>
    Object.entries(ours).some(([key, value]) => theirs?.[key] !== value);
  const present = new Set(known.assessments?.map(({ assessment_id }) => assessment_id));
  return (
    missing(info.tags, known.tags) ||
    missing(withoutSource(info.metadata), known.trace_metadata) ||
    info.assessments.some(({ id }) => !present.has(id)) ||
    (info.clientRequestId !== undefined && !known.client_request_id)
  );
}

function withoutSource(metadata: Record<string, string>): Record<string, string> {
  return Object.fromEntries(Object.entries(metadata).filter(([key]) => !isSourceKey(key)));
}

/** `POST …/traces/batchGetInfos` (3.12 and newer): those of the traces that the server has, in one request. */
async function fetchInfos(
  connection: Connection,
  parcels: readonly TraceParcel[],
): Promise<Map<string, WireTraceInfo>> {
  const found = new Map<string, WireTraceInfo>();
  const add = (info: WireTraceInfo) => found.set(info.trace_id.replace(/^tr-/, ''), info);
  try {
    const { trace_infos = [] } = await call<{ trace_infos?: WireTraceInfo[] }>(connection, {
      method: 'POST',
      path: '/api/3.0/mlflow/traces/batchGetInfos',
      body: { trace_ids: parcels.map(({ lane }) => traceIdOf(lane)) },
    });
    trace_infos.forEach(add);
  } catch (error) {
    if (!(error instanceof MlflowApiError) || ![404, 405, 501].includes(error.status)) throw error;
    await forEachLimited(parcels, AT_ONCE, async ({ lane }) => {
      const info = await getTraceInfo(connection, lane).catch((cause: unknown) => {
        if (cause instanceof MlflowApiError && cause.status === 404) return undefined;
        throw cause;
      });
      if (info) add(info);
    });
  }
  return found;
}

import type { AssessmentRecord, ExperimentRef } from '../internal-types.js';
import { getArtifact, putArtifact } from '../server/artifacts.js';
import { createAssessment, deleteAssessment } from '../server/assessments.js';
import type { Connection } from '../server/connection.js';
import { MlflowApiError } from '../server/errors.js';
import {
  createExperimentResolver,
  DEFAULT_EXPERIMENT_NAME,
  ExperimentError,
  type ExperimentInfo,
  type ExperimentResolver,
  getExperiment,
  getExperimentByName,
} from '../server/experiments.js';
import { createConnection } from '../server/http.js';
import { createRun, getRun, logRunData, type RunInfo, updateRun } from '../server/run-api.js';
import type { ConnectionSettings } from '../server/settings.js';
import { traceIdOf } from '../server/trace-id.js';
import { getSpans, type ReadSpan } from '../server/trace-spans.js';
import {
  deleteTraceTag,
  getTraceInfo,
  linkPrompts,
  linkTracesToRun,
  readAssessments,
  readDuration,
  searchTraces,
  setTraceTag,
  type WireTraceInfo,
} from '../server/traces.js';
import type { ClientBackend, PlannedQuery, PlannedRun, PlannedRunData } from './backend.js';
import { isTraceState, toTrace } from './trace-model.js';
import type { PromptVersion, Run, RunEndStatus, Trace } from './types.js';

/** The client's calls on an MLflow server. */
export class ServerBackend implements ClientBackend {
  readonly #connection: Connection;
  readonly #experiments: ExperimentResolver;
  readonly #experiment: ExperimentRef;

  constructor(settings: ConnectionSettings, experiment: ExperimentRef) {
    this.#connection = createConnection(settings);
    this.#experiments = createExperimentResolver(this.#connection);
    this.#experiment = experiment;
  }

  async *traces(query: PlannedQuery): AsyncGenerator<Trace[], void, undefined> {
    const experimentIds = [await this.#experimentOf(query)];
    const newestFirst = isNewestFirst(query.orderBy);
    let bound = newestFirst ? undefined : await this.#newest(experimentIds);
    let pageToken: string | undefined;
    let before = new Set<string>();
    do {
      const page = await searchTraces(this.#connection, {
        experimentIds,
        filter: toFilter(query, bound),
        orderBy: query.orderBy,
        maxResults: query.pageSize,
        ...(pageToken === undefined ? {} : { pageToken }),
      });
      pageToken = page.nextPageToken;
      if (newestFirst) bound ??= timeOf(page.traces[0]);
      // A trace that arrives late with an old time pushes others onto the next page all the same.
      const fresh = page.traces.filter(({ trace_id }) => !before.has(trace_id));
      before = new Set(page.traces.map(({ trace_id }) => trace_id));
      yield await this.#read(fresh, query);
    } while (pageToken !== undefined);
  }

  /** Time of the newest trace, milliseconds since the epoch. */
  async #newest(experimentIds: readonly string[]): Promise<number | undefined> {
    const { traces } = await searchTraces(this.#connection, {
      experimentIds,
      orderBy: ['timestamp_ms DESC'],
      maxResults: 1,
    });
    return timeOf(traces[0]);
  }

  async #read(infos: readonly WireTraceInfo[], query: PlannedQuery): Promise<Trace[]> {
    if (!query.includeSpans) return infos.map((info) => fromWire(info, undefined, query.runId));
    const spans = await getSpans(this.#connection, infos);
    return infos.map((info) => fromWire(info, spans.get(info.trace_id) ?? [], query.runId));
  }

  async trace(traceId: string): Promise<Trace | undefined> {
    const info = await this.#info(traceId);
    if (!info) return undefined;
    const spans = await getSpans(this.#connection, [info]);
    return fromWire(info, spans.get(info.trace_id) ?? []);
  }

  async hasTrace(traceId: string): Promise<boolean> {
    return (await this.#info(traceId)) !== undefined;
  }

  async #info(traceId: string): Promise<WireTraceInfo | undefined> {
    try {
      return await getTraceInfo(this.#connection, traceId);
    } catch (error) {
      if (error instanceof MlflowApiError && error.errorCode === 'RESOURCE_DOES_NOT_EXIST') {
        return undefined;
      }
      throw error;
    }
  }

  setTraceTag(traceId: string, key: string, value: string): Promise<void> {
    return setTraceTag(this.#connection, traceId, key, value);
  }

  deleteTraceTag(traceId: string, key: string): Promise<void> {
    return deleteTraceTag(this.#connection, traceId, key);
  }

  addAssessment(traceId: string, assessment: AssessmentRecord): Promise<AssessmentRecord> {
    return createAssessment(this.#connection, traceId, assessment);
  }

  deleteAssessment(traceId: string, assessmentId: string): Promise<void> {
    return deleteAssessment(this.#connection, traceId, assessmentId);
  }

  linkPrompts(traceId: string, prompts: readonly PromptVersion[]): Promise<void> {
    return linkPrompts(this.#connection, traceId, prompts);
  }

  experiment(by: { id: string } | { name: string }): Promise<ExperimentInfo | undefined> {
    return 'id' in by
      ? getExperiment(this.#connection, by.id)
      : getExperimentByName(this.#connection, by.name);
  }

  getOrCreateExperiment(name: string): Promise<string> {
    return this.#experiments.resolve({ name });
  }

  async createRun(run: PlannedRun): Promise<Run> {
    const { experimentId: id, experimentName: name } = run;
    const named = id ? { id } : name ? { name } : this.#experiment;
    const experimentId = await this.#experiments.resolve(named);
    return toRun(
      await createRun(this.#connection, {
        experimentId,
        startTimeMs: run.startTimeMs,
        tags: run.tags,
        ...(run.name === undefined ? {} : { name: run.name }),
      }),
    );
  }

  async run(runId: string): Promise<Run | undefined> {
    const found = await getRun(this.#connection, runId);
    return found && toRun(found);
  }

  async logToRun(runId: string, data: PlannedRunData): Promise<void> {
    const { artifacts } = await logRunData(this.#connection, runId, data);
    for (const [name, content] of Object.entries(artifacts)) {
      await this.logArtifact(runId, name, content);
    }
  }

  async logArtifact(runId: string, name: string, content: string | Uint8Array): Promise<void> {
    await putArtifact(this.#connection, await this.#artifactUri(runId), name, content);
  }

  async artifact(runId: string, name: string): Promise<string | undefined> {
    return getArtifact(this.#connection, await this.#artifactUri(runId), name);
  }

  linkTraces(runId: string, traceIds: readonly string[]): Promise<void> {
    return linkTracesToRun(this.#connection, runId, traceIds);
  }

  endRun(runId: string, status: RunEndStatus, endTimeMs: number): Promise<void> {
    return updateRun(this.#connection, runId, { status, endTimeMs });
  }

  close(): Promise<void> {
    return this.#connection.close();
  }

  async #artifactUri(runId: string): Promise<string> {
    return (await this.#knownRun(runId)).artifactUri ?? '';
  }

  async #knownRun(runId: string): Promise<RunInfo> {
    const run = await getRun(this.#connection, runId);
    if (run) return run;
    throw new MlflowApiError(
      404,
      'GET /api/2.0/mlflow/runs/get',
      'RESOURCE_DOES_NOT_EXIST',
      `no run with id ${runId}`,
    );
  }

  /** Reading never creates an experiment. */
  async #experimentOf(query: PlannedQuery): Promise<string> {
    if (query.experimentId) return query.experimentId;
    if (query.experimentName) return this.#idOf(query.experimentName);
    if (query.runId) return (await this.#knownRun(query.runId)).experimentId;
    return this.#experiment.id ?? this.#idOf(this.#experiment.name ?? DEFAULT_EXPERIMENT_NAME);
  }

  async #idOf(name: string): Promise<string> {
    const found = await getExperimentByName(this.#connection, name);
    if (found) return found.id;
    throw new ExperimentError(`the MLflow server has no experiment named ${JSON.stringify(name)}`);
  }
}

/**
 * @param bound newest time that is part of the walk: page tokens are offsets, so that traces which
 *   arrive meanwhile would shift every page of "newest first"
 */
function toFilter(query: PlannedQuery, bound: number | undefined): string {
  const conditions: string[] = [];
  if (query.filter) conditions.push(query.filter);
  if (query.runId) conditions.push(`trace.run_id = '${query.runId}'`);
  if (bound !== undefined) conditions.push(`trace.timestamp_ms <= ${bound}`);
  return conditions.join(' AND ');
}

function isNewestFirst(orderBy: readonly string[]): boolean {
  return /^(\w+\.)?timestamp(_ms)?\s+desc$/i.test((orderBy[0] ?? '').trim());
}

function timeOf(info: WireTraceInfo | undefined): number | undefined {
  const time = Date.parse(info?.request_time ?? '');
  return Number.isNaN(time) ? undefined : time;
}

function fromWire(
  info: WireTraceInfo,
  spans: readonly ReadSpan[] | undefined,
  runId?: string,
): Trace {
  return toTrace(
    {
      traceId: traceIdOf(info.trace_id),
      state: isTraceState(info.state) ? info.state : 'STATE_UNSPECIFIED',
      experimentId: info.trace_location?.mlflow_experiment?.experiment_id ?? '',
      runId,
      requestTimeMs: Date.parse(info.request_time ?? '') || 0,
      durationMs: readDuration(info.execution_duration),
      requestPreview: info.request_preview,
      responsePreview: info.response_preview,
      clientRequestId: info.client_request_id,
      tags: info.tags ?? {},
      metadata: info.trace_metadata ?? {},
      assessments: readAssessments(info),
    },
    spans,
  );
}

function toRun(info: RunInfo): Run {
  const { tags } = info;
  const run: Run = {
    runId: info.runId,
    experimentId: info.experimentId,
    status: info.status,
    params: info.params,
    metrics: info.metrics,
    tags,
  };
  if (info.name !== undefined) run.name = info.name;
  if (info.startTimeMs !== undefined) run.startTime = new Date(info.startTimeMs);
  if (info.endTimeMs !== undefined) run.endTime = new Date(info.endTimeMs);
  if (tags['mlflow.parentRunId'] !== undefined) run.parentRunId = tags['mlflow.parentRunId'];
  if (info.artifactUri !== undefined) run.artifactUri = info.artifactUri;
  return run;
}

import { createHash, randomBytes } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import {
  checkJson,
  checkOptionalText,
  checkText,
  checkTextList,
  checkTextMap,
  checkWait,
} from './client/arguments.js';
import type { ClientBackend, PlannedQuery } from './client/backend.js';
import { LocalBackend } from './client/local-backend.js';
import { checkNames, planMetrics, planQuery, toTexts } from './client/plan.js';
import { ServerBackend } from './client/server-backend.js';
import type {
  Expectation,
  Feedback,
  NewRun,
  PromptVersion,
  Run,
  RunData,
  RunEndStatus,
  Trace,
  TraceList,
  TraceQuery,
} from './client/types.js';
import type { AssessmentRecord } from './internal-types.js';
import { MlflowApiError, MlflowConfigError } from './server/errors.js';
import type { ExperimentInfo } from './server/experiments.js';
import { describeProblems, resolveSettings, type ServerOptions } from './server/settings.js';
import { otelTraceId, traceIdOf } from './server/trace-id.js';

const DEFAULT_WAIT_MS = 10_000;
const FIRST_POLL_MS = 50;
const LONGEST_POLL_MS = 1_000;
const RUN_END_STATUSES: readonly RunEndStatus[] = ['FINISHED', 'FAILED', 'KILLED'];

/**
 * Reads traces and works with runs, experiments, tags and assessments, on an MLflow server or, when
 * the tracking URI is `file:…`, in the local store. Holds a connection: `close()` it. Calls reject with
 * `MlflowApiError` (the server's answer), `ConnectionError` (no answer), `ExperimentError`, or
 * `MlflowConfigError` (a wrong argument).
 */
export class MlflowClient {
  /** Tracking URI in use, without user info; `file:` and a folder for the local store. */
  readonly trackingUri: string;
  readonly #backend: ClientBackend;

  /** @throws MlflowConfigError when a setting cannot be used */
  constructor(options: ServerOptions = {}) {
    const result = resolveSettings(options);
    if (!result.ok) throw new MlflowConfigError(describeProblems(result.problems));
    const { destination, experiment } = result.settings;
    if (destination.kind === 'local') {
      this.trackingUri = `file:${destination.directory}`;
      this.#backend = new LocalBackend(destination.directory, experiment);
    } else {
      this.trackingUri = destination.connection.baseUrl;
      this.#backend = new ServerBackend(destination.connection, experiment);
    }
  }

  /**
   * Traces, newest first unless `orderBy` says otherwise. Nothing is fetched before the first is asked
   * for, and a page at a time then; traces that come meanwhile are not part of the walk.
   *
   * @throws MlflowConfigError for an unknown or wrong member of `query`
   */
  getTraces(query: TraceQuery = {}): TraceList {
    const { maxResults, ...plan } = planQuery(query);
    return new TracePages(this.#backend, plan, maxResults);
  }

  /** One trace with its spans, by `tr-…` or 32 hex characters; `undefined` when there is none. */
  async getTrace(traceId: string): Promise<Trace | undefined> {
    checkText('getTrace', 'traceId', traceId);
    return this.#backend.trace(traceIdOf(traceId));
  }

  async setTraceTag(traceId: string, key: string, value: string): Promise<void> {
    checkText('setTraceTag', 'traceId', traceId);
    checkText('setTraceTag', 'key', key);
    if (typeof value !== 'string') throw new MlflowConfigError('setTraceTag: value must be text');
    return this.#backend.setTraceTag(traceIdOf(traceId), key, value);
  }

  async deleteTraceTag(traceId: string, key: string): Promise<void> {
    checkText('deleteTraceTag', 'traceId', traceId);
    checkText('deleteTraceTag', 'key', key);
    return this.#backend.deleteTraceTag(traceIdOf(traceId), key);
  }

  /**
   * Feedback on a trace: a score, a thumb, a comment. Waits for a trace that is not there yet, at most
   * `waitMs`, then rejects with `RESOURCE_DOES_NOT_EXIST`.
   */
  async logFeedback(feedback: Feedback): Promise<AssessmentRecord> {
    checkNames('logFeedback', feedback, FEEDBACK_MEMBERS);
    const { error, value } = feedback;
    if ((error === undefined) === (value === undefined)) {
      throw new MlflowConfigError('logFeedback: give one of value and error');
    }
    return this.#assess(feedback, 'feedback', error === undefined ? {} : { error });
  }

  /** What the right answer would have been. Waits like {@link logFeedback}. */
  async logExpectation(expectation: Expectation): Promise<AssessmentRecord> {
    checkNames('logExpectation', expectation, EXPECTATION_MEMBERS);
    if (expectation.value === undefined) {
      throw new MlflowConfigError('logExpectation: give a value');
    }
    return this.#assess(expectation, 'expectation', {});
  }

  async deleteAssessment(traceId: string, assessmentId: string): Promise<void> {
    checkText('deleteAssessment', 'traceId', traceId);
    checkText('deleteAssessment', 'assessmentId', assessmentId);
    return this.#backend.deleteAssessment(traceIdOf(traceId), assessmentId);
  }

  /** Prompt versions of MLflow's registry that the trace used; its page shows them. Repeating it changes nothing. */
  async linkPrompts(traceId: string, prompts: readonly PromptVersion[]): Promise<void> {
    checkText('linkPrompts', 'traceId', traceId);
    if (!Array.isArray(prompts)) {
      throw new MlflowConfigError('linkPrompts: prompts must be a list of { name, version }');
    }
    for (const prompt of prompts) checkText('linkPrompts', 'name', Object(prompt).name);
    return this.#backend.linkPrompts(traceIdOf(traceId), prompts);
  }

  /** `undefined` when there is none. Deleted ones are found too. */
  async getExperiment(by: { id: string } | { name: string }): Promise<ExperimentInfo | undefined> {
    const { id, name } = Object(by) as { id?: string; name?: string };
    if (id === undefined) checkText('getExperiment', 'id or name', name);
    else checkText('getExperiment', 'id', id);
    return this.#backend.experiment(by);
  }

  /** Id of the experiment. Rejects with `ExperimentError` when it is deleted. */
  async getOrCreateExperiment(name: string): Promise<string> {
    checkText('getOrCreateExperiment', 'name', name);
    return this.#backend.getOrCreateExperiment(name);
  }

  async createRun(run: NewRun = {}): Promise<Run> {
    checkNames('createRun', run, NEW_RUN_MEMBERS);
    for (const member of ['experimentId', 'experimentName', 'parentRunId'] as const) {
      checkOptionalText('createRun', member, run[member]);
    }
    checkTextMap('createRun', 'tags', run.tags);
    if (run.startTime !== undefined && !isTime(run.startTime)) {
      throw new MlflowConfigError('createRun: startTime must be a valid Date');
    }
    const { parentRunId, tags = {}, startTime, experimentId, experimentName, name } = run;
    return this.#backend.createRun({
      startTimeMs: startTime?.getTime() ?? Date.now(),
      tags: parentRunId === undefined ? tags : { ...tags, 'mlflow.parentRunId': parentRunId },
      ...(experimentId === undefined ? {} : { experimentId }),
      ...(experimentName === undefined ? {} : { experimentName }),
      ...(name === undefined ? {} : { name }),
    });
  }

  /** `undefined` when there is none. */
  async getRun(runId: string): Promise<Run | undefined> {
    checkText('getRun', 'runId', runId);
    return this.#backend.run(runId);
  }

  /**
   * Params, metrics and tags of a run. A metric that is not a finite number is left out; a param above
   * 6000 characters is cut, with its full text as artifact `params/<name>.txt`.
   */
  async logToRun(runId: string, data: RunData): Promise<void> {
    checkText('logToRun', 'runId', runId);
    checkNames('logToRun', data, RUN_DATA_MEMBERS);
    checkTextMap('logToRun', 'tags', data.tags);
    return this.#backend.logToRun(runId, {
      params: toTexts(data.params ?? {}),
      metrics: planMetrics(data.metrics ?? [], Date.now()),
      tags: data.tags ?? {},
    });
  }

  /** @param name file name, may have folders (`eval/result.json`) */
  async logArtifact(runId: string, name: string, content: string | Uint8Array): Promise<void> {
    checkText('logArtifact', 'runId', runId);
    checkText('logArtifact', 'name', name);
    if (typeof content !== 'string' && !(content instanceof Uint8Array)) {
      throw new MlflowConfigError('logArtifact: content must be text or a Uint8Array');
    }
    return this.#backend.logArtifact(runId, name, content);
  }

  /** Text of an artifact; `undefined` when there is none. */
  async getArtifact(runId: string, name: string): Promise<string | undefined> {
    checkText('getArtifact', 'runId', runId);
    checkText('getArtifact', 'name', name);
    return this.#backend.artifact(runId, name);
  }

  /** Makes traces part of a run. */
  async linkTraces(runId: string, traceIds: readonly string[]): Promise<void> {
    checkText('linkTraces', 'runId', runId);
    checkTextList('linkTraces', 'traceIds', traceIds);
    return this.#backend.linkTraces(runId, traceIds.map(traceIdOf));
  }

  /** @param status default `FINISHED` */
  async endRun(runId: string, status: RunEndStatus = 'FINISHED'): Promise<void> {
    checkText('endRun', 'runId', runId);
    if (!RUN_END_STATUSES.includes(status)) {
      throw new MlflowConfigError(
        `endRun: ${JSON.stringify(status)} is not one of ${RUN_END_STATUSES.join(', ')}`,
      );
    }
    await this.#backend.endRun(runId, status, Date.now());
  }

  close(): Promise<void> {
    return this.#backend.close();
  }

  async #assess(
    given: Expectation,
    kind: AssessmentRecord['kind'],
    extra: Pick<AssessmentRecord, 'error'>,
  ): Promise<AssessmentRecord> {
    const call = kind === 'feedback' ? 'logFeedback' : 'logExpectation';
    checkText(call, 'traceId', given.traceId);
    checkText(call, 'name', given.name);
    if (given.value !== undefined) checkJson(call, 'value', given.value);
    checkWait(call, given.waitMs);
    checkTextMap(call, 'metadata', given.metadata);
    const traceId = traceIdOf(given.traceId);
    await this.#waitForTrace(traceId, given.waitMs ?? DEFAULT_WAIT_MS);
    const record: AssessmentRecord = {
      id: assessmentId(traceId, given.name, given.idempotencyKey),
      name: given.name,
      kind,
      source: given.source ?? { type: 'HUMAN', id: 'default' },
      ...extra,
    };
    if (given.value !== undefined) record.value = given.value;
    if (given.rationale !== undefined) record.rationale = given.rationale;
    if (given.spanId !== undefined) record.spanId = given.spanId;
    if (given.metadata !== undefined) record.metadata = given.metadata;
    return this.#backend.addAssessment(traceId, record);
  }

  async #waitForTrace(traceId: string, waitMs: number): Promise<void> {
    const deadline = Date.now() + waitMs;
    let pause = FIRST_POLL_MS;
    while (!(await this.#backend.hasTrace(traceId))) {
      const left = deadline - Date.now();
      if (left <= 0) {
        throw new MlflowApiError(
          404,
          `GET /api/3.0/mlflow/traces/${traceId}`,
          'RESOURCE_DOES_NOT_EXIST',
          `no such trace after waiting ${waitMs} ms (waitMs); was it sampled out, or is its exporter still holding it?`,
        );
      }
      await sleep(Math.min(pause, left));
      pause = Math.min(pause * 2, LONGEST_POLL_MS);
    }
  }
}

const isTime = (value: unknown): boolean => value instanceof Date && !Number.isNaN(value.getTime());

const EXPECTATION_MEMBERS = [
  'traceId',
  'name',
  'value',
  'rationale',
  'source',
  'spanId',
  'metadata',
  'idempotencyKey',
  'waitMs',
] as const;
const FEEDBACK_MEMBERS = [...EXPECTATION_MEMBERS, 'error'] as const;
const NEW_RUN_MEMBERS = [
  'experimentId',
  'experimentName',
  'name',
  'parentRunId',
  'tags',
  'startTime',
] as const;
const RUN_DATA_MEMBERS = ['params', 'metrics', 'tags'] as const;

/** MLflow's form, `a-` and 32 hex characters; always the same for trace, name and key. */
function assessmentId(traceId: string, name: string, key: string | undefined): string {
  if (key === undefined) return `a-${randomBytes(16).toString('hex')}`;
  const text = JSON.stringify([otelTraceId(traceId), name, key]);
  return `a-${createHash('sha256').update(text).digest('hex').slice(0, 32)}`;
}

class TracePages implements TraceList {
  readonly #backend: ClientBackend;
  readonly #query: PlannedQuery;
  readonly #maxResults: number;

  constructor(backend: ClientBackend, query: PlannedQuery, maxResults: number) {
    this.#backend = backend;
    this.#query = query;
    this.#maxResults = maxResults;
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<Trace, void, undefined> {
    let left = this.#maxResults;
    if (left === 0) return;
    for await (const page of this.#backend.traces(this.#query)) {
      for (const trace of page) {
        yield trace;
        if (--left === 0) return;
      }
    }
  }

  async toArray(): Promise<Trace[]> {
    const traces: Trace[] = [];
    for await (const trace of this) traces.push(trace);
    return traces;
  }
}

import type { ExperimentRef, RunRecord } from '../internal-types.js';
import { ArtifactLocationError, putArtifact } from './artifacts.js';
import type { Connection } from './connection.js';
import { MlflowApiError } from './errors.js';
import type { ExperimentResolver } from './experiments.js';
import { createRun, logRunData, type RunInfo, searchRuns, updateRun } from './run-api.js';
import { linkTracesToRun } from './traces.js';

interface RecordedRun {
  runId: string;
  experimentId: string;
  /** What could not be kept (artifacts the server does not take over HTTP), for a message. */
  warnings: string[];
}

export interface RunRecorder {
  /**
   * Makes the run complete on the server: found again by its key or created, params, metrics, tags,
   * artifacts, traces linked, ended. Repeating it changes nothing. Concurrent calls for one key are
   * one after the other. The parent is found by `parentKey`; where it is not there yet (children end
   * first) it is begun as a running run, and its own record completes it. Rejects with
   * `MlflowApiError`, `ExperimentError` or `ConnectionError`.
   */
  record(run: RunRecord): Promise<RecordedRun>;
  /** Run id of a key: known here or found on the server. */
  find(key: string, experiment: ExperimentRef): Promise<string | undefined>;
  /** At the end of the process: parents that were begun and never recorded become KILLED. */
  close(): Promise<void>;
}

/** Run tag that holds {@link RunRecord.key}. */
const RUN_KEY_TAG = 'dspy.run_key';
/** Run tag set last: everything of the record is there. */
const RUN_COMPLETE_TAG = 'dspy.run_complete';
/** Run tag with the names of metrics that were left out; the mapping of spans uses it too. */
const SKIPPED_METRICS_TAG = 'dspy.skipped_metrics';
const LOGGED_ARTIFACTS_TAG = 'mlflow.loggedArtifacts';
const MAX_KNOWN = 10_000;

export function createRunRecorder(
  connection: Connection,
  experiments: ExperimentResolver,
): RunRecorder {
  return new ServerRunRecorder(connection, experiments);
}

class ServerRunRecorder implements RunRecorder {
  readonly #connection: Connection;
  readonly #experiments: ExperimentResolver;
  /** By key; a rejected one is forgotten. */
  readonly #known = new Map<string, Promise<RunInfo>>();
  /** Last work on each key, for order. */
  readonly #working = new Map<string, Promise<unknown>>();
  /** Keys of parents begun here for their children. */
  readonly #begun = new Set<string>();

  constructor(connection: Connection, experiments: ExperimentResolver) {
    this.#connection = connection;
    this.#experiments = experiments;
  }

  async record(run: RunRecord): Promise<RecordedRun> {
    const before = this.#working.get(run.key);
    const work = (async () => {
      await before?.catch(() => undefined);
      try {
        return await this.#record(run);
      } catch (error) {
        // Deleted meanwhile: the next try looks again, and makes it anew.
        if (error instanceof MlflowApiError && error.status === 404) this.#known.delete(run.key);
        throw error;
      }
    })();
    this.#working.set(run.key, work);
    try {
      return await work;
    } finally {
      if (this.#working.get(run.key) === work) this.#working.delete(run.key);
    }
  }

  async find(key: string, experiment: ExperimentRef): Promise<string | undefined> {
    const known = this.#known.get(key);
    if (known) return (await known).runId;
    const experimentId = await this.#experiments.resolve(experiment);
    return (await this.#search(key, experimentId))?.runId;
  }

  async close(): Promise<void> {
    const keys = [...this.#begun];
    this.#begun.clear();
    const end = { status: 'KILLED', endTimeMs: Date.now() } as const;
    const ends = keys.map(async (key) => {
      const run = await this.#known.get(key);
      if (run) await updateRun(this.#connection, run.runId, end);
    });
    const failed = (await Promise.allSettled(ends)).find(({ status }) => status === 'rejected');
    if (failed?.status === 'rejected') throw failed.reason;
  }

  async #record(record: RunRecord): Promise<RecordedRun> {
    const connection = this.#connection;
    const experimentId = await this.#experiments.resolve(record.experiment);
    const parentRunId = record.parentKey
      ? (await this.#ensureParent(record.parentKey, record, experimentId)).runId
      : undefined;
    const tags: Record<string, string> = { ...record.tags, [RUN_KEY_TAG]: record.key };
    if (parentRunId) tags['mlflow.parentRunId'] = parentRunId;
    const run = await this.#ensure(record.key, experimentId, () =>
      createRun(connection, {
        experimentId,
        startTimeMs: record.startTimeMs,
        tags,
        ...(record.name === undefined ? {} : { name: record.name }),
      }),
    );
    const { runId } = run;
    const warnings: string[] = [];
    const isComplete = run.tags[RUN_COMPLETE_TAG] !== undefined && run.status !== 'RUNNING';
    if (!isComplete) {
      const { artifacts, skippedMetrics } = await logRunData(connection, runId, {
        params: record.params,
        metrics: record.metrics,
        tags,
      });
      const all = { ...record.artifacts, ...artifacts };
      const stored = await this.#storeArtifacts(run, all, warnings);
      await linkTracesToRun(connection, runId, record.traceIds);
      await logRunData(connection, runId, {
        tags: closingTags(record, stored, skippedMetrics, warnings),
      });
      await updateRun(connection, runId, {
        status: record.status,
        endTimeMs: record.endTimeMs,
        ...(record.name === undefined ? {} : { name: record.name }),
      });
      this.#remember(record.key, {
        ...run,
        status: record.status,
        tags: { ...run.tags, [RUN_COMPLETE_TAG]: 'true' },
      });
    }
    this.#begun.delete(record.key);
    return { runId, experimentId, warnings };
  }

  /** A child's record comes before its parent's. */
  #ensureParent(key: string, child: RunRecord, experimentId: string): Promise<RunInfo> {
    return this.#ensure(key, experimentId, () => {
      this.#begun.add(key);
      return createRun(this.#connection, {
        experimentId,
        // MLflow's `runs/update` cannot change it later.
        startTimeMs: child.parentStartTimeMs ?? child.startTimeMs,
        tags: { [RUN_KEY_TAG]: key },
      });
    });
  }

  /** Known, found on the server, or created; once for concurrent callers. */
  #ensure(key: string, experimentId: string, create: () => Promise<RunInfo>): Promise<RunInfo> {
    const known = this.#known.get(key);
    if (known) return known;
    const run = (async () => (await this.#search(key, experimentId)) ?? (await create()))();
    if (this.#known.size >= MAX_KNOWN)
      this.#known.delete(this.#known.keys().next().value as string);
    this.#known.set(key, run);
    run.catch(() => {
      if (this.#known.get(key) === run) this.#known.delete(key);
    });
    return run;
  }

  #remember(key: string, run: RunInfo): void {
    this.#known.set(key, Promise.resolve(run));
  }

  async #search(key: string, experimentId: string): Promise<RunInfo | undefined> {
    const { runs } = await searchRuns(this.#connection, {
      experimentIds: [experimentId],
      filter: `tags.\`${RUN_KEY_TAG}\` = '${key.replaceAll("'", '')}'`,
      maxResults: 1,
    });
    return runs[0];
  }

  /** Names of the artifacts that the server has. */
  async #storeArtifacts(
    run: RunInfo,
    artifacts: Record<string, string>,
    warnings: string[],
  ): Promise<string[]> {
    const stored: string[] = [];
    for (const [name, text] of Object.entries(artifacts)) {
      try {
        await putArtifact(this.#connection, run.artifactUri ?? '', name, text);
        stored.push(name);
      } catch (error) {
        if (!(error instanceof ArtifactLocationError)) throw error;
        warnings.push(`${name}: ${error.message}`);
      }
    }
    return stored;
  }
}

function closingTags(
  record: RunRecord,
  stored: readonly string[],
  skippedMetrics: readonly string[],
  warnings: readonly string[],
): Record<string, string> {
  const tags: Record<string, string> = { [RUN_COMPLETE_TAG]: 'true' };
  const tables = stored.filter((name) => isTable(record.artifacts[name]));
  if (tables.length > 0) {
    // What `mlflow.log_table` writes; the run page opens these as tables.
    tags[LOGGED_ARTIFACTS_TAG] = JSON.stringify(tables.map((path) => ({ path, type: 'table' })));
  }
  if (skippedMetrics.length > 0) tags[SKIPPED_METRICS_TAG] = skippedMetrics.join(', ');
  if (warnings.length > 0) tags['dspy.artifacts_skipped'] = warnings.join('\n');
  return tags;
}

/** `{"columns": […], "data": [[…], …]}`: how `mlflow.log_table` writes a table. */
function isTable(text: string | undefined): boolean {
  if (text === undefined || !/^\s*\{/.test(text)) return false;
  try {
    const value = JSON.parse(text) as { columns?: unknown; data?: unknown };
    return Array.isArray(value.columns) && Array.isArray(value.data);
  } catch {
    return false;
  }
}

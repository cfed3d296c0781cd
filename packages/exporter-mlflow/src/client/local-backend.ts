import { randomBytes } from 'node:crypto';
import type { AssessmentRecord, ExperimentRef } from '../internal-types.js';
import { LINKED_PROMPTS_TAG } from '../mapping/prompts.js';
import { own } from '../own.js';
import { MlflowApiError } from '../server/errors.js';
import { ExperimentError, type ExperimentInfo } from '../server/experiments.js';
import { otelTraceId, traceIdOf } from '../server/trace-id.js';
import { type LocalStore, openLocalStore } from '../store/local-store.js';
import type { RunPatch, StoreRecord } from '../store/records.js';
import { type IndexEntry, StoreReader } from '../store/store-reader.js';
import {
  localExperimentId,
  localExperimentName,
  localRunId,
  mergeRun,
  mergeTrace,
  type StoredRun,
} from '../store/stored.js';
import type { ClientBackend, PlannedQuery, PlannedRun, PlannedRunData } from './backend.js';
import { parseTraceFilter, parseTraceOrder } from './filter.js';
import { fromRecord, toRun, withoutSpans } from './local-model.js';
import { parseText } from './trace-model.js';
import type { PromptVersion, Run, RunEndStatus, Trace } from './types.js';

const MAX_READ_AT_ONCE = 64;

/** The client's calls on the folder of a local store. */
export class LocalBackend implements ClientBackend {
  readonly #directory: string;
  readonly #experiment: ExperimentRef;
  readonly #reader: StoreReader;
  #store: Promise<LocalStore> | undefined;

  constructor(directory: string, experiment: ExperimentRef) {
    this.#directory = directory;
    this.#experiment = experiment;
    this.#reader = new StoreReader(directory);
  }

  async *traces(query: PlannedQuery): AsyncGenerator<Trace[], void, undefined> {
    const matches = query.filter === undefined ? () => true : parseTraceFilter(query.filter);
    const order = parseTraceOrder(query.orderBy);
    const run = query.runId === undefined ? undefined : await this.#knownRun(query.runId);
    const belongs = await this.#scope(query, run);
    let page: Trace[] = [];
    for await (const trace of this.#ordered(order, query)) {
      if (!belongs.has(trace.experimentId)) continue;
      if (run && trace.runId !== run.runId) {
        if (!run.traceIds.has(otelTraceId(trace.traceId))) continue;
        trace.runId = run.runId;
      }
      if (!matches(trace)) continue;
      page.push(query.includeSpans ? trace : withoutSpans(trace));
      if (page.length < query.pageSize) continue;
      yield page;
      page = [];
    }
    if (page.length > 0) yield page;
  }

  /** By time alone, traces are read one by one as they are asked for; else all have to be. */
  async *#ordered(
    order: ReturnType<typeof parseTraceOrder>,
    query: PlannedQuery,
  ): AsyncGenerator<Trace> {
    await this.#reader.refresh();
    const isAscending = !/\bdesc$/i.test((query.orderBy[0] ?? '').trim());
    const entries = this.#reader
      .traces()
      .sort((a, b) => (isAscending ? a.timeMs - b.timeMs : b.timeMs - a.timeMs));
    if (order.byTime) yield* this.#readAll(entries);
    else {
      const all: Trace[] = [];
      for await (const trace of this.#readAll(entries)) all.push(trace);
      yield* all.sort(order.compare);
    }
  }

  /** A few at first, for who wants the newest alone; more at once for who goes on. */
  async *#readAll(entries: readonly IndexEntry[]): AsyncGenerator<Trace> {
    let count = 1;
    for (let start = 0; start < entries.length; ) {
      const some = entries.slice(start, start + count);
      start += count;
      for (const records of await this.#reader.readEach(some)) {
        const record = mergeTrace(records);
        if (record) yield fromRecord(record);
      }
      count = Math.min(count * 2, MAX_READ_AT_ONCE);
    }
  }

  /** Ids of the experiments to look in. */
  async #scope(query: PlannedQuery, run: StoredRun | undefined): Promise<Set<string>> {
    if (query.experimentId) return new Set([query.experimentId]);
    if (query.experimentName) {
      const found = await this.experiment({ name: query.experimentName });
      if (found) return new Set([found.id]);
      throw new ExperimentError(
        `the local store ${this.#directory} has no experiment named ${JSON.stringify(query.experimentName)}`,
      );
    }
    return new Set([localExperimentId(run ? run.experiment : this.#experiment)]);
  }

  async #read(entry: IndexEntry): Promise<Trace | undefined> {
    const record = mergeTrace(await this.#reader.read(entry.places));
    return record && fromRecord(record);
  }

  async trace(traceId: string): Promise<Trace | undefined> {
    await this.#reader.refresh();
    const entry = this.#reader.trace(otelTraceId(traceId));
    return entry && this.#read(entry);
  }

  async hasTrace(traceId: string): Promise<boolean> {
    await this.#reader.refresh();
    return (this.#reader.trace(otelTraceId(traceId))?.timeMs ?? 0) > 0;
  }

  async setTraceTag(traceId: string, key: string, value: string): Promise<void> {
    await this.#changeTags(traceId, { [key]: value });
  }

  async deleteTraceTag(traceId: string, key: string): Promise<void> {
    await this.#changeTags(traceId, { [key]: null });
  }

  async #changeTags(traceId: string, tags: Record<string, string | null>): Promise<void> {
    await this.#requireTrace(traceId);
    await this.#write({ type: 'tags', value: { traceId: otelTraceId(traceId), tags } });
  }

  async addAssessment(traceId: string, assessment: AssessmentRecord): Promise<AssessmentRecord> {
    await this.#requireTrace(traceId);
    await this.#write({
      type: 'assessment',
      value: { traceId: otelTraceId(traceId), assessment },
    });
    return assessment;
  }

  async deleteAssessment(traceId: string, assessmentId: string): Promise<void> {
    await this.#requireTrace(traceId);
    await this.#write({
      type: 'assessment',
      value: { traceId: otelTraceId(traceId), remove: assessmentId },
    });
  }

  async linkPrompts(traceId: string, prompts: readonly PromptVersion[]): Promise<void> {
    const trace = await this.trace(traceId);
    const known = parseText(trace?.tags[LINKED_PROMPTS_TAG]);
    const linked = (Array.isArray(known) ? known : []) as { name: string; version: string }[];
    for (const { name, version } of prompts) {
      const link = { name, version: String(version) };
      const isKnown = linked.some((one) => one.name === name && one.version === link.version);
      if (!isKnown) linked.push(link);
    }
    await this.setTraceTag(traceId, LINKED_PROMPTS_TAG, JSON.stringify(linked));
  }

  async experiment(by: { id: string } | { name: string }): Promise<ExperimentInfo | undefined> {
    for await (const ref of this.#experiments()) {
      const id = localExperimentId(ref);
      const name = localExperimentName(ref);
      if ('id' in by ? id === by.id : name === by.name) {
        return { id, name: name ?? id, lifecycleStage: 'active', tags: {} };
      }
    }
    return undefined;
  }

  /** Experiments of a store are those its records name. */
  async *#experiments(): AsyncGenerator<ExperimentRef> {
    await this.#reader.refresh();
    const entries = [...this.#reader.runs(), ...this.#reader.traces()];
    for (const { places } of entries) {
      for (const record of await this.#reader.read(places)) {
        if (record.type === 'trace') yield record.value.info.experiment;
        if (record.type === 'run') yield record.value.experiment;
        if (record.type === 'runPatch' && record.value.experiment) yield record.value.experiment;
      }
    }
  }

  async getOrCreateExperiment(name: string): Promise<string> {
    return localExperimentId({ name });
  }

  async createRun(planned: PlannedRun): Promise<Run> {
    const runId = randomBytes(16).toString('hex');
    const { experimentId: id, experimentName: name } = planned;
    const patch: RunPatch = {
      runId,
      experiment: id ? { id } : name ? { name } : this.#experiment,
      status: 'RUNNING',
      startTimeMs: planned.startTimeMs,
      tags: planned.tags,
    };
    if (planned.name !== undefined) patch.name = planned.name;
    const parentRunId = planned.tags['mlflow.parentRunId'];
    if (parentRunId !== undefined) patch.parentRunId = parentRunId;
    await this.#write({ type: 'runPatch', value: patch });
    return toRun(await this.#knownRun(runId));
  }

  async run(runId: string): Promise<Run | undefined> {
    const run = await this.#run(runId);
    return run && toRun(run);
  }

  async logToRun(runId: string, data: PlannedRunData): Promise<void> {
    await this.#changeRun({ runId, ...data });
  }

  async logArtifact(runId: string, name: string, content: string | Uint8Array): Promise<void> {
    const stored =
      typeof content === 'string' ? content : { base64: Buffer.from(content).toString('base64') };
    await this.#changeRun({ runId, artifacts: { [name]: stored } });
  }

  async artifact(runId: string, name: string): Promise<string | undefined> {
    const content = own((await this.#knownRun(runId)).artifacts, name);
    if (content === undefined || typeof content === 'string') return content;
    return Buffer.from(content.base64, 'base64').toString('utf8');
  }

  async linkTraces(runId: string, traceIds: readonly string[]): Promise<void> {
    await this.#changeRun({ runId, traceIds: traceIds.map(otelTraceId) });
  }

  async endRun(runId: string, status: RunEndStatus, endTimeMs: number): Promise<void> {
    await this.#changeRun({ runId, status, endTimeMs });
  }

  async close(): Promise<void> {
    await (await this.#store)?.close();
  }

  async #changeRun(patch: RunPatch): Promise<void> {
    await this.#knownRun(patch.runId);
    await this.#write({ type: 'runPatch', value: patch });
  }

  async #run(runId: string): Promise<StoredRun | undefined> {
    await this.#reader.refresh();
    const places = this.#reader
      .runs()
      .filter(({ key }) => key === runId || localRunId(key) === runId)
      .flatMap(({ places }) => places);
    return mergeRun(runId, await this.#reader.read(places));
  }

  async #knownRun(runId: string): Promise<StoredRun> {
    return (await this.#run(runId)) ?? missing(`no run with id ${runId}`);
  }

  async #requireTrace(traceId: string): Promise<void> {
    if (!(await this.hasTrace(traceId))) missing(`no trace with id ${traceIdOf(traceId)}`);
  }

  async #write(record: StoreRecord): Promise<void> {
    this.#store ??= openLocalStore({ directory: this.#directory });
    try {
      await (await this.#store).write([record]);
    } catch (error) {
      this.#store = undefined;
      throw error;
    }
  }
}

/** The same error as a server gives. */
function missing(reason: string): never {
  throw new MlflowApiError(404, 'local store', 'RESOURCE_DOES_NOT_EXIST', reason);
}

import { SpanKind } from '@opentelemetry/api';
import type {
  AttributeMap,
  ExperimentRef,
  RunRecord,
  SpanRecord,
  TraceInfoRecord,
  TraceRecord,
} from '../internal-types.js';
import { readAssessments } from './assessment.js';
import { foldSpans } from './fold.js';
import {
  type Complaint,
  MAX_SESSION,
  MAX_TRACE_NAME,
  readMetadata,
  readTags,
  TRACE_NAME_TAG,
  toMetadata,
  toTag,
  writeTraceTags,
} from './labels.js';
import { previewOf } from './preview.js';
import { addPrompts, LINKED_PROMPTS_TAG, promptsTag, readPrompts } from './prompts.js';
import { readText } from './read.js';
import { dropRollups } from './rollup.js';
import { takeRun } from './run.js';
import { isRunId } from './run-id.js';
import type { MappedSpan } from './span.js';
import { UNKNOWN_TYPE } from './span-type.js';
import { cap } from './text.js';
import { TOPIC } from './topics.js';
import { newTraceMemory, type TraceMemory } from './trace-memory.js';

export interface TraceBookOptions {
  experiment: ExperimentRef;
  runId?: string | undefined;
  tags: Readonly<Record<string, string>>;
  metadata: Readonly<Record<string, string>>;
  /** Metadata that says where traces come from; on the root also as tags of the same names, which OTLP can carry. */
  source?: Readonly<Record<string, string>>;
  maxSpansPerTrace: number;
  /** Milliseconds after a local root until its trace is closed from here. */
  remoteRootTimeoutMs: number;
  complain: Complaint;
}

/** The spans of a batch by trace, in the order of their first one. */
export function groupByTrace(spans: readonly MappedSpan[]): MappedSpan[][] {
  const groups = new Map<string, MappedSpan[]>();
  for (const span of spans) {
    const group = groups.get(span.record.traceId);
    if (group === undefined) groups.set(span.record.traceId, [span]);
    else group.push(span);
  }
  return [...groups.values()];
}

/** Traces remembered between batches; beyond it the ones unchanged for longest are closed. */
const MAX_TRACES = 2_000;
/** A trace whose root has come is remembered so long for spans that end after it. */
const LATE_SPANS_MS = 60_000;
/** A trace of this process without a new span for so long has lost its root. */
const LOST_ROOT_MS = 15 * 60_000;
/** Characters of a value in a message. */
const MAX_SHOWN = 100;

export interface SizedTrace {
  record: TraceRecord;
  /** Estimated size in memory and on the wire. */
  bytes: number;
}

/**
 * Puts mapped spans together to traces. A batch may hold any part of a trace, so what the rest of it
 * needs (destination, what the trace is about, tags, which spans were folded) is remembered, bounded
 * in number and time.
 */
export class TraceBook {
  readonly #options: TraceBookOptions;
  readonly #tags: Readonly<Record<string, string>>;
  readonly #metadata: Readonly<Record<string, string>>;
  /** In the order of the last change. */
  readonly #traces = new Map<string, TraceMemory>();
  #folded = 0;

  constructor(options: TraceBookOptions) {
    this.#options = options;
    const entries = (
      labels: Readonly<Record<string, string>>,
      clean: typeof toTag,
    ): Record<string, string> =>
      Object.fromEntries(
        Object.entries(labels)
          .map(([key, value]) => clean(key, value, options.complain))
          .filter((entry) => entry !== undefined),
      );
    this.#tags = entries(options.tags, toTag);
    this.#metadata = { ...options.source, ...entries(options.metadata, toMetadata) };
  }

  /** Spans folded so far. */
  get folded(): number {
    return this.#folded;
  }

  /** What a batch holds of one trace, and the runs that its spans asked for. */
  add(spans: MappedSpan[], now: number): { trace: SizedTrace; runs: RunRecord[] } {
    const runs: RunRecord[] = [];
    const traceId = spans[0]?.record.traceId ?? '';
    return { trace: this.#addToTrace(this.#recall(traceId, now), spans, runs), runs };
  }

  /**
   * Ends of traces whose root has not come: those that have waited long enough, and those beyond the
   * bound; all of them when `all` is set (the process ends, no root can come any more).
   */
  close(now: number, all = false): TraceRecord[] {
    this.#forgetFinished(now);
    const closed: TraceRecord[] = [];
    for (const memory of this.#traces.values()) {
      const isExcess = this.#traces.size > MAX_TRACES;
      if (!all && !isExcess && now - memory.touchedAt < this.#patience(memory)) continue;
      if (!isFinished(memory)) {
        closed.push(this.#closing(memory));
        memory.root = 'closed';
        memory.touchedAt = now;
      }
      // Otherwise remembered on, so that a root that comes after all corrects what was written.
      if (all || isExcess) this.#traces.delete(memory.traceId);
    }
    return closed;
  }

  /** Those whose time has passed, and the longest unchanged ones beyond the bound. */
  #forgetFinished(now: number): void {
    for (const memory of this.#traces.values()) {
      if (!isFinished(memory)) continue;
      const isOver = now - memory.touchedAt >= this.#patience(memory);
      if (isOver || this.#traces.size > MAX_TRACES) this.#traces.delete(memory.traceId);
    }
  }

  #patience({ root }: TraceMemory): number {
    if (root === 'remote') return this.#options.remoteRootTimeoutMs;
    return root === 'local' ? LATE_SPANS_MS : LOST_ROOT_MS;
  }

  #recall(traceId: string, now: number): TraceMemory {
    let memory = this.#traces.get(traceId);
    if (memory === undefined) {
      memory = newTraceMemory(traceId, now);
    } else {
      this.#traces.delete(traceId);
      memory.touchedAt = now;
    }
    this.#traces.set(traceId, memory);
    return memory;
  }

  #addToTrace(memory: TraceMemory, group: MappedSpan[], runs: RunRecord[]): SizedTrace {
    const root = group.find(({ record }) => record.parentSpanId === undefined)?.record;
    const localRoot = root ?? group.find(({ record }) => record.parentIsRemote)?.record;
    let about = false;
    for (const span of group) about = this.#observe(memory, span) || about;
    this.#chooseDestination(memory, group, localRoot);
    for (const { record, topics } of group) {
      if (!(topics & TOPIC.run)) continue;
      const run = takeRun(record, memory.experiment ?? this.#options.experiment);
      if (run) runs.push(run);
    }
    dropRollups(group, memory.usageAbove);
    const before = memory.fold.folded;
    const kept = foldSpans(group, memory.fold, this.#options.maxSpansPerTrace, root !== undefined);
    this.#folded += memory.fold.folded - before;

    const spans = kept.map(({ record }) => record);
    let completing = root;
    if (root) this.#rootCame(memory, root);
    else if (localRoot && memory.root !== 'local') {
      this.#localRootCame(memory, localRoot);
      completing = localRoot;
    } else if (about && memory.bareRoot) {
      completing = this.#amendRoot(memory, memory.bareRoot);
      spans.push(completing);
    }
    const info = this.#info(memory, completing !== undefined);
    if (completing) writePreviews(info, completing.attributes);
    if (memory.root === 'local' || memory.root === 'closed') {
      info.assessments = memory.assessments.splice(0);
    }
    const record: TraceRecord = { info, complete: completing !== undefined, spans };
    if (memory.root === 'remote') record.remoteRoot = true;
    if (!completing && (memory.root === 'local' || memory.root === 'closed')) record.late = true;
    if (memory.restates && root) {
      record.restates = true;
      memory.restates = false;
    }
    memory.lead.shrink();
    return { record, bytes: kept.reduce((sum, { bytes }) => sum + bytes, 0) };
  }

  #closing(memory: TraceMemory): TraceRecord {
    memory.rootStatus ??= memory.lead.status;
    memory.rootName ??= memory.lead.name;
    const info = this.#info(memory, true);
    writePreviews(info, {
      'mlflow.spanInputs': memory.lead.inputs,
      'mlflow.spanOutputs': memory.lead.outputs,
    });
    info.assessments = memory.assessments.splice(0);
    return { info, complete: true, spans: [], closing: true };
  }

  #observe(memory: TraceMemory, { record, topics }: MappedSpan): boolean {
    const { attributes } = record;
    memory.startMs = Math.min(memory.startMs, Number(record.startTimeUnixNano / 1_000_000n));
    memory.endMs = Math.max(memory.endMs, Number(record.endTimeUnixNano / 1_000_000n));
    if (topics & TOPIC.identity) {
      memory.session ??=
        readText(attributes, 'session.id') ?? readText(attributes, 'gen_ai.conversation.id');
      memory.user ??= readText(attributes, 'user.id');
    }
    if (topics & TOPIC.requestId) {
      memory.clientRequestId ??= readText(attributes, 'dspy.client_request_id');
    }
    if (topics & TOPIC.score || record.events.length > 0) {
      memory.assessments.push(...readAssessments(record));
    }
    if (topics & TOPIC.prompts) addPrompts(memory.prompts, readPrompts(attributes));
    memory.leftProcess ||=
      (record.kind === SpanKind.CLIENT || record.kind === SpanKind.PRODUCER) &&
      attributes['mlflow.spanType'] === UNKNOWN_TYPE;
    let changed = memory.lead.observe(record);
    // On the execution's outermost span; its parent may be anybody's.
    const isOurs = attributes['dspy.module.name'] !== undefined;
    const outermost = isOurs || record.parentSpanId === undefined || record.parentIsRemote;
    if (outermost && topics & TOPIC.labels) {
      const complain = this.#options.complain;
      for (const [key, value] of Object.entries(readTags(attributes, complain))) {
        changed ||= memory.tags[key] !== value;
        memory.tags[key] = value;
      }
      Object.assign(memory.metadata, readMetadata(attributes, complain));
    }
    return changed;
  }

  /** The root's word counts most, then a span of ours; what was sent first is where the server has the trace. */
  #chooseDestination(
    memory: TraceMemory,
    group: readonly MappedSpan[],
    root: SpanRecord | undefined,
  ): void {
    const naming = group.filter(({ topics }) => topics & TOPIC.destination);
    if (naming.length > 0) this.#readDestination(memory, naming, root);
    memory.experiment ??= this.#options.experiment;
    memory.runId ??= this.#options.runId;
  }

  #readDestination(
    memory: TraceMemory,
    naming: readonly MappedSpan[],
    root: SpanRecord | undefined,
  ): void {
    const named = (key: string): string | undefined =>
      (root && readText(root.attributes, key)) ??
      naming
        .map(({ record }) => readText(record.attributes, key))
        .find((text) => text !== undefined);
    const experiment = named('dspy.experiment');
    const first = memory.experiment === undefined;
    if (experiment !== undefined && (first || root)) {
      if (!first && memory.experiment?.name !== experiment) memory.restates = true;
      memory.experiment = { name: experiment };
    }
    const runId = named('dspy.run_id');
    if (runId === undefined || (memory.runId !== undefined && !root)) return;
    if (isRunId(runId)) memory.runId = runId;
    else {
      this.#options.complain(
        `${JSON.stringify(cap(runId, MAX_SHOWN))} (dspy.run_id) is not a run id; its trace is sent without`,
      );
    }
  }

  #rootCame(memory: TraceMemory, root: SpanRecord): void {
    memory.rootStatus = root.status.code === 2 ? 2 : 1;
    // A process further down may have closed the trace as OK; only StartTraceV3 takes that back.
    if (memory.root === 'closed' || (memory.leftProcess && memory.rootStatus === 2)) {
      memory.restates = true;
    }
    memory.root = 'local';
    memory.rootName =
      readText(root.attributes, `mlflow.traceTag.${TRACE_NAME_TAG}`) ??
      readText(root.attributes, 'dspy.module.name') ??
      memory.lead.name ??
      root.name;
    this.#dressRoot(memory, root);
    const { 'mlflow.spanInputs': inputs, 'mlflow.spanOutputs': outputs } = root.attributes;
    memory.bareRoot = inputs === undefined && outputs === undefined ? root : undefined;
    if (memory.bareRoot === undefined) memory.lead.forgetContent();
  }

  #localRootCame(memory: TraceMemory, localRoot: SpanRecord): void {
    memory.root = 'remote';
    // One trace may come here several times: the first names its part, any may fail it.
    if (memory.rootStatus !== 2) memory.rootStatus = localRoot.status.code === 2 ? 2 : 1;
    memory.rootName ??=
      readText(localRoot.attributes, 'dspy.module.name') ?? memory.lead.name ?? localRoot.name;
  }

  /** A span that ended after its root says what the trace is about: the root is sent once more. */
  #amendRoot(memory: TraceMemory, root: SpanRecord): SpanRecord {
    const again = { ...root, attributes: { ...root.attributes } };
    memory.rootName = memory.lead.name ?? memory.rootName;
    this.#dressRoot(memory, again);
    const { 'mlflow.spanInputs': inputs, 'mlflow.spanOutputs': outputs } = again.attributes;
    if (inputs !== undefined || outputs !== undefined) memory.bareRoot = undefined;
    return again;
  }

  /** The server takes the trace's name, previews and tags from its root span. */
  #dressRoot(memory: TraceMemory, root: SpanRecord): void {
    const { attributes } = root;
    if (memory.lead.inputs !== undefined) attributes['mlflow.spanInputs'] ??= memory.lead.inputs;
    if (memory.lead.outputs !== undefined && root.status.code !== 2) {
      attributes['mlflow.spanOutputs'] ??= memory.lead.outputs;
    }
    const tags: Record<string, string> = this.#allTags(memory);
    const name = memory.rootName ?? root.name;
    tags[TRACE_NAME_TAG] = cap(name, MAX_TRACE_NAME);
    writeTraceTags(attributes, { ...this.#options.source, ...tags });
  }

  #allTags(memory: TraceMemory): Record<string, string> {
    const tags = { ...this.#tags, ...memory.tags };
    if (memory.prompts.length > 0) {
      tags[LINKED_PROMPTS_TAG] = promptsTag(memory.prompts);
    }
    if (memory.fold.folded > 0) tags['dspy.folded_spans'] = String(memory.fold.folded);
    return tags;
  }

  #info(memory: TraceMemory, complete: boolean): TraceInfoRecord {
    const metadata: Record<string, string> = { ...this.#metadata, ...memory.metadata };
    if (memory.session !== undefined) {
      metadata['mlflow.trace.session'] = cap(memory.session, MAX_SESSION);
    }
    if (memory.user !== undefined) metadata['mlflow.trace.user'] = cap(memory.user, MAX_SESSION);
    const info: TraceInfoRecord = {
      traceId: memory.traceId,
      experiment: memory.experiment ?? this.#options.experiment,
      requestTimeMs: memory.startMs,
      state: complete ? (memory.rootStatus === 2 ? 'ERROR' : 'OK') : 'IN_PROGRESS',
      metadata,
      tags: this.#allTags(memory),
      assessments: [],
    };
    if (memory.runId !== undefined) info.runId = memory.runId;
    if (memory.rootName !== undefined) info.name = cap(memory.rootName, MAX_TRACE_NAME);
    if (memory.clientRequestId !== undefined) info.clientRequestId = memory.clientRequestId;
    if (memory.prompts.length > memory.promptsHanded) {
      info.prompts = memory.prompts.slice(memory.promptsHanded);
      memory.promptsHanded = memory.prompts.length;
    }
    if (complete) info.durationMs = memory.endMs - memory.startMs;
    return info;
  }
}

function writePreviews(info: TraceInfoRecord, attributes: AttributeMap): void {
  const request = previewOf(attributes['mlflow.spanInputs'], 'user');
  if (request !== undefined) info.requestPreview = request;
  const response = previewOf(attributes['mlflow.spanOutputs'], 'assistant');
  if (response !== undefined) info.responsePreview = response;
}

/** The server has been told how the trace ended. */
function isFinished({ root }: TraceMemory): boolean {
  return root === 'local' || root === 'closed';
}

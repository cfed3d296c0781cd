import type { SpanRecord } from '../internal-types.js';
import type { MappedSpan } from './span.js';
import { UNKNOWN_TYPE } from './span-type.js';

/** What folding remembers of a trace between its batches. */
export interface FoldMemory {
  kept: number;
  folded: number;
  /** Parents of spans already sent: folding one would leave its children without a parent. */
  neededParents: Set<string> | undefined;
  /** Counts waiting for the span they belong to, by its id. */
  waiting: Map<string, Map<string, number>> | undefined;
}

export function createFoldMemory(): FoldMemory {
  return { kept: 0, folded: 0, neededParents: undefined, waiting: undefined };
}

/** Names listed on a parent; the rest is summed up as `…`. */
const MAX_NAMES = 20;

/** How much a span tells: 0 is never folded. */
type Rank = 0 | 1 | 2 | 3;

/**
 * Share of the limit that spans of a rank may fill while more of the trace can come: a later model
 * call or program finds room because what tells least stopped earlier.
 */
const SHARE: Readonly<Record<Rank, number>> = { 0: Number.POSITIVE_INFINITY, 1: 1, 2: 0.8, 3: 0.6 };

const LOW_TYPES: ReadonlySet<string> = new Set(['PARSER', 'CHAIN', 'TASK']);

/**
 * Keeps at most about `limit` spans of a trace. The others become counts by name on the nearest kept
 * ancestor (`dspy.folded.spans`, `dspy.folded.names`). Roots, errors, model calls, runs and ancestors
 * of kept spans stay, so the tree stays whole and its totals right.
 *
 * @param spans one batch of the trace, children mostly before parents
 * @param complete the root is in the batch, so nothing has to be kept free for later
 */
export function foldSpans(
  spans: MappedSpan[],
  memory: FoldMemory,
  limit: number,
  complete: boolean,
): MappedSpan[] {
  if (memory.folded === 0 && memory.kept + spans.length <= limit * (complete ? 1 : SHARE[3])) {
    memory.kept += spans.length;
    for (const { record } of spans) need(memory, record);
    return spans;
  }
  const byId = new Map(spans.map((span) => [span.record.spanId, span]));
  const kept = chooseKept(spans, byId, memory, limit, complete);
  countFolded(spans, byId, kept, memory);
  const result = spans.filter((span) => kept.has(span));
  for (const { record } of result) {
    need(memory, record);
    annotate(record, memory);
  }
  return result;
}

function need(memory: FoldMemory, { parentSpanId }: SpanRecord): void {
  if (parentSpanId === undefined) return;
  memory.neededParents ??= new Set();
  memory.neededParents.add(parentSpanId);
}

function chooseKept(
  spans: MappedSpan[],
  byId: Map<string, MappedSpan>,
  memory: FoldMemory,
  limit: number,
  complete: boolean,
): Set<MappedSpan> {
  const kept = new Set<MappedSpan>();
  const ranked: [MappedSpan[], MappedSpan[], MappedSpan[], MappedSpan[]] = [[], [], [], []];
  for (const span of spans) ranked[rankOf(span, memory)].push(span);
  for (const rank of [0, 1, 2, 3] as const) {
    const room = complete && rank > 0 ? limit : limit * SHARE[rank];
    for (const span of ranked[rank]) {
      if (memory.kept >= room) break;
      keepWithAncestors(span, byId, kept, memory);
    }
  }
  return kept;
}

function keepWithAncestors(
  span: MappedSpan,
  byId: Map<string, MappedSpan>,
  kept: Set<MappedSpan>,
  memory: FoldMemory,
): void {
  for (
    let next: MappedSpan | undefined = span;
    next !== undefined && !kept.has(next);
    next = byId.get(next.record.parentSpanId ?? '')
  ) {
    kept.add(next);
    memory.kept++;
  }
}

function rankOf({ record, hasUsage }: MappedSpan, memory: FoldMemory): Rank {
  const { attributes } = record;
  const type = attributes['mlflow.spanType'];
  if (
    record.parentSpanId === undefined ||
    record.parentIsRemote ||
    record.status.code === 2 ||
    hasUsage ||
    type === 'CHAT_MODEL' ||
    type === 'LLM' ||
    type === 'EMBEDDING' ||
    attributes['dspy.run.kind'] !== undefined ||
    memory.neededParents?.has(record.spanId)
  ) {
    return 0;
  }
  if (type === UNKNOWN_TYPE) return 3;
  const isProgram = attributes['dspy.signature'] !== undefined;
  return typeof type === 'string' && LOW_TYPES.has(type) && !isProgram ? 2 : 1;
}

function countFolded(
  spans: MappedSpan[],
  byId: Map<string, MappedSpan>,
  kept: Set<MappedSpan>,
  memory: FoldMemory,
): void {
  for (const span of spans) {
    if (kept.has(span)) continue;
    memory.folded++;
    const target = nearestKept(span, byId, kept);
    memory.waiting ??= new Map();
    const inherited = memory.waiting.get(span.record.spanId);
    memory.waiting.delete(span.record.spanId);
    // Without a parent to hold them they are in the trace's total only.
    if (target === undefined) continue;
    let counts = memory.waiting.get(target);
    if (counts === undefined) {
      counts = new Map();
      memory.waiting.set(target, counts);
    }
    add(counts, span.record.name, 1);
    for (const [name, count] of inherited ?? []) add(counts, name, count);
  }
}

/** Id of the nearest ancestor that is kept, or of the first one that is not in this batch. */
function nearestKept(
  span: MappedSpan,
  byId: Map<string, MappedSpan>,
  kept: Set<MappedSpan>,
): string | undefined {
  let parentId = span.record.parentSpanId;
  for (let steps = 0; parentId !== undefined && steps <= byId.size; steps++) {
    const parent = byId.get(parentId);
    if (parent === undefined || kept.has(parent)) return parentId;
    parentId = parent.record.parentSpanId;
  }
  return parentId;
}

function add(counts: Map<string, number>, name: string, count: number): void {
  const key = counts.has(name) || counts.size < MAX_NAMES ? name : '…';
  counts.set(key, (counts.get(key) ?? 0) + count);
}

function annotate(record: SpanRecord, memory: FoldMemory): void {
  const counts = memory.waiting?.get(record.spanId);
  if (counts === undefined) return;
  memory.waiting?.delete(record.spanId);
  let total = 0;
  for (const count of counts.values()) total += count;
  record.attributes['dspy.folded.spans'] = total;
  record.attributes['dspy.folded.names'] = JSON.stringify(Object.fromEntries(counts));
}

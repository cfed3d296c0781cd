import type { AttributeValue, SpanRecord } from '../internal-types.js';
import { readText } from './read.js';
import { UNKNOWN_TYPE } from './span-type.js';
import { cap } from './text.js';

/** Characters of inputs and outputs remembered for a root that comes in a later batch. */
const MAX_REMEMBERED = 4_096;

/** Spans that are part of a program, never the program itself. */
const PARTS: ReadonlySet<string> = new Set([
  'CHAT_MODEL',
  'LLM',
  'EMBEDDING',
  'TOOL',
  'RETRIEVER',
  'RERANKER',
  'PARSER',
  'EVALUATOR',
  'GUARDRAIL',
]);

interface Candidate {
  rank: number;
  start: bigint;
  end: bigint;
  name: string | undefined;
  value: AttributeValue | undefined;
}

/**
 * What a trace is about, gathered from its spans in any order: the outermost program (it starts
 * first), and what its last program answered. Gives a root that says nothing itself, such as an HTTP
 * server's span, the name, inputs and outputs that the trace is listed with.
 */
export class Lead {
  #first: Candidate | undefined;
  #last: Candidate | undefined;
  #status: 1 | 2 = 1;

  /** Returns whether the span changed what the trace is about. */
  observe(span: SpanRecord): boolean {
    const rank = rankOf(span);
    if (rank === 0) return false;
    const { attributes, startTimeUnixNano: start, endTimeUnixNano: end } = span;
    const name = readText(attributes, 'dspy.module.name');
    let changed = false;
    if (isBefore(this.#first, rank, start, end)) {
      this.#first = { rank, start, end, name, value: attributes['mlflow.spanInputs'] };
      this.#status = span.status.code === 2 ? 2 : 1;
      changed = true;
    }
    if (isAfter(this.#last, rank, start, end)) {
      this.#last = { rank, start, end, name, value: attributes['mlflow.spanOutputs'] };
      changed = true;
    }
    return changed;
  }

  /** Plain name of the program; undefined where no span of ours was seen. */
  get name(): string | undefined {
    return this.#first?.name;
  }

  get inputs(): AttributeValue | undefined {
    return this.#first?.value;
  }

  get outputs(): AttributeValue | undefined {
    return this.#last?.value;
  }

  /** Status of the outermost program: what is known of a trace whose root never came. */
  get status(): 1 | 2 {
    return this.#status;
  }

  /** Bounds what is remembered between batches. */
  shrink(): void {
    for (const candidate of [this.#first, this.#last]) {
      if (candidate && typeof candidate.value === 'string') {
        candidate.value = cap(candidate.value, MAX_REMEMBERED);
      }
    }
  }

  /** Once the root has them. */
  forgetContent(): void {
    for (const candidate of [this.#first, this.#last]) {
      if (candidate) candidate.value = undefined;
    }
  }
}

/** 3 a program of ours, 2 another span of ours, 1 any span that has a type and content, 0 none. */
function rankOf({ attributes }: SpanRecord): number {
  const type = attributes['mlflow.spanType'];
  if (attributes['dspy.module.name'] !== undefined) {
    return typeof type === 'string' && PARTS.has(type) ? 2 : 3;
  }
  if (type === UNKNOWN_TYPE) return 0;
  return attributes['mlflow.spanInputs'] !== undefined ||
    attributes['mlflow.spanOutputs'] !== undefined
    ? 1
    : 0;
}

/** Ancestors end later and so are seen later: on a tie the later one seen is the outer. */
function isBefore(known: Candidate | undefined, rank: number, start: bigint, end: bigint): boolean {
  if (known === undefined || rank !== known.rank) return known === undefined || rank > known.rank;
  return start < known.start || (start === known.start && end >= known.end);
}

function isAfter(known: Candidate | undefined, rank: number, start: bigint, end: bigint): boolean {
  if (known === undefined || rank !== known.rank) return known === undefined || rank > known.rank;
  return end > known.end || (end === known.end && start <= known.start);
}

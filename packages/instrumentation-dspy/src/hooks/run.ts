import { context } from '@opentelemetry/api';
import { scopeOf } from '../execution/context.js';
import { isAnyUnderWay, Operation } from '../execution/operation.js';
import type { DeltaCollector } from './deltas.js';

/** What happens within one call of a generator, which may ask its model several times. */
export class GeneratorRun {
  /** Requests to the model: steps and corrections. */
  requests = 0;
  /** What the last response asked to be called. */
  readonly toolCalls = new ToolCalls();

  constructor(
    readonly generator: object,
    /** What a streaming call has yielded. */
    readonly deltas?: DeltaCollector,
  ) {}
}

/** A tool call as a response asks for it. */
export interface ToolCall {
  readonly id?: unknown;
  readonly function?: { readonly name?: unknown };
}

/**
 * The tool calls of a response, to be told apart when they are made: Ax does not hand the id of a
 * call to the tool, but makes the calls in the order of the response.
 */
export class ToolCalls {
  #expected: ToolCall[] | undefined;
  /** Ids of calls that were announced before the response with all of them. */
  #announced: Set<unknown> | undefined;

  expect(calls: readonly ToolCall[]): void {
    const announced = this.#announced;
    const added =
      announced === undefined ? calls : calls.filter((call) => !announced.has(call?.id));
    this.#expected = this.#expected === undefined ? [...added] : [...this.#expected, ...added];
  }

  /** A call that a response under way asks for, and that may be made before its end. */
  announce(call: ToolCall): void {
    this.expect([call]);
    this.#announced ??= new Set();
    this.#announced.add(call?.id);
  }

  /** Forgets the calls of the response before. */
  clear(): void {
    this.#expected = undefined;
    this.#announced = undefined;
  }

  /** The id of the next call of a tool. */
  take(name: string): string | undefined {
    const expected = this.#expected;
    if (expected === undefined) return undefined;
    const wanted = plainName(name);
    const index = expected.findIndex((call) => plainName(call?.function?.name) === wanted);
    if (index < 0) return undefined;
    const id = expected.splice(index, 1)[0]?.id;
    return typeof id === 'string' && id !== '' ? id : undefined;
  }
}

/** Ax finds a tool by its name without case and separators. */
export function plainName(name: unknown): string {
  return typeof name === 'string' ? name.replace(/[^a-zA-Z0-9]/g, '').toLowerCase() : '';
}

/** The operation in progress, if any. */
export function activeOperation(): Operation | undefined {
  if (!isAnyUnderWay()) return undefined;
  const scope = scopeOf(context.active());
  return scope instanceof Operation ? scope : undefined;
}

export function runOf(operation: Operation | undefined): GeneratorRun | undefined {
  const state = operation?.state;
  return state instanceof GeneratorRun ? state : undefined;
}

/** The run of the generator around an operation. */
export function nearestRun(operation: Operation): GeneratorRun | undefined {
  for (let above = operation.parent; above !== undefined; above = above.parent) {
    const run = runOf(above);
    if (run !== undefined) return run;
  }
  return undefined;
}

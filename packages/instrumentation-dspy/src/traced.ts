import { type TraceContext, withTraceContext } from './context.js';
import { diagnostics } from './diagnostics.js';
import type { Method } from './hooks/types.js';
import { isPatched } from './patches.js';
import { tracingInForce } from './trace-call.js';

/** Anything with a forward call: an Ax program, or a class or object of your own. */
export interface TraceableProgram {
  // biome-ignore lint/suspicious/noExplicitAny: programs differ in what they take
  forward(...args: any[]): unknown;
  // biome-ignore lint/suspicious/noExplicitAny: programs differ in what they take
  streamingForward?(...args: any[]): unknown;
}

/** Metadata of a {@link TracedModule}: names of sessions and users are also recorded as what they are. */
export type TraceMetadata = Readonly<Record<string, unknown>>;

/**
 * A program with metadata for its traces. Its calls are those of the program, with the same
 * arguments and results. A program that has no traced method of its own (a plain object, a class
 * derived from no class of Ax) gets its span here.
 *
 *     const program = traced(ax('question:string -> answer:string')).setMetadata({
 *       sessionId: 'abc-def', userId: '12345', modelVersion: 'v2.1',
 *     });
 *     await program.forward(llm, { question: 'Why?' });
 */
export class TracedModule<P extends TraceableProgram> {
  #metadata: TraceMetadata = {};

  constructor(
    /** The program itself. */
    readonly program: P,
  ) {}

  /**
   * Adds to the metadata of the executions that start from now on. `userId` (or `user_id`) and
   * `sessionId` (or `session_id`) are recorded as user and session too.
   */
  setMetadata(metadata: TraceMetadata): this {
    this.#metadata = { ...this.#metadata, ...metadata };
    return this;
  }

  /** Calls the program's `forward`. */
  forward(...args: Parameters<P['forward']>): ReturnType<P['forward']> {
    return this.#call('forward', args) as ReturnType<P['forward']>;
  }

  /** Calls the program's `streamingForward`. Throws what calling a missing method throws. */
  streamingForward(
    ...args: Parameters<NonNullable<P['streamingForward']>>
  ): ReturnType<NonNullable<P['streamingForward']>> {
    return this.#call('streamingForward', args) as ReturnType<NonNullable<P['streamingForward']>>;
  }

  #call(name: 'forward' | 'streamingForward', args: unknown[]): unknown {
    const { program } = this;
    const method = program[name] as Method;
    const values: TraceContext = {};
    let tracing: ReturnType<typeof tracingInForce>;
    try {
      Object.assign(values, contextOf(this.#metadata));
      if (typeof method === 'function' && !isTraced(program, name)) tracing = tracingInForce();
    } catch (fault) {
      diagnostics.fault('traced', fault);
    }
    return withTraceContext(values, () =>
      tracing === undefined
        ? method.apply(program, args)
        : tracing.traceProgram(program, method, args, name === 'streamingForward'),
    );
  }
}

/** Wraps a program for traces with metadata: {@link TracedModule}. */
export function traced<P extends TraceableProgram>(program: P): TracedModule<P> {
  return new TracedModule(program);
}

/** `true` when some level of the class makes the span: the method itself or one it goes before. */
function isTraced(program: object, name: string): boolean {
  for (let level: object | null = program; level !== null; level = Object.getPrototypeOf(level)) {
    if (isPatched(Object.getOwnPropertyDescriptor(level, name)?.value)) return true;
  }
  return false;
}

function contextOf(metadata: TraceMetadata): TraceContext {
  return {
    metadata,
    userId: textOf(metadata.userId ?? metadata.user_id),
    sessionId: textOf(metadata.sessionId ?? metadata.session_id),
  };
}

function textOf(value: unknown): string | undefined {
  return typeof value === 'string' || typeof value === 'number' ? String(value) : undefined;
}

import type { Attributes, Link, SpanKind } from '@opentelemetry/api';
import type { AxCopy } from '../copy.js';
import type { Settings } from '../settings.js';
import type { Operation } from './operation.js';

/**
 * What an operation is to the gate:
 * - `program`: has a forward call. Subject to the module filter; sums up the usage below it.
 * - `model`: a call of a model. Always a span of its own in a traced execution, so that tokens and
 *   cost stay right.
 * - `step`: all else (tool, code, router, retriever, …). Left out with `logIntermediateSteps: false`.
 *
 * An operation that is called outside any other opens an execution of its own.
 */
export type Role = 'program' | 'model' | 'step';

/** What a call is about: known before it starts, visible to samplers. */
export interface Subject {
  /** Plain name: `dspy.module.name`. */
  readonly name: string;
  /** `dspy.module.type`. */
  readonly type: string;
  readonly spanName: string;
  /** Set when the span starts. Shared between calls: never changed. */
  readonly attributes: Attributes;
  /** Set when the span ends. Shared between calls: never changed. */
  readonly fixed?: Attributes | undefined;
  readonly links?: Link[];
}

/** A recorded run of a program. */
export interface Example {
  readonly inputs: Readonly<Record<string, unknown>>;
  readonly outputs: Readonly<Record<string, unknown>>;
}

/** How one kind of call is traced. The functions may throw: the call then goes on untraced. */
export interface CallKind {
  readonly role: Role;
  /** Default `INTERNAL`. */
  readonly spanKind?: SpanKind;
  /** `true`: the span is the one inference span of the call (`opentelemetry.genai.inference_span`). */
  readonly inference?: boolean;
  /** Where Ax's options object (`sessionId`, `traceContext`, `tracer`, `abortSignal`, …) is among the arguments. */
  readonly optionsIndex?: number;

  // The receiver and the arguments are Ax's: their types differ from version to version.
  // biome-ignore lint/suspicious/noExplicitAny: see above
  subject(copy: AxCopy, self: any, args: readonly any[], settings: Settings): Subject;
  /** What goes in: `input.value`, and what `traceCondition` sees when the call is the outermost. */
  // biome-ignore lint/suspicious/noExplicitAny: see above
  input?(self: any, args: readonly any[]): unknown;
  /** `false`: `started` records the input in its own way. */
  readonly recordsInput?: boolean;
  /** Recorded runs that go into the prompts of the call beside its input. */
  // biome-ignore lint/suspicious/noExplicitAny: see above
  examples?(self: any): readonly Example[];
  /** The span has started and records. */
  // biome-ignore lint/suspicious/noExplicitAny: see above
  started?(operation: Operation, self: any, args: readonly any[], subject: Subject): void;
  /** The call returned or resolved; the span still records. */
  // biome-ignore lint/suspicious/noExplicitAny: see above
  finished?(operation: Operation, result: any, self: any, args: readonly any[]): void;
  /** The call threw or rejected. Ending and exception are written without it. */
  // biome-ignore lint/suspicious/noExplicitAny: see above
  failed?(operation: Operation, error: unknown, self: any, args: readonly any[]): void;
  /**
   * How calls below are traced. `nested` (default): as spans below. `summed`: not as spans, only their
   * usage is added up. `linked`: programs become traces of their own, linked to this span.
   */
  children?(settings: Settings): ChildMode;
}

export type ChildMode = 'nested' | 'summed' | 'linked';

import type { Attributes, AttributeValue } from '@opentelemetry/api';
import { DSPY_MODULE_VERSION } from './attributes/dspy.js';
import { GEN_AI_WORKFLOW_NAME } from './attributes/gen-ai.js';
import { subjectOf } from './attributes/subject.js';
import { redactSchemes } from './capture/credentials.js';
import { safeString } from './capture/redact.js';
import { REDACTED } from './capture/redacted.js';
import { isSecret } from './capture/scrub.js';
import { wellFormed } from './capture/text.js';
import { redactUrls } from './capture/urls.js';
import { createCopy } from './copy.js';
import { diagnostics } from './diagnostics.js';
import { runOperation } from './execution/call.js';
import { begin, type Entry } from './execution/gate.js';
import type { CallKind } from './execution/kinds.js';
import { Operation } from './execution/operation.js';
import { tell } from './execution/result.js';
import { runIn } from './execution/run-in.js';
import { describeProgram, identityOf } from './hooks/program.js';
import { traceUserCall, traceUserStream } from './hooks/subclass.js';
import type { Method } from './hooks/types.js';
import { Patches } from './patches.js';
import type { Recorder } from './recorder.js';
import type { Settings } from './settings.js';

/** What {@link traceCall} says of a call from its start. */
export interface CallDescription {
  /** `dspy.module.name`; the trace's name where the call is the outermost. */
  readonly name: string;
  /** `dspy.module.type`. */
  readonly type: string;
  /** `dspy.module.version`. */
  readonly version?: string | undefined;
  /** Becomes `input.value` as the content switches and the sanitizer allow. */
  readonly inputs?: unknown;
  /** The program that the call runs; described in its place where `logIntermediateSteps` leaves it out. */
  readonly program?: object | undefined;
  /** Tells an abort and a timeout from a failure. */
  readonly abortSignal?: AbortSignal | undefined;
  /** Further attributes, set at the start. Must not hold content. */
  readonly attributes?: Attributes;
}

/** The span of a call that {@link traceCall} runs. Does nothing where the call is not traced. */
export interface CallSpan {
  /** 32 hex digits; `undefined` where the call is not recorded. */
  readonly traceId: string | undefined;
  /** Set when the span ends. Must not hold content. */
  setAttributes(attributes: Attributes): void;
  /** Records a failed attempt that is repeated, as a `dspy.attempt` event. `index` counts from 1. */
  attemptFailed(index: number, error: unknown): void;
}

/**
 * Traces a call of your own as a program: as an execution, or as a step of the one in progress. All
 * settings of the registered `DspyInstrumentation` hold for it (sampling, filter, condition, content,
 * sanitizers); without one the call just runs. What it resolves to becomes `output.value`.
 */
export function traceCall<T>(
  description: CallDescription,
  work: (span: CallSpan) => Promise<T>,
): Promise<T> {
  return slot[KEY] === undefined ? work(NOT_TRACED) : slot[KEY].traceCall(description, work);
}

/** Whether an instrumentation is in force, so that DSPy programs are traced. */
export function isTracing(): boolean {
  return slot[KEY] !== undefined;
}

/** The instrumentation in force, in whatever copy of this package it is. */
interface Tracing {
  readonly recorder: Recorder;
  traceCall: typeof traceCall;
  /** Calls a method of a program that has no hook of its own. */
  traceProgram(program: object, method: Method, args: unknown[], streaming: boolean): unknown;
}

const KEY = Symbol.for('@hokusai/instrumentation-dspy/trace-call/1');
const slot = globalThis as { [KEY]?: Tracing };

/** The instrumentation in force, if there is one. */
export function tracingInForce(): Tracing | undefined {
  return slot[KEY];
}

/** From now on calls are traced by this recorder. */
export function provideTracing(recorder: Recorder): void {
  const copy = createCopy({}, recorder, new Patches());
  slot[KEY] = {
    recorder,
    traceCall<T>(description: CallDescription, work: (span: CallSpan) => Promise<T>): Promise<T> {
      let entry: Entry;
      let span = NOT_TRACED;
      try {
        entry = begin(copy, ownCall, undefined, [description]);
        if (entry instanceof Operation) span = new OperationSpan(entry);
      } catch (fault) {
        diagnostics.fault('begin', fault);
      }
      const result =
        entry instanceof Operation
          ? runOperation(entry, work as Method, undefined, [span], true)
          : runIn(entry, work, undefined, [span]);
      return result as Promise<T>;
    },
    traceProgram(program, method, args, streaming) {
      let traced = method;
      try {
        traced = (streaming ? traceUserStream : traceUserCall)(method, copy);
      } catch (fault) {
        diagnostics.fault('traceProgram', fault);
      }
      return traced.apply(program, args);
    },
  };
}

/** Ends {@link provideTracing}, unless another recorder took over. */
export function withdrawTracing(recorder: Recorder): void {
  if (slot[KEY]?.recorder === recorder) delete slot[KEY];
}

const ownCall: CallKind = {
  role: 'program',
  // The description has the signal where Ax's options have it.
  optionsIndex: 0,
  subject: (_copy, _self, [description]: readonly CallDescription[], settings) => {
    const { version, attributes, ...given } = description as CallDescription;
    const name = safeString(given.name);
    return subjectOf(settings, {
      name,
      type: safeString(given.type),
      operation: 'invoke_workflow',
      kind: 'CHAIN',
      attributes: {
        ...(attributes !== undefined && mended(attributes, settings)),
        ...(settings.genAi && { [GEN_AI_WORKFLOW_NAME]: name }),
        ...(version !== undefined && { [DSPY_MODULE_VERSION]: safeString(version) }),
      },
    });
  },
  input: (_self, [description]: readonly CallDescription[]) => description?.inputs,
  started(operation, _self, [description]: readonly CallDescription[]) {
    const program = description?.program;
    if (program === undefined || operation.settings.steps) return;
    const identity = identityOf(program);
    describeProgram(operation, identity?.signature === undefined ? program : identity);
  },
  finished: (operation, result) => operation.recordOutput(result),
};

class OperationSpan implements CallSpan {
  readonly traceId: string | undefined;
  readonly #operation: Operation;

  constructor(operation: Operation) {
    this.#operation = operation;
    this.traceId = operation.recording ? operation.span.spanContext().traceId : undefined;
  }

  setAttributes(attributes: Attributes): void {
    const operation = this.#operation;
    tell(
      (given) => Object.assign(operation.attributes, mended(given, operation.settings)),
      attributes,
    );
  }

  attemptFailed(index: number, error: unknown): void {
    tell((thrown) => this.#operation.attempt(index, thrown), error);
  }
}

/** Names and texts that every backend takes, without credentials, and no number that JSON does not have. */
function mended(attributes: Attributes, { serialize }: Settings): Attributes {
  const result: Attributes = {};
  for (const [name, value] of Object.entries(attributes)) {
    const isPrivate = serialize.isSensitiveKey?.(name) === true;
    const mend = (item: unknown): unknown =>
      isPrivate && isSecret(item) ? REDACTED : mendedValue(item);
    result[wellFormed(name)] = (
      Array.isArray(value) ? value.map(mend) : mend(value)
    ) as AttributeValue;
  }
  return result;
}

function mendedValue(value: unknown): unknown {
  if (typeof value === 'string') return redactSchemes(redactUrls(wellFormed(value)));
  return typeof value === 'number' && !Number.isFinite(value) ? String(value) : value;
}

const NOT_TRACED: CallSpan = {
  traceId: undefined,
  setAttributes() {},
  attemptFailed() {},
};

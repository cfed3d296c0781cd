import { GEN_AI_WORKFLOW_NAME } from '../attributes/gen-ai.js';
import { OUTPUT_VALUE } from '../attributes/openinference.js';
import { subjectOf } from '../attributes/subject.js';
import { typeOf } from '../copy.js';
import { diagnostics } from '../diagnostics.js';
import { traceFunction } from '../execution/call.js';
import { type StreamKind, tracedIterable } from '../execution/iterable.js';
import type { CallKind } from '../execution/kinds.js';
import type { Operation } from '../execution/operation.js';
import { AgentRun } from './agent-run.js';
import { DeltaCollector } from './deltas.js';
import {
  describeProgram,
  identityOf,
  type Program,
  recordOptions,
  subjectOfProgram,
} from './program.js';
import { activeOperation } from './run.js';
import { traceUserProgram } from './subclass.js';
import type { Hook, Wrapper } from './types.js';

/** What the hooks read of an Ax flow. */
interface Flow extends Program {
  /** Holds the signature, which Ax derives from the nodes when the flow runs. */
  readonly program?: Program & object;
  readonly nodeGenerators?: ReadonlyMap<string, object>;
}

/** One streaming call of a flow: Ax runs `forward` in it and yields the result as one chunk. */
class FlowStream {
  forwarded = false;
  constructor(
    readonly flow: object,
    readonly deltas: DeltaCollector | undefined,
  ) {}
}

const flow: CallKind = {
  role: 'program',
  optionsIndex: 2,
  subject: (_copy, self: Flow & object, args, settings) =>
    subjectOfProgram(self, args[2], settings, (name) =>
      subjectOf(settings, {
        name,
        type: typeOf(self),
        operation: 'invoke_workflow',
        kind: 'CHAIN',
        attributes: settings.genAi ? { [GEN_AI_WORKFLOW_NAME]: name } : {},
      }),
    ),
  input: (_self, args) => args[1],
  started: (operation, self: Flow & object, args) => started(operation, self, args[2]),
  finished(operation, result, self: Flow & object) {
    operation.recordOutput(result);
    describe(operation, self);
  },
  failed: (operation, _error, self: Flow & object) => describe(operation, self),
};

const flowStream: StreamKind = {
  ...flow,
  started(operation, self: Flow & object, args) {
    const { outputs, serialize } = operation.settings;
    const deltas = outputs ? new DeltaCollector(serialize.maxBytes) : undefined;
    operation.state = new FlowStream(self, deltas);
    started(operation, self, args[2]);
  },
  chunk: (operation, delta) => streamOf(operation)?.deltas?.add(delta),
  collected(operation, self: Flow & object) {
    const deltas = streamOf(operation)?.deltas;
    if (deltas !== undefined) {
      operation.recordOutput(deltas.value());
      if (deltas.truncated) operation.markTruncated(OUTPUT_VALUE);
    }
    describe(operation, self);
  },
};

function started(operation: Operation, self: Flow, options: Record<string, unknown>): void {
  recordOptions(operation, self, options);
  for (const program of self.nodeGenerators?.values() ?? []) {
    traceUserProgram(operation.copy, program);
  }
}

function describe(operation: Operation, self: Flow): void {
  // A flow that has a signature of its own says so; else Ax infers one.
  const identity = identityOf(self);
  const described = identity?.signature === undefined ? self.program : identity;
  if (described !== undefined) describeProgram(operation, described);
}

function streamOf(operation: Operation | undefined): FlowStream | undefined {
  return operation?.state instanceof FlowStream ? operation.state : undefined;
}

/** `true` when the call is the inside of a span that is there already. */
function isInside(self: object): boolean {
  const operation = activeOperation();
  const stream = streamOf(operation);
  if (stream?.flow === self && !stream.forwarded) {
    // Once: a flow that runs itself again does so under its own span.
    stream.forwarded = true;
    return true;
  }
  // An agent that runs code is built as a flow of its stages.
  return operation?.state instanceof AgentRun && operation.state.isPipeline(self);
}

const wrapForward: Wrapper = (original, copy) =>
  function (this: Flow & object, ...args: unknown[]): unknown {
    let inside = false;
    try {
      inside = isInside(this);
    } catch (fault) {
      diagnostics.fault('flow.forward', fault);
    }
    return inside
      ? original.apply(this, args)
      : traceFunction(copy, flow, original, this, args, true);
  };

export const flowHooks: readonly Hook[] = [
  { target: 'AxFlow', method: 'forward', wrap: wrapForward },
  { target: 'AxFlow', method: 'streamingForward', wrap: tracedIterable(flowStream) },
];

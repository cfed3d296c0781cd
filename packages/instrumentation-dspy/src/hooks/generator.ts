import { DSPY_ATTEMPTS, DSPY_CACHE_HIT } from '../attributes/dspy.js';
import { GEN_AI_WORKFLOW_NAME } from '../attributes/gen-ai.js';
import { OUTPUT_VALUE } from '../attributes/openinference.js';
import { subjectOf } from '../attributes/subject.js';
import { typeOf } from '../copy.js';
import { tracedCall } from '../execution/call.js';
import { type StreamKind, tracedIterable } from '../execution/iterable.js';
import type { CallKind } from '../execution/kinds.js';
import type { Operation } from '../execution/operation.js';
import { DeltaCollector } from './deltas.js';
import { examplesOf } from './examples.js';
import { describeProgram, type Program, recordOptions, subjectOfProgram } from './program.js';
import { GeneratorRun, runOf } from './run.js';
import type { Hook } from './types.js';

type Generator = Program & object;
type GeneratorArguments = readonly [
  service: unknown,
  values: unknown,
  options?: Readonly<Record<string, unknown>>,
];

const generator: CallKind = {
  role: 'program',
  optionsIndex: 2,
  subject: (_copy, self: Generator, args, settings) =>
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
  examples: examplesOf,
  started: (operation, self: Generator, args) =>
    started(operation, self, args as unknown as GeneratorArguments, undefined),
  finished(operation, result, self: Generator, args) {
    operation.recordOutput(result);
    recordRun(operation, self, args as unknown as GeneratorArguments);
  },
  failed: (operation, _error, self: Generator, args) =>
    recordRun(operation, self, args as unknown as GeneratorArguments),
};

const generatorStream: StreamKind = {
  ...generator,
  started(operation, self: Generator, args) {
    const { settings } = operation;
    const deltas = settings.outputs ? new DeltaCollector(settings.serialize.maxBytes) : undefined;
    started(operation, self, args as unknown as GeneratorArguments, deltas);
  },
  chunk: (operation, delta) => runOf(operation)?.deltas?.add(delta),
  collected(operation, self: Generator, args) {
    const deltas = runOf(operation)?.deltas;
    if (deltas !== undefined) {
      operation.recordOutput(deltas.value());
      if (deltas.truncated) operation.markTruncated(OUTPUT_VALUE);
    }
    recordRun(operation, self, args as unknown as GeneratorArguments);
  },
};

function started(
  operation: Operation,
  self: Generator,
  args: GeneratorArguments,
  deltas: DeltaCollector | undefined,
): void {
  operation.state = new GeneratorRun(self, deltas);
  describeProgram(operation, self);
  recordOptions(operation, self, args[2]);
}

/** What only the end of a call tells: the requests it took, and whether it took any. */
function recordRun(operation: Operation, self: Generator, args: GeneratorArguments): void {
  const run = runOf(operation);
  if (run === undefined) return;
  if (run.requests > 0) operation.set(DSPY_ATTEMPTS, run.requests);
  const cache =
    args[2]?.cachingFunction ??
    self.options?.cachingFunction ??
    operation.copy.globals?.cachingFunction;
  // Ax consults the cache unless the call is steered from outside.
  if (typeof cache === 'function' && !args[2]?.control) {
    operation.set(DSPY_CACHE_HIT, run.requests === 0);
  }
}

export const generatorHooks: readonly Hook[] = [
  { target: 'AxGen', method: 'forward', wrap: tracedCall(generator) },
  { target: 'AxGen', method: 'streamingForward', wrap: tracedIterable(generatorStream) },
];

import type { Attributes } from '@opentelemetry/api';
import {
  DSPY_ATTEMPT_EVENT,
  DSPY_ATTEMPT_INDEX,
  DSPY_ATTEMPT_REWARD,
  DSPY_BEST_REWARD,
  DSPY_OPTIONS,
  DSPY_SAMPLES,
} from '../attributes/dspy.js';
import { GEN_AI_WORKFLOW_NAME } from '../attributes/gen-ai.js';
import { subjectOf } from '../attributes/subject.js';
import { typeOf } from '../copy.js';
import { diagnostics } from '../diagnostics.js';
import { tracedCall } from '../execution/call.js';
import type { CallKind } from '../execution/kinds.js';
import type { Operation } from '../execution/operation.js';
import { describeProgram, type Program, subjectOfProgram } from './program.js';
import { activeOperation } from './run.js';
import type { Hook, Wrapper } from './types.js';

/** What the hooks read of `AxBestOfN` and `AxRefine`. */
interface BestOf extends Program {
  readonly program?: Program & object;
}

/** A candidate as Ax describes it. */
interface Attempt {
  readonly reward?: unknown;
  readonly error?: unknown;
}

/** The candidates of one call. Ax keeps them on the instance, which several calls may share. */
class BestOfRun {
  readonly seen: Attempt[] = [];
  best: number | undefined;

  constructor(readonly self: object) {}

  add(operation: Operation, attempt: Attempt): void {
    const index = this.seen.push(attempt) - 1;
    if (attempt.error !== undefined) {
      operation.attempt(index, attempt.error);
      return;
    }
    const attributes: Attributes = { [DSPY_ATTEMPT_INDEX]: index };
    const { reward } = attempt;
    if (typeof reward === 'number' && Number.isFinite(reward)) {
      attributes[DSPY_ATTEMPT_REWARD] = reward;
      if (this.best === undefined || reward > this.best) this.best = reward;
    }
    operation.event(DSPY_ATTEMPT_EVENT, attributes);
  }
}

const OPTION_NAMES = ['n', 'rounds', 'samplesPerRound', 'threshold', 'failCount', 'strategy'];

const bestOf: CallKind = {
  role: 'program',
  optionsIndex: 2,
  subject: (_copy, self: BestOf & object, args, settings) =>
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
  started(operation, self: BestOf & object) {
    operation.state = new BestOfRun(self);
    if (self.program !== undefined) describeProgram(operation, self.program);
    operation.json(DSPY_OPTIONS, scalarsOf(self, OPTION_NAMES));
  },
  finished(operation, result) {
    operation.recordOutput(result);
    recordRun(operation);
  },
  failed(operation, error) {
    const run = runOf(operation);
    // What made the call fail was not announced: Ax lists it on the error.
    const attempts = (error as { attempts?: unknown } | null | undefined)?.attempts;
    if (run !== undefined && Array.isArray(attempts)) {
      for (const attempt of attempts as Attempt[]) {
        if (!run.seen.includes(attempt)) run.add(operation, attempt);
      }
    }
    recordRun(operation);
  },
};

function runOf(operation: Operation | undefined): BestOfRun | undefined {
  return operation?.state instanceof BestOfRun ? operation.state : undefined;
}

function recordRun(operation: Operation): void {
  const run = runOf(operation);
  if (run === undefined) return;
  operation.attributes[DSPY_SAMPLES] = run.seen.length;
  if (run.best !== undefined) operation.attributes[DSPY_BEST_REWARD] = run.best;
}

/** Those of the named properties that are scalars. */
export function scalarsOf(value: object, names: readonly string[]): Record<string, unknown> {
  const scalars: Record<string, unknown> = {};
  for (const name of names) {
    const scalar = (value as Record<string, unknown>)[name];
    if (['string', 'number', 'boolean'].includes(typeof scalar)) scalars[name] = scalar;
  }
  return scalars;
}

/** `emitAttempt(onAttempt, attempt)`: a candidate has been scored, or has failed. */
const noteAttempt: Wrapper = (original) =>
  function (this: unknown, ...args: unknown[]): unknown {
    try {
      const operation = activeOperation();
      const run = runOf(operation);
      if (operation !== undefined && run !== undefined && run.self === this) {
        run.add(operation, args[1] as Attempt);
      }
    } catch (fault) {
      diagnostics.fault('best-of.attempt', fault);
    }
    return original.apply(this, args);
  };

export const bestOfHooks: readonly Hook[] = ['AxBestOfN', 'AxRefine'].flatMap((target) => [
  { target, method: 'forward', wrap: tracedCall(bestOf) },
  { target, method: 'emitAttempt', wrap: noteAttempt },
]);

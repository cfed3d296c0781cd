import { GEN_AI_EVALUATION_NAME, GEN_AI_WORKFLOW_NAME } from '../attributes/gen-ai.js';
import { subjectOf } from '../attributes/subject.js';
import { nameOfAxClass, typeOf } from '../copy.js';
import { tracedCall } from '../execution/call.js';
import type { CallKind } from '../execution/kinds.js';
import { recordScore } from './metric.js';
import { traceUserCall } from './subclass.js';
import type { Hook } from './types.js';
import { tracedOnce } from './wrappers.js';

function nameOf(self: object): string {
  return nameOfAxClass(self.constructor) ?? typeOf(self);
}

/** Work of Ax's own that asks models. */
function libraryKind(
  type: string | undefined,
  input: (args: readonly unknown[]) => unknown,
): CallKind {
  return {
    role: 'program',
    subject(_copy, self: object, _args, settings) {
      const name = nameOf(self);
      return subjectOf(settings, {
        name,
        type: type ?? name,
        operation: 'invoke_workflow',
        kind: 'CHAIN',
        attributes: settings.genAi ? { [GEN_AI_WORKFLOW_NAME]: name } : {},
      });
    },
    input: (_self, args) => input(args),
    finished: (operation, result) => operation.recordOutput(result),
  };
}

/** A playbook is refined from one interaction, whichever of Ax's classes is asked to. */
const update = tracedOnce(libraryKind('playbook', ([given]) => given));

const contextMap = tracedCall(
  libraryKind('playbook', ([, given]) => {
    const { task, trajectory } = (given ?? {}) as { task?: unknown; trajectory?: unknown };
    return { task, trajectory };
  }),
);

const synthesis = tracedCall(libraryKind(undefined, ([count, options]) => ({ count, options })));

/** `AxJudge.evaluate`, of Ax 16: a score that a model gives. */
const judge: CallKind = {
  role: 'program',
  subject(_copy, self: object, _args, settings) {
    const name = nameOf(self);
    return subjectOf(settings, {
      name,
      type: 'metric',
      operation: 'invoke_workflow',
      kind: 'EVALUATOR',
      spanName: `evaluate ${name}`,
      attributes: { [GEN_AI_EVALUATION_NAME]: name },
    });
  },
  input: (_self, args) => args[0],
  finished: (operation, result, self: object) => recordScore(operation, nameOf(self), result),
};

export const libraryHooks: readonly Hook[] = [
  { target: 'AxAgentPlaybook', method: 'update', wrap: update },
  { target: 'AxPlaybook', method: 'update', wrap: update },
  { target: 'AxACE', method: 'applyOnlineUpdate', wrap: update },
  { target: 'AxLearn', method: 'applyUpdate', wrap: update },
  { target: 'AxAgentContextMap', method: 'update', wrap: contextMap },
  { target: 'AxSynth', method: 'generate', wrap: synthesis },
  { target: 'AxJudge', method: 'evaluate', wrap: tracedCall(judge) },
  // Programs with a `forward` of their own beside that of a generator.
  { target: 'AxRAG', method: 'forward', wrap: traceUserCall },
  { target: 'AxSimpleClassifier', method: 'forward', wrap: traceUserCall },
];

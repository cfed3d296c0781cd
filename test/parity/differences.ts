import type { StoredSpan } from '../support/mlflow-rest.js';
import type { Difference } from './compare.js';
import type { GoldenSpan } from './golden.js';

/** A golden span that has no span of its own in Ax, with the reason. */
export interface StructureDifference {
  id: string;
  why: string;
  /** What stands in its place. */
  instead: 'nothing' | 'its children';
  applies(at: { span: GoldenSpan; ancestors: readonly GoldenSpan[]; scenario: string }): boolean;
}

/** A fact about a trace or a span that is not the same, with the reason. */
export interface FieldDifference {
  id: string;
  why: string;
  fields: readonly string[];
  applies(
    at: Difference & {
      scenario: string;
      goldenSpan: GoldenSpan | undefined;
      ourSpan: StoredSpan | undefined;
    },
  ): boolean;
}

export const STRUCTURE_DIFFERENCES: readonly StructureDifference[] = [
  {
    id: 'adapters',
    why: 'Ax renders prompts and parses replies inside the generator. What the format span records is the input of the model call, what the parse span records is the output of the program, and a failed parse is a `dspy.attempt` event with its error.',
    instead: 'nothing',
    applies: ({ span }) => span.type === 'PARSER',
  },
  {
    id: 'chain of thought is one program',
    why: 'DSPy wraps a Predict in a ChainOfThought with the same inputs, outputs and signature; in Ax a reasoning field makes the generator one, so the wrapped span has nothing of its own to say.',
    instead: 'its children',
    applies: ({ span, ancestors: [parent] }) =>
      span.name === 'Predict.forward' && parent?.name === 'ChainOfThought.forward',
  },
  {
    id: 'steps of a tool loop are model calls',
    why: 'DSPy makes a program of each step of ReAct; Ax lets the provider call the tools, so each step is the model call itself (`dspy.step.index`).',
    instead: 'its children',
    applies: ({ span, ancestors }) =>
      span.name === 'Predict.forward' && ancestors.at(-1)?.name === 'ReAct.forward',
  },
  {
    id: 'no finish tool',
    why: 'A model that is done answers instead of calling a tool `finish` and being asked once more to extract the answer: one call and its tokens saved.',
    instead: 'nothing',
    applies: ({ span, ancestors }) =>
      span.type === 'CHAT_MODEL' &&
      ancestors.at(-1)?.name === 'ReAct.forward' &&
      JSON.stringify(span.outputs).includes('finish'),
  },
  {
    id: 'extraction is the last answer',
    why: 'The last step of the loop gives the fields of the signature; DSPy runs a ChainOfThought over the trajectory for them.',
    instead: 'its children',
    applies: ({ span, ancestors: [parent] }) =>
      span.name === 'ChainOfThought.forward' && parent?.name === 'ReAct.forward',
  },
];

export const FIELD_DIFFERENCES: readonly FieldDifference[] = [];

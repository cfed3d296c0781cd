import { isDeepStrictEqual } from 'node:util';
import type { StoredSpan, StoredTrace } from '../support/mlflow-rest.js';
import type { Difference } from './compare.js';
import type { GoldenSpan, GoldenTrace } from './golden.js';

/** A golden span that has no span of its own in Ax, with the reason. */
export interface StructureDifference {
  id: string;
  why: string;
  /** What stands in its place. */
  instead: 'nothing' | 'its children';
  applies(at: { span: GoldenSpan; ancestors: readonly GoldenSpan[]; scenario: string }): boolean;
}

/** A trace of ours that Python does not have, with the reason. */
export interface ExtraTrace {
  id: string;
  why: string;
  applies(at: { trace: StoredTrace }): boolean;
}

/** A span of ours that Python does not have, with the reason. */
export interface ExtraSpan {
  id: string;
  why: string;
  /** What is compared in its place. */
  instead: 'nothing' | 'its children';
  applies(at: { span: StoredSpan; scenario: string }): boolean;
}

/** Golden traces that are others in Ax, with the reason. */
export interface TraceDifference {
  id: string;
  why: string;
  applies(at: { scenario: string }): boolean;
  reshape(traces: readonly GoldenTrace[]): GoldenTrace[];
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
    id: 'a cached answer is no model call',
    why: 'DSPy records a model call that was not made, without usage; here the program says so itself (`dspy.cache.hit`).',
    instead: 'nothing',
    applies: ({ span, ancestors: [parent], scenario }) =>
      scenario === 'cache_hit' && span.type === 'CHAT_MODEL' && parent?.tokens === undefined,
  },
  {
    id: 'extraction is the last answer',
    why: 'The last step of the loop gives the fields of the signature; DSPy runs a ChainOfThought over the trajectory for them.',
    instead: 'its children',
    applies: ({ span, ancestors: [parent] }) =>
      span.name === 'ChainOfThought.forward' && parent?.name === 'ReAct.forward',
  },
];

export const EXTRA_TRACES: readonly ExtraTrace[] = [
  {
    id: 'the evaluation itself',
    why: 'DSPy leaves no span of an evaluation; here it is a trace with its mean, its duration and a link from each example.',
    applies: ({ trace }) => trace.roots[0]?.attributes['dspy.run.kind'] === 'evaluation',
  },
  {
    id: 'the compile itself',
    why: 'DSPy leaves no span of a compile; here it is a trace with its options, its counts and its best score.',
    applies: ({ trace }) => trace.roots[0]?.attributes['dspy.run.kind'] === 'compile',
  },
];

export const EXTRA_SPANS: readonly ExtraSpan[] = [
  {
    id: 'embeddings',
    why: 'DSPy has no span for an embedder, so its time and tokens are missing.',
    instead: 'nothing',
    applies: ({ span }) => span.type === 'EMBEDDING',
  },
  {
    id: 'metrics',
    why: 'DSPy keeps a score as an assessment alone; the call of the metric is a span too, with its duration and the model calls of a judge below it.',
    instead: 'nothing',
    applies: ({ span }) => span.type === 'EVALUATOR',
  },
  {
    id: 'retrievers',
    why: 'DSPy has no span for `dspy.retrievers.Embeddings`; the adapter that embeds a question and looks passages up is a RETRIEVER with both.',
    instead: 'nothing',
    applies: ({ span, scenario }) => scenario === 'embedder_rag' && span.type === 'RETRIEVER',
  },
];

export const TRACE_DIFFERENCES: readonly TraceDifference[] = [
  {
    id: 'calls of a compile are sums',
    why: 'DSPy was asked to keep the calls that bootstrapping makes; an optimizer of Ax makes hundreds, so their number is on its span and `recordOptimizerCalls` keeps each.',
    applies: ({ scenario }) => scenario === 'compile_bootstrap',
    reshape: () => [],
  },
  {
    id: 'branches stay in the trace of their program',
    why: 'DSPy loses the context in its worker threads: the parent has no children and each branch becomes a trace without token usage (dspy#8505). Here they are what the program says: its children.',
    applies: ({ scenario }) => scenario === 'nested_parallel',
    reshape: ([program, ...branches]) =>
      program?.spans[0]
        ? [
            {
              ...program,
              spans: [{ ...program.spans[0], children: branches.flatMap(({ spans }) => spans) }],
            },
          ]
        : [],
  },
];

const lessThan = (golden: unknown, ours: unknown) => golden === undefined && ours !== undefined;

export const FIELD_DIFFERENCES: readonly FieldDifference[] = [
  {
    id: 'the example whole',
    why: 'Ax hands the whole example to the program, the expected answer included; what the program was given is what is recorded.',
    fields: ['request', 'inputs'],
    applies: ({ golden, ours, scenario }) => {
      const { answer, ...given } = (ours ?? {}) as { answer?: string };
      return (
        scenario.startsWith('evaluate') && answer !== undefined && isDeepStrictEqual(golden, given)
      );
    },
  },
  {
    id: 'scores are numbers',
    why: 'A metric of Ax gives a number; DSPy keeps the boolean of Python.',
    fields: ['assessments'],
    applies: ({ golden, ours }) => {
      const numbers = (golden as { value: unknown }[]).map((one) => ({
        ...one,
        value: Number(one.value),
      }));
      return isDeepStrictEqual(numbers, ours);
    },
  },
  {
    id: 'a function of the user is a step',
    why: 'MLflow gives a decorated function the type UNKNOWN.',
    fields: ['type'],
    applies: ({ golden, ours }) => golden === 'UNKNOWN' && ours === 'CHAIN',
  },
  {
    id: 'cost',
    why: 'DSPy puts token usage on the program, whose model MLflow does not know: no golden trace has a cost.',
    fields: ['cost'],
    applies: ({ golden, ours }) => golden === undefined && Number(ours) > 0,
  },
  {
    id: 'usage on the model call',
    why: 'Each model call carries its own usage and is priced by it; MLflow sums them up for the trace. DSPy has one sum on the outermost program.',
    fields: ['tokens'],
    applies: ({ golden, ours, goldenSpan, ourSpan }) =>
      goldenSpan?.type === 'CHAT_MODEL'
        ? lessThan(golden, ours)
        : ourSpan !== undefined && golden !== undefined && ours === undefined,
  },
  {
    id: 'usage of failed and parallel programs',
    why: 'DSPy reads usage from the result, which a failed program does not have, and loses it across threads. Tokens were spent and are counted.',
    fields: ['tokens'],
    applies: ({ golden, ours, goldenSpan, scenario }) =>
      goldenSpan === undefined &&
      lessThan(golden, ours) &&
      ['program_error', 'parse_error', 'nested_parallel'].includes(scenario),
  },
  {
    id: 'usage of one call with two completions',
    why: 'DSPy counts the usage of one response once for each completion in it.',
    fields: ['tokens'],
    applies: ({ golden, ours, scenario }) =>
      scenario === 'n2_completions' &&
      isDeepStrictEqual(
        golden,
        (ours as number[] | undefined)?.map((tokens) => tokens * 2),
      ),
  },
  {
    id: 'one model call less',
    why: 'Follows from "no finish tool": three calls and their tokens where DSPy makes four.',
    fields: ['tokens'],
    applies: ({ golden, ours }) =>
      isDeepStrictEqual(golden, [400, 80, 480]) && isDeepStrictEqual(ours, [300, 60, 360]),
  },
  {
    id: 'a program is not a model',
    why: 'DSPy gives a Predict the type LLM, so that a count of model calls by type counts each twice. A program is a CHAIN, the call below it the CHAT_MODEL.',
    fields: ['type'],
    applies: ({ golden, ours, goldenSpan }) =>
      goldenSpan?.name === 'Predict.forward' && golden === 'LLM' && ours === 'CHAIN',
  },
  {
    id: 'a generator with tools is a generator',
    why: 'ReAct is a class of agents in DSPy; in Ax any generator may have tools, and AGENT is what the user made an agent (AxAgent).',
    fields: ['type'],
    applies: ({ golden, ours, goldenSpan }) =>
      goldenSpan?.name === 'ReAct.forward' && golden === 'AGENT' && ours === 'CHAIN',
  },
  {
    id: 'the trajectory is the spans',
    why: 'ReAct returns its trajectory, so DSPy repeats every tool call and its result as output. In Ax the program returns its fields, and the tool spans are the trajectory.',
    fields: ['response', 'outputs'],
    applies: ({ golden, ours, scenario }) =>
      ['react', 'tool_error'].includes(scenario) &&
      JSON.stringify(golden).includes('trajectory') &&
      isDeepStrictEqual(ours, { reasoning: 'Because of arithmetic.', answer: '42' }),
  },
  {
    id: 'a tool call has no thought',
    why: 'DSPy asks for a thought beside each tool; with native tool calls the provider gives reasoning of its own where the model has any.',
    fields: ['outputs'],
    applies: ({ golden, ours }) => {
      if (!Array.isArray(golden)) return false;
      const { nextThought, ...call } = golden[0] as { nextThought?: string };
      return nextThought !== undefined && isDeepStrictEqual([call], ours);
    },
  },
  {
    id: 'the model keeps its words',
    why: 'Ax asks again with the error in the conversation; DSPy changes to another adapter, which the golden model answered with nothing.',
    fields: ['outputs'],
    applies: ({ golden, ours, scenario }) =>
      scenario === 'parse_error' &&
      isDeepStrictEqual(golden, [{}]) &&
      isDeepStrictEqual(ours, [{ count: 'value of n' }]),
  },
  {
    id: 'history is a value',
    why: 'Ax has no type for a history; as a JSON field it is part of the one user message.',
    fields: ['inputs'],
    applies: ({ golden, ours, scenario }) =>
      scenario === 'typed_inputs_history' &&
      isDeepStrictEqual(golden, ['system', 'user', 'assistant', 'user']) &&
      isDeepStrictEqual(ours, ['system', 'user']),
  },
  {
    id: 'the question itself',
    why: 'DSPy calls a retriever with positional arguments and records their list.',
    fields: ['inputs'],
    applies: ({ golden, ours, ourSpan }) =>
      ourSpan?.type === 'RETRIEVER' && isDeepStrictEqual(golden, { args: [ours] }),
  },
  {
    id: 'the conversation goes on',
    why: 'After a tool call or a correction Ax sends the conversation so far with its tool results; DSPy starts anew with a trajectory field or another adapter.',
    fields: ['inputs'],
    applies: ({ golden, ours, goldenSpan }) =>
      goldenSpan?.type === 'CHAT_MODEL' &&
      isDeepStrictEqual((ours as string[]).slice(0, 2), golden) &&
      (ours as string[]).slice(2).every((role) => ['assistant', 'tool', 'user'].includes(role)),
  },
  {
    id: 'signatures of composed programs',
    why: 'DSPy knows the signature of a Predict alone; a flow and a generator with tools have theirs too.',
    fields: ['signature'],
    applies: ({ golden, ours }) => lessThan(golden, ours),
  },
  {
    id: 'status message',
    why: 'DSPy leaves the message of a failed span empty, so lists and filters show no reason.',
    fields: ['message'],
    applies: ({ golden, ours }) => golden === '' && String(ours).length > 0,
  },
  {
    id: 'words of Ax',
    why: 'The same failure, told by the library that met it: Ax names the field of a tool error and the field that did not parse, and puts the status before the words of the provider.',
    fields: ['exception'],
    applies: ({ ours, scenario }) => {
      const message = String(ours);
      if (scenario === 'tool_error') return message === 'city: tool exploded';
      if (scenario === 'lm_error') return message.endsWith('400 - Bad Request: bad request boom');
      return scenario === 'parse_error' && message.includes("Field 'Count' has an invalid value");
    },
  },
  {
    id: 'parameters in effect',
    why: 'DSPy records the parameters that the user set; ours are those of the request, defaults of Ax included.',
    fields: ['parameters'],
    applies: ({ scenario, golden }) =>
      scenario === 'cache_hit' && isDeepStrictEqual(golden, { temperature: null, maxTokens: null }),
  },
];

import { isDeepStrictEqual } from 'node:util';
import { flow } from '@ax-llm/ax';
import { own } from '../own.js';
import { applyContract, type CallOptions, define } from '../program/contract.js';
import { createProgram } from '../program/create-program.js';
import { inputFields, outputFields } from '../signatures/fields.js';
import { makeSignature } from '../signatures/make.js';
import { withDocumentedNames } from '../signatures/names.js';
import type { Fields } from '../signatures/types.js';
import type { Chain, ChainStep, ChainUntil } from './chains.js';
import type { ConfigSignature } from './signatures.js';

/** Ax types a flow by the names of its nodes; a config file's are known at run time alone. */
interface FlowBuilder {
  node(name: string, program: object): FlowBuilder;
  execute(name: string, inputs: (state: Fields) => Fields): FlowBuilder;
  map(update: (state: Fields) => Fields): FlowBuilder;
  while(condition: (state: Fields) => boolean, maxIterations: number): FlowBuilder;
  endWhile(): FlowBuilder;
  returns(project: (state: Fields) => Fields): FlowBuilder;
  description(name: string, description: string): FlowBuilder;
}

/** Counts the passes, under a name that no field can have. */
const PASS = '#pass';

/** Longest field name that Ax takes; a flow makes one of a node's name and each of its outputs. */
const MAX_FIELD_LENGTH = 50;

/** Builds the flow of a chain: every step a node, the passes after the first a loop. */
export function buildChain(chain: Chain, name: string, callOptions: CallOptions): object {
  const nodes = nodeNames(chain.steps);
  // Every step may read what any step before it gave, so none may run beside another.
  const program = flow({ autoParallel: false }) as unknown as FlowBuilder;
  const add = (steps: readonly ChainStep[]) => {
    for (const step of steps) {
      const node = nodes.get(step.signature) as string;
      program
        .execute(node, (state) => pickInputs(step, state))
        .map((state) => ({ ...state, ...state[`${node}Result`] }));
    }
  };
  withDocumentedNames(() => {
    for (const [signature, node] of nodes) program.node(node, stepProgram(signature, callOptions));
    add(chain.steps);
    if (chain.maxIterations > 1) {
      const { maxIterations, until } = chain;
      program.map((state) => ({ ...state, [PASS]: 1 }));
      program.while((state) => state[PASS] < maxIterations && !isDone(until, state), maxIterations);
      add(chain.steps.slice(chain.iterateFrom));
      program.map((state) => ({ ...state, [PASS]: state[PASS] + 1 })).endWhile();
    }
    program.returns((state) => pickOutputs(chain, state));
    program.description(name, chain.description ?? name);
  });
  // The signature that a flow infers of itself knows neither the fields nor their types.
  define(program, 'getSignature', () => makeSignature(chain.signature));
  // A label in the options of a call would be put on every node as well.
  define(program, 'traceLabel', name);
  return applyContract(program, { signature: chain.signature });
}

function stepProgram(step: ConfigSignature, callOptions: CallOptions): object {
  const { name, signature, demos, instruction, checkOutputs } = step;
  return createProgram(signature, {
    ...callOptions,
    name,
    demos,
    ...(instruction !== undefined && { instruction }),
    ...(checkOutputs && { checkOutputs }),
  });
}

/** `DraftText` is the node `draftText`, unless its outputs would be too long for Ax behind it. */
function nodeNames(steps: readonly ChainStep[]): Map<ConfigSignature, string> {
  const names = new Map<ConfigSignature, string>();
  for (const { signature } of steps) {
    if (names.has(signature)) continue;
    const own = signature.name
      .replace(/[^A-Za-z0-9]/g, '')
      .replace(/^[A-Z]/, (c) => c.toLowerCase());
    const longest = Math.max(
      ...outputFields(signature.signature).map((field) => field.name.length),
    );
    const usable =
      /^[a-z]/.test(own) &&
      own.length + longest < MAX_FIELD_LENGTH &&
      ![...names.values()].includes(own);
    names.set(signature, usable ? own : `step${names.size + 1}`);
  }
  return names;
}

function pickInputs({ signature, sources }: ChainStep, state: Fields): Fields {
  const values = inputFields(signature.signature).flatMap((field) => {
    const names = sources.get(field.name) ?? [field.name];
    const value: unknown = names.map((name) => own(state, name)).find(hasValue);
    return hasValue(value) ? [[field.name, value]] : [];
  });
  return Object.fromEntries(values);
}

function pickOutputs({ signature }: Chain, state: Fields): Fields {
  const names = outputFields(signature).map(({ name }) => name);
  return Object.fromEntries(
    names.map((name) => [name, own(state, name)]).filter(([, value]) => hasValue(value)),
  );
}

function hasValue(value: unknown): boolean {
  return value !== undefined && value !== null;
}

function isDone(until: ChainUntil | undefined, state: Fields): boolean {
  if (!until) return false;
  const value: unknown = own(state, until.field);
  if (until.atLeast !== undefined) return typeof value === 'number' && value >= until.atLeast;
  return isDeepStrictEqual(value, until.equals ?? true);
}

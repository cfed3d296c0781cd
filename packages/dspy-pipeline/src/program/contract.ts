import { AsyncLocalStorage } from 'node:async_hooks';
import type { AxGenStreamingOut, AxProgramForwardOptions } from '@ax-llm/ax';
import { withDocumentedNames } from '../signatures/names.js';
import type { AnySignature, Fields } from '../signatures/types.js';
import { identify, identityOf } from './identity.js';
import { prepareInputs } from './inputs.js';
import { programName } from './name.js';

export type CallOptions = AxProgramForwardOptions<string>;

export interface Contract {
  /** What the program takes: its defaults and constraints are applied to every call. */
  readonly signature?: AnySignature;
  /** Options of every call; the call's own win. Ax forgets a generator's `model` and `modelConfig`. */
  readonly callOptions?: CallOptions;
  /** Makes {@link inputsOfCall} know the inputs while a call runs. */
  readonly tracksInputs?: boolean;
}

/** The methods that a contract stands in front of, where a program has them. */
interface Callable {
  forward(ai: unknown, values: Fields, options?: CallOptions): Promise<Fields>;
  streamingForward(ai: unknown, values: Fields, options?: CallOptions): AxGenStreamingOut<Fields>;
  setDescription(description: string): void;
  setSignature(signature: never): void;
  getSignature(): AnySignature;
}

const calls = new AsyncLocalStorage<ReadonlyMap<object, Fields>>();

/** The inputs of the call of `program` in progress, for assertions, which Ax shows the outputs alone. */
export function inputsOfCall(program: object): Fields | undefined {
  return calls.getStore()?.get(program);
}

function within<T>(program: object, inputs: Fields, work: () => T): T {
  return calls.run(new Map([...(calls.getStore() ?? []), [program, inputs]]), work);
}

/**
 * Puts defaults, input checks, call options and documented names on a program. They go on the
 * instance: a subclass would be traced under its own type, and a flow cannot be subclassed. Methods
 * of its class are looked up at each call, so that instrumentation which patches them is seen.
 */
export function applyContract<P extends object>(program: P, contract: Contract): P {
  const own = { ...program } as Partial<Callable>;
  const inherited = Object.getPrototypeOf(program) as Callable;
  const base = <M extends keyof Callable>(name: M): Callable[M] => own[name] ?? inherited[name];
  const { callOptions = {}, tracksInputs = false } = contract;
  let { signature } = contract;
  const prepare = (values: Fields) =>
    // Ax also takes a list of chat messages for the inputs; it is theirs to check.
    signature === undefined || Array.isArray(values)
      ? values
      : prepareInputs(programName(program), signature, values);
  const methods: Partial<Callable> = {
    async forward(ai, values, options) {
      const inputs = prepare(values);
      const call = () =>
        base('forward').call(program, ai, inputs, mergeOptions(callOptions, options));
      return tracksInputs ? within(program, inputs, call) : call();
    },
    streamingForward(ai, values, options) {
      let inputs: Fields;
      try {
        inputs = prepare(values);
      } catch (error) {
        return failing(error);
      }
      const merged = mergeOptions(callOptions, options);
      const stream = base('streamingForward').call(program, ai, inputs, merged);
      return tracksInputs ? readWithin(program, inputs, stream) : stream;
    },
    setDescription(description) {
      withDocumentedNames(() => base('setDescription').call(program, description));
    },
    setSignature(next) {
      withDocumentedNames(() => base('setSignature').call(program, next));
      signature = base('getSignature').call(program);
      const identity = identityOf(program);
      if (identity) identify(program, { ...identity, signature });
    },
  };
  for (const [name, value] of Object.entries(methods)) {
    if (typeof base(name as keyof Callable) === 'function') define(program, name, value);
  }
  return program;
}

/** Replaces a method on one instance, unseen by enumeration as methods are. */
export function define(program: object, name: string, value: unknown): void {
  Object.defineProperty(program, name, { value, configurable: true, writable: true });
}

/** What is given as `undefined` counts as not given. Ax hands values on under symbols, which are kept. */
function mergeOptions(ours: CallOptions, theirs: CallOptions = {}): CallOptions {
  const modelConfig = { ...ours.modelConfig, ...theirs.modelConfig };
  const merged: CallOptions = {
    ...ours,
    ...theirs,
    ...(Object.keys(modelConfig).length > 0 && { modelConfig }),
  };
  for (const [key, value] of Object.entries(ours)) {
    if (theirs[key as keyof CallOptions] === undefined && key !== 'modelConfig') {
      Object.assign(merged, { [key]: value });
    }
  }
  return merged;
}

/** Reads a stream so that the assertions Ax runs in it know the inputs of its call. */
async function* readWithin(
  program: object,
  inputs: Fields,
  stream: AxGenStreamingOut<Fields>,
): AxGenStreamingOut<Fields> {
  try {
    for (;;) {
      const { done, value } = await within(program, inputs, () => stream.next());
      if (done) return;
      yield value;
    }
  } finally {
    await stream.return();
  }
}

/** Ax reports nothing before a stream is read, so neither does a wrong input. */
// biome-ignore lint/correctness/useYield: it fails at the first read
async function* failing(error: unknown): AxGenStreamingOut<never> {
  throw error;
}

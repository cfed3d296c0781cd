import {
  type AxAssertion,
  AxGen,
  type AxProgramForwardOptions,
  type AxSignature,
} from '@ax-llm/ax';
import { entryOf } from '../signatures/define.js';
import { outputFields } from '../signatures/fields.js';
import type { LibraryName, library } from '../signatures/library/index.js';
import { withDocumentedNames } from '../signatures/names.js';
import { signatureRegistry } from '../signatures/registry.js';
import type { AnySignature, Fields, OutputCheck } from '../signatures/types.js';
import { applyContract, inputsOfCall } from './contract.js';
import { identify, type ProgramIdentity } from './identity.js';
import { programName } from './name.js';

/** Options of {@link createProgram}: Ax's own for a generator, and these. */
export interface ProgramOptions<IN extends Fields = Fields, OUT extends Fields = Fields>
  extends Omit<AxProgramForwardOptions<string>, 'traceLabel' | 'description'> {
  /** What the program is called in traces. Default the signature's name in the library, else Ax's own naming. */
  readonly name?: string;
  /** Version in traces and in the executor's cache. */
  readonly version?: string;
  /** Replaces the instruction that Ax derives from the signature. */
  readonly instruction?: string;
  /** Worked examples, shown to the model before the question. */
  readonly demos?: readonly (Partial<IN> & Partial<OUT>)[];
  /** See {@link OutputCheck}. Default the library's. */
  readonly checkOutputs?: OutputCheck<IN, OUT>;
  /** More of its identity. */
  readonly identity?: Omit<ProgramIdentity, 'name' | 'version' | 'signature'>;
}

type Entry<N extends LibraryName> = (typeof library)[N];
type InputsOf<N extends LibraryName> =
  Entry<N>['signature'] extends AxSignature<infer IN, Fields> ? IN : never;
type OutputsOf<N extends LibraryName> =
  Entry<N>['signature'] extends AxSignature<Fields, infer OUT> ? OUT : never;
type Program = AxGen<Fields, Fields>;

/**
 * Makes a program of a signature: an `AxGen` that fills in the signature's defaults, holds inputs
 * against its constraints before a model is called, and goes by its name in traces.
 *
 * @throws {UnknownSignatureError} when a name is not in {@link signatureRegistry}.
 * @throws Error from Ax when a demo does not fit the signature.
 */
export function createProgram<N extends LibraryName>(
  signature: N,
  options?: ProgramOptions<InputsOf<N>, OutputsOf<N>>,
): AxGen<InputsOf<N>, OutputsOf<N>>;
export function createProgram<IN extends Fields, OUT extends Fields>(
  signature: AxSignature<IN, OUT>,
  options?: ProgramOptions<IN, OUT>,
): AxGen<IN, OUT>;
export function createProgram(signature: string, options?: ProgramOptions): Program;
export function createProgram(
  source: string | AnySignature,
  options: ProgramOptions = {},
): Program {
  if (typeof source === 'string') {
    return createProgram(signatureRegistry.get(source).signature, options);
  }
  const signature = source;
  const entry = entryOf(signature);
  const {
    name = entry?.name,
    version,
    instruction,
    demos = [],
    identity,
    checkOutputs = entry?.checkOutputs,
    ...axOptions
  } = options;
  const { functions, asserts = [], streamingAsserts, ...callOptions } = axOptions;
  const program: Program = withDocumentedNames(
    () =>
      new AxGen<Fields, Fields>(signature, {
        ...axOptions,
        ...(name !== undefined && { traceLabel: name }),
        asserts: checkOutputs
          ? [...asserts, assertion(() => program, checkOutputs, signature)]
          : asserts,
      }),
  );
  if (instruction !== undefined) program.setInstruction(instruction);
  if (demos.length > 0) {
    program.setDemos([{ programId: program.getId(), traces: [...demos] }]);
  }
  applyContract(program, { signature, callOptions, tracksInputs: checkOutputs !== undefined });
  return identify(program, {
    name: name ?? programName(program),
    ...(version !== undefined && { version }),
    ...identity,
    signature,
  });
}

function assertion(
  program: () => object,
  check: OutputCheck<Fields, Fields>,
  signature: AnySignature,
): AxAssertion<Fields> {
  const required = outputFields(signature).filter(({ isOptional }) => !isOptional);
  return {
    fn: (outputs) => {
      const inputs = inputsOfCall(program());
      // Ax before 23 also asserts on outputs still being read.
      const complete = required.every(({ name }) => outputs[name] !== undefined);
      return inputs === undefined || !complete || check(inputs, outputs);
    },
  };
}

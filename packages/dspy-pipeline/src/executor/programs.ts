import { AxSignature } from '@ax-llm/ax';
import { messageOf } from '../errors.js';
import { createProgram } from '../program/create-program.js';
import { identityOf } from '../program/identity.js';
import { programName } from '../program/name.js';
import { signatureRegistry } from '../signatures/registry.js';
import type { AnySignature } from '../signatures/types.js';
import { identityNumber } from './cache-key.js';
import { ExecutionError } from './execution-error.js';
import type { Program, ProgramLike } from './types.js';

/** What the executor knows of a program. */
export interface ProgramInfo {
  readonly program: Program;
  readonly name: string;
  readonly version: string | undefined;
  /** What it takes; absent where nothing reliable says so. */
  readonly signature: AnySignature | undefined;
}

// A signature is made a program once, so that its results can be cached.
const programs = new WeakMap<object, Program>();

/**
 * The program itself, or a program made of a signature.
 *
 * @throws {ExecutionError} `INVALID_REQUEST` when it is neither.
 */
export function toProgram(source: ProgramLike): Program {
  if (typeof source === 'string') return ofSignature(signatureOf(source));
  if (source instanceof AxSignature) return ofSignature(source);
  if (typeof (source as Partial<Program> | null | undefined)?.forward === 'function') return source;
  throw new ExecutionError(
    'INVALID_REQUEST',
    'program must be an Ax program (anything with a forward method) or a signature',
  );
}

function ofSignature(signature: AnySignature): Program {
  let program = programs.get(signature);
  if (program === undefined) {
    program = createProgram(signature);
    programs.set(signature, program);
  }
  return program;
}

function signatureOf(name: string): AnySignature {
  try {
    return signatureRegistry.get(name).signature;
  } catch (error) {
    throw new ExecutionError('INVALID_REQUEST', messageOf(error), { cause: error });
  }
}

export function describeProgram(program: Program): ProgramInfo {
  const identity = identityOf(program);
  return {
    program,
    name: programName(program),
    version: identity?.version,
    signature: identity?.signature ?? ownSignature(program),
  };
}

function ownSignature(program: Program): AnySignature | undefined {
  const { getSignature, getExecutionPlan } = program as {
    getSignature?: unknown;
    getExecutionPlan?: unknown;
  };
  // A flow infers its signature: every field a text, and often not the flow's own.
  if (typeof getSignature !== 'function' || typeof getExecutionPlan === 'function')
    return undefined;
  try {
    return getSignature.call(program) as AnySignature;
  } catch {
    return undefined;
  }
}

/** The parts of a program that can be changed after it was made, as Ax shows them. */
interface Tunable {
  readonly demos?: object;
  readonly examples?: object;
  getSignature?(): unknown;
  getInstruction?(): string | undefined;
  namedProgramInstances?(): readonly { readonly program: Tunable }[];
}

/**
 * What can change in a program and the programs it is made of: signatures, instructions, demos,
 * examples. Equal states answer alike, as far as a program's own code is concerned.
 */
export function stateOf(program: Program): unknown[] {
  return partsOf(program as Tunable).map((part) => [
    String(part.getSignature?.()),
    part.getInstruction?.(),
    identityNumber(part.demos),
    identityNumber(part.examples),
  ]);
}

function partsOf(program: Tunable): readonly Tunable[] {
  const inner = program.namedProgramInstances?.() ?? [];
  return [program, ...inner.map((instance) => instance.program)];
}

import type { Attributes } from '@opentelemetry/api';
import { askAx } from '../ask.js';
import {
  DSPY_ASSERTS_COUNT,
  DSPY_DEMOS_COUNT,
  DSPY_EXAMPLES_COUNT,
  DSPY_INSTRUCTION,
  DSPY_MODULE_VERSION,
  DSPY_OPTIONS,
  DSPY_SIGNATURE,
  DSPY_SIGNATURE_FIELDS,
} from '../attributes/dspy.js';
import { readArray, readProperty, readText } from '../capture/read.js';
import { safeString } from '../capture/redact.js';
import { serializeText } from '../capture/serialize.js';
import { describeSignature, type SignatureDescription } from '../capture/signature.js';
import { isOfAxClass, nameOfAxClass, typeOf } from '../copy.js';
import type { Subject } from '../execution/kinds.js';
import type { Operation } from '../execution/operation.js';
import type { Settings } from '../settings.js';

/** What the hooks read of an Ax program. Which of it exists depends on class and version. */
export interface Program {
  readonly signature?: unknown;
  /** Of an agent that runs code. */
  readonly fullSignature?: unknown;
  readonly traceLabel?: unknown;
  readonly instruction?: unknown;
  readonly demos?: unknown;
  readonly examples?: unknown;
  readonly asserts?: unknown;
  readonly options?: Readonly<Record<string, unknown>> | null;
}

/** What a program says of itself beyond Ax: docs/attributes.md, `dspy.module.version`. */
interface ProgramIdentity {
  readonly version?: unknown;
  /** What the program takes and gives, where Ax's own view is inferred. */
  readonly signature?: unknown;
}

const IDENTITY = Symbol.for('hokusai.dspy.program');

export function identityOf(program: object): ProgramIdentity | undefined {
  const identity = readProperty(program, IDENTITY);
  return typeof identity === 'object' && identity !== null ? identity : undefined;
}

const MAX_NAME_BYTES = 128;

/**
 * The name of a program: the label of the call or of the program, the name of its node in a flow,
 * the class name of a user's own class, else its class with the fields of its signature.
 */
export function nameOfProgram(
  program: Program & object,
  callOptions: { readonly traceLabel?: unknown } | undefined,
): string {
  const callLabel = labelOf(callOptions);
  const node = callLabel === undefined ? undefined : nodeOf(callLabel);
  const ownLabel = labelOf(program) ?? labelOf(readProperty(program, 'options'));
  const label = (node === undefined ? callLabel : undefined) ?? ownLabel ?? node;
  if (label !== undefined) return safeString(label, MAX_NAME_BYTES);
  const type = typeOf(program);
  const isAxClass = nameOfAxClass(program.constructor) !== undefined;
  const signature = isAxClass ? describeSignature(signatureOf(program)) : undefined;
  if (signature === undefined) return safeString(type, MAX_NAME_BYTES);
  const { inputNames, outputNames } = signature;
  return safeString(
    `${type}(${inputNames.join(', ')} -> ${outputNames.join(', ')})`,
    MAX_NAME_BYTES,
  );
}

function labelOf(value: unknown): string | undefined {
  return textOf(readProperty(value, 'traceLabel'));
}

/** A flow labels the call of a node `Node:NAME`, or `Node:NAME (LABEL)` when the flow has a label. */
function nodeOf(label: string): string | undefined {
  return /^Node:(\S+)/.exec(label)?.[1];
}

function textOf(value: unknown): string | undefined {
  return typeof value === 'string' && value !== '' ? value : undefined;
}

/** The program's signature object. The field first: `getSignature` copies the signature. */
export function signatureOf(program: Program): unknown {
  const signature =
    readProperty(program, 'signature') ??
    readProperty(program, 'fullSignature') ??
    // Of a flow: what its `getSignature` makes a program for, which a run would then make again.
    askAx(program, 'inferSignatureFromFlow') ??
    askAx(program, 'getSignature');
  // It is asked in its turn.
  const isAx = typeof signature === 'object' && signature !== null && isOfAxClass(signature);
  return isAx ? signature : undefined;
}

/** The program's instruction, where it is Ax that says it or a field that holds it. */
export function instructionOf(program: Program): string | undefined {
  return textOf(askAx(program, 'getInstruction')) ?? textOf(readProperty(program, 'instruction'));
}

interface KnownSubject {
  readonly settings: Settings;
  readonly callLabel: unknown;
  readonly ownLabel: unknown;
  readonly signature: unknown;
  readonly subject: Subject;
}

const subjects = new WeakMap<object, KnownSubject>();

/** The subject of a program's call, built once for a program and label. */
export function subjectOfProgram(
  program: Program & object,
  callOptions: { readonly traceLabel?: unknown } | undefined,
  settings: Settings,
  build: (name: string) => Subject,
): Subject {
  const callLabel = readProperty(callOptions, 'traceLabel');
  const ownLabel = readProperty(program, 'traceLabel');
  const signature = readProperty(program, 'signature');
  const known = subjects.get(program);
  if (
    known !== undefined &&
    known.settings === settings &&
    known.callLabel === callLabel &&
    known.ownLabel === ownLabel &&
    known.signature === signature
  ) {
    return known.subject;
  }
  const subject = withVersion(program, build(nameOfProgram(program, callOptions)));
  subjects.set(program, { settings, callLabel, ownLabel, signature, subject });
  return subject;
}

function withVersion(program: object, subject: Subject): Subject {
  const version = readText(identityOf(program), 'version');
  if (version === undefined) return subject;
  const attributes = {
    ...subject.attributes,
    [DSPY_MODULE_VERSION]: safeString(version, MAX_NAME_BYTES),
  };
  return { ...subject, attributes };
}

interface Description {
  readonly settings: Settings;
  readonly signature: SignatureDescription | undefined;
  readonly instruction: string | undefined;
  readonly demos: number;
  readonly examples: number;
  readonly asserts: number;
  readonly attributes: Attributes;
  readonly truncated: readonly string[];
}

const descriptions = new WeakMap<object, Description>();

/** Puts what is known of the program itself on the operation: built once and shared by its calls. */
export function describeProgram(operation: Operation, program: Program & object): void {
  const { settings } = operation;
  const signature = settings.signatures ? describeSignature(signatureOf(program)) : undefined;
  const instruction = instructionOf(program);
  const demos = lengthOf(program, 'demos');
  const examples = lengthOf(program, 'examples');
  const asserts = lengthOf(program, 'asserts');
  let known = descriptions.get(program);
  if (
    known === undefined ||
    known.settings !== settings ||
    known.signature !== signature ||
    known.instruction !== instruction ||
    known.demos !== demos ||
    known.examples !== examples ||
    known.asserts !== asserts
  ) {
    const described = attributesOf(settings, signature, instruction, demos, examples, asserts);
    known = { settings, signature, instruction, demos, examples, asserts, ...described };
    descriptions.set(program, known);
  }
  operation.fixed = known.attributes;
  for (const name of known.truncated) operation.markTruncated(name);
}

function attributesOf(
  settings: Settings,
  described: SignatureDescription | undefined,
  instruction: string | undefined,
  demos: number,
  examples: number,
  asserts: number,
): Pick<Description, 'attributes' | 'truncated'> {
  const attributes: Attributes = {};
  const truncated: string[] = [];
  if (described !== undefined) {
    // Descriptions in a signature are the program's prompt.
    const { text, fields } = settings.inputs ? described : described.structure;
    attributes[DSPY_SIGNATURE] = text;
    attributes[DSPY_SIGNATURE_FIELDS] = fields;
  }
  const prompt = instruction ?? described?.description;
  if (settings.signatures && settings.inputs && prompt !== undefined) {
    const recorded = serializeText(prompt, settings.serialize);
    attributes[DSPY_INSTRUCTION] = recorded.text;
    if (recorded.truncated) truncated.push(DSPY_INSTRUCTION);
  }
  if (demos > 0) attributes[DSPY_DEMOS_COUNT] = demos;
  if (examples > 0) attributes[DSPY_EXAMPLES_COUNT] = examples;
  if (asserts > 0) attributes[DSPY_ASSERTS_COUNT] = asserts;
  return { attributes, truncated };
}

function lengthOf(program: Program, list: 'demos' | 'examples' | 'asserts'): number {
  return readArray(readProperty(program, list)).length;
}

/** Scalar options that change what a program does. Anything else in the options may be content or a service. */
const OPTION_NAMES = [
  'model',
  'maxRetries',
  'maxSteps',
  'sampleCount',
  'stream',
  'fastFail',
  'thinkingTokenBudget',
  'showThoughts',
  'functionCallMode',
  'structuredOutputMode',
  'strictMode',
  'asyncMode',
  'autoParallel',
  'disableMemoryCleanup',
] as const;

/** Sets `dspy.options` to the effective scalar options: those of the call before those of the program. */
export function recordOptions(
  operation: Operation,
  program: Program,
  callOptions: Readonly<Record<string, unknown>> | undefined,
): void {
  let options: Record<string, unknown> | undefined;
  const own = readProperty(program, 'options');
  for (const name of OPTION_NAMES) {
    const value = readProperty(callOptions, name) ?? readProperty(own, name);
    if (typeof value === 'string' || typeof value === 'number' || typeof value === 'boolean') {
      options ??= {};
      options[name] = value;
    }
  }
  const picker = readProperty(callOptions, 'resultPicker') ?? readProperty(own, 'resultPicker');
  if (typeof picker === 'function') {
    options ??= {};
    options.resultPicker = picker.name === '' ? 'custom' : safeString(picker.name);
  }
  if (options !== undefined) operation.json(DSPY_OPTIONS, options);
}

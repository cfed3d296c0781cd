import { diagnostics } from '../diagnostics.js';
import { readArray, readProperty, readText } from './read.js';
import { serialize } from './serialize.js';
import { boundedText } from './text.js';

/** A signature as text and as fields. */
export interface SignatureText {
  /** String form: `"Answer briefly" question:string -> answer:string`, capped. */
  text: string;
  /** JSON array of fields, inputs first: `[{ name, title?, type, io, optional?, internal?, description?, …constraints }]`. */
  fields: string;
}

export interface SignatureDescription extends SignatureText {
  /** The signature's own description, whole. Content. */
  description?: string;
  /** Names and types alone: what may be recorded when content is off. */
  structure: SignatureText;
  inputNames: readonly string[];
  outputNames: readonly string[];
}

interface FieldDescription {
  name: string;
  /** Only where it is not the name in title case. */
  title?: string;
  /** Ax's type name, `[]` after it for a list. */
  type: string;
  io?: 'input' | 'output';
  optional?: true;
  internal?: true;
  description?: string;
  fields?: FieldDescription[];
  [constraint: string]: unknown;
}

const MAX_TEXT_BYTES = 4096;
const MAX_FIELDS_BYTES = 16_384;
/** Of a description, where the whole text is too long. An agent's is a prompt of its own. */
const MAX_DESCRIPTION_BYTES = 1024;
const MAX_FIELDS = 500;
const MAX_DEPTH = 8;

/** Constraints of a field's type, as Ax names them. */
const CONSTRAINTS = [
  'options',
  'minLength',
  'maxLength',
  'minimum',
  'maximum',
  'pattern',
  'patternDescription',
  'format',
] as const;

interface Known {
  /** Signatures can be changed: a description holds as long as the string form and the hash are the same. */
  source: string;
  /** Of all fields; not of the description in every version. */
  hash: unknown;
  description: SignatureDescription | undefined;
}

const bySignature = new WeakMap<object, Known>();
/** Equal signatures are made again and again: by flows for every call, by programs that live for one request. */
const byHash = new Map<string, Known>();
const MAX_HASHES = 256;

/**
 * What a signature says, built once for signatures that are equal. `undefined` when the value is no signature. Never throws.
 *
 * From Ax 14 on `program.getSignature()` makes a new object at every call; `program.signature` is the one to pass.
 */
export function describeSignature(signature: unknown): SignatureDescription | undefined {
  if (signature === null || typeof signature !== 'object') return undefined;
  try {
    const source = textOf(signature);
    const hash = call(signature, 'hash');
    let known = bySignature.get(signature);
    if (known?.source === source && known.hash === hash) return known.description;
    known = knownByHash(signature, source, hash);
    bySignature.set(signature, known);
    return known.description;
  } catch (fault) {
    diagnostics.fault('describeSignature', fault);
    return undefined;
  }
}

function knownByHash(signature: object, source: string, hash: unknown): Known {
  const isHash = typeof hash === 'string' && hash !== '';
  const known = isHash ? byHash.get(hash) : undefined;
  if (known?.source === source) return known;
  const created: Known = { source, hash, description: describe(signature, source) };
  if (isHash) {
    if (byHash.size >= MAX_HASHES) byHash.clear();
    byHash.set(hash, created);
  }
  return created;
}

function call(target: object, method: string): unknown {
  const fn = readProperty(target, method);
  return typeof fn === 'function' ? (fn as () => unknown).call(target) : undefined;
}

function textOf(signature: object): string {
  const text = call(signature, 'toString');
  return typeof text === 'string' ? text : '';
}

function describe(signature: object, source: string): SignatureDescription | undefined {
  const inputs = fieldsOf(call(signature, 'getInputFields'), 'input');
  const outputs = fieldsOf(call(signature, 'getOutputFields'), 'output');
  if (inputs.length === 0 && outputs.length === 0) return undefined;
  const fields = [...inputs, ...outputs];
  const structure: SignatureText = {
    text: boundedText(structureText(inputs, outputs), MAX_TEXT_BYTES).text,
    fields: serialize(fields.map(withoutContent), { maxBytes: MAX_FIELDS_BYTES }).json,
  };
  const own = call(signature, 'getDescription');
  const description = typeof own === 'string' && own !== '' ? own : undefined;
  const result: SignatureDescription = {
    text: shortText(source, description, structure.text),
    fields: serialize(fields, { maxBytes: MAX_FIELDS_BYTES }).json,
    structure,
    inputNames: inputs.map((field) => field.name),
    outputNames: outputs.map((field) => field.name),
  };
  if (description !== undefined) result.description = description;
  return result;
}

/** The string form; where it is too long, the fields matter more than the description before them. */
function shortText(source: string, description: string | undefined, structure: string): string {
  const whole = boundedText(source, MAX_TEXT_BYTES);
  if (source !== '' && !whole.truncated) return whole.text;
  const intro =
    description === undefined
      ? ''
      : `"${boundedText(description, MAX_DESCRIPTION_BYTES).text.replaceAll('"', "'")}" `;
  return boundedText(intro + structure, MAX_TEXT_BYTES).text;
}

function structureText(inputs: FieldDescription[], outputs: FieldDescription[]): string {
  const render = (field: FieldDescription): string =>
    `${field.name}${field.optional ? '?' : ''}${field.internal ? '!' : ''}:${field.type}`;
  return `${inputs.map(render).join(', ')} -> ${outputs.map(render).join(', ')}`;
}

function fieldsOf(fields: unknown, io: 'input' | 'output'): FieldDescription[] {
  return readArray(fields)
    .slice(0, MAX_FIELDS)
    .map((field) =>
      describeField(readText(field, 'name') ?? '', field, readProperty(field, 'type'), io, 0),
    );
}

function describeField(
  name: string,
  field: unknown,
  type: unknown,
  io: 'input' | 'output' | undefined,
  depth: number,
): FieldDescription {
  const described: FieldDescription = { name, type: typeName(type) };
  const title = readText(field, 'title');
  if (title !== undefined && title !== '' && title !== titleCase(name)) described.title = title;
  if (io !== undefined) described.io = io;
  if (readProperty(field, 'isOptional') === true) described.optional = true;
  if (readProperty(field, 'isInternal') === true) described.internal = true;
  const description = readText(field, 'description');
  if (description !== undefined && description !== '') described.description = description;
  for (const constraint of CONSTRAINTS) {
    const value = readProperty(type, constraint);
    if (value !== undefined && value !== null) described[constraint] = value;
  }
  const nested = depth < MAX_DEPTH ? nestedFields(readProperty(type, 'fields'), depth + 1) : [];
  if (nested.length > 0) described.fields = nested;
  return described;
}

/** Fields of an object type, by name; each has its type's keys beside its own. */
function nestedFields(fields: unknown, depth: number): FieldDescription[] {
  if (fields === null || typeof fields !== 'object') return [];
  return Object.keys(fields)
    .slice(0, MAX_FIELDS)
    .map((name) => {
      const field = readProperty(fields, name);
      const type = readProperty(field, 'type');
      return describeField(
        name,
        field,
        typeof type === 'string' ? field : (type ?? field),
        undefined,
        depth,
      );
    });
}

function typeName(type: unknown): string {
  const name = readText(type, 'name') ?? readText(type, 'type') ?? 'string';
  return readProperty(type, 'isArray') === true ? `${name}[]` : name;
}

function titleCase(name: string): string {
  const words = name
    .replace(/_/g, ' ')
    .replace(/([a-z0-9])([A-Z])/g, '$1 $2')
    .trim();
  return words.replace(/(^|\s)\S/g, (letter) => letter.toUpperCase());
}

/** Names and types: a description, a list of options, a pattern are the user's words. */
function withoutContent(field: FieldDescription): FieldDescription {
  const { name, type, io, optional, internal, fields } = field;
  const bare: FieldDescription = { name, type };
  if (io !== undefined) bare.io = io;
  if (optional) bare.optional = true;
  if (internal) bare.internal = true;
  if (fields !== undefined) bare.fields = fields.map(withoutContent);
  return bare;
}

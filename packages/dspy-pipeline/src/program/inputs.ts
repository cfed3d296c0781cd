import { own } from '../own.js';
import { inputFields, type SignatureField, withDefaults } from '../signatures/fields.js';
import type { AnySignature, Fields } from '../signatures/types.js';

/** An input that is there and wrong. */
export interface InvalidInput {
  readonly field: string;
  /** What it must be; never the value itself, which may be private. */
  readonly reason: string;
}

/** The inputs do not fit the signature; no model was called. */
export class ProgramInputError extends Error {
  override readonly name = 'ProgramInputError';
  constructor(
    programName: string,
    /** Required inputs that are absent or empty. */
    readonly missing: readonly string[],
    readonly invalid: readonly InvalidInput[],
  ) {
    const problems = [
      ...(missing.length > 0
        ? [`missing required ${missing.length === 1 ? 'input' : 'inputs'}: ${missing.join(', ')}`]
        : []),
      ...invalid.map(({ field, reason }) => `${field} must be ${reason}`),
    ];
    super(`${programName}: ${problems.join('; ')}`);
  }
}

/**
 * The inputs completed by the signature's defaults, after holding them against its fields.
 *
 * @throws {ProgramInputError} naming every input that is missing or wrong.
 */
export function prepareInputs<IN extends Fields>(
  programName: string,
  signature: AnySignature,
  inputs: IN,
): IN {
  const complete = withDefaults(signature, inputs);
  const missing: string[] = [];
  const invalid: InvalidInput[] = [];
  for (const field of inputFields(signature)) {
    const value: unknown = own(complete, field.name);
    if (isAbsent(value)) {
      if (!field.isOptional) missing.push(field.name);
      continue;
    }
    const reason = whyInvalid(field, value);
    if (reason) invalid.push({ field: field.name, reason });
  }
  if (missing.length > 0 || invalid.length > 0) {
    throw new ProgramInputError(programName, missing, invalid);
  }
  return complete;
}

/** Names among the inputs that the signature does not know; Ax leaves them out of the prompt. */
export function unknownInputs(signature: AnySignature, inputs: Readonly<Fields>): string[] {
  const known = new Set(inputFields(signature).map(({ name }) => name));
  return Object.keys(inputs).filter((name) => !known.has(name));
}

// Ax takes an empty text or list for an absent one.
function isAbsent(value: unknown): boolean {
  return value === undefined || value === null || (isSized(value) && value.length === 0);
}

function isSized(value: unknown): value is string | unknown[] {
  return typeof value === 'string' || Array.isArray(value);
}

/** What a value must be to stand in a field; `undefined` when it may. */
export function whyInvalid(
  { type = { name: 'string' } }: { readonly type?: FieldType },
  value: unknown,
): string | undefined {
  if (!type.isArray) return whyInvalidValue(type, value);
  if (!Array.isArray(value)) return `a list of ${type.name} values`;
  const reason = value.map((item) => whyInvalidValue(type, item)).find((found) => found);
  return reason && `a list of values each ${reason}`;
}

type FieldType = NonNullable<SignatureField['type']>;

function whyInvalidValue(type: FieldType, value: unknown): string | undefined {
  const expected: Expectation | undefined = EXPECTED[type.name];
  if (expected?.accepts(value) === false) return expected.words;
  if (typeof value === 'number') return outOfRange(value, type.minimum, type.maximum, '');
  if (typeof value !== 'string') return undefined;
  const { minLength, maxLength, options, pattern } = type;
  if (options && !options.includes(value)) return `one of ${options.join(', ')}`;
  if (pattern !== undefined && !new RegExp(pattern).test(value)) {
    return type.patternDescription ?? `a match of ${pattern}`;
  }
  return outOfRange(value.length, minLength, maxLength, ' characters long');
}

function outOfRange(size: number, min = -Infinity, max = Infinity, unit = ''): string | undefined {
  if (size < min) return `at least ${min}${unit}`;
  return size > max ? `at most ${max}${unit}` : undefined;
}

interface Expectation {
  readonly words: string;
  accepts(value: unknown): boolean;
}

const text: Expectation = { words: 'text', accepts: (value) => typeof value === 'string' };
const date: Expectation = {
  words: 'a Date or date text',
  accepts: (value) =>
    value instanceof Date ? !Number.isNaN(value.getTime()) : typeof value === 'string',
};
const range: Expectation = {
  words: 'interval text or an object with start and end',
  accepts: (value) => typeof value === 'string' || hasKeys(value, ['start', 'end']),
};

// What Ax itself takes for each type of field (its `validateValue`), checked before the call.
const EXPECTED: Readonly<Record<FieldType['name'], Expectation>> = {
  string: text,
  code: text,
  class: text,
  number: {
    words: 'a finite number',
    accepts: (value) => typeof value === 'number' && Number.isFinite(value),
  },
  boolean: { words: 'true or false', accepts: (value) => typeof value === 'boolean' },
  json: {
    words: 'an object, a list or JSON text',
    accepts: (value) => typeof value === 'object' || typeof value === 'string',
  },
  object: { words: 'an object', accepts: (value) => typeof value === 'object' },
  date,
  datetime: date,
  dateRange: range,
  datetimeRange: range,
  url: {
    words: 'a URL or an object with url',
    accepts: (value) => typeof value === 'string' || hasKeys(value, ['url']),
  },
  image: {
    words: 'an object with mimeType and data',
    accepts: (value) => hasKeys(value, ['mimeType', 'data']),
  },
  audio: {
    words: 'audio text or an object with data',
    accepts: (value) =>
      typeof value === 'string' || hasKeys(value, ['data']) || hasKeys(value, ['id']),
  },
  file: {
    words: 'an object with mimeType and either data or fileUri',
    accepts: (value) =>
      hasKeys(value, ['mimeType']) && hasKeys(value, ['data']) !== hasKeys(value, ['fileUri']),
  },
};

function hasKeys(value: unknown, keys: readonly string[]): boolean {
  return typeof value === 'object' && value !== null && keys.every((key) => key in value);
}

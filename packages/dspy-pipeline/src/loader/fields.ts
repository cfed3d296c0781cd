import { type AxField, AxSignature } from '@ax-llm/ax';
import { messageOf } from '../errors.js';
import { own } from '../own.js';
import { toCamelCase, withDocumentedNames } from '../signatures/names.js';
import { suggest } from '../suggest.js';
import { check } from './check.js';
import type { ConfigPath, Problems } from './problems.js';
import { type FieldConfig, fieldSchema } from './schema.js';

/** A field of a signature in the making. */
export type ConfigField = AxField & { defaultValue?: unknown };

type FieldType = NonNullable<AxField['type']>;

/** The platform's types, for Ax's. */
const PLATFORM_TYPES: Readonly<Record<string, FieldType>> = {
  str: { name: 'string' },
  int: { name: 'number' },
  float: { name: 'number' },
  bool: { name: 'boolean' },
  list: { name: 'string', isArray: true },
  dict: { name: 'json' },
};

const AX_TYPES: readonly FieldType[] = [
  { name: 'string' },
  { name: 'number' },
  { name: 'boolean' },
  { name: 'json' },
  { name: 'class' },
  { name: 'code' },
  { name: 'url' },
  { name: 'date' },
  { name: 'datetime' },
  { name: 'dateRange' },
  { name: 'datetimeRange' },
  { name: 'image' },
  { name: 'audio' },
  { name: 'file' },
];

/** What `min` and `max` are called in Ax, for the types that have them. */
const BOUNDS: Readonly<Partial<Record<FieldType['name'], readonly [string, string]>>> = {
  string: ['minLength', 'maxLength'],
  number: ['minimum', 'maximum'],
};

// name, `?`, `:type`, `=default`, "description"
const PLATFORM_FIELD =
  /^(?<name>[A-Za-z][\w-]*)(?<optional>\?)?(?:\s*:\s*(?<type>str|int|float|bool|list|dict))?(?:\s*=\s*(?<value>"(?:[^"\\]|\\.)*"|[^\s"]+))?(?:\s+"(?<description>[^"]*)")?$/;

/**
 * Reads one field of a signature: `style?:str="informative"` as the platform writes it, any field of
 * Ax's own grammar (`score:number(min 0, max 1)`, `label:class "a, b"`), or an object.
 */
export function readField(
  value: unknown,
  path: ConfigPath,
  io: 'input' | 'output',
  problems: Problems,
): ConfigField | undefined {
  const field =
    typeof value === 'string'
      ? readText(value.trim(), path, io, problems)
      : readObject(value, path, problems);
  if (field) checkBounds(field, path, problems);
  if (field && field.defaultValue !== undefined) {
    if (io === 'output') problems.add(path, 'an output cannot have a default');
    // A field with a default may be left out.
    return { ...field, isOptional: true };
  }
  return field;
}

/** Nothing is both above and below; Ax finds out when a model has answered, again and again. */
function checkBounds({ type }: ConfigField, path: ConfigPath, problems: Problems): void {
  const { minimum, maximum, minLength, maxLength } = type ?? {};
  const least = minimum ?? minLength;
  const most = maximum ?? maxLength;
  if (least !== undefined && most !== undefined && least > most) {
    problems.add(path, `min ${least} is above max ${most}`);
  }
}

function readText(
  text: string,
  path: ConfigPath,
  io: 'input' | 'output',
  problems: Problems,
): ConfigField | undefined {
  const parts = PLATFORM_FIELD.exec(text)?.groups;
  if (!parts?.name) return readAxField(text, path, io, problems);
  const { name, optional, type = 'str', value, description } = parts;
  return {
    name: toCamelCase(name),
    type: { ...(PLATFORM_TYPES[type] ?? { name: 'string' }) },
    ...(description && { description }),
    ...(optional && { isOptional: true }),
    ...(value !== undefined && { defaultValue: readDefault(value, path, problems) }),
  };
}

function readDefault(text: string, path: ConfigPath, problems: Problems): unknown {
  try {
    return JSON.parse(text);
  } catch {
    problems.add(path, 'the default must be JSON: "text" in quotes, a number, true, [] or {}');
    return undefined;
  }
}

/** Lets Ax read its own grammar, with names in either case. */
function readAxField(
  text: string,
  path: ConfigPath,
  io: 'input' | 'output',
  problems: Problems,
): ConfigField | undefined {
  const field = text.replace(/^[\w-]+/, toCamelCase);
  const other = 'otherField:string';
  try {
    const signature = withDocumentedNames(() =>
      AxSignature.create(io === 'input' ? `${field} -> ${other}` : `${other} -> ${field}`),
    );
    const fields = io === 'input' ? signature.getInputFields() : signature.getOutputFields();
    if (fields.length === 1) return fields[0];
    problems.add(path, 'must be one field; write several as a list');
  } catch (error) {
    problems.add(path, `is not a field: ${messageOf(error)}`);
  }
  return undefined;
}

function readObject(value: unknown, path: ConfigPath, problems: Problems): ConfigField | undefined {
  if (typeof value !== 'object' || value === null || !('name' in value)) {
    problems.add(path, 'must be text such as topic:str, or a map with a name');
    return undefined;
  }
  const config = check(fieldSchema, value, path, problems);
  if (!config) return undefined;
  const type = readType(config, path, problems);
  return (
    type && {
      name: toCamelCase(config.name),
      type,
      ...(config.description !== undefined && { description: config.description }),
      ...(config.optional === true && { isOptional: true }),
      ...(config.default !== undefined && { defaultValue: config.default }),
    }
  );
}

function readType(
  { type = 'str', options, min, max }: FieldConfig,
  path: ConfigPath,
  problems: Problems,
): FieldType | undefined {
  const name = options && type === 'str' ? 'class' : type.replace(/\[\]$/, '');
  const base = own(PLATFORM_TYPES, name) ?? AX_TYPES.find((known) => known.name === name);
  if (!base) {
    const known = [...Object.keys(PLATFORM_TYPES), ...AX_TYPES.map((axType) => axType.name)];
    problems.add([...path, 'type'], `unknown type${suggest(type, known)}`);
    return undefined;
  }
  if (options && base.name !== 'class') {
    problems.add([...path, 'options'], `belong to the type class, not to ${type}`);
  }
  const [least, most] = BOUNDS[base.name] ?? [];
  if ((min !== undefined || max !== undefined) && (!least || !most)) {
    problems.add(path, `min and max belong to numbers and texts, not to ${type}`);
  }
  return {
    ...base,
    ...((base.isArray || type.endsWith('[]')) && { isArray: true }),
    ...(options && { options }),
    ...(least && min !== undefined && { [least]: min }),
    ...(most && max !== undefined && { [most]: max }),
  };
}

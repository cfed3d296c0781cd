import { z } from 'zod';
import { toSnakeCase } from '../signatures/names.js';
import { suggest } from '../suggest.js';
import type { ConfigPath, Problems } from './problems.js';

/** Holds a value against a schema; everything wrong with it goes into the report. */
export function check<S extends z.ZodType>(
  schema: S,
  value: unknown,
  path: ConfigPath,
  problems: Problems,
): z.infer<S> | undefined {
  const result = schema.safeParse(value);
  if (result.success) return result.data;
  for (const issue of result.error.issues) {
    const inner = issue.path.filter((key) => typeof key !== 'symbol');
    const place = [...path, ...inner];
    if (issue.code === 'unrecognized_keys') {
      const known = knownKeys(schema, inner).map(toSnakeCase);
      for (const key of issue.keys) {
        problems.add([...place, key], `unknown setting${suggest(key, known)}`);
      }
    } else {
      problems.add(place, wording(issue));
    }
  }
  return undefined;
}

// Zod's own wordings may quote what was given, and what was given may be a secret.
function wording(issue: z.core.$ZodIssue): string {
  switch (issue.code) {
    case 'invalid_type':
      return issue.message.endsWith('received undefined')
        ? `is required and must be ${article(issue.expected)}`
        : `must be ${article(issue.expected)}${quoteHint(issue)}`;
    case 'too_small':
      if (issue.origin === 'string') return 'must not be empty';
      return issue.origin === 'array'
        ? `must have at least ${issue.minimum}`
        : `must be at least ${issue.minimum}`;
    case 'too_big':
      return `must be at most ${issue.maximum}`;
    case 'invalid_value':
      return `must be one of ${issue.values.join(', ')}`;
    case 'invalid_union':
      return `must be one of ${((issue as { options?: unknown[] }).options ?? []).join(', ')}`;
    default:
      return 'is not valid';
  }
}

function quoteHint(issue: z.core.$ZodIssueInvalidType): string {
  return issue.expected === 'string' && /received (number|boolean|Date)/.test(issue.message)
    ? '; put it in quotes'
    : '';
}

const WORDS: Readonly<Record<string, string>> = {
  string: 'text',
  number: 'a number',
  int: 'a whole number',
  boolean: 'true or false',
  array: 'a list',
  object: 'a map of settings',
  record: 'a map of names',
};

function article(expected: string): string {
  return WORDS[expected] ?? expected;
}

function knownKeys(schema: z.ZodType, path: ConfigPath): string[] {
  let current: unknown = unwrap(schema);
  for (const key of path) {
    if (current instanceof z.ZodObject) current = unwrap(current.shape[key]);
    else if (current instanceof z.ZodArray) current = unwrap(current.element);
  }
  const options = current instanceof z.ZodDiscriminatedUnion ? current.options : [current];
  return [
    ...new Set(
      options.flatMap((option) => (option instanceof z.ZodObject ? Object.keys(option.shape) : [])),
    ),
  ];
}

function unwrap(schema: unknown): unknown {
  return schema instanceof z.ZodOptional ? unwrap(schema.unwrap()) : schema;
}

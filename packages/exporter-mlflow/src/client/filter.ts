import { LINKED_PROMPTS_TAG } from '../mapping/prompts.js';
import { own } from '../own.js';
import { MlflowConfigError } from '../server/errors.js';
import { parseText } from './trace-model.js';
import type { Trace } from './types.js';

/**
 * MLflow's search language for traces (mlflow/utils/search_utils.py), for the local store: conditions
 * joined by AND on `trace.status`, `trace.name`, `trace.timestamp_ms`, `trace.execution_time_ms`,
 * `trace.run_id`, `trace.client_request_id`, `trace.request_id`, `trace.text`, `prompt`, `tag.<key>`,
 * `metadata.<key>`, `span.name`, `span.type`, `span.status`, `feedback.<name>`, `expectation.<name>`.
 */
export function parseTraceFilter(filter: string): (trace: Trace) => boolean {
  const tokens = tokenize(filter);
  const conditions: ((trace: Trace) => boolean)[] = [];
  let at = 0;
  while (at < tokens.length) {
    if (conditions.length > 0) {
      if (tokens[at]?.text.toUpperCase() !== 'AND') fail(filter, 'conditions are joined by AND');
      at++;
    }
    const field = tokens[at++];
    if (field?.kind !== 'word') fail(filter, 'a condition begins with a field');
    const { comparator, next } = readComparator(filter, tokens, at);
    const { values, end } = readValues(filter, tokens, next, comparator);
    conditions.push(condition(filter, field.text, comparator, values));
    at = end;
  }
  return (trace) => conditions.every((matches) => matches(trace));
}

export interface TraceOrder {
  /** Ordered by the time of the trace alone. */
  byTime: boolean;
  compare(a: Trace, b: Trace): number;
}

/** `timestamp_ms DESC`, `execution_time_ms`, `status`, `name`, … */
export function parseTraceOrder(orderBy: readonly string[]): TraceOrder {
  const keys = orderBy.map((clause) => {
    const match = /^(?:(?:trace|attributes?)\.)?(\w+)(?:\s+(ASC|DESC))?$/i.exec(clause.trim());
    const read = match ? own(FIELDS, match[1] as string) : undefined;
    if (!match || !read) {
      throw new MlflowConfigError(
        `orderBy: ${JSON.stringify(clause)} is not "<field> ASC" or "<field> DESC" with one of ${Object.keys(FIELDS).join(', ')}`,
      );
    }
    const sign = match[2]?.toUpperCase() === 'DESC' ? -1 : 1;
    return { sign, read, isTime: /^timestamp/.test(match[1] as string) };
  });
  return {
    byTime: keys.length === 1 && keys[0]?.isTime === true,
    compare: (a, b) => {
      for (const { sign, read } of keys) {
        const order = compareValues(read(a), read(b));
        if (order !== 0) return sign * order;
      }
      return 0;
    },
  };
}

function compareValues(a: unknown, b: unknown): number {
  // What has no value comes last in ascending order, as from the server.
  if (a === undefined || b === undefined) return Number(a === undefined) - Number(b === undefined);
  return (a as number) < (b as number) ? -1 : (a as number) > (b as number) ? 1 : 0;
}

type Read = (trace: Trace) => string | number | undefined;

const time: Read = ({ startTime }) => startTime.getTime();
const duration: Read = ({ durationMs }) => durationMs;
const end: Read = ({ startTime, durationMs }) =>
  durationMs === undefined ? undefined : startTime.getTime() + durationMs;

const FIELDS: Record<string, Read> = {
  timestamp_ms: time,
  timestamp: time,
  execution_time_ms: duration,
  execution_time: duration,
  end_time_ms: end,
  end_time: end,
  status: ({ state }) => state,
  name: ({ name }) => name,
  request_id: ({ traceId }) => traceId,
  run_id: ({ runId }) => runId,
  client_request_id: ({ clientRequestId }) => clientRequestId,
};

type Values = (trace: Trace) => (string | number | undefined)[];

/** All values that one of which has to fit. */
function fieldValues(filter: string, field: string): Values {
  const dot = field.indexOf('.');
  const group = dot === -1 ? 'trace' : field.slice(0, dot);
  const key = field.slice(dot + 1);
  switch (group) {
    case 'tag':
    case 'tags':
      return ({ tags }) => [own(tags, key)];
    case 'metadata':
    case 'request_metadata':
      return ({ metadata }) => [own(metadata, key)];
    case 'feedback':
    case 'expectation':
      return ({ assessments }) =>
        assessments
          .filter(({ kind, name }) => kind === group && name === key)
          .map(({ value }) => plain(value));
    case 'span':
      if (key === 'name') return ({ spans }) => spans.map(({ name }) => name);
      if (key === 'type') return ({ spans }) => spans.map(({ type }) => type);
      if (key === 'status') return ({ spans }) => spans.map(({ status }) => status.code);
      break;
    case 'trace':
    case 'attribute':
    case 'attributes': {
      if (key === 'text') {
        return ({ spans }) => spans.map(({ attributes }) => JSON.stringify(attributes));
      }
      if (key === 'prompt') return promptsOf;
      const read = own(FIELDS, key);
      if (read) return (trace) => [read(trace)];
      break;
    }
  }
  return fail(filter, `${JSON.stringify(field)} is not a field of traces`);
}

/** Linked prompts as `name/version`. */
const promptsOf: Values = ({ tags }) => {
  const linked = parseText(tags[LINKED_PROMPTS_TAG]);
  if (!Array.isArray(linked)) return [];
  return (linked as { name: string; version: string }[]).map((one) => `${one.name}/${one.version}`);
};

function plain(value: unknown): string | number | undefined {
  if (value === undefined || value === null) return undefined;
  return typeof value === 'number' || typeof value === 'string' ? value : JSON.stringify(value);
}

function condition(
  filter: string,
  field: string,
  comparator: string,
  operands: readonly (string | number)[],
): (trace: Trace) => boolean {
  const valuesOf = fieldValues(filter, field);
  const operand = operands[0] as string | number;
  const test = tester(filter, comparator, operand, operands);
  if (comparator === 'IS NULL') {
    return (trace) => valuesOf(trace).every((value) => value === undefined);
  }
  return (trace) => valuesOf(trace).some((value) => value !== undefined && test(value));
}

function tester(
  filter: string,
  comparator: string,
  operand: string | number,
  operands: readonly (string | number)[],
): (value: string | number) => boolean {
  const same = (value: string | number, other: string | number) => String(value) === String(other);
  switch (comparator) {
    case '=':
      return (value) => same(value, operand);
    case '!=':
      return (value) => !same(value, operand);
    case '<':
      return (value) => Number(value) < Number(operand);
    case '<=':
      return (value) => Number(value) <= Number(operand);
    case '>':
      return (value) => Number(value) > Number(operand);
    case '>=':
      return (value) => Number(value) >= Number(operand);
    case 'IN':
      return (value) => operands.some((one) => same(value, one));
    case 'NOT IN':
      return (value) => !operands.some((one) => same(value, one));
    case 'LIKE':
      return matcher(likePattern(String(operand)), 's');
    case 'ILIKE':
      return matcher(likePattern(String(operand)), 'is');
    case 'RLIKE':
      try {
        return matcher(String(operand), '');
      } catch {
        return fail(filter, `${JSON.stringify(operand)} is not a regular expression`);
      }
    default:
      return () => true;
  }
}

function matcher(pattern: string, flags: string): (value: string | number) => boolean {
  const expression = new RegExp(pattern, flags);
  return (value) => expression.test(String(value));
}

function likePattern(text: string): string {
  const escaped = text.replace(/[\\^$.*+?()[\]{}|]/g, '\\$&');
  return `^${escaped.replaceAll('%', '.*').replaceAll('_', '.')}$`;
}

interface Token {
  kind: 'word' | 'text' | 'number' | 'sign';
  text: string;
}

/** A field may have quoted parts: tag.`a key`. */
const TOKEN =
  /\s*(?:((?:[A-Za-z_][\w-]*)(?:\.(?:`[^`]*`|"[^"]*"|[\w-]+))*)|'((?:[^']|'')*)'|"([^"]*)"|(-?\d+(?:\.\d+)?)|(<=|>=|!=|=|<|>|\(|\)|,))/y;

function tokenize(filter: string): Token[] {
  const tokens: Token[] = [];
  TOKEN.lastIndex = 0;
  while (filter.slice(TOKEN.lastIndex).trim() !== '') {
    const start = TOKEN.lastIndex;
    const match = TOKEN.exec(filter);
    if (!match)
      return fail(filter, `cannot be read from ${JSON.stringify(filter.slice(start))} on`);
    const [, word, single, double, number, sign] = match;
    if (word !== undefined) {
      tokens.push({ kind: 'word', text: word.replace(/`([^`]*)`|"([^"]*)"/g, '$1$2') });
    } else if (single !== undefined) {
      tokens.push({ kind: 'text', text: single.replaceAll("''", "'") });
    } else if (double !== undefined) tokens.push({ kind: 'text', text: double });
    else if (number !== undefined) tokens.push({ kind: 'number', text: number });
    else tokens.push({ kind: 'sign', text: sign as string });
  }
  return tokens;
}

const COMPARATORS = [
  'IS NOT NULL',
  'IS NULL',
  'NOT IN',
  'IN',
  'LIKE',
  'ILIKE',
  'RLIKE',
  '=',
  '!=',
  '<=',
  '>=',
  '<',
  '>',
];

function readComparator(
  filter: string,
  tokens: readonly Token[],
  at: number,
): { comparator: string; next: number } {
  for (const comparator of COMPARATORS) {
    const words = comparator.split(' ');
    const fits = words.every((word, i) => {
      const token = tokens[at + i];
      return token !== undefined && token.kind !== 'text' && token.text.toUpperCase() === word;
    });
    if (fits) return { comparator, next: at + words.length };
  }
  return fail(filter, `a field is followed by one of ${COMPARATORS.join(', ')}`);
}

function readValues(
  filter: string,
  tokens: readonly Token[],
  at: number,
  comparator: string,
): { values: (string | number)[]; end: number } {
  if (comparator.startsWith('IS')) return { values: [], end: at };
  if (!comparator.endsWith('IN')) {
    return { values: [readValue(filter, tokens[at])], end: at + 1 };
  }
  if (tokens[at]?.text !== '(') fail(filter, `${comparator} is followed by a list in brackets`);
  const values: (string | number)[] = [];
  let index = at + 1;
  while (tokens[index]?.text !== ')' || tokens[index]?.kind !== 'sign') {
    if (values.length > 0 && tokens[index++]?.text !== ',') fail(filter, 'a list is not closed');
    values.push(readValue(filter, tokens[index++]));
  }
  return { values, end: index + 1 };
}

function readValue(filter: string, token: Token | undefined): string | number {
  if (token?.kind === 'text') return token.text;
  if (token?.kind === 'number') return Number(token.text);
  return fail(filter, "a value is a number or text in '…'");
}

function fail(filter: string, reason: string): never {
  throw new MlflowConfigError(`filter: ${reason}, in ${JSON.stringify(filter)}`);
}

import { types } from 'node:util';
import { hideSecrets, mayBeAddress } from './address.js';
import { type Field, fields, optionNames, ownVariables, type Variable } from './fields.js';
import { isOptions, namesOf, readOption } from './given.js';
import { misspeltOption, misspeltVariable, VALUES } from './misspelt.js';
import type { MlflowDspyOptions, OptionName, ResolvedOptions } from './options.js';

export type Environment = Readonly<Record<string, string | undefined>>;

export type Source = 'code' | 'environment' | 'default';

/** A setting that cannot be used. */
export interface ConfigProblem {
  /** Name of the option or of the environment variable. */
  readonly setting: string;
  /** One sentence: the setting, its value, the accepted forms, what is used instead. */
  readonly message: string;
}

type Mutable<T> = { -readonly [K in keyof T]: T[K] };

export interface Resolution {
  values: Mutable<ResolvedOptions>;
  sources: Map<OptionName, Source>;
  problems: ConfigProblem[];
}

interface Found {
  value: unknown;
  source: Source;
  /** A stronger source wins where options exclude each other: code, own variable, variable of MLflow or OpenTelemetry, default. */
  strength: 3 | 2 | 1 | 0;
}

/** Finds the value of every option. Never throws. */
export function resolve(options: MlflowDspyOptions, env: Environment): Resolution {
  const problems: ConfigProblem[] = [];
  const off = new Set<OptionName>();
  const given = readOptions(options, problems, off);
  if (given !== undefined) chooseEnabled(given, problems);
  const found = new Map<OptionName, Found>();
  for (const name of optionNames) found.set(name, find(name, given?.[name], env, problems));
  if (given === undefined) withhold(found, ALL_CONTENT);
  else if (problems.some(({ setting }) => isGuard(setting))) withhold(found, VALUES);
  withhold(found, off);
  chooseExperiment(found);
  chooseExporters(found);
  reportUnknownVariables(found, env, problems);

  const values: Record<string, unknown> = {};
  const sources = new Map<OptionName, Source>();
  for (const [name, { value, source }] of found) {
    if (value !== undefined) values[name] = value;
    sources.set(name, source);
  }
  return { values: values as Mutable<ResolvedOptions>, sources, problems };
}

const isGuard = (setting: string): boolean =>
  Object.hasOwn(fields, setting) && fields[setting as OptionName].guard === true;

/** Options that nobody can read may have asked for any of these to be left out. */
const ALL_CONTENT = [...VALUES, 'logSignatures'] as const;

/** What was to keep content back cannot: going on without it would leak. */
function withhold(found: Map<OptionName, Found>, names: Iterable<OptionName>): void {
  for (const name of names) {
    found.set(name, { value: false, source: 'code', strength: 3 });
  }
}

/** `undefined`: nobody can read them. */
function readOptions(
  options: unknown,
  problems: ConfigProblem[],
  off: Set<OptionName>,
): Record<string, unknown> | undefined {
  if (!isOptions(options)) {
    problems.push(unreadable(`${show(options)} is not an object of options`));
    return undefined;
  }
  const names = namesOf(options);
  if (names === undefined) {
    problems.push(unreadable('is an object whose options cannot be listed'));
    return undefined;
  }
  const given: Record<string, unknown> = {};
  for (const name of names) {
    if (name !== 'disable' && !Object.hasOwn(fields, name)) {
      const misspelling = misspeltOption(name);
      problems.push(unknown('option', name, misspelling.instead, misspelling.meant));
      for (const option of misspelling.off) off.add(option);
      continue;
    }
    try {
      given[name] = readOption(options, name);
    } catch {
      // Counts as a value that cannot be used.
      given[name] = null;
    }
  }
  return given;
}

/** Puts `disable`, as Python's `autolog()` has it, in terms of `enabled`; in doubt nothing is traced. */
function chooseEnabled(given: Record<string, unknown>, problems: ConfigProblem[]): void {
  const { disable, enabled } = given;
  if (disable === undefined) return;
  let message: string | undefined;
  if (typeof disable !== 'boolean') {
    message = `disable=${show(disable)} is not true or false; using true.`;
  } else if (disable === enabled) {
    message = `disable=${disable} contradicts enabled=${enabled}; nothing is traced.`;
  }
  if (message !== undefined) {
    problems.push({ setting: 'disable', message });
    given.enabled = false;
  } else if (enabled === undefined) given.enabled = !disable;
}

const unreadable = (why: string): ConfigProblem => ({
  setting: 'config',
  message: `config ${why}; the other settings are used, and no content is recorded.`,
});

function find<K extends OptionName>(
  name: K,
  option: unknown,
  env: Environment,
  problems: ConfigProblem[],
): Found {
  const field = fields[name] as Field<unknown>;
  if (option !== undefined) {
    const checked = accept(field, option);
    if (checked.success) return { value: checked.data, source: 'code', strength: 3 };
    if (field.misread !== undefined) {
      problems.push(wrong(name, option, field.forms, field, field.misread));
      return { value: field.misread, source: 'code', strength: 3 };
    }
    const next = findVariable(field, env, problems) ?? byDefault(field);
    problems.push(wrong(name, option, field.forms, field, next.value));
    return next;
  }
  return findVariable(field, env, problems) ?? byDefault(field);
}

function accept(field: Field<unknown>, value: unknown): { success: boolean; data?: unknown } {
  try {
    return field.schema.safeParse(value);
  } catch {
    // A proxy may refuse to be looked at.
    return { success: false };
  }
}

const byDefault = (field: Field<unknown>): Found => ({
  value: field.default,
  source: 'default',
  strength: 0,
});

function findVariable(
  field: Field<unknown>,
  env: Environment,
  problems: ConfigProblem[],
): Found | undefined {
  for (const variable of field.variables ?? []) {
    const text = env[variable.name];
    if (text === undefined) continue;
    const own = ownVariables.includes(variable.name);
    // OpenTelemetry and MLflow take an empty variable for an unset one; in ours it is a mistake.
    if (!own && text.trim() === '') continue;
    const checked = accept(field, variable.parse(text));
    const strength = own ? 2 : 1;
    if (checked.success) return { value: checked.data, source: 'environment', strength };
    const used = field.misread ?? field.default;
    problems.push(wrong(variable.name, text, formsOf(variable, field), field, used));
    if (field.misread !== undefined) {
      return { value: field.misread, source: 'environment', strength };
    }
  }
  return undefined;
}

const formsOf = (variable: Variable, field: Field<unknown>): string =>
  variable.forms ?? field.forms;

/** An id and a name exclude each other: the stronger source decides, the id where both are alike. */
function chooseExperiment(found: Map<OptionName, Found>): void {
  const id = found.get('experimentId') as Found;
  const name = found.get('experimentName') as Found;
  if (id.value === undefined || id.strength < name.strength) id.value = undefined;
  else name.value = undefined;
}

/** Naming a server asks for MLflow, unless something as strong said `none`. */
function chooseExporters(found: Map<OptionName, Found>): void {
  const exporters = found.get('exporters') as Found;
  const uri = found.get('trackingUri') as Found;
  const names = exporters.value as string[];
  if (names.includes('mlflow') || uri.strength < exporters.strength) return;
  if (names.length === 0 && uri.strength === exporters.strength) return;
  exporters.value = ['mlflow', ...names];
}

function reportUnknownVariables(
  found: Map<OptionName, Found>,
  env: Environment,
  problems: ConfigProblem[],
): void {
  const off = new Set<OptionName>();
  for (const name of Object.keys(env)) {
    if (!name.startsWith('MLFLOW_DSPY_') || ownVariables.includes(name)) continue;
    const misspelling = misspeltVariable(name);
    const { meant } = misspelling;
    const nearest = meant && fields[meant].variables?.[0]?.name;
    // Spelled right it would have no effect either.
    const isOverruled = meant !== undefined && found.get(meant)?.source === 'code';
    const instead = isOverruled ? 'it has no effect' : misspelling.instead;
    problems.push(unknown('environment variable', name, instead, nearest));
    if (!isOverruled) for (const option of misspelling.off) off.add(option);
  }
  withhold(found, off);
}

function unknown(
  kind: string,
  name: string,
  instead: string,
  nearest: string | undefined,
): ConfigProblem {
  const hint = nearest === undefined ? '' : ` Did you mean ${nearest}?`;
  return { setting: name, message: `Unknown ${kind} ${name}; ${instead}.${hint}` };
}

function wrong(
  setting: string,
  value: unknown,
  forms: string,
  field: Field<unknown>,
  used: unknown,
): ConfigProblem {
  const shown = field.secret ? '(not shown)' : show(value);
  let instead = used === undefined ? 'it has no effect' : `using ${show(used)}`;
  if (field.guard) instead = 'no content is recorded';
  return { setting, message: `${setting}=${shown} is not ${forms}; ${instead}.` };
}

const LONGEST_SHOWN = 100;

/** A value for a message: bounded, and without running code of the value. */
function show(value: unknown): string {
  let text: string;
  if (typeof value === 'string') {
    text = JSON.stringify(mayBeAddress(value) ? hideSecrets(value) : value);
  } else if (isList(value)) text = `[${value.slice(0, 10).map(show).join(', ')}]`;
  else if (typeof value === 'object' && value !== null) text = 'an object';
  else if (typeof value === 'function') text = 'a function';
  else text = String(value);
  return text.length > LONGEST_SHOWN ? `${text.slice(0, LONGEST_SHOWN)}…` : text;
}

/** A proxy of a list may throw at anything. */
const isList = (value: unknown): value is unknown[] =>
  !types.isProxy(value) && Array.isArray(value);

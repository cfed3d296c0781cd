import { inputFields, outputFields } from '../signatures/fields.js';
import { toCamelCase } from '../signatures/names.js';
import type { AnySignature } from '../signatures/types.js';
import { suggest } from '../suggest.js';
import { check } from './check.js';
import type { ConfigPath, Problems } from './problems.js';
import { type ChainConfig, chainSchema, stepSchema, untilSchema } from './schema.js';
import { buildSignature, type ConfigSignature } from './signatures.js';
import { Wiring } from './wiring.js';

/** One step: which signature, and where its inputs come from where the names differ. */
export interface ChainStep {
  readonly signature: ConfigSignature;
  /** Input name to the names that feed it, of which the first that has a value is taken. */
  readonly sources: ReadonlyMap<string, readonly string[]>;
}

/** When an iterating chain is done: the field is true, equals a value, or reaches a number. */
export interface ChainUntil {
  readonly field: string;
  readonly equals?: unknown;
  readonly atLeast?: number | undefined;
}

/** A chain that has been checked and can be built. */
export interface Chain {
  readonly name: string;
  readonly description?: string;
  readonly steps: readonly ChainStep[];
  readonly maxIterations: number;
  /** Index of the step at which every pass after the first begins. */
  readonly iterateFrom: number;
  readonly until?: ChainUntil;
  /** What the chain takes and gives. */
  readonly signature: AnySignature;
}

/** Finds a signature of the file or of the library; notes a problem when there is none. */
export type SignatureLookup = (name: string, path: ConfigPath) => ConfigSignature | undefined;

/** Reads `chains.NAME`. */
export function readChain(
  name: string,
  value: unknown,
  path: ConfigPath,
  lookup: SignatureLookup,
  problems: Problems,
): Chain | undefined {
  const config = check(chainSchema, value, path, problems);
  // What can be read is read even so: one report holds every problem.
  const raw = Object(value) as Partial<Record<keyof ChainConfig, unknown>>;
  const steps = (Array.isArray(raw.steps) ? raw.steps : []).map((step, index) =>
    readStep(step, [...path, 'steps', index], lookup, problems),
  );
  const [input, output] = (['inputSignature', 'outputSignature'] as const).map((key) => {
    const wanted = raw[key];
    return typeof wanted === 'string' ? lookup(wanted, [...path, key]) : undefined;
  });
  for (const key of ['until', 'iterateFrom'] as const) {
    if (raw[key] === undefined || raw.maxIterations !== undefined) continue;
    problems.add([...path, key], 'needs max_iterations beside it');
  }
  const complete = steps.filter((step) => step !== undefined);
  const last = complete.at(-1);
  if (!config || complete.length < steps.length || !last) return undefined;

  const { description, maxIterations = 1 } = config;
  const iterateFrom = readIterateFrom(config, complete, path, problems);
  const wiring = new Wiring(
    complete,
    maxIterations > 1 ? iterateFrom : undefined,
    input && inputFields(input.signature),
    [...path, 'steps'],
    problems,
  );
  const until = readUntil(config.until, wiring, [...path, 'until'], problems);
  const outputs = outputFields((output ?? last.signature).signature);
  for (const field of outputs) {
    if (field.isOptional || wiring.output(field.name)) continue;
    problems.add([...path, 'outputSignature'], `no step gives ${field.name}`);
  }
  const inputs = [...wiring.inputs.values()];
  const signature = buildSignature({ inputs, outputs, description }, path, problems);
  return (
    signature && {
      name,
      ...(description !== undefined && { description }),
      steps: complete,
      maxIterations,
      iterateFrom,
      ...(until && { until }),
      signature,
    }
  );
}

function readStep(
  value: unknown,
  path: ConfigPath,
  lookup: SignatureLookup,
  problems: Problems,
): ChainStep | undefined {
  const isName = typeof value === 'string';
  const config = isName ? { signature: value } : check(stepSchema, value, path, problems);
  if (!config) return undefined;
  const signature = lookup(config.signature, isName ? path : [...path, 'signature']);
  if (!signature) return undefined;
  const sources = new Map<string, readonly string[]>();
  const known = inputFields(signature.signature).map(({ name }) => name);
  for (const [input, names] of Object.entries(('inputs' in config && config.inputs) || {})) {
    sources.set(input, names.map(toCamelCase));
    if (known.includes(input)) continue;
    const message = `is no input of ${signature.name}${suggest(input, known)}`;
    problems.add([...path, 'inputs', input], message);
  }
  return { signature, sources };
}

function readIterateFrom(
  { iterateFrom }: ChainConfig,
  steps: readonly ChainStep[],
  path: ConfigPath,
  problems: Problems,
): number {
  if (iterateFrom === undefined) return 0;
  const names = steps.map(({ signature }) => signature.name);
  const index = names.indexOf(iterateFrom);
  if (index >= 0) return index;
  problems.add([...path, 'iterateFrom'], `is no step of the chain${suggest(iterateFrom, names)}`);
  return 0;
}

function readUntil(
  value: unknown,
  wiring: Wiring,
  path: ConfigPath,
  problems: Problems,
): ChainUntil | undefined {
  if (value === undefined) return undefined;
  const config =
    typeof value === 'string' ? { field: value } : check(untilSchema, value, path, problems);
  if (!config) return undefined;
  const until: ChainUntil = { ...config, field: toCamelCase(config.field) };
  const output = wiring.output(until.field);
  if (!output) {
    problems.add(
      path,
      `no step gives ${config.field}${suggest(until.field, wiring.outputNames())}`,
    );
    return undefined;
  }
  const type = output.type?.name ?? 'string';
  if (until.atLeast !== undefined && type !== 'number') {
    problems.add(path, `at_least needs a number, and ${config.field} is ${type}`);
  }
  if (until.atLeast === undefined && until.equals === undefined && type !== 'boolean') {
    problems.add(path, `${config.field} is ${type}: say what it equals, or at_least`);
  }
  return until;
}

import type { AxField } from '@ax-llm/ax';
import { messageOf } from '../errors.js';
import { whyInvalid } from '../program/inputs.js';
import { inputFields, outputFields } from '../signatures/fields.js';
import { makeSignature } from '../signatures/make.js';
import { withDocumentedNames } from '../signatures/names.js';
import type { SignatureRegistry } from '../signatures/registry.js';
import type { AnySignature, Fields, OutputCheck } from '../signatures/types.js';
import { suggest } from '../suggest.js';
import { check } from './check.js';
import { type ConfigField, readField } from './fields.js';
import type { ConfigPath, Problems } from './problems.js';
import { signatureSchema } from './schema.js';

/** A signature of a config file, ready to be made a program. */
export interface ConfigSignature {
  readonly name: string;
  readonly signature: AnySignature;
  readonly instruction?: string;
  readonly demos: readonly Fields[];
  readonly checkOutputs?: OutputCheck<Fields, Fields>;
}

/** Reads `signatures.NAME`: the name of a signature of the library, or a map. */
export function readSignature(
  name: string,
  value: unknown,
  path: ConfigPath,
  registry: SignatureRegistry,
  problems: Problems,
): ConfigSignature | undefined {
  if (typeof value === 'string') return fromLibrary(name, value, path, registry, problems);
  const config = check(signatureSchema, value, path, problems);
  // What can be read is read even so: one report holds every problem.
  const raw = typeof value === 'object' && value !== null ? (value as Fields) : {};
  const base =
    typeof raw.library === 'string'
      ? readExtended(name, raw, path, registry, problems)
      : readOwn(name, raw, path, problems);
  if (!base || !config) return undefined;
  const demos = readExamples(
    base.signature,
    config.examples ?? [],
    [...path, 'examples'],
    problems,
  );
  const { instruction } = config;
  return { ...base, demos, ...(instruction !== undefined && { instruction }) };
}

/** A signature of the library under a name of the file. */
export function fromLibrary(
  name: string,
  libraryName: string,
  path: ConfigPath,
  registry: SignatureRegistry,
  problems: Problems,
): ConfigSignature | undefined {
  if (!registry.has(libraryName)) {
    problems.add(
      path,
      `no signature of the library has this name${suggest(libraryName, registry.names())}`,
    );
    return undefined;
  }
  const { signature, checkOutputs } = registry.get(libraryName);
  return { name, signature, demos: [], ...(checkOutputs && { checkOutputs }) };
}

function readExtended(
  name: string,
  raw: Fields,
  path: ConfigPath,
  registry: SignatureRegistry,
  problems: Problems,
): ConfigSignature | undefined {
  for (const key of ['inputs', 'outputs']) {
    if (raw[key] !== undefined) {
      problems.add([...path, key], 'cannot be given beside library, which has its own');
    }
  }
  const found = fromLibrary(name, raw.library, [...path, 'library'], registry, problems);
  if (!found || typeof raw.description !== 'string') return found;
  return { ...found, signature: described(found.signature, raw.description) };
}

function described(signature: AnySignature, description: string): AnySignature {
  return withDocumentedNames(() => {
    const copy = makeSignature(signature);
    copy.setDescription(description);
    copy.validate();
    return copy;
  });
}

function readOwn(
  name: string,
  raw: Fields,
  path: ConfigPath,
  problems: Problems,
): ConfigSignature | undefined {
  const inputs = readFields(raw.inputs, [...path, 'inputs'], 'input', problems);
  const outputs = readFields(raw.outputs, [...path, 'outputs'], 'output', problems);
  for (const [key, fields] of Object.entries({ inputs, outputs })) {
    if (fields === undefined && raw[key] === undefined) {
      problems.add([...path, key], 'is required, unless library names a signature');
    }
  }
  if (!inputs || !outputs) return undefined;
  const description = typeof raw.description === 'string' ? raw.description : undefined;
  const signature = buildSignature({ inputs, outputs, description }, path, problems);
  return signature && { name, signature, demos: [] };
}

/** `undefined` when there are no fields, or one of them cannot be read. */
function readFields(
  value: unknown,
  path: ConfigPath,
  io: 'input' | 'output',
  problems: Problems,
): ConfigField[] | undefined {
  if (!Array.isArray(value) || value.length === 0) return undefined;
  const fields = value.map((item, index) => readField(item, [...path, index], io, problems));
  fields.forEach((field, index) => {
    if (field?.defaultValue === undefined || io === 'output') return;
    const reason = whyInvalid(field, field.defaultValue);
    if (reason) problems.add([...path, index], `the default must be ${reason}`);
  });
  return fields.every((field) => field !== undefined) ? fields : undefined;
}

/** Makes an Ax signature; what Ax has against it goes to the field it means. */
export function buildSignature(
  parts: {
    inputs: readonly AxField[];
    outputs: readonly AxField[];
    description: string | undefined;
  },
  path: ConfigPath,
  problems: Problems,
): AnySignature | undefined {
  const { inputs, outputs, description } = parts;
  try {
    return withDocumentedNames(() => {
      const signature = makeSignature({
        inputs,
        outputs,
        ...(description !== undefined && { description }),
      });
      signature.validate();
      return signature;
    });
  } catch (error) {
    const field = (error as { fieldName?: unknown }).fieldName;
    const place = Object.entries({ outputs, inputs }).flatMap(([key, fields]) => {
      const index = fields.findIndex(({ name }) => name === field);
      return index < 0 ? [] : [[...path, key, index]];
    });
    problems.add(place[0] ?? path, messageOf(error));
    return undefined;
  }
}

/** Examples as demos, each held against the fields it fills. */
function readExamples(
  signature: AnySignature,
  examples: readonly { input: Fields; output: Fields }[],
  path: ConfigPath,
  problems: Problems,
): Fields[] {
  const sides = { input: inputFields(signature), output: outputFields(signature) };
  examples.forEach((example, index) => {
    for (const [side, fields] of Object.entries(sides)) {
      const values = example[side as keyof typeof sides];
      const place = [...path, index, side];
      if (Object.keys(values).length === 0) problems.add(place, `has no ${side}s`);
      for (const [name, value] of Object.entries(values)) {
        const field = fields.find((candidate) => candidate.name === name);
        const reason = field && whyInvalid(field, value);
        if (!field) {
          const known = fields.map((candidate) => candidate.name);
          problems.add([...place, name], `is no ${side} of the signature${suggest(name, known)}`);
        } else if (reason) {
          problems.add([...place, name], `must be ${reason}`);
        }
      }
    }
  });
  return examples.map(({ input, output }) => ({ ...input, ...output }));
}

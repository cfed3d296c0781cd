import { inputFields, outputFields, type SignatureField } from './fields.js';
import type { AnySignature } from './types.js';

export interface CompatibilityOptions {
  /** Which output feeds an input of another name: `{ text: 'draft' }`. Equal names need no entry. */
  readonly mapping?: Readonly<Record<string, string>>;
  /** Inputs that come from elsewhere. */
  readonly provided?: readonly string[];
}

export interface Compatibility {
  /** Every required input is fed or provided, and every fed input takes what it is given. */
  readonly compatible: boolean;
  /** Input name to the name of the output that feeds it. */
  readonly mapping: Readonly<Record<string, string>>;
  /** Required inputs that nothing feeds. */
  readonly missing: readonly string[];
  /** Inputs fed with a type they do not take. */
  readonly mismatched: readonly { input: string; output: string; reason: string }[];
}

/** Whether the outputs of `producer` can feed the inputs of `consumer`. */
export function checkCompatibility(
  producer: AnySignature,
  consumer: AnySignature,
  { mapping = {}, provided = [] }: CompatibilityOptions = {},
): Compatibility {
  const outputs = new Map(outputFields(producer).map((field) => [field.name, field]));
  const used: Record<string, string> = {};
  const missing: string[] = [];
  const mismatched: { input: string; output: string; reason: string }[] = [];
  for (const input of inputFields(consumer)) {
    const source = mapping[input.name] ?? input.name;
    const output = outputs.get(source);
    if (output) {
      used[input.name] = source;
      const reason = mismatch(output, input);
      if (reason) mismatched.push({ input: input.name, output: source, reason });
    } else if (!input.isOptional && !provided.includes(input.name)) {
      missing.push(input.name);
    }
  }
  const compatible = missing.length === 0 && mismatched.length === 0;
  return { compatible, mapping: used, missing, mismatched };
}

/** Why an output's values cannot stand in an input; `undefined` when they can. */
export function mismatch(output: SignatureField, input: SignatureField): string | undefined {
  return output.isOptional && !input.isOptional
    ? `${output.name} may be absent and ${input.name} is required`
    : typeMismatch(output, input);
}

/** Why the type of one field does not fit another; `undefined` when it does. */
export function typeMismatch(from: SignatureField, to: SignatureField): string | undefined {
  return accepts(to, from)
    ? undefined
    : `${from.name} is ${describeType(from)}, ${to.name} is ${describeType(to)}`;
}

export function describeType({ type }: SignatureField): string {
  return `${type?.name ?? 'string'}${type?.isArray ? '[]' : ''}`;
}

// Ax reads all of these as text.
const TEXT: ReadonlySet<string> = new Set(['string', 'class', 'code', 'url']);

function accepts(input: SignatureField, output: SignatureField): boolean {
  const to = input.type?.name ?? 'string';
  const from = output.type?.name ?? 'string';
  const sameShape = Boolean(input.type?.isArray) === Boolean(output.type?.isArray);
  if (to === 'json' && !input.type?.isArray) return true;
  if (!sameShape) return false;
  return to === from || (TEXT.has(to) && TEXT.has(from)) || (to === 'json' && from === 'object');
}

import type { AxIField } from '@ax-llm/ax';
import { own } from '../own.js';
import type { AnySignature, Fields } from './types.js';

/** A field of a signature; `defaultValue` is ours, Ax carries it along in its copies. */
export type SignatureField = Readonly<AxIField> & { readonly defaultValue?: unknown };

export function inputFields(signature: AnySignature): readonly SignatureField[] {
  return signature.getInputFields();
}

export function outputFields(signature: AnySignature): readonly SignatureField[] {
  return signature.getOutputFields().filter((field) => field.isInternal !== true);
}

/** Writes defaults onto the input fields of a signature that is still being made. */
export function setDefaults(signature: AnySignature, defaults: Readonly<Fields>): void {
  signature.setInputFields(
    signature.getInputFields().map((field) => {
      const defaultValue: unknown = own(defaults, field.name);
      return defaultValue === undefined ? field : { ...field, defaultValue };
    }),
  );
}

/**
 * The inputs with a fresh copy of each default where the caller gave nothing. `null` counts as
 * nothing, as it does in a config file. The caller's object is left alone.
 */
export function withDefaults<IN extends Fields>(signature: AnySignature, inputs: IN): IN {
  const missing = inputFields(signature).filter(({ name, defaultValue }) => {
    const given: unknown = own(inputs, name);
    return defaultValue !== undefined && (given === undefined || given === null);
  });
  if (missing.length === 0) return inputs;
  const defaults = missing.map(({ name, defaultValue }) => [name, structuredClone(defaultValue)]);
  return { ...inputs, ...Object.fromEntries(defaults) };
}

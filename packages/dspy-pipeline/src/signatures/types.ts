import type { AxSignature } from '@ax-llm/ax';

// Ax types the fields of a signature as `any`-valued records.
// biome-ignore lint/suspicious/noExplicitAny: the bound of AxSignature's own type parameters
export type Fields = Record<string, any>;

/** A signature whatever its fields. */
export type AnySignature = AxSignature<Fields, Fields>;

/** What a `dict` field holds. */
export type JsonObject = Record<string, unknown>;

export const SIGNATURE_CATEGORIES = [
  'text_generation',
  'analysis',
  'conversation',
  'task_specific',
] as const;

/** The library's categories; a registered signature may name another. */
export type SignatureCategory = (typeof SIGNATURE_CATEGORIES)[number] | (string & {});

// biome-ignore lint/complexity/noBannedTypes: `{}` is what a record of optional keys accepts
type OptionalKeys<T> = { [K in keyof T]-?: {} extends Pick<T, K> ? K : never }[keyof T];

/** Values for the optional inputs that a caller leaves out. */
export type Defaults<IN> = { readonly [K in OptionalKeys<IN>]?: Exclude<IN[K], undefined> };

/**
 * Looks at a model's outputs beside the inputs they answer. Returns `true`, or what the model has to
 * mend; Ax sends that back to the model as a correction.
 */
export type OutputCheck<IN, OUT> = (inputs: IN, outputs: OUT) => true | string;

/** A signature with what the library knows about it. */
export interface SignatureEntry<IN extends Fields = Fields, OUT extends Fields = Fields> {
  readonly name: string;
  readonly category: SignatureCategory;
  readonly description: string;
  readonly tags: readonly string[];
  /** Other names it is found by; case, `_` and `-` do not matter in any name. */
  readonly aliases: readonly string[];
  /** The Ax signature. Defaults stand on its input fields (`defaultValue`) and survive Ax's copies. */
  readonly signature: AxSignature<IN, OUT>;
  readonly checkOutputs?: OutputCheck<IN, OUT>;
}

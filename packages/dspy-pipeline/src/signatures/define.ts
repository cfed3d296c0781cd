import type { AxSignature, AxSignatureBuilder } from '@ax-llm/ax';
import { setDefaults } from './fields.js';
import { withDocumentedNames } from './names.js';
import type {
  Defaults,
  Fields,
  JsonObject,
  OutputCheck,
  SignatureCategory,
  SignatureEntry,
} from './types.js';

// Ax types `json` fields as `any`. Here they are objects, and in lists objects or text.
type Refined<V> = 0 extends 1 & V ? JsonObject : V extends (infer E)[] ? RefinedList<E> : V;
type RefinedList<E> = 0 extends 1 & E ? (JsonObject | string)[] : E[];
type Typed<T> = { -readonly [K in keyof T]: Refined<T[K]> };

export interface SignatureDefinition<IN extends Fields, OUT extends Fields> {
  readonly name: string;
  readonly category: SignatureCategory;
  readonly description: string;
  readonly tags?: readonly string[];
  readonly aliases?: readonly string[];
  /** Built with Ax's `f()`; the description is taken from above. */
  readonly fields: AxSignatureBuilder<IN, OUT>;
  readonly defaults?: Defaults<Typed<NoInfer<IN>>>;
  readonly checkOutputs?: OutputCheck<Typed<NoInfer<IN>>, Typed<NoInfer<OUT>>>;
}

/**
 * Makes an entry for a {@link SignatureRegistry} from Ax's field builder, typed by its fields.
 *
 * @throws Error from Ax when a field is not allowed (a duplicate name, a class as an input, …).
 */
export function defineSignature<IN extends Fields, OUT extends Fields>(
  definition: SignatureDefinition<IN, OUT>,
): SignatureEntry<Typed<IN>, Typed<OUT>> {
  const { name, category, description, tags = [], aliases = [], checkOutputs } = definition;
  const signature = withDocumentedNames(() => {
    const built = definition.fields.description(description).build();
    if (definition.defaults) setDefaults(built, definition.defaults);
    built.validate();
    return built as unknown as AxSignature<Typed<IN>, Typed<OUT>>;
  });
  const entry = {
    name,
    category,
    description,
    tags,
    aliases,
    signature,
    ...(checkOutputs && { checkOutputs }),
  };
  rememberEntry(entry);
  return entry;
}

// Typed by nothing: what is read from here is narrowed by the caller's signature.
const entries = new WeakMap<object, unknown>();

/** Notes the entry of a signature; the first one stays. */
export function rememberEntry(entry: { readonly signature: object }): void {
  if (!entries.has(entry.signature)) entries.set(entry.signature, entry);
}

/** The entry that a signature was defined or registered in; `undefined` for any other, and for copies. */
export function entryOf<IN extends Fields, OUT extends Fields>(
  signature: AxSignature<IN, OUT>,
): SignatureEntry<IN, OUT> | undefined {
  return entries.get(signature) as SignatureEntry<IN, OUT> | undefined;
}

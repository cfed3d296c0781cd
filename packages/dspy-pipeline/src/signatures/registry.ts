import { AxSignature } from '@ax-llm/ax';
import { suggest } from '../suggest.js';
import {
  type Compatibility,
  type CompatibilityOptions,
  checkCompatibility,
  describeType,
} from './compatibility.js';
import { rememberEntry } from './define.js';
import { inputFields, outputFields, type SignatureField } from './fields.js';
import { library } from './library/index.js';
import type { Fields, SignatureCategory, SignatureEntry } from './types.js';

/** What {@link SignatureRegistry.register} needs to know. */
export interface SignatureRegistration<IN extends Fields, OUT extends Fields>
  extends Partial<Omit<SignatureEntry<IN, OUT>, 'name' | 'signature'>> {
  readonly name: string;
  readonly signature: AxSignature<IN, OUT>;
}

export interface SignatureQuery {
  readonly category?: SignatureCategory;
  /** Every one of these. */
  readonly tags?: readonly string[];
}

/** A field as the catalogue shows it: JSON. */
export interface CatalogueField {
  readonly name: string;
  /** Ax's type, `[]` behind it for lists. */
  readonly type: string;
  readonly required: boolean;
  readonly description?: string;
  readonly default?: unknown;
  readonly options?: readonly string[];
  /** Least value of a number, least length of a text. */
  readonly min?: number;
  readonly max?: number;
}

/** A signature as the catalogue shows it: JSON. */
export interface CatalogueEntry {
  readonly name: string;
  readonly category: SignatureCategory;
  readonly description: string;
  readonly tags: readonly string[];
  readonly aliases: readonly string[];
  readonly inputs: readonly CatalogueField[];
  readonly outputs: readonly CatalogueField[];
}

/** Thrown by {@link SignatureRegistry.get}. */
export class UnknownSignatureError extends Error {
  override readonly name = 'UnknownSignatureError';
  constructor(
    readonly signatureName: string,
    known: readonly string[],
  ) {
    super(`No signature is named ${JSON.stringify(signatureName)}${suggest(signatureName, known)}`);
  }
}

type Known = typeof library;

/**
 * Signatures by name and alias. Case, `_` and `-` do not matter in names. A new registry is empty;
 * {@link signatureRegistry} holds the library.
 */
export class SignatureRegistry {
  readonly #entries = new Map<string, SignatureEntry>();
  readonly #names = new Map<string, string>();

  /**
   * Adds a signature, or an entry made by `defineSignature`.
   *
   * @throws Error when its name or one of its aliases is taken, or what is given is of the wrong type;
   *   nothing is added then.
   */
  register<IN extends Fields, OUT extends Fields>(
    registration: SignatureRegistration<IN, OUT>,
  ): SignatureEntry<IN, OUT> {
    checkRegistration(registration);
    const { name, signature, checkOutputs, aliases = [] } = registration;
    const keys = [name, ...aliases].map(normalize);
    const taken = keys.findIndex(
      (key, index) => key === '' || this.#names.has(key) || keys.indexOf(key) !== index,
    );
    if (taken >= 0) {
      const label = JSON.stringify([name, ...aliases][taken]);
      const owner = this.#names.get(keys[taken] as string);
      throw new Error(
        `Cannot register signature ${JSON.stringify(name)}: the name ${label} is ${owner ? `taken by ${owner}` : 'empty or given twice'}`,
      );
    }
    const entry: SignatureEntry<IN, OUT> = {
      name,
      signature,
      aliases,
      category: registration.category ?? 'custom',
      description: registration.description ?? signature.getDescription() ?? '',
      tags: registration.tags ?? [],
      ...(checkOutputs && { checkOutputs }),
    };
    rememberEntry(entry);
    this.#entries.set(name, entry as unknown as SignatureEntry);
    for (const key of keys) this.#names.set(key, name);
    return entry;
  }

  /** Whether a signature has this name or alias. */
  has(name: string): boolean {
    return typeof name === 'string' && this.#names.has(normalize(name));
  }

  /**
   * The entry of a name or alias.
   *
   * @throws {UnknownSignatureError} with the nearest name when there is none.
   */
  get<N extends keyof Known>(name: N): Known[N];
  get(name: string): SignatureEntry;
  get(name: string): SignatureEntry {
    if (typeof name !== 'string') throw new TypeError('the name of a signature must be text');
    const entry = this.#entries.get(this.#names.get(normalize(name)) ?? '');
    if (!entry) throw new UnknownSignatureError(name, this.names());
    return entry;
  }

  /** Names in the order of registration. */
  names(): string[] {
    return [...this.#entries.keys()];
  }

  /** The entries of a category that have every tag; all entries when nothing is asked. */
  search({ category, tags = [] }: SignatureQuery = {}): SignatureEntry[] {
    return [...this.#entries.values()].filter(
      (entry) =>
        (category === undefined || entry.category === category) &&
        tags.every((tag) => entry.tags.includes(tag)),
    );
  }

  /**
   * Whether the outputs of one signature can feed the inputs of another.
   *
   * @throws {UnknownSignatureError} when either name is unknown.
   */
  compatibility(from: string, to: string, options?: CompatibilityOptions): Compatibility {
    return checkCompatibility(this.get(from).signature, this.get(to).signature, options);
  }

  /** The registry as plain JSON. */
  catalogue(query?: SignatureQuery): CatalogueEntry[] {
    return this.search(query).map(({ name, category, description, tags, aliases, signature }) => ({
      name,
      category,
      description,
      tags: [...tags],
      aliases: [...aliases],
      inputs: inputFields(signature).map(catalogueField),
      outputs: outputFields(signature).map(catalogueField),
    }));
  }
}

/** The library's registry; registering adds to it for the whole process. */
export const signatureRegistry = new SignatureRegistry();
for (const entry of Object.values(library)) {
  signatureRegistry.register(entry as unknown as SignatureEntry);
}

function checkRegistration(given: { readonly [K in keyof SignatureEntry]?: unknown }): void {
  const { name, signature, aliases, tags } = given;
  const isTexts = (value: unknown) =>
    value === undefined || (Array.isArray(value) && value.every((one) => typeof one === 'string'));
  const problem =
    (typeof name !== 'string' && 'name must be text') ||
    (!(signature instanceof AxSignature) &&
      'signature must be one of Ax: f()…build(), or AxSignature.create(text)') ||
    (!isTexts(aliases) && 'aliases must be a list of texts') ||
    (!isTexts(tags) && 'tags must be a list of texts');
  if (problem) throw new TypeError(`Cannot register a signature: ${problem}`);
}

function normalize(name: string): string {
  return name.toLowerCase().replace(/[\s_-]+/g, '');
}

function catalogueField(field: SignatureField): CatalogueField {
  const { type, description, defaultValue } = field;
  const min = type?.minimum ?? type?.minLength;
  const max = type?.maximum ?? type?.maxLength;
  return {
    name: field.name,
    type: describeType(field),
    required: !field.isOptional,
    ...(description !== undefined && { description }),
    ...(defaultValue !== undefined && { default: defaultValue }),
    ...(type?.options && { options: [...type.options] }),
    ...(min !== undefined && { min }),
    ...(max !== undefined && { max }),
  };
}

import type { SignatureRegistry } from '../signatures/registry.js';
import type { AnySignature } from '../signatures/types.js';
import { suggest } from '../suggest.js';
import { type Chain, readChain } from './chains.js';
import { check } from './check.js';
import { parseConfigDocument } from './document.js';
import { ConfigError, type ConfigPath, type Problems } from './problems.js';
import {
  configSchema,
  type ProgramConfig,
  type RemoteSourceConfig,
  type SourceConfig,
} from './schema.js';
import { type ConfigSignature, fromLibrary, readSignature } from './signatures.js';

/** What a config file describes: one of these is its program. */
type ConfigProgram =
  | { readonly kind: 'signature'; readonly signature: ConfigSignature }
  | { readonly kind: 'chain'; readonly chain: Chain }
  | {
      readonly kind: 'class';
      /** Module, relative to the config file. */
      readonly path: string;
      readonly className: string;
      readonly signature?: AnySignature;
    }
  | { readonly kind: 'remote'; readonly source: RemoteSourceConfig };

export interface LoadedConfig {
  readonly config: ProgramConfig;
  readonly program: ConfigProgram;
}

export interface ReadConfigOptions {
  /** Path or URL, for messages. */
  readonly file: string;
  readonly registry: SignatureRegistry;
  /** The environment that `${NAME}` reads; absent for a downloaded file, which may not. */
  readonly env?: Readonly<Record<string, string | undefined>>;
  /** A downloaded file may name no further source. */
  readonly downloaded?: boolean;
}

/**
 * Reads and checks the text of a config file.
 *
 * @throws {ConfigError} with every problem, its line and its path in the file.
 */
export function readConfig(text: string, options: ReadConfigOptions): LoadedConfig {
  const { value, problems } = parseConfigDocument(text, options.env);
  if (value === undefined && problems.any) throw new ConfigError(options.file, problems.list());
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    problems.add([], 'must be a map of settings, with at least a name and a version');
    throw new ConfigError(options.file, problems.list());
  }
  const loaded = new ConfigReader(value as Record<string, unknown>, options, problems).read();
  if (problems.any || !loaded) throw new ConfigError(options.file, problems.list());
  return loaded;
}

class ConfigReader {
  readonly #signatures = new Map<string, ConfigSignature>();
  readonly #chains = new Map<string, Chain>();

  constructor(
    private readonly raw: Readonly<Record<string, unknown>>,
    private readonly options: ReadConfigOptions,
    private readonly problems: Problems,
  ) {}

  /** Reads all of it, whatever is wrong with a part, so that the report is whole. */
  read(): LoadedConfig | undefined {
    if (this.#isPythonState()) {
      this.problems.add(
        [],
        'is the saved state of a Python DSPy program: it holds demos and instructions, and not the ' +
          'fields they belong to. Write them as a signature with examples',
      );
      return undefined;
    }
    const config = check(configSchema, this.raw, [], this.problems);
    for (const [name, value] of entriesOf(this.raw.signatures)) {
      const path = ['signatures', name];
      const signature = readSignature(name, value, path, this.options.registry, this.problems);
      if (signature) this.#signatures.set(name, signature);
    }
    for (const [name, value] of entriesOf(this.raw.chains)) {
      const path = ['chains', name];
      if (this.#isInFile(name)) {
        this.problems.add(path, 'has the name of a signature; give it another');
      }
      const lookup = (wanted: string, place: ConfigPath) => this.#signature(wanted, place);
      const chain = readChain(name, value, path, lookup, this.problems);
      if (chain) this.#chains.set(name, chain);
    }
    const raw = Object(this.raw.source) as Record<string, unknown>;
    const isElsewhere =
      raw.type !== 'local' || raw.path !== undefined || raw.className !== undefined;
    const program =
      this.raw.source !== undefined && isElsewhere
        ? config?.source && this.#fromSource(config, config.source)
        : this.#choose(this.raw.program);
    return config && program && { config, program };
  }

  #isPythonState(): boolean {
    const { metadata } = this.raw;
    return typeof metadata === 'object' && metadata !== null && 'dependencyVersions' in metadata;
  }

  #isInFile(signature: string): boolean {
    return Object.hasOwn(Object(this.raw.signatures), signature);
  }

  #signature(name: string, path: ConfigPath): ConfigSignature | undefined {
    const known = this.#signatures.get(name);
    // One that is in the file and could not be read has been reported there.
    if (known || this.#isInFile(name)) return known;
    const { registry } = this.options;
    if (!registry.has(name)) {
      const names = [...Object.keys(Object(this.raw.signatures)), ...registry.names()];
      const hint = suggest(name, names);
      this.problems.add(path, `no signature of the file or the library is named ${name}${hint}`);
      return undefined;
    }
    const signature = fromLibrary(name, name, path, registry, this.problems);
    if (signature) this.#signatures.set(name, signature);
    return signature;
  }

  #fromSource(config: ProgramConfig, source: SourceConfig): ConfigProgram | undefined {
    const { problems } = this;
    const signatures = Object.keys(config.signatures ?? {});
    if (this.options.downloaded) {
      problems.add(['source'], 'a downloaded file cannot name a source of its own');
    }
    for (const key of ['chains', 'program'] as const) {
      if (config[key] !== undefined) problems.add([key], 'cannot stand beside a source');
    }
    if (source.type !== 'local') {
      if (signatures.length > 0) problems.add(['signatures'], 'cannot stand beside a source');
      return { kind: 'remote', source };
    }
    if (signatures.length > 1) {
      problems.add(['signatures'], 'must be one beside a source: what its class takes and gives');
    }
    const { path, className } = source;
    if (!path) problems.add(['source', 'path'], 'is required beside class_name');
    if (!className) problems.add(['source', 'className'], 'is required beside path');
    if (!path || !className) return undefined;
    const signature = this.#signatures.get(signatures[0] ?? '')?.signature;
    return { kind: 'class', path, className, ...(signature && { signature }) };
  }

  #choose(program: unknown): ConfigProgram | undefined {
    const wanted = typeof program === 'string' ? program : undefined;
    const chains = Object.keys(Object(this.raw.chains));
    const signatures = Object.keys(Object(this.raw.signatures));
    const names = [...chains, ...signatures];
    if (wanted !== undefined && !names.includes(wanted)) {
      this.problems.add(
        ['program'],
        `is no signature or chain of the file${suggest(wanted, names)}`,
      );
      return undefined;
    }
    const candidates = chains.length > 0 ? chains : signatures;
    if (wanted === undefined && candidates.length !== 1) {
      this.problems.add(
        candidates.length === 0 ? [] : ['program'],
        candidates.length === 0
          ? 'describes no program: give signatures, chains or a source'
          : `is required to say which of ${candidates.join(', ')} the program is`,
      );
      return undefined;
    }
    const name = wanted ?? candidates[0] ?? '';
    const chain = this.#chains.get(name);
    if (chain) return { kind: 'chain', chain };
    const signature = this.#signatures.get(name);
    return signature && { kind: 'signature', signature };
  }
}

function entriesOf(value: unknown): [string, unknown][] {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
    ? Object.entries(value)
    : [];
}

import { dirname } from 'node:path';
import { z } from 'zod';
import { MAX_TIMEOUT_S } from '../executor/config.js';
import { readOptions } from '../options.js';
import { applyContract, type CallOptions, define } from '../program/contract.js';
import { createProgram } from '../program/create-program.js';
import { identify, type ProgramIdentity } from '../program/identity.js';
import type { LibraryName, signatures } from '../signatures/library/index.js';
import {
  type CatalogueEntry,
  type SignatureQuery,
  SignatureRegistry,
  signatureRegistry,
} from '../signatures/registry.js';
import type { AnySignature, Fields } from '../signatures/types.js';
import { buildChain } from './chain-flow.js';
import { type LoadedConfig, readConfig } from './config.js';
import { type DownloadLimits, download, type RemoteFile } from './download.js';
import { readTextFile, resolveWithin } from './files.js';
import { loadProgramClass } from './program-class.js';
import { decodeText, githubFile, type HuggingFaceFile, huggingFaceFile } from './remote-sources.js';
import type { ModelConfig, ProgramConfig, RemoteSourceConfig } from './schema.js';
import type { LoadedProgram } from './types.js';

/** Options of {@link DspyModelLoader}. */
export interface ModelLoaderOptions {
  /** Folder that local files are read from, and nothing outside it. Default the working directory. */
  readonly root?: string;
  /** Where signatures are found by name. Default the library. */
  readonly registry?: SignatureRegistry;
  /** Environment that `${NAME}` in a local file, `HF_TOKEN` and `HF_ENDPOINT` are read from. Default `process.env`. */
  readonly env?: Readonly<Record<string, string | undefined>>;
  /** Base URL of the Hugging Face Hub. Default `HF_ENDPOINT`, else `https://huggingface.co`. */
  readonly hubEndpoint?: string;
  /** Base URL of raw files on GitHub. Default `https://raw.githubusercontent.com`. */
  readonly githubEndpoint?: string;
  /** Largest file read or downloaded, in bytes. Default 5 MiB. */
  readonly maxFileBytes?: number;
  /** Longest wait for a download, in seconds. Default 30. */
  readonly downloadTimeout?: number;
}

const MAX_FILE_BYTES = 5 * 1024 * 1024;
const DOWNLOAD_TIMEOUT_S = 30;

/** Loads programs from config files, classes and the Hugging Face Hub, and signatures from the library. */
export class DspyModelLoader {
  readonly #root: string;
  readonly #registry: SignatureRegistry;
  readonly #env: Readonly<Record<string, string | undefined>>;
  readonly #hub: string;
  readonly #github: string;
  readonly #limits: DownloadLimits;

  /** @throws TypeError naming an option that is unknown or of the wrong type. */
  constructor(options: ModelLoaderOptions = {}) {
    const checked = readOptions('DspyModelLoader', optionsSchema, options);
    const env = options.env ?? process.env;
    this.#env = env;
    this.#root = checked.root ?? process.cwd();
    this.#registry = options.registry ?? signatureRegistry;
    this.#hub = checked.hubEndpoint ?? (env.HF_ENDPOINT || 'https://huggingface.co');
    this.#github = checked.githubEndpoint ?? 'https://raw.githubusercontent.com';
    this.#limits = {
      maxBytes: checked.maxFileBytes ?? MAX_FILE_BYTES,
      timeoutMs: Math.ceil((checked.downloadTimeout ?? DOWNLOAD_TIMEOUT_S) * 1000),
    };
  }

  /**
   * Loads the program that a YAML or JSON file describes, under the file's name and version.
   *
   * @param path relative to the root.
   * @throws {ConfigError} with every problem of the file, its line and its path there.
   * @throws {LoadError} when a file is not there, may not be read, or cannot be downloaded.
   */
  async loadFromConfig<IN extends Fields = Fields, OUT extends Fields = Fields>(
    path: string,
  ): Promise<LoadedProgram<IN, OUT>> {
    const file = await resolveWithin(this.#root, path);
    const text = await readTextFile(file, this.#limits.maxBytes);
    const loaded = readConfig(text, { file, registry: this.#registry, env: this.#env });
    return (await this.#build(loaded, file)) as LoadedProgram<IN, OUT>;
  }

  /**
   * Makes a program of a class that a JavaScript module exports. A function that returns a program,
   * and a program, will do as well.
   *
   * @param modulePath relative to the root.
   * @throws {LoadError} when the module is outside the root or fails, or there is no program in it.
   */
  async loadFromClass<IN extends Fields = Fields, OUT extends Fields = Fields>(
    modulePath: string,
    className: string,
  ): Promise<LoadedProgram<IN, OUT>> {
    const path = await resolveWithin(this.#root, modulePath);
    return (await loadProgramClass(path, className)) as LoadedProgram<IN, OUT>;
  }

  /**
   * Loads the program that a JSON or YAML file on the Hugging Face Hub describes. Downloaded files
   * are data: pickles and code are refused, and the environment and local files are out of reach.
   *
   * @throws {ConfigError} with every problem of the file, its line and its path there.
   * @throws {LoadError} when it cannot be downloaded or is refused, with the reason.
   * @throws TypeError naming a member of `file` that is unknown, missing or of the wrong type.
   */
  async loadFromHuggingFace<IN extends Fields = Fields, OUT extends Fields = Fields>(
    file: HuggingFaceFile,
  ): Promise<LoadedProgram<IN, OUT>> {
    const remote = this.#hubFile(readOptions('loadFromHuggingFace', hubFileSchema, file));
    const program = await this.#build(await this.#download(remote), remote.url.href);
    return program as LoadedProgram<IN, OUT>;
  }

  /**
   * A signature of the library by name or alias.
   *
   * @throws {UnknownSignatureError} with the nearest name when there is none.
   */
  loadSignatureFromLibrary<N extends LibraryName>(name: N): (typeof signatures)[N];
  loadSignatureFromLibrary(name: string): AnySignature;
  loadSignatureFromLibrary(name: string): AnySignature {
    return this.#registry.get(name).signature;
  }

  /** The library's signatures of a category, with every one of the tags; all when nothing is asked. */
  listAvailableSignatures(query?: SignatureQuery): CatalogueEntry[] {
    return this.#registry.catalogue(query);
  }

  async #build({ config, program }: LoadedConfig, file: string): Promise<object> {
    const identity = identityFrom(config, file);
    const callOptions = callOptionsOf(config.modelConfig);
    switch (program.kind) {
      case 'signature': {
        const { name: _, signature, ...rest } = program.signature;
        const { name, version, ...more } = identity;
        return createProgram(signature, { ...callOptions, ...rest, name, version, identity: more });
      }
      case 'chain': {
        const { chain } = program;
        const flow = buildChain(chain, config.name, callOptions);
        return identify(flow, { ...identity, signature: chain.signature });
      }
      case 'class': {
        const path = await resolveWithin(this.#root, program.path, dirname(file));
        const built = await loadProgramClass(path, program.className);
        const { signature } = program;
        define(built, 'traceLabel', config.name);
        applyContract(built, { callOptions, ...(signature && { signature }) });
        return identify(built, { ...identity, ...(signature && { signature }) });
      }
      case 'remote': {
        const inner = await this.#download(this.#remoteFile(program.source));
        return this.#build(
          { config: mergeConfigs(inner.config, config), program: inner.program },
          file,
        );
      }
    }
  }

  #remoteFile(source: RemoteSourceConfig): RemoteFile {
    return source.type === 'github' ? githubFile(source, this.#github) : this.#hubFile(source);
  }

  #hubFile(file: HuggingFaceFile): RemoteFile {
    return huggingFaceFile({ ...file, token: file.token ?? this.#env.HF_TOKEN }, this.#hub);
  }

  async #download(file: RemoteFile): Promise<LoadedConfig> {
    const name = file.url.href;
    const text = decodeText(await download(file, this.#limits), name);
    return readConfig(text, { file: name, registry: this.#registry, downloaded: true });
  }
}

const hubFileSchema = z.strictObject({
  repoId: z.string(),
  filename: z.string(),
  revision: z.string().optional(),
  token: z.string().optional(),
});

const optionsSchema = z.strictObject({
  root: z.string().min(1).optional(),
  registry: z.instanceof(SignatureRegistry).optional(),
  // `process.env` is no plain object.
  env: z.custom((value) => typeof value === 'object' && value !== null).optional(),
  hubEndpoint: z.string().optional(),
  githubEndpoint: z.string().optional(),
  maxFileBytes: z.int().min(1).optional(),
  downloadTimeout: z.number().positive().max(MAX_TIMEOUT_S).optional(),
});

function identityFrom(
  config: ProgramConfig,
  source: string,
): ProgramIdentity & { version: string } {
  const { name, version, description, author, metrics, dependencies } = config;
  return {
    name,
    version,
    source,
    ...(description !== undefined && { description }),
    ...(author !== undefined && { author }),
    ...(metrics && { metrics }),
    ...(dependencies && { dependencies }),
  };
}

/** A file that only names another goes before it in everything it says. */
function mergeConfigs(inner: ProgramConfig, outer: ProgramConfig): ProgramConfig {
  return { ...inner, ...outer, modelConfig: { ...inner.modelConfig, ...outer.modelConfig } };
}

function callOptionsOf({ modelName, ...settings }: ModelConfig = {}): CallOptions {
  const given = Object.fromEntries(
    Object.entries(settings).filter(([, value]) => value !== undefined),
  );
  return {
    ...(modelName !== undefined && { model: modelName }),
    ...(Object.keys(given).length > 0 && { modelConfig: given }),
  };
}

import { nearest } from '../../../exporter-mlflow/src/nearest.js';
import { messageOf } from '../errors.js';
import { ExecutionError } from './execution-error.js';
import { toProgram } from './programs.js';
import type { ModelSource, Program } from './types.js';

/** Models by id. One given by a function is loaded at its first use and kept. */
export class ModelRegistry {
  readonly #sources = new Map<string, ModelSource>();
  readonly #programs = new Map<string, Promise<Program>>();

  register(id: string, source: ModelSource): void {
    this.#sources.set(id, source);
    this.#programs.delete(id);
  }

  /**
   * The program of a model.
   *
   * @throws {ExecutionError} `MODEL_NOT_FOUND`, `MODEL_LOAD_FAILED`.
   */
  async get(id: string): Promise<Program> {
    const source = this.#sources.get(id);
    if (source === undefined) {
      const hint = nearest(id, [...this.#sources.keys()]);
      throw new ExecutionError(
        'MODEL_NOT_FOUND',
        `Model ${JSON.stringify(id)} is not in the registry${hint === undefined ? '' : `. Did you mean ${hint}?`}`,
      );
    }
    let program = this.#programs.get(id);
    if (program === undefined) {
      program = load(id, source);
      this.#programs.set(id, program);
      // A load that failed is tried again by the next request.
      const failed = program;
      program.catch(() => {
        if (this.#programs.get(id) === failed) this.#programs.delete(id);
      });
    }
    return program;
  }

  /** Forgets loaded programs; they are loaded again at their next use. */
  clear(): void {
    this.#programs.clear();
  }
}

async function load(id: string, source: ModelSource): Promise<Program> {
  try {
    return toProgram(isLoader(source) ? await source() : source);
  } catch (error) {
    const message = `Model ${JSON.stringify(id)} cannot be loaded: ${messageOf(error)}`;
    throw new ExecutionError('MODEL_LOAD_FAILED', message, { cause: error });
  }
}

function isLoader(source: ModelSource): source is Extract<ModelSource, () => unknown> {
  return typeof source === 'function' && !('forward' in source);
}

import { AsyncLocalStorage } from 'node:async_hooks';
import type { AxAIService } from '@ax-llm/ax';
import type { Fields } from '../signatures/types.js';
import { type ExecutorConfig, resolveConfig } from './config.js';
import { type TimeLimit, withDeadline } from './deadline.js';
import { ExecutionError } from './execution-error.js';
import { Limiter } from './limiter.js';
import { ModelRegistry } from './models.js';
import { describeProgram, type ProgramInfo, toProgram } from './programs.js';
import { type AnyRequest, type ReadRequest, readRequest } from './request.js';
import { ResultCache } from './result-cache.js';
import { asExecutionError, Run } from './run.js';
import { StatsCollector } from './stats.js';
import { flushTracking, startTracking } from './tracing.js';
import type {
  BatchRequest,
  ExecutionResult,
  ExecutionStats,
  ModelRequest,
  ModelSource,
  OutputsOf,
  PipelineExecutorOptions,
  ProgramLike,
  ProgramRequest,
} from './types.js';

/**
 * Executes DSPy programs: with a time limit, retries where they can help, a result cache, batches,
 * statistics, and (with `mlflowTracking`) a trace and a run in MLflow for each execution.
 *
 * ```ts
 * const executor = new DspyPipelineExecutor({ ai });
 * const result = await executor.execute({
 *   program: signatures.DraftText,
 *   inputs: { topic: 'AI safety', purpose: 'a 200-word introduction' },
 * });
 * ```
 */
export class DspyPipelineExecutor {
  readonly #config: ExecutorConfig;
  readonly #ai: AxAIService | undefined;
  readonly #models = new ModelRegistry();
  readonly #cache: ResultCache | undefined;
  readonly #stats = new StatsCollector();
  readonly #workers: Limiter;
  readonly #running = new Set<Promise<unknown>>();
  #shutdown: Promise<void> | undefined;

  /** @throws TypeError naming every option that is unknown or wrong. */
  constructor(options: PipelineExecutorOptions = {}) {
    this.#config = resolveConfig(options);
    const { cacheEnabled, cacheMaxEntries, cacheMaxBytes, cacheTtlMs, maxWorkers } = this.#config;
    this.#ai = options.ai;
    this.#cache = cacheEnabled
      ? new ResultCache(cacheMaxEntries, cacheMaxBytes, cacheTtlMs)
      : undefined;
    this.#workers = new Limiter(maxWorkers);
    for (const [id, model] of Object.entries(options.models ?? {})) this.registerModel(id, model);
    if (this.#config.mlflowTracking) startTracking(this.#config);
  }

  /**
   * Makes a model known by an id, in place of one that had it. A function is called at the model's
   * first use, and again after {@link clearCache}: `() => loader.loadFromConfig('email.yaml')`.
   */
  registerModel(id: string, model: ModelSource): void {
    this.#models.register(id, model);
  }

  /**
   * Executes a program. Never rejects: an execution that failed is a result with `success: false`
   * and an {@link ExecutionError}.
   */
  execute<P extends ProgramLike>(
    request: ProgramRequest<P> & { readonly mode: 'dryRun' },
  ): Promise<ExecutionResult<undefined>>;
  execute<P extends ProgramLike>(
    request: ProgramRequest<P>,
  ): Promise<ExecutionResult<OutputsOf<P>>>;
  execute<OUT = Fields>(request: ModelRequest): Promise<ExecutionResult<OUT>>;
  execute(request: AnyRequest): Promise<ExecutionResult<unknown>> {
    return this.#track(this.#execute(request, this.#isOpen));
  }

  /**
   * Executes a program for each of the inputs, at most `maxWorkers` at once, and resolves with the
   * results in the order of the inputs. One that failed is a result like any other.
   *
   * @throws TypeError when `inputsList` is no list.
   */
  executeBatch<P extends ProgramLike>(
    request: BatchRequest<ProgramRequest<P>> & { readonly mode: 'dryRun' },
  ): Promise<ExecutionResult<undefined>[]>;
  executeBatch<P extends ProgramLike>(
    request: BatchRequest<ProgramRequest<P>>,
  ): Promise<ExecutionResult<OutputsOf<P>>[]>;
  executeBatch<OUT = Fields>(request: BatchRequest<ModelRequest>): Promise<ExecutionResult<OUT>[]>;
  async executeBatch(request: BatchRequest<AnyRequest>): Promise<ExecutionResult<unknown>[]> {
    const { inputsList, ...rest } = Object(request) as typeof request;
    if (!Array.isArray(inputsList)) throw new TypeError('inputsList must be a list of inputs');
    // A batch within a batch must not wait for the places its own batch holds.
    const batches = runningBatches.getStore() ?? [];
    const workers = batches.includes(this) ? new Limiter(this.#config.maxWorkers) : this.#workers;
    const here = [...batches, this];
    const isOpen = this.#isOpen;
    return this.#track(
      Promise.all(
        // A list with gaps is a list of `undefined`; `map` would pass over them.
        Array.from(inputsList, (inputs) =>
          workers.run(() =>
            runningBatches.run(here, () => this.#execute({ ...rest, inputs }, isOpen)),
          ),
        ),
      ),
    );
  }

  /** Forgets results, and loaded models, which are loaded again at their next use. */
  clearCache(): void {
    this.#cache?.clear();
    this.#models.clear();
  }

  /** Figures over all executions so far, dry runs and cache hits included. */
  getExecutionStats(): ExecutionStats {
    return this.#stats.snapshot();
  }

  /**
   * Takes no more executions, waits for those that run, and until their traces are delivered. Later
   * executions are results with the code `SHUT_DOWN`.
   */
  shutdown(): Promise<void> {
    this.#shutdown ??= this.#finish();
    return this.#shutdown;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.shutdown();
  }

  async #finish(): Promise<void> {
    await Promise.allSettled(this.#running);
    this.clearCache();
    if (this.#config.mlflowTracking) await flushTracking();
  }

  get #isOpen(): boolean {
    return this.#shutdown === undefined;
  }

  /** What was accepted before a shutdown is waited for. */
  #track<T>(work: Promise<T>): Promise<T> {
    this.#running.add(work);
    const forget = () => this.#running.delete(work);
    void work.then(forget, forget);
    return work;
  }

  async #execute(given: unknown, isOpen: boolean): Promise<ExecutionResult<unknown>> {
    const read = readRequest(given);
    const { modelId, inputs, signal, mode = 'normal', timeout, ai } = read.request;
    const limit = {
      timeoutMs: timeout === undefined ? this.#config.timeoutMs : timeout * 1000,
      startedAt: performance.now(),
      signal,
    };
    const found = await this.#find(read, limit).catch(asExecutionError);
    const run = new Run(
      {
        found: isOpen ? found : new ExecutionError('SHUT_DOWN', 'the executor was shut down'),
        programName: found instanceof ExecutionError ? (modelId ?? 'unknown') : found.name,
        modelId,
        inputs,
        mode,
        ai: ai ?? this.#ai,
        ...limit,
      },
      this.#config,
      this.#cache,
    );
    if (!isOpen) return run.untraced();
    const result = await run.result();
    const { success, executionTime, programName, metadata, error } = result;
    this.#stats.record(executionTime, success, metadata.cacheHit);
    const { log } = this.#config;
    const seconds = `${executionTime.toFixed(3)} s`;
    // What failed may quote inputs, which belong into the result and not into a log.
    if (error) log.error(`${programName} failed (${error.code}) after ${seconds}`);
    else log.info(`${programName} (${mode}) took ${seconds}`);
    return result;
  }

  async #find({ request, problem }: ReadRequest, limit: TimeLimit): Promise<ProgramInfo> {
    if (problem) throw new ExecutionError('INVALID_REQUEST', problem);
    const { program, modelId } = request;
    if (modelId === undefined) return describeProgram(toProgram(program as ProgramLike));
    // The caller waits for a loader of its own as it waits for the model.
    return describeProgram(await withDeadline(limit, () => this.#models.get(modelId)));
  }
}

/** The executors around what is running that have a batch under way, each holding a place of it. */
const runningBatches = new AsyncLocalStorage<readonly DspyPipelineExecutor[]>();

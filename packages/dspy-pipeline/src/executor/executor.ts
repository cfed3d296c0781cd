import { AsyncLocalStorage } from 'node:async_hooks';
import type { AxAIService } from '@ax-llm/ax';
import type { Fields } from '../signatures/types.js';
import { type ExecutorConfig, MAX_TIMEOUT_S, resolveConfig } from './config.js';
import { ExecutionError } from './execution-error.js';
import { Limiter } from './limiter.js';
import { ModelRegistry } from './models.js';
import { describeProgram, type ProgramInfo, toProgram } from './programs.js';
import { ResultCache } from './result-cache.js';
import { asExecutionError, Run } from './run.js';
import { StatsCollector } from './stats.js';
import { flushTracking, startTracking } from './tracing.js';
import type {
  BatchRequest,
  ExecutionMode,
  ExecutionResult,
  ExecutionSettings,
  ExecutionStats,
  ModelRequest,
  ModelSource,
  OutputsOf,
  PipelineExecutorOptions,
  ProgramLike,
  ProgramRequest,
} from './types.js';

/** A request of any kind, before its inputs are checked. */
interface AnyRequest extends ExecutionSettings {
  readonly program?: ProgramLike | undefined;
  readonly modelId?: string | undefined;
  readonly inputs: unknown;
}

const MODES: readonly ExecutionMode[] = ['normal', 'dryRun', 'debug'];

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
    const { cacheEnabled, cacheMaxEntries, cacheTtlMs, maxWorkers } = this.#config;
    this.#ai = options.ai;
    this.#cache = cacheEnabled ? new ResultCache(cacheMaxEntries, cacheTtlMs) : undefined;
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
    return this.#track(this.#execute(Object(request), this.#isOpen));
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
    const { inputsList, ...rest } = request;
    if (!Array.isArray(inputsList)) throw new TypeError('inputsList must be a list of inputs');
    // A batch within a batch must not wait for the places its own batch holds.
    const nested = worker.getStore() === this;
    const workers = nested ? new Limiter(this.#config.maxWorkers) : this.#workers;
    const isOpen = this.#isOpen;
    return this.#track(
      Promise.all(
        inputsList.map((inputs) =>
          workers.run(() => worker.run(this, () => this.#execute({ ...rest, inputs }, isOpen))),
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
    await Promise.all(this.#running);
    this.clearCache();
    if (this.#config.mlflowTracking) await flushTracking();
  }

  get #isOpen(): boolean {
    return this.#shutdown === undefined;
  }

  /** What was accepted before a shutdown is waited for. */
  #track<T>(work: Promise<T>): Promise<T> {
    this.#running.add(work);
    void work.finally(() => this.#running.delete(work));
    return work;
  }

  async #execute(request: AnyRequest, isOpen: boolean): Promise<ExecutionResult<unknown>> {
    const startedAt = performance.now();
    const { modelId, inputs, signal, mode = 'normal', timeout } = request;
    const found = await this.#find(request).catch(asExecutionError);
    const run = new Run(
      {
        found: isOpen ? found : new ExecutionError('SHUT_DOWN', 'the executor was shut down'),
        programName: found instanceof ExecutionError ? (modelId ?? 'unknown') : found.name,
        modelId,
        inputs,
        mode,
        ai: request.ai ?? this.#ai,
        signal: isSignal(signal) ? signal : undefined,
        timeoutMs: isTimeout(timeout) ? timeout * 1000 : this.#config.timeoutMs,
        startedAt,
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

  async #find({ program, modelId, mode, timeout, signal }: AnyRequest): Promise<ProgramInfo> {
    const problem =
      (mode !== undefined && !MODES.includes(mode) && `mode must be one of ${MODES.join(', ')}`) ||
      (timeout !== undefined && !isTimeout(timeout) && 'timeout must be seconds, above 0') ||
      (signal !== undefined && !isSignal(signal) && 'signal must be an AbortSignal') ||
      ((program === undefined) === (modelId === undefined) && 'give either program or modelId');
    if (problem) throw new ExecutionError('INVALID_REQUEST', problem);
    return describeProgram(
      modelId === undefined ? toProgram(program as ProgramLike) : await this.#models.get(modelId),
    );
  }
}

/** The executor whose batch item is running. */
const worker = new AsyncLocalStorage<DspyPipelineExecutor>();

function isSignal(value: unknown): value is AbortSignal {
  return typeof (value as Partial<AbortSignal> | undefined)?.addEventListener === 'function';
}

function isTimeout(value: unknown): value is number {
  return typeof value === 'number' && value > 0 && value <= MAX_TIMEOUT_S;
}

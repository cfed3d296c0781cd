import { types } from 'node:util';
import type { AxAIService } from '@ax-llm/ax';
import { messageOf, nameOf } from '../errors.js';
import type { CallOptions } from '../program/contract.js';
import { ProgramInputError, prepareInputs, unknownInputs } from '../program/inputs.js';
import type { Fields } from '../signatures/types.js';
import { identityNumber, keyOf } from './cache-key.js';
import type { ExecutorConfig } from './config.js';
import { type TimeLimit, withDeadline } from './deadline.js';
import { DebugRecorder } from './debug.js';
import { ExecutionError } from './execution-error.js';
import { type ProgramInfo, stateOf } from './programs.js';
import type { ResultCache } from './result-cache.js';
import { isRetryable, retryDelay, waitBeforeRetry } from './retry.js';
import { type ExecutionSpan, traceExecution } from './tracing.js';
import type { ExecutionMetadata, ExecutionMode, ExecutionResult } from './types.js';

/** An execution as it is asked for. */
export interface RunRequest extends TimeLimit {
  /** The program, or why there is none. */
  readonly found: ProgramInfo | ExecutionError;
  readonly programName: string;
  readonly modelId: string | undefined;
  readonly inputs: unknown;
  readonly mode: ExecutionMode;
  readonly ai: AxAIService | undefined;
}

const NOT_FOUND = { program: undefined, version: undefined };

/** One execution, from its inputs to its result. */
export class Run {
  readonly #request: RunRequest;
  readonly #config: ExecutorConfig;
  readonly #cache: ResultCache | undefined;
  readonly #debug: DebugRecorder | undefined;
  readonly #attempts: { duration: number; error?: string }[] = [];
  #inputs: Fields = {};
  #ignoredInputs: readonly string[] = [];
  #cacheHit = false;
  #traceId: string | undefined;

  constructor(request: RunRequest, config: ExecutorConfig, cache: ResultCache | undefined) {
    this.#request = request;
    this.#config = config;
    this.#cache = cache;
    this.#debug = request.mode === 'debug' ? new DebugRecorder() : undefined;
  }

  /** Never rejects. */
  async result(): Promise<ExecutionResult<unknown>> {
    const { programName } = this.#request;
    try {
      const outputs = await traceExecution(this.#described(), this.#config, (span) =>
        this.#traced(span),
      );
      return { success: true, outputs, ...this.#end(), programName };
    } catch (error) {
      return { success: false, error: asExecutionError(error), ...this.#end(), programName };
    }
  }

  /** The result of a run that must not begin. */
  untraced(): ExecutionResult<unknown> {
    const { found, programName } = this.#request;
    return { success: false, error: asExecutionError(found), ...this.#end(), programName };
  }

  #described() {
    const { found, ...request } = this.#request;
    const { program, version } = found instanceof ExecutionError ? NOT_FOUND : found;
    return { ...request, program, version };
  }

  async #traced(span: ExecutionSpan): Promise<unknown> {
    this.#traceId = span.traceId;
    let success = false;
    try {
      const outputs = await withDeadline(this.#request, (end) => this.#outputs(end, span));
      success = true;
      return outputs;
    } catch (error) {
      throw asExecutionError(error);
    } finally {
      const { executionTime, metadata } = this.#end();
      const { attempts, cacheHit } = metadata;
      span.end({ success, executionTime, attempts, cacheHit });
    }
  }

  #end(): { executionTime: number; metadata: ExecutionMetadata } {
    const { found, mode, modelId, startedAt } = this.#request;
    const { version } = found instanceof ExecutionError ? NOT_FOUND : found;
    return {
      executionTime: secondsSince(startedAt),
      metadata: {
        mode,
        attempts: this.#attempts.length,
        cacheHit: this.#cacheHit,
        ...(version !== undefined && { programVersion: version }),
        ...(modelId !== undefined && { modelId }),
        ...(this.#traceId !== undefined && { traceId: this.#traceId }),
        ...(this.#ignoredInputs.length > 0 && { ignoredInputs: this.#ignoredInputs }),
        ...(this.#debug && {
          debugTrace: {
            inputs: this.#inputs,
            // Copies: what was left behind at the time limit still adds to its own.
            events: [...this.#debug.events],
            attempts: [...this.#attempts],
          },
        }),
      },
    };
  }

  /** The outputs: of the program, from the cache, or none after a dry run. */
  async #outputs(signal: AbortSignal, span: ExecutionSpan): Promise<unknown> {
    const { found, mode } = this.#request;
    if (found instanceof ExecutionError) throw found;
    this.#inputs = this.#prepare(found);
    if (mode === 'dryRun') return undefined;
    const key = mode === 'normal' && this.#cache ? this.#cacheKey(found) : undefined;
    const cached = key === undefined ? undefined : this.#cache?.get(key);
    if (cached) {
      this.#cacheHit = true;
      return cached.outputs;
    }
    const emptied = this.#cache?.emptied;
    const outputs = await this.#attempt(found, signal, span);
    // What comes too late is no result, and what began before a `clearCache()` is to be forgotten.
    const keeps = !signal.aborted && emptied === this.#cache?.emptied;
    if (key !== undefined && keeps) this.#cache?.set(key, outputs);
    return outputs;
  }

  #prepare({ name, signature }: ProgramInfo): Fields {
    const { inputs } = this.#request;
    if (typeof inputs !== 'object' || inputs === null) {
      throw new ExecutionError('INVALID_REQUEST', 'inputs must be an object of input values');
    }
    // Ax also takes a list of chat messages.
    if (signature === undefined || Array.isArray(inputs)) return inputs;
    this.#ignoredInputs = unknownInputs(signature, inputs);
    return prepareInputs<Fields>(name, signature, inputs);
  }

  /** Everything that decides what the program answers: a program that was changed is another. */
  #cacheKey({ name, program, version }: ProgramInfo): string | undefined {
    const { ai } = this.#request;
    try {
      return keyOf([
        identityNumber(program),
        version,
        stateOf(program),
        identityNumber(ai),
        this.#inputs,
      ]);
    } catch (error) {
      // The program's own getters may throw; its forward call shall decide about that.
      this.#config.log.debug(`${name} is not cached: its state cannot be read (${nameOf(error)})`);
      return undefined;
    }
  }

  async #attempt(
    { name, program }: ProgramInfo,
    signal: AbortSignal,
    span: ExecutionSpan,
  ): Promise<unknown> {
    const { ai } = this.#request;
    if (ai === undefined) {
      throw new ExecutionError(
        'INVALID_REQUEST',
        'there is no model service: give `ai` to the executor or to the request',
      );
    }
    const options: CallOptions = { abortSignal: signal, ...this.#debug?.callOptions };
    for (let attempt = 1; ; attempt++) {
      const start = performance.now();
      try {
        const outputs = await program.forward(ai, this.#inputs, options);
        this.#attempts.push({ duration: secondsSince(start) });
        return outputs;
      } catch (error) {
        this.#attempts.push({ duration: secondsSince(start), error: messageOf(error) });
        if (signal.aborted || attempt > this.#config.maxRetries || !isRetryable(error)) throw error;
        span.attemptFailed(attempt, error);
        this.#config.log.warn(`${name}: attempt ${attempt} failed and is repeated`);
        await waitBeforeRetry(retryDelay(attempt), signal);
      }
    }
  }
}

/** What people are told of a failure, whatever was thrown. */
export function asExecutionError(error: unknown): ExecutionError {
  // A proxy may throw at `instanceof`, and is none of ours.
  const own = types.isProxy(error) ? undefined : error;
  if (own instanceof ExecutionError) return own;
  if (own instanceof ProgramInputError) {
    const { message, missing, invalid } = own;
    return new ExecutionError('INVALID_INPUTS', message, { cause: own, missing, invalid });
  }
  return new ExecutionError('PROGRAM_FAILED', messageOf(error), { cause: error });
}

function secondsSince(start: number): number {
  return (performance.now() - start) / 1000;
}

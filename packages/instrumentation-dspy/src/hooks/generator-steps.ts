import { DSPY_TOOLS } from '../attributes/dspy.js';
import { readArray, readProperty } from '../capture/read.js';
import { safeString } from '../capture/redact.js';
import type { AxCopy } from '../copy.js';
import { diagnostics } from '../diagnostics.js';
import { outcomeOf } from '../execution/ending.js';
import { withoutServiceTracer } from '../execution/native.js';
import type { Operation } from '../execution/operation.js';
import { followFailure } from '../execution/result.js';
import { originalOf } from '../view.js';
import { traceableService } from './custom-service.js';
import { activeOperation, type GeneratorRun, runOf } from './run.js';
import { type Tool, traceTools } from './tool.js';
import type { Hook, Wrapper } from './types.js';

/** The arguments object of `forwardCore` and `forwardSendRequest`. */
interface StepArguments {
  readonly ai?: unknown;
  readonly options?: { readonly functions?: unknown };
}

type Iterator = AsyncIterator<unknown> & AsyncIterable<unknown>;

/**
 * `AxGen.forwardCore` is one attempt at a result: a request and what is made of the response. Here
 * the tools of the attempt are at hand, those added on the way included, and the error for which Ax
 * tries again passes.
 */
const wrapAttempt: Wrapper = (original, copy) =>
  function (this: unknown, ...args: unknown[]): unknown {
    let operation: Operation | undefined;
    let run: GeneratorRun | undefined;
    try {
      operation = activeOperation();
      if (operation !== undefined) {
        run = runOf(operation);
        if (run?.generator !== this) run = undefined;
        const step = withTools(copy, args[0] as StepArguments, operation, run);
        const ai = withoutServiceTracer(copy, step.ai);
        args[0] = ai === step.ai ? step : { ...step, ai };
      }
    } catch (fault) {
      diagnostics.fault('generator.attempt', fault);
    }
    const attempt = original.apply(this, args) as Iterator;
    return operation === undefined ? attempt : new ObservedAttempt(attempt, operation, run);
  };

function withTools(
  copy: AxCopy,
  step: StepArguments,
  operation: Operation,
  run: GeneratorRun | undefined,
): StepArguments {
  const tools = step?.options?.functions;
  if (!Array.isArray(tools) || tools.length === 0) return step;
  if (run !== undefined && operation.recording) {
    operation.set(
      DSPY_TOOLS,
      tools.map((tool: Tool) => safeString(tool?.name, 128)),
    );
  }
  return { ...step, options: { ...step.options, functions: traceTools(copy, tools) } };
}

/** Passes an attempt on and notes the error that ends it. */
class ObservedAttempt implements Iterator {
  constructor(
    private readonly attempt: Iterator,
    private readonly operation: Operation,
    private readonly run: GeneratorRun | undefined,
  ) {}

  next(sent?: unknown): Promise<IteratorResult<unknown>> {
    const result = this.attempt.next(sent);
    try {
      followFailure(result, this.failed);
    } catch (fault) {
      diagnostics.fault('generator.attempt', fault);
    }
    return result;
  }

  return(value?: unknown): Promise<IteratorResult<unknown>> {
    return (this.attempt as Required<Iterator>).return(value);
  }

  throw(error?: unknown): Promise<IteratorResult<unknown>> {
    return (this.attempt as Required<Iterator>).throw(error);
  }

  [Symbol.asyncIterator](): this {
    return this;
  }

  private readonly failed = (error: unknown): void => {
    giveToolsBack(error);
    if (this.run === undefined) return;
    const outcome = outcomeOf(error, this.operation.signal);
    if (outcome !== 'error' && outcome !== 'timeout') return;
    this.operation.attempt(Math.max(0, this.run.requests - 1), error);
  };
}

/** Ax names the tools that ended the program: they are to be the program's own, not our views of them. */
function giveToolsBack(error: unknown): void {
  if (readProperty(error, 'name') !== 'AxStopFunctionCallException') return;
  for (const call of readArray(readProperty(error, 'calls'))) {
    (call as { func?: unknown }).func = originalOf(readProperty(call, 'func'));
  }
}

/** `AxGen.forwardSendRequest` is one request to the model. */
const wrapRequest: Wrapper = (original, copy) =>
  function (this: unknown, ...args: unknown[]): unknown {
    try {
      const operation = activeOperation();
      if (operation !== undefined) {
        const run = runOf(operation);
        if (run !== undefined && run.generator === this) {
          run.requests++;
          run.toolCalls.clear();
        }
        const step = args[0] as StepArguments;
        const ai = traceableService(copy, step?.ai);
        if (ai !== step?.ai) args[0] = { ...step, ai };
      }
    } catch (fault) {
      diagnostics.fault('generator.request', fault);
    }
    return original.apply(this, args);
  };

export const generatorStepHooks: readonly Hook[] = [
  { target: 'AxGen', method: 'forwardCore', wrap: wrapAttempt },
  { target: 'AxGen', method: 'forwardSendRequest', wrap: wrapRequest },
];

import {
  DSPY_USAGE_CACHE_READ_TOKENS,
  DSPY_USAGE_CACHE_WRITE_TOKENS,
  DSPY_USAGE_COST,
  DSPY_USAGE_INPUT_TOKENS,
  DSPY_USAGE_MODEL_CALLS,
  DSPY_USAGE_OUTPUT_TOKENS,
  DSPY_USAGE_REASONING_TOKENS,
  DSPY_USAGE_TOTAL_TOKENS,
} from '../attributes/dspy.js';
import type { AttributeTarget } from '../attributes/target.js';
import type { TokenUsage } from '../capture/usage.js';

/** Usage of the model calls below an operation. Fields are written out: this runs once a model call. */
export class Totals {
  modelCalls = 0;
  inputTokens: number | undefined;
  outputTokens: number | undefined;
  totalTokens: number | undefined;
  cacheReadTokens: number | undefined;
  cacheWriteTokens: number | undefined;
  reasoningTokens: number | undefined;
  /** US dollars. */
  cost: number | undefined;

  addUsage(usage: { [K in keyof TokenUsage]: TokenUsage[K] | undefined }): void {
    this.inputTokens = sum(this.inputTokens, usage.inputTokens);
    this.outputTokens = sum(this.outputTokens, usage.outputTokens);
    this.totalTokens = sum(this.totalTokens, usage.totalTokens);
    this.cacheReadTokens = sum(this.cacheReadTokens, usage.cacheReadTokens);
    this.cacheWriteTokens = sum(this.cacheWriteTokens, usage.cacheWriteTokens);
    this.reasoningTokens = sum(this.reasoningTokens, usage.reasoningTokens);
  }

  add(below: Totals): void {
    this.modelCalls += below.modelCalls;
    this.cost = sum(this.cost, below.cost);
    this.addUsage(below);
  }

  write(target: AttributeTarget): void {
    target.set(DSPY_USAGE_MODEL_CALLS, this.modelCalls);
    target.set(DSPY_USAGE_INPUT_TOKENS, this.inputTokens);
    target.set(DSPY_USAGE_OUTPUT_TOKENS, this.outputTokens);
    target.set(DSPY_USAGE_TOTAL_TOKENS, this.totalTokens);
    target.set(DSPY_USAGE_CACHE_READ_TOKENS, this.cacheReadTokens);
    target.set(DSPY_USAGE_CACHE_WRITE_TOKENS, this.cacheWriteTokens);
    target.set(DSPY_USAGE_REASONING_TOKENS, this.reasoningTokens);
    target.set(DSPY_USAGE_COST, this.cost);
  }
}

export function sum(total: number | undefined, value: number | undefined): number | undefined {
  return value === undefined ? total : (total ?? 0) + value;
}

import type { Attributes } from '@opentelemetry/api';
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

  write(attributes: Attributes): void {
    attributes[DSPY_USAGE_MODEL_CALLS] = this.modelCalls;
    if (this.inputTokens !== undefined) attributes[DSPY_USAGE_INPUT_TOKENS] = this.inputTokens;
    if (this.outputTokens !== undefined) attributes[DSPY_USAGE_OUTPUT_TOKENS] = this.outputTokens;
    if (this.totalTokens !== undefined) attributes[DSPY_USAGE_TOTAL_TOKENS] = this.totalTokens;
    if (this.cacheReadTokens !== undefined)
      attributes[DSPY_USAGE_CACHE_READ_TOKENS] = this.cacheReadTokens;
    if (this.cacheWriteTokens !== undefined)
      attributes[DSPY_USAGE_CACHE_WRITE_TOKENS] = this.cacheWriteTokens;
    if (this.reasoningTokens !== undefined)
      attributes[DSPY_USAGE_REASONING_TOKENS] = this.reasoningTokens;
    if (this.cost !== undefined) attributes[DSPY_USAGE_COST] = this.cost;
  }
}

export function sum(total: number | undefined, value: number | undefined): number | undefined {
  return value === undefined ? total : (total ?? 0) + value;
}

import type { TokenUsage } from '../capture/usage.js';
import type { Settings } from '../settings.js';
import {
  GEN_AI_USAGE_CACHE_CREATION,
  GEN_AI_USAGE_CACHE_READ,
  GEN_AI_USAGE_CACHE_WRITE,
  GEN_AI_USAGE_INPUT_TOKENS,
  GEN_AI_USAGE_OUTPUT_TOKENS,
  GEN_AI_USAGE_REASONING,
} from './gen-ai.js';
import {
  LLM_TOKEN_COUNT_CACHE_READ,
  LLM_TOKEN_COUNT_CACHE_WRITE,
  LLM_TOKEN_COUNT_COMPLETION,
  LLM_TOKEN_COUNT_PROMPT,
  LLM_TOKEN_COUNT_REASONING,
  LLM_TOKEN_COUNT_TOTAL,
} from './openinference.js';
import type { AttributeTarget } from './target.js';

/** What a model call used, in both families. Unknown counts are absent. */
export function writeUsage(target: AttributeTarget, settings: Settings, usage: TokenUsage): void {
  if (settings.genAi) {
    target.set(GEN_AI_USAGE_INPUT_TOKENS, usage.inputTokens);
    target.set(GEN_AI_USAGE_OUTPUT_TOKENS, usage.outputTokens);
    target.set(GEN_AI_USAGE_CACHE_READ, usage.cacheReadTokens);
    target.set(GEN_AI_USAGE_CACHE_CREATION, usage.cacheWriteTokens);
    target.set(GEN_AI_USAGE_CACHE_WRITE, usage.cacheWriteTokens);
    target.set(GEN_AI_USAGE_REASONING, usage.reasoningTokens);
  }
  if (settings.openInference) {
    target.set(LLM_TOKEN_COUNT_PROMPT, usage.inputTokens);
    target.set(LLM_TOKEN_COUNT_COMPLETION, usage.outputTokens);
    target.set(LLM_TOKEN_COUNT_TOTAL, usage.totalTokens);
    target.set(LLM_TOKEN_COUNT_CACHE_READ, usage.cacheReadTokens);
    target.set(LLM_TOKEN_COUNT_CACHE_WRITE, usage.cacheWriteTokens);
    target.set(LLM_TOKEN_COUNT_REASONING, usage.reasoningTokens);
  }
}

import type { Attributes } from '@opentelemetry/api';
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

/** What a model call used, in both families. Unknown counts are absent. */
export function writeUsage(attributes: Attributes, settings: Settings, usage: TokenUsage): void {
  const { inputTokens, outputTokens, totalTokens, cacheReadTokens, cacheWriteTokens } = usage;
  const { reasoningTokens } = usage;
  if (settings.genAi) {
    if (inputTokens !== undefined) attributes[GEN_AI_USAGE_INPUT_TOKENS] = inputTokens;
    if (outputTokens !== undefined) attributes[GEN_AI_USAGE_OUTPUT_TOKENS] = outputTokens;
    if (cacheReadTokens !== undefined) attributes[GEN_AI_USAGE_CACHE_READ] = cacheReadTokens;
    if (cacheWriteTokens !== undefined) {
      attributes[GEN_AI_USAGE_CACHE_CREATION] = cacheWriteTokens;
      attributes[GEN_AI_USAGE_CACHE_WRITE] = cacheWriteTokens;
    }
    if (reasoningTokens !== undefined) attributes[GEN_AI_USAGE_REASONING] = reasoningTokens;
  }
  if (settings.openInference) {
    if (inputTokens !== undefined) attributes[LLM_TOKEN_COUNT_PROMPT] = inputTokens;
    if (outputTokens !== undefined) attributes[LLM_TOKEN_COUNT_COMPLETION] = outputTokens;
    if (totalTokens !== undefined) attributes[LLM_TOKEN_COUNT_TOTAL] = totalTokens;
    if (cacheReadTokens !== undefined) attributes[LLM_TOKEN_COUNT_CACHE_READ] = cacheReadTokens;
    if (cacheWriteTokens !== undefined) attributes[LLM_TOKEN_COUNT_CACHE_WRITE] = cacheWriteTokens;
    if (reasoningTokens !== undefined) attributes[LLM_TOKEN_COUNT_REASONING] = reasoningTokens;
  }
}

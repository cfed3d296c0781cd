import { diagnostics } from '../diagnostics.js';

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
  /** The response carries text or tool calls: a count of zero output tokens is then unknown. */
  hasOutput?: boolean;
}

/** A count as the conventions want it: a whole number, not negative. */
function count(value: unknown): number | undefined {
  return typeof value === 'number' && Number.isSafeInteger(value) && value >= 0 ? value : undefined;
}

/**
 * Token counts from Ax's `modelUsage`, on any supported Ax. `undefined` when nothing is known.
 *
 * What Ax's `promptTokens` and `completionTokens` include differs by provider and release: `promptTokens` has the cached tokens
 * up to Ax 20 with OpenAI and up to Ax 17 with Gemini, else not; `completionTokens` has the reasoning with OpenAI and Anthropic,
 * not with Gemini (`thoughtsTokens`) and Grok. The provider's total tells which: it is the sum of what is inclusive.
 */
export function normalizeUsage(
  modelUsage: unknown,
  hints: UsageHints = {},
): TokenUsage | undefined {
  if (modelUsage === null || typeof modelUsage !== 'object') return undefined;
  try {
    return usageOf(modelUsage as ModelUsage, hints);
  } catch (fault) {
    diagnostics.fault('normalizeUsage', fault);
    return undefined;
  }
}

function usageOf(modelUsage: ModelUsage, hints: UsageHints): TokenUsage | undefined {
  const { tokens } = modelUsage;
  if (tokens === null || typeof tokens !== 'object') return undefined;
  const total = count(tokens.totalTokens);
  const cacheRead = count(tokens.cacheReadTokens);
  const cacheWrite = count(tokens.cacheCreationTokens);
  const thoughts = count(tokens.thoughtsTokens);
  const reasoning = count(tokens.reasoningTokens) ?? thoughts;
  const { input, output } = inclusive(
    count(tokens.promptTokens),
    count(tokens.completionTokens),
    total,
    (cacheRead ?? 0) + (cacheWrite ?? 0),
    thoughts ?? 0,
    reasoning ?? 0,
  );
  if (!input && !output && !total) return undefined;

  const usage: TokenUsage = {};
  // A call reads at least one token; Ax writes 0 where a provider's stream does not say (Cohere).
  if (input) usage.inputTokens = input;
  if (output || (output === 0 && hints.hasOutput !== true)) usage.outputTokens = output;
  const sum =
    usage.inputTokens === undefined || usage.outputTokens === undefined
      ? undefined
      : usage.inputTokens + usage.outputTokens;
  if (sum !== undefined) usage.totalTokens = Math.max(sum, total ?? 0);
  else if (total && input === undefined) usage.totalTokens = total;
  if (cacheRead !== undefined) usage.cacheReadTokens = cacheRead;
  if (cacheWrite !== undefined) usage.cacheWriteTokens = cacheWrite;
  if (reasoning !== undefined) usage.reasoningTokens = reasoning;
  return usage;
}

interface ModelUsage {
  readonly tokens?: Tokens | null;
}

interface Tokens {
  readonly promptTokens?: unknown;
  readonly completionTokens?: unknown;
  readonly totalTokens?: unknown;
  readonly cacheReadTokens?: unknown;
  readonly cacheCreationTokens?: unknown;
  readonly thoughtsTokens?: unknown;
  readonly reasoningTokens?: unknown;
}

interface Inclusive {
  input: number | undefined;
  output: number | undefined;
}

/** Finds which reading of the two counts gives the provider's total. */
function inclusive(
  prompt: number | undefined,
  completion: number | undefined,
  total: number | undefined,
  cached: number,
  thoughts: number,
  reasoning: number,
): Inclusive {
  const output = completion === undefined ? thoughts || undefined : completion + thoughts;
  if (prompt === undefined) {
    // OpenAI's Responses API up to Ax 20: only the total tells the input.
    const input =
      total !== undefined && output !== undefined && total > output ? total - output : undefined;
    return { input, output };
  }
  if (completion === undefined && output === undefined) {
    const rest = total === undefined ? undefined : total - prompt - cached;
    return { input: prompt + cached, output: rest !== undefined && rest >= 0 ? rest : undefined };
  }
  const spoken = completion ?? 0;
  if (cached === 0 && thoughts === 0 && reasoning === 0) return { input: prompt, output: spoken };
  for (const written of [spoken + thoughts, spoken, spoken + reasoning]) {
    for (const read of [prompt + cached, prompt]) {
      if (read + written === total) return { input: read, output: written };
    }
  }
  return { input: prompt + cached, output: spoken + thoughts };
}

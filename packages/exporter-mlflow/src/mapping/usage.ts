import type { AttributeMap } from '../internal-types.js';
import { isObject, parseJson, readFirstNumber, readFirstText } from './read.js';

/** Keys of the conventions for one number, first match wins: OpenInference, OpenTelemetry, Traceloop, Vercel AI. */
const TOKENS = {
  input_tokens: [
    'llm.token_count.prompt',
    'gen_ai.usage.input_tokens',
    'gen_ai.usage.prompt_tokens',
    'llm.usage.prompt_tokens',
    'ai.usage.inputTokens',
    'ai.usage.promptTokens',
    'ai.usage.tokens',
  ],
  output_tokens: [
    'llm.token_count.completion',
    'gen_ai.usage.output_tokens',
    'gen_ai.usage.completion_tokens',
    'llm.usage.completion_tokens',
    'ai.usage.outputTokens',
    'ai.usage.completionTokens',
  ],
  total_tokens: [
    'llm.token_count.total',
    'gen_ai.usage.total_tokens',
    'llm.usage.total_tokens',
    'ai.usage.totalTokens',
  ],
  cache_read_input_tokens: [
    'llm.token_count.prompt_details.cache_read',
    'gen_ai.usage.cache_read.input_tokens',
    'gen_ai.usage.cache_read_input_tokens',
    'ai.usage.cachedInputTokens',
  ],
  cache_creation_input_tokens: [
    'llm.token_count.prompt_details.cache_write',
    'gen_ai.usage.cache_write.input_tokens',
    'gen_ai.usage.cache_creation.input_tokens',
    'gen_ai.usage.cache_creation_input_tokens',
  ],
} as const;

const COST = {
  input_cost: ['llm.cost.prompt', 'gen_ai.usage.input_cost'],
  output_cost: ['llm.cost.completion', 'gen_ai.usage.output_cost'],
  total_cost: ['llm.cost.total', 'gen_ai.usage.cost', 'gen_ai.usage.total_cost'],
} as const;

/** The model that answered before the one asked for, as MLflow's own translation has it. */
export const MODEL_KEYS = [
  'llm.response.model_name',
  'gen_ai.response.model',
  'llm.model_name',
  'gen_ai.request.model',
  'llm.request.model_name',
  'embedding.model_name',
  'ai.response.model',
  'ai.model.id',
];

export const PROVIDER_KEYS = [
  'gen_ai.provider.name',
  'llm.provider',
  'gen_ai.system',
  'ai.model.provider',
];

/** Names by which MLflow's price list knows the providers of OpenTelemetry's registry and of Vercel AI. */
const PRICED_AS: Readonly<Record<string, string>> = {
  'gcp.gemini': 'gemini',
  'gcp.gen_ai': 'gemini',
  'gcp.vertex_ai': 'vertex_ai',
  'google.generative-ai': 'gemini',
  'google.vertex': 'vertex_ai',
  google: 'gemini',
  'google-gemini': 'gemini',
  'aws.bedrock': 'bedrock',
  'amazon-bedrock': 'bedrock',
  aws_bedrock: 'bedrock',
  'azure.ai.openai': 'azure',
  'az.ai.openai': 'azure',
  'azure-openai': 'azure',
  'azure.ai.inference': 'azure_ai',
  'az.ai.inference': 'azure_ai',
  mistral_ai: 'mistral',
  mistralai: 'mistral',
  moonshot_ai: 'moonshot',
  'ibm.watsonx.ai': 'watsonx',
  x_ai: 'xai',
};

export const USAGE_KEYS: readonly string[] = Object.values(TOKENS).flat();
export const COST_KEYS: readonly string[] = ['mlflow.llm.cost', ...Object.values(COST).flat()];

export type TokenUsage = Partial<Record<keyof typeof TOKENS, number>>;

/** Token counts of a span; `undefined` where it has none or only zeros, which stand for "unknown". */
export function readUsage(attributes: AttributeMap): TokenUsage | undefined {
  const usage: TokenUsage = {};
  let any = false;
  for (const name in TOKENS) {
    const key = name as keyof typeof TOKENS;
    const count = readFirstNumber(attributes, TOKENS[key]);
    if (count === undefined || count < 0) continue;
    usage[key] = Math.round(count);
    any ||= count > 0;
  }
  if (!any) return undefined;
  // Without a total the server's total of the trace stays 0.
  usage.total_tokens ??= (usage.input_tokens ?? 0) + (usage.output_tokens ?? 0);
  return usage;
}

/** Whether the server itself would read token counts from the span's attributes. */
export function serverReadsUsage(attributes: AttributeMap): boolean {
  return (
    attributes['llm.token_count.prompt'] !== undefined ||
    attributes['llm.token_count.completion'] !== undefined ||
    attributes['llm.token_count.total'] !== undefined ||
    attributes['gen_ai.usage.input_tokens'] !== undefined ||
    attributes['gen_ai.usage.output_tokens'] !== undefined ||
    attributes['gen_ai.usage.prompt_tokens'] !== undefined ||
    attributes['gen_ai.usage.completion_tokens'] !== undefined ||
    attributes['llm.usage.total_tokens'] !== undefined
  );
}

/** `mlflow.llm.cost` in US dollars; the server refuses one that holds anything but numbers. */
export function readCost(attributes: AttributeMap): Record<string, number> | undefined {
  const given = parseJson(readFirstText(attributes, ['mlflow.llm.cost']));
  const cost: Record<string, number> = {};
  for (const name in COST) {
    const own = isObject(given) ? given[name] : undefined;
    const value =
      typeof own === 'number' ? own : readFirstNumber(attributes, COST[name as keyof typeof COST]);
    if (value !== undefined && Number.isFinite(value) && value >= 0) cost[name] = value;
  }
  const { input_cost, output_cost } = cost;
  if (input_cost !== undefined && output_cost !== undefined) {
    cost.total_cost ??= input_cost + output_cost;
  }
  return cost.total_cost === undefined ? undefined : cost;
}

export function readModel(attributes: AttributeMap): string | undefined {
  return readFirstText(attributes, MODEL_KEYS);
}

export function readProvider(attributes: AttributeMap): string | undefined {
  const provider = readFirstText(attributes, PROVIDER_KEYS)?.toLowerCase();
  if (provider === undefined) return undefined;
  if (Object.hasOwn(PRICED_AS, provider)) return PRICED_AS[provider];
  // Vercel AI names the API too: `openai.chat`, `anthropic.messages`.
  const api = /^([a-z0-9_-]+)\.(chat|messages|responses|completion|embedding|.*image)$/.exec(
    provider,
  );
  return api?.[1] ?? provider;
}

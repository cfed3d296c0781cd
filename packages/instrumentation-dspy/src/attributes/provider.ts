/** A provider in the words of the GenAI conventions and of OpenInference. */
export interface Provider {
  readonly genAi: string;
  readonly openInference: string;
}

/** Ax's service names, by what they begin with: the names changed a little from version to version. */
const PROVIDERS: readonly (readonly [prefix: string, genAi: string, openInference: string])[] = [
  ['openai compatible', 'openai_compatible', 'openai_compatible'],
  ['openai', 'openai', 'openai'],
  ['anthropic', 'anthropic', 'anthropic'],
  ['googlegemini', 'gcp.gemini', 'google'],
  ['google gemini', 'gcp.gemini', 'google'],
  ['vertex', 'gcp.vertex_ai', 'google'],
  ['azure openai', 'azure.ai.openai', 'azure'],
  ['azure ai', 'azure.ai.inference', 'azure'],
  ['amazon bedrock', 'aws.bedrock', 'aws'],
  ['aws bedrock', 'aws.bedrock', 'aws'],
  ['bedrock', 'aws.bedrock', 'aws'],
  ['deepseek', 'deepseek', 'deepseek'],
  ['mistral', 'mistral_ai', 'mistralai'],
  ['cohere', 'cohere', 'cohere'],
  ['groq', 'groq', 'groq'],
  ['grok', 'x_ai', 'xai'],
  ['xai', 'x_ai', 'xai'],
  ['meta', 'meta', 'meta'],
  ['perplexity', 'perplexity', 'perplexity'],
];

/** The provider of a service by the name Ax gives it; an unknown one keeps its name as a slug. */
export function providerOf(serviceName: string): Provider {
  const name = serviceName.trim().toLowerCase();
  for (const [prefix, genAi, openInference] of PROVIDERS) {
    if (name.startsWith(prefix)) return { genAi, openInference };
  }
  const slug = name.replace(/[^a-z0-9.]+/g, '_').replace(/^_|_$/g, '');
  return { genAi: slug, openInference: slug };
}

/** Address and port of a service's URL, without what else a URL may hold. */
export function serverOf(url: unknown): { address: string; port: number | undefined } | undefined {
  if (typeof url !== 'string' || url === '') return undefined;
  try {
    const { hostname, port, protocol } = new URL(url);
    if (hostname === '') return undefined;
    const known = protocol === 'https:' ? 443 : protocol === 'http:' ? 80 : undefined;
    return { address: hostname, port: port === '' ? known : Number(port) };
  } catch {
    return undefined;
  }
}

import type { Attributes } from '@opentelemetry/api';
import {
  GEN_AI_REQUEST_CHOICE_COUNT,
  GEN_AI_REQUEST_FREQUENCY_PENALTY,
  GEN_AI_REQUEST_MAX_TOKENS,
  GEN_AI_REQUEST_PRESENCE_PENALTY,
  GEN_AI_REQUEST_SEED,
  GEN_AI_REQUEST_STOP_SEQUENCES,
  GEN_AI_REQUEST_STREAM,
  GEN_AI_REQUEST_TEMPERATURE,
  GEN_AI_REQUEST_TOP_K,
  GEN_AI_REQUEST_TOP_P,
} from './gen-ai.js';

/** Ax's model configuration, as far as it says how a request is made. */
export interface ModelConfig {
  readonly maxTokens?: unknown;
  readonly temperature?: unknown;
  readonly topP?: unknown;
  readonly topK?: unknown;
  readonly frequencyPenalty?: unknown;
  readonly presencePenalty?: unknown;
  readonly stopSequences?: unknown;
  readonly endSequences?: unknown;
  readonly seed?: unknown;
  readonly stream?: unknown;
  readonly n?: unknown;
}

const NUMBERS: readonly (readonly [keyof ModelConfig, string])[] = [
  ['maxTokens', GEN_AI_REQUEST_MAX_TOKENS],
  ['temperature', GEN_AI_REQUEST_TEMPERATURE],
  ['topP', GEN_AI_REQUEST_TOP_P],
  ['topK', GEN_AI_REQUEST_TOP_K],
  ['frequencyPenalty', GEN_AI_REQUEST_FREQUENCY_PENALTY],
  ['presencePenalty', GEN_AI_REQUEST_PRESENCE_PENALTY],
  ['seed', GEN_AI_REQUEST_SEED],
];

/** The request's parameters: `gen_ai.request.*`. Stop sequences are text of the program. */
export function requestAttributes(config: ModelConfig, withText: boolean): Attributes {
  const attributes: Attributes = {};
  for (const [key, name] of NUMBERS) {
    const value = config[key];
    if (typeof value === 'number' && Number.isFinite(value)) attributes[name] = value;
  }
  const { n, stream } = config;
  if (typeof n === 'number' && n > 1) attributes[GEN_AI_REQUEST_CHOICE_COUNT] = n;
  if (typeof stream === 'boolean') attributes[GEN_AI_REQUEST_STREAM] = stream;
  const stop = stopSequencesOf(config);
  if (withText && stop !== undefined) attributes[GEN_AI_REQUEST_STOP_SEQUENCES] = stop;
  return attributes;
}

const PARAMETERS: readonly (keyof ModelConfig)[] = [...NUMBERS.map(([key]) => key), 'n', 'stream'];

/** The same parameters as one object, for `llm.invocation_parameters`. */
export function invocationParameters(config: ModelConfig): Record<string, unknown> | undefined {
  const parameters: Record<string, unknown> = {};
  for (const key of PARAMETERS) {
    if (config[key] !== undefined && config[key] !== null) parameters[key] = config[key];
  }
  const stop = stopSequencesOf(config);
  if (stop !== undefined) parameters.stopSequences = stop;
  return Object.keys(parameters).length > 0 ? parameters : undefined;
}

/** `true` when two configurations make the same attributes, `stream` aside. */
export function sameConfig(a: ModelConfig, b: ModelConfig): boolean {
  return (
    a.temperature === b.temperature &&
    a.maxTokens === b.maxTokens &&
    a.topP === b.topP &&
    a.topK === b.topK &&
    a.frequencyPenalty === b.frequencyPenalty &&
    a.presencePenalty === b.presencePenalty &&
    a.seed === b.seed &&
    a.n === b.n &&
    a.stopSequences === b.stopSequences &&
    a.endSequences === b.endSequences
  );
}

function stopSequencesOf(config: ModelConfig): string[] | undefined {
  const stop = config.stopSequences ?? config.endSequences;
  if (!Array.isArray(stop)) return undefined;
  const texts = stop.filter((text): text is string => typeof text === 'string').slice(0, 16);
  return texts.length > 0 ? texts : undefined;
}

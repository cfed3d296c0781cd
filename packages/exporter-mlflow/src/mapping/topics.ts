import { IDENTITY_KEYS } from './labels.js';
import { mendKey } from './text.js';
import { COST_KEYS, MODEL_KEYS, PROVIDER_KEYS, USAGE_KEYS } from './usage.js';

/**
 * What the attributes of a span can be about besides its type, inputs and outputs. Most spans have few
 * of these, and each costs several look-ups to read: a span is read for the topics of its keys only.
 */
export const TOPIC = {
  usage: 1 << 0,
  model: 1 << 1,
  cost: 1 << 2,
  tools: 1 << 3,
  /** Messages and documents that are spread over many keys. */
  flattened: 1 << 4,
  identity: 1 << 5,
  requestId: 1 << 6,
  score: 1 << 7,
  prompts: 1 << 8,
  labels: 1 << 9,
  destination: 1 << 10,
  run: 1 << 11,
} as const;

const KEYS: ReadonlyMap<string, number> = new Map([
  ...USAGE_KEYS.map((key) => [key, TOPIC.usage] as const),
  ...[...MODEL_KEYS, ...PROVIDER_KEYS].map((key) => [key, TOPIC.model] as const),
  ...COST_KEYS.map((key) => [key, TOPIC.cost] as const),
  ...IDENTITY_KEYS.map((key) => [key, TOPIC.identity] as const),
  ['gen_ai.tool.definitions', TOPIC.tools],
  ['dspy.client_request_id', TOPIC.requestId],
  ['gen_ai.evaluation.name', TOPIC.score],
  ['dspy.prompts', TOPIC.prompts],
  ['tag.tags', TOPIC.labels],
  ['metadata', TOPIC.labels],
  ['dspy.experiment', TOPIC.destination],
  ['dspy.run_id', TOPIC.destination],
  ['dspy.run.kind', TOPIC.run],
]);

const PREFIXES: readonly (readonly [string, number])[] = [
  ['llm.tools.', TOPIC.tools],
  ['llm.input_messages.', TOPIC.flattened],
  ['llm.output_messages.', TOPIC.flattened],
  ['gen_ai.prompt.', TOPIC.flattened],
  ['gen_ai.completion.', TOPIC.flattened],
  ['embedding.embeddings.', TOPIC.flattened],
  ['retrieval.documents.', TOPIC.flattened],
  ['dspy.tag.', TOPIC.labels],
  ['mlflow.traceTag.', TOPIC.labels],
];

export interface KeyFacts {
  /** The key as it can be stored. */
  readonly clean: string;
  /** Bits of {@link TOPIC}. */
  readonly topics: number;
}

/** Programs use few keys; flattened ones carry numbers, so the memory needs a bound. */
const MAX_KNOWN_KEYS = 4_096;
const known = new Map<string, KeyFacts>();

export function factsOfKey(key: string): KeyFacts {
  const facts = known.get(key);
  if (facts !== undefined) return facts;
  const clean = mendKey(key);
  const prefix = PREFIXES.find(([start]) => clean.startsWith(start));
  const made = { clean, topics: KEYS.get(clean) ?? prefix?.[1] ?? 0 };
  if (known.size < MAX_KNOWN_KEYS) known.set(key, made);
  return made;
}

import type { AttributeMap } from '../internal-types.js';
import { readText } from './read.js';
import { cap } from './text.js';

/** MLflow's column for the type is this wide on Postgres; a longer one is refused with 400. */
const MAX_SPAN_TYPE = 500;

export const UNKNOWN_TYPE = 'UNKNOWN';

interface TypeTable {
  key: string;
  types: Readonly<Record<string, string>>;
}

/**
 * Attribute values that say what a span is, first match wins. The server translates most of these
 * itself but leaves its `spans.type` column empty then (mlflow#24237), so that filters and charts by
 * type miss the span; an explicit `mlflow.spanType` fills it.
 */
const TABLES: readonly TypeTable[] = [
  // Operations whose OpenInference kind is coarser (`LLM`), and our own spans that the kind does not tell apart.
  {
    key: 'dspy.module.type',
    types: { optimizer: 'TASK', evaluation: 'TASK' },
  },
  {
    key: 'gen_ai.operation.name',
    types: {
      chat: 'CHAT_MODEL',
      create_agent: 'AGENT',
      invoke_agent: 'AGENT',
      embeddings: 'EMBEDDING',
      execute_tool: 'TOOL',
      retrieval: 'RETRIEVER',
      generate_content: 'LLM',
      text_completion: 'LLM',
      response: 'LLM',
    },
  },
  {
    key: 'openinference.span.kind',
    types: {
      CHAIN: 'CHAIN',
      AGENT: 'AGENT',
      TOOL: 'TOOL',
      LLM: 'LLM',
      EMBEDDING: 'EMBEDDING',
      RETRIEVER: 'RETRIEVER',
      RERANKER: 'RERANKER',
      GUARDRAIL: 'GUARDRAIL',
      EVALUATOR: 'EVALUATOR',
      PROMPT: 'PARSER',
    },
  },
  { key: 'gen_ai.operation.name', types: { invoke_workflow: 'CHAIN', plan: 'AGENT' } },
  {
    key: 'traceloop.span.kind',
    types: { workflow: 'WORKFLOW', task: 'TASK', agent: 'AGENT', tool: 'TOOL' },
  },
  {
    key: 'llm.request.type',
    types: { chat: 'CHAT_MODEL', completion: 'LLM', embedding: 'EMBEDDING', rerank: 'RERANKER' },
  },
  {
    key: 'ai.operationId',
    types: {
      'ai.generateText': 'LLM',
      'ai.generateText.doGenerate': 'CHAT_MODEL',
      'ai.streamText': 'LLM',
      'ai.streamText.doStream': 'CHAT_MODEL',
      'ai.generateObject': 'LLM',
      'ai.generateObject.doGenerate': 'CHAT_MODEL',
      'ai.streamObject': 'LLM',
      'ai.streamObject.doStream': 'CHAT_MODEL',
      'ai.toolCall': 'TOOL',
      'ai.embed': 'EMBEDDING',
      'ai.embed.doEmbed': 'EMBEDDING',
      'ai.embedMany': 'EMBEDDING',
      'ai.embedMany.doEmbed': 'EMBEDDING',
      'ai.rerank': 'RERANKER',
    },
  },
  {
    key: 'langfuse.observation.type',
    types: {
      generation: 'LLM',
      embedding: 'EMBEDDING',
      tool: 'TOOL',
      retriever: 'RETRIEVER',
      agent: 'AGENT',
      chain: 'CHAIN',
      evaluator: 'EVALUATOR',
      guardrail: 'GUARDRAIL',
    },
  },
  {
    key: 'lmnr.span.type',
    types: {
      LLM: 'LLM',
      CACHED: 'LLM',
      TOOL: 'TOOL',
      DEFAULT: 'CHAIN',
      PIPELINE: 'CHAIN',
      EXECUTOR: 'AGENT',
      EVALUATOR: 'EVALUATOR',
      HUMAN_EVALUATOR: 'EVALUATOR',
      EVALUATION: 'EVALUATOR',
    },
  },
];

/** `mlflow.spanType`; one that the span already has wins. */
export function spanTypeOf(attributes: AttributeMap): string {
  const given = readText(attributes, 'mlflow.spanType');
  if (given !== undefined && given !== 'null') return cap(unquote(given), MAX_SPAN_TYPE);
  for (const { key, types } of TABLES) {
    const value = attributes[key];
    const type =
      typeof value === 'string' && Object.hasOwn(types, value) ? types[value] : undefined;
    if (type !== undefined) return type;
  }
  return UNKNOWN_TYPE;
}

/** MLflow's own SDKs write the type as a JSON string. */
function unquote(text: string): string {
  return /^"[^"\\]*"$/.test(text) ? text.slice(1, -1) : text;
}

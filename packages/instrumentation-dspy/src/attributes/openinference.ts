// OpenInference semantic conventions:
// https://github.com/Arize-ai/openinference/blob/main/spec/semantic_conventions.md

export const OPENINFERENCE_SPAN_KIND = 'openinference.span.kind';
export const INPUT_VALUE = 'input.value';
export const INPUT_MIME_TYPE = 'input.mime_type';
export const OUTPUT_VALUE = 'output.value';
export const OUTPUT_MIME_TYPE = 'output.mime_type';
export const METADATA = 'metadata';
export const TAG_TAGS = 'tag.tags';
export const SESSION_ID = 'session.id';
export const USER_ID = 'user.id';

export const AGENT_NAME = 'agent.name';
export const TOOL_NAME = 'tool.name';
export const TOOL_DESCRIPTION = 'tool.description';
export const TOOL_PARAMETERS = 'tool.parameters';

export const LLM_MODEL_NAME = 'llm.model_name';
export const LLM_PROVIDER = 'llm.provider';
export const LLM_SYSTEM = 'llm.system';
export const LLM_INVOCATION_PARAMETERS = 'llm.invocation_parameters';
export const LLM_FINISH_REASON = 'llm.finish_reason';
export const LLM_COST_TOTAL = 'llm.cost.total';
export const LLM_TOKEN_COUNT_PROMPT = 'llm.token_count.prompt';
export const LLM_TOKEN_COUNT_COMPLETION = 'llm.token_count.completion';
export const LLM_TOKEN_COUNT_TOTAL = 'llm.token_count.total';
export const LLM_TOKEN_COUNT_CACHE_READ = 'llm.token_count.prompt_details.cache_read';
export const LLM_TOKEN_COUNT_CACHE_WRITE = 'llm.token_count.prompt_details.cache_write';
export const LLM_TOKEN_COUNT_REASONING = 'llm.token_count.completion_details.reasoning';
export const LLM_INPUT_MESSAGES = 'llm.input_messages';
export const LLM_OUTPUT_MESSAGES = 'llm.output_messages';
export const LLM_TOOLS = 'llm.tools';

export const EMBEDDING_MODEL_NAME = 'embedding.model_name';
export const EMBEDDING_EMBEDDINGS = 'embedding.embeddings';

export const RETRIEVAL_DOCUMENTS = 'retrieval.documents';

export const MIME_JSON = 'application/json';
export const MIME_TEXT = 'text/plain';

export type OpenInferenceKind =
  | 'CHAIN'
  | 'AGENT'
  | 'TOOL'
  | 'LLM'
  | 'EMBEDDING'
  | 'RETRIEVER'
  | 'EVALUATOR';

/**
 * The attributes that spans may carry, as the conventions and docs/attributes.md have them. Written out here, and not taken from the
 * sources, so that a name that is wrong there is wrong here only if it is wrong twice.
 *
 * - GenAI: https://github.com/open-telemetry/semantic-conventions-genai (registry and `gen-ai-*.json`)
 * - MCP: the same repository, `docs/gen-ai/mcp.md`
 * - OpenInference: https://github.com/Arize-ai/openinference/blob/main/spec/semantic_conventions.md
 * - `dspy.*`: docs/attributes.md
 */
export type SpanKindName =
  | 'CHAIN'
  | 'AGENT'
  | 'TOOL'
  | 'LLM'
  | 'EMBEDDING'
  | 'RETRIEVER'
  | 'EVALUATOR';

export type ValueType = 'string' | 'int' | 'double' | 'boolean' | 'string[]' | 'json';

export interface AttributeRule {
  readonly type: ValueType;
  /** Allowed values; any other where absent. */
  readonly values?: readonly string[] | RegExp;
  /** Kinds of spans that may have it; all where absent. */
  readonly on?: readonly SpanKindName[];
  /** Set when the span starts: samplers and span processors see it. */
  readonly start?: true;
}

export const SPAN_KINDS: readonly SpanKindName[] = [
  'CHAIN',
  'AGENT',
  'TOOL',
  'LLM',
  'EMBEDDING',
  'RETRIEVER',
  'EVALUATOR',
];

const PROGRAM = ['CHAIN', 'AGENT', 'EVALUATOR'] as const;
const MODEL = ['LLM', 'EMBEDDING'] as const;
const HEX16 = /^[0-9a-f]{16}$/;
const HEX32 = /^[0-9a-f]{32}$/;

export const ATTRIBUTES: Readonly<Record<string, AttributeRule>> = {
  'openinference.span.kind': { type: 'string', values: SPAN_KINDS, start: true },
  'gen_ai.operation.name': {
    type: 'string',
    values: [
      'invoke_workflow',
      'invoke_agent',
      'execute_tool',
      'chat',
      'embeddings',
      'retrieval',
      'generate_content',
    ],
    start: true,
  },
  'dspy.module.name': { type: 'string', start: true },
  'dspy.module.type': { type: 'string', start: true },
  'dspy.outcome': {
    type: 'string',
    values: [
      'completed',
      'error',
      'aborted',
      'timeout',
      'early_exit',
      'abandoned',
      'clarification',
    ],
  },
  'dspy.truncated': { type: 'string[]' },
  'dspy.experiment': { type: 'string', start: true },
  'dspy.run_id': { type: 'string', start: true },
  'dspy.client_request_id': { type: 'string' },
  'dspy.prompts': { type: 'json' },
  'dspy.evaluation.id': { type: 'string', values: HEX16, on: ['CHAIN', 'AGENT'], start: true },
  'input.value': { type: 'string' },
  'input.mime_type': { type: 'string', values: ['application/json', 'text/plain'] },
  'output.value': { type: 'string' },
  'output.mime_type': { type: 'string', values: ['application/json', 'text/plain'] },
  'session.id': { type: 'string', start: true },
  'gen_ai.conversation.id': { type: 'string', start: true },
  'user.id': { type: 'string', start: true },
  metadata: { type: 'json' },
  'tag.tags': { type: 'string[]' },
  'error.type': { type: 'string' },
  'http.response.status_code': { type: 'int', on: MODEL },
  'dspy.provider.request_id': { type: 'string', on: MODEL },

  'gen_ai.workflow.name': { type: 'string', on: PROGRAM, start: true },
  'gen_ai.agent.name': { type: 'string', on: ['AGENT'], start: true },
  'gen_ai.agent.id': { type: 'string', on: ['AGENT'] },
  'gen_ai.agent.description': { type: 'string', on: ['AGENT'] },
  'agent.name': { type: 'string', on: ['AGENT'] },
  'dspy.signature': { type: 'string', on: PROGRAM },
  'dspy.signature.fields': { type: 'json', on: PROGRAM },
  'dspy.instruction': { type: 'string', on: PROGRAM },
  'dspy.demos.count': { type: 'int', on: PROGRAM },
  'dspy.examples.count': { type: 'int', on: PROGRAM },
  'dspy.asserts.count': { type: 'int', on: PROGRAM },
  'dspy.tools': { type: 'string[]', on: PROGRAM },
  'dspy.options': { type: 'json', on: [...PROGRAM, 'LLM'] },
  'dspy.usage.input_tokens': { type: 'int', on: PROGRAM },
  'dspy.usage.output_tokens': { type: 'int', on: PROGRAM },
  'dspy.usage.total_tokens': { type: 'int', on: PROGRAM },
  'dspy.usage.cache_read_tokens': { type: 'int', on: PROGRAM },
  'dspy.usage.cache_write_tokens': { type: 'int', on: PROGRAM },
  'dspy.usage.reasoning_tokens': { type: 'int', on: PROGRAM },
  'dspy.usage.cost': { type: 'double', on: PROGRAM },
  'dspy.usage.model_calls': { type: 'int', on: PROGRAM },
  'dspy.cache.hit': { type: 'boolean', on: PROGRAM },
  'dspy.attempts': { type: 'int', on: PROGRAM },
  'dspy.samples': { type: 'int', on: PROGRAM },
  'dspy.best.reward': { type: 'double', on: PROGRAM },
  'dspy.router.service': { type: 'string', on: ['CHAIN'] },
  'dspy.stream.chunks': { type: 'int', on: PROGRAM },
  'dspy.stream.time_to_first_chunk': { type: 'double', on: PROGRAM },
  'dspy.run.kind': {
    type: 'string',
    values: ['evaluation', 'compile', 'execution'],
    on: PROGRAM,
    start: true,
  },
  'dspy.run.name': { type: 'string', on: PROGRAM, start: true },
  'dspy.run.parent_span_id': { type: 'string', values: HEX16, on: PROGRAM, start: true },
  'dspy.run.parent_trace_id': { type: 'string', values: HEX32, on: PROGRAM, start: true },
  'dspy.run.parent_start_ms': { type: 'int', on: PROGRAM, start: true },
  'dspy.run.params': { type: 'json', on: PROGRAM },
  'dspy.run.metrics': { type: 'json', on: PROGRAM },
  'dspy.run.artifacts': { type: 'json', on: PROGRAM },
  'dspy.run.trace_ids': { type: 'string[]', on: PROGRAM },
  'dspy.optimizer.examples.count': { type: 'int', on: ['CHAIN'] },
  'dspy.optimizer.validation.count': { type: 'int', on: ['CHAIN'] },
  'dspy.optimizer.demos.count': { type: 'int', on: ['CHAIN'] },
  'dspy.optimizer.options': { type: 'json', on: ['CHAIN'] },
  'dspy.optimizer.best_score': { type: 'double', on: ['CHAIN'] },
  'dspy.optimizer.steps': { type: 'int', on: ['CHAIN'] },
  'dspy.optimizer.candidates': { type: 'int', on: ['CHAIN'] },
  'dspy.optimizer.metric_calls': { type: 'int', on: ['CHAIN'] },
  'dspy.optimizer.pareto_front': { type: 'json', on: ['CHAIN'] },
  'dspy.optimizer.stop_reason': { type: 'string', on: ['CHAIN'] },

  'gen_ai.evaluation.name': { type: 'string', on: ['EVALUATOR'], start: true },
  'gen_ai.evaluation.score.value': { type: 'double', on: ['EVALUATOR'] },
  'gen_ai.evaluation.score.label': { type: 'string', on: ['EVALUATOR'] },
  'gen_ai.evaluation.explanation': { type: 'string', on: ['EVALUATOR'] },

  'gen_ai.provider.name': { type: 'string', on: MODEL, start: true },
  'gen_ai.request.model': { type: 'string', on: MODEL, start: true },
  'gen_ai.request.max_tokens': { type: 'int', on: ['LLM'], start: true },
  'gen_ai.request.choice.count': { type: 'int', on: ['LLM'], start: true },
  'gen_ai.request.temperature': { type: 'double', on: ['LLM'], start: true },
  'gen_ai.request.top_p': { type: 'double', on: ['LLM'], start: true },
  'gen_ai.request.top_k': { type: 'double', on: ['LLM'], start: true },
  'gen_ai.request.stop_sequences': { type: 'string[]', on: ['LLM'], start: true },
  'gen_ai.request.frequency_penalty': { type: 'double', on: ['LLM'], start: true },
  'gen_ai.request.presence_penalty': { type: 'double', on: ['LLM'], start: true },
  'gen_ai.request.seed': { type: 'int', on: ['LLM'], start: true },
  'gen_ai.request.stream': { type: 'boolean', on: ['LLM'], start: true },
  'gen_ai.response.id': { type: 'string', on: ['LLM'] },
  'gen_ai.response.model': { type: 'string', on: MODEL },
  'gen_ai.response.finish_reasons': {
    type: 'string[]',
    values: ['stop', 'length', 'content_filter', 'tool_call', 'error'],
    on: ['LLM'],
  },
  'gen_ai.response.time_to_first_chunk': { type: 'double', on: ['LLM'] },
  'gen_ai.usage.input_tokens': { type: 'int', on: MODEL },
  'gen_ai.usage.output_tokens': { type: 'int', on: ['LLM'] },
  'gen_ai.usage.cache_read.input_tokens': { type: 'int', on: ['LLM'] },
  'gen_ai.usage.cache_creation.input_tokens': { type: 'int', on: ['LLM'] },
  'gen_ai.usage.cache_write.input_tokens': { type: 'int', on: ['LLM'] },
  'gen_ai.usage.reasoning.output_tokens': { type: 'int', on: ['LLM'] },
  'gen_ai.input.messages': { type: 'json', on: ['LLM'] },
  'gen_ai.output.messages': { type: 'json', on: ['LLM'] },
  'gen_ai.output.type': {
    type: 'string',
    values: ['text', 'json', 'image', 'speech'],
    on: ['LLM'],
  },
  'gen_ai.tool.definitions': { type: 'json', on: ['LLM'] },
  'gen_ai.embeddings.dimension.count': { type: 'int', on: ['EMBEDDING'] },
  'server.address': { type: 'string', on: MODEL },
  'server.port': { type: 'int', on: MODEL },
  'dspy.step.index': { type: 'int', on: ['LLM'] },
  'llm.model_name': { type: 'string', on: ['LLM'] },
  'llm.provider': { type: 'string', on: MODEL },
  'llm.system': { type: 'string', on: MODEL },
  'llm.invocation_parameters': { type: 'json', on: ['LLM'] },
  'llm.token_count.prompt': { type: 'int', on: MODEL },
  'llm.token_count.completion': { type: 'int', on: ['LLM'] },
  'llm.token_count.total': { type: 'int', on: MODEL },
  'llm.token_count.prompt_details.cache_read': { type: 'int', on: ['LLM'] },
  'llm.token_count.prompt_details.cache_write': { type: 'int', on: ['LLM'] },
  'llm.token_count.completion_details.reasoning': { type: 'int', on: ['LLM'] },
  'llm.finish_reason': { type: 'string', on: ['LLM'] },
  'llm.cost.total': { type: 'double', on: MODEL },
  'embedding.model_name': { type: 'string', on: ['EMBEDDING'] },

  'gen_ai.tool.name': { type: 'string', on: ['TOOL'], start: true },
  'gen_ai.tool.type': {
    type: 'string',
    values: ['function', 'extension', 'datastore'],
    on: ['TOOL'],
    start: true,
  },
  'gen_ai.tool.description': { type: 'string', on: ['TOOL'] },
  'gen_ai.tool.call.id': { type: 'string', on: ['TOOL'] },
  'gen_ai.tool.call.arguments': { type: 'string', on: ['TOOL'] },
  'gen_ai.tool.call.result': { type: 'string', on: ['TOOL'] },
  'tool.name': { type: 'string', on: ['TOOL'] },
  'tool.description': { type: 'string', on: ['TOOL'] },
  'tool.parameters': { type: 'json', on: ['TOOL'] },

  'mcp.method.name': { type: 'string', on: ['TOOL', 'RETRIEVER', 'CHAIN'] },
  'mcp.session.id': { type: 'string', on: ['TOOL', 'RETRIEVER', 'CHAIN'], start: true },
  'mcp.protocol.version': { type: 'string', on: ['TOOL', 'RETRIEVER', 'CHAIN'] },
  'mcp.resource.uri': { type: 'string', on: ['RETRIEVER'], start: true },
  'gen_ai.prompt.name': { type: 'string', on: ['CHAIN'], start: true },
  'gen_ai.data_source.id': { type: 'string', on: ['RETRIEVER'], start: true },
  'gen_ai.retrieval.query.text': { type: 'string', on: ['RETRIEVER'] },
  'gen_ai.retrieval.documents': { type: 'json', on: ['RETRIEVER'] },
};

/** Attributes with an index or a name of the user's in them. */
export const PATTERNS: readonly (readonly [RegExp, AttributeRule])[] = [
  [/^dspy\.tag\../, { type: 'string' }],
  [
    /^llm\.(input|output)_messages\.\d+\.message\.role$/,
    { type: 'string', values: ['system', 'user', 'assistant', 'tool'], on: ['LLM'] },
  ],
  [
    /^llm\.(input|output)_messages\.\d+\.message\.(content|name|tool_call_id)$/,
    { type: 'string', on: ['LLM'] },
  ],
  [
    /^llm\.(input|output)_messages\.\d+\.message\.contents\.\d+\.message_content\.(type|text)$/,
    { type: 'string', on: ['LLM'] },
  ],
  [
    /^llm\.(input|output)_messages\.\d+\.message\.contents\.\d+\.message_content\.image\.image\.url$/,
    { type: 'string', on: ['LLM'] },
  ],
  [
    /^llm\.(input|output)_messages\.\d+\.message\.tool_calls\.\d+\.tool_call\.id$/,
    { type: 'string', on: ['LLM'] },
  ],
  [
    /^llm\.(input|output)_messages\.\d+\.message\.tool_calls\.\d+\.tool_call\.function\.name$/,
    { type: 'string', on: ['LLM'] },
  ],
  [
    /^llm\.(input|output)_messages\.\d+\.message\.tool_calls\.\d+\.tool_call\.function\.arguments$/,
    { type: 'string', on: ['LLM'] },
  ],
  [/^llm\.tools\.\d+\.tool\.json_schema$/, { type: 'json', on: ['LLM'] }],
  [/^embedding\.embeddings\.\d+\.embedding\.text$/, { type: 'string', on: ['EMBEDDING'] }],
  [/^retrieval\.documents\.\d+\.document\.(id|content)$/, { type: 'string', on: ['RETRIEVER'] }],
  [/^retrieval\.documents\.\d+\.document\.score$/, { type: 'double', on: ['RETRIEVER'] }],
  [/^retrieval\.documents\.\d+\.document\.metadata$/, { type: 'json', on: ['RETRIEVER'] }],
];

/** What every span of a kind has. */
export const REQUIRED: Readonly<Record<SpanKindName | 'any', readonly string[]>> = {
  any: [
    'openinference.span.kind',
    'gen_ai.operation.name',
    'dspy.module.name',
    'dspy.module.type',
    'dspy.outcome',
  ],
  CHAIN: [],
  AGENT: ['gen_ai.agent.name', 'agent.name'],
  TOOL: ['gen_ai.tool.name', 'gen_ai.tool.type', 'tool.name'],
  LLM: ['gen_ai.provider.name'],
  EMBEDDING: ['gen_ai.provider.name'],
  RETRIEVER: [],
  EVALUATOR: [],
};

/** Names of spans by operation. */
export const SPAN_NAMES: Readonly<Record<string, RegExp>> = {
  invoke_workflow: /^(?:invoke_workflow|evaluate|evaluation) .+$|^tools\/list$|^prompts\/get .+$/,
  invoke_agent: /^invoke_agent .+$/,
  execute_tool: /^execute_tool .+$/,
  chat: /^chat(?: .+)?$/,
  embeddings: /^embeddings(?: .+)?$/,
  retrieval: /^retrieval .+$|^resources\/read$/,
  generate_content: /^generate_content(?: .+)?$/,
};

export const EVENTS: Readonly<Record<string, Readonly<Record<string, AttributeRule>>>> = {
  exception: {
    'exception.type': { type: 'string' },
    'exception.message': { type: 'string' },
    'exception.stacktrace': { type: 'string' },
  },
  'dspy.attempt': {
    'dspy.attempt.index': { type: 'int' },
    'dspy.attempt.error': { type: 'string' },
    'dspy.attempt.reward': { type: 'double' },
    'error.type': { type: 'string' },
  },
  'gen_ai.evaluation.result': {
    'gen_ai.evaluation.name': { type: 'string' },
    'gen_ai.evaluation.score.value': { type: 'double' },
  },
};

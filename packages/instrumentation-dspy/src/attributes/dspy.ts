// What neither the GenAI conventions nor OpenInference has a name for: docs/attributes.md.

export const DSPY_MODULE_NAME = 'dspy.module.name';
export const DSPY_MODULE_TYPE = 'dspy.module.type';
export const DSPY_MODULE_VERSION = 'dspy.module.version';
export const DSPY_OUTCOME = 'dspy.outcome';
export const DSPY_TRUNCATED = 'dspy.truncated';
export const DSPY_EXPERIMENT = 'dspy.experiment';
export const DSPY_RUN_ID = 'dspy.run_id';
export const DSPY_CLIENT_REQUEST_ID = 'dspy.client_request_id';
export const DSPY_PROMPTS = 'dspy.prompts';
export const DSPY_TAG_PREFIX = 'dspy.tag.';

export const DSPY_SIGNATURE = 'dspy.signature';
export const DSPY_SIGNATURE_FIELDS = 'dspy.signature.fields';
export const DSPY_INSTRUCTION = 'dspy.instruction';
export const DSPY_DEMOS_COUNT = 'dspy.demos.count';
export const DSPY_EXAMPLES_COUNT = 'dspy.examples.count';
export const DSPY_ASSERTS_COUNT = 'dspy.asserts.count';
export const DSPY_TOOLS = 'dspy.tools';
export const DSPY_OPTIONS = 'dspy.options';

export const DSPY_USAGE_INPUT_TOKENS = 'dspy.usage.input_tokens';
export const DSPY_USAGE_OUTPUT_TOKENS = 'dspy.usage.output_tokens';
export const DSPY_USAGE_TOTAL_TOKENS = 'dspy.usage.total_tokens';
export const DSPY_USAGE_CACHE_READ_TOKENS = 'dspy.usage.cache_read_tokens';
export const DSPY_USAGE_CACHE_WRITE_TOKENS = 'dspy.usage.cache_write_tokens';
export const DSPY_USAGE_REASONING_TOKENS = 'dspy.usage.reasoning_tokens';
export const DSPY_USAGE_COST = 'dspy.usage.cost';
export const DSPY_USAGE_MODEL_CALLS = 'dspy.usage.model_calls';

export const DSPY_CACHE_HIT = 'dspy.cache.hit';
export const DSPY_ATTEMPTS = 'dspy.attempts';
export const DSPY_ATTEMPT_EVENT = 'dspy.attempt';
export const DSPY_ATTEMPT_INDEX = 'dspy.attempt.index';
export const DSPY_ATTEMPT_ERROR = 'dspy.attempt.error';
export const DSPY_ATTEMPT_REWARD = 'dspy.attempt.reward';
export const DSPY_STEP_INDEX = 'dspy.step.index';
export const DSPY_STREAM_CHUNKS = 'dspy.stream.chunks';
export const DSPY_STREAM_TIME_TO_FIRST_CHUNK = 'dspy.stream.time_to_first_chunk';
export const DSPY_SAMPLES = 'dspy.samples';
export const DSPY_BEST_REWARD = 'dspy.best.reward';
export const DSPY_PROVIDER_REQUEST_ID = 'dspy.provider.request_id';
export const DSPY_ROUTER_SERVICE = 'dspy.router.service';

export const DSPY_RUN_KIND = 'dspy.run.kind';
export const DSPY_RUN_NAME = 'dspy.run.name';
export const DSPY_RUN_PARENT_SPAN_ID = 'dspy.run.parent_span_id';
export const DSPY_RUN_PARENT_TRACE_ID = 'dspy.run.parent_trace_id';
export const DSPY_RUN_PARENT_START_MS = 'dspy.run.parent_start_ms';
export const DSPY_RUN_PARAMS = 'dspy.run.params';
export const DSPY_RUN_METRICS = 'dspy.run.metrics';
export const DSPY_RUN_ARTIFACTS = 'dspy.run.artifacts';
export const DSPY_RUN_TRACE_IDS = 'dspy.run.trace_ids';

export const DSPY_OPTIMIZER_EXAMPLES_COUNT = 'dspy.optimizer.examples.count';
export const DSPY_OPTIMIZER_VALIDATION_COUNT = 'dspy.optimizer.validation.count';
export const DSPY_OPTIMIZER_OPTIONS = 'dspy.optimizer.options';
export const DSPY_OPTIMIZER_BEST_SCORE = 'dspy.optimizer.best_score';
export const DSPY_OPTIMIZER_STEPS = 'dspy.optimizer.steps';
export const DSPY_OPTIMIZER_CANDIDATES = 'dspy.optimizer.candidates';
export const DSPY_OPTIMIZER_METRIC_CALLS = 'dspy.optimizer.metric_calls';
export const DSPY_OPTIMIZER_DEMOS_COUNT = 'dspy.optimizer.demos.count';
export const DSPY_OPTIMIZER_STOP_REASON = 'dspy.optimizer.stop_reason';
export const DSPY_OPTIMIZER_PARETO = 'dspy.optimizer.pareto_front';

export const DSPY_EVALUATION_ID = 'dspy.evaluation.id';

/** How an operation ended. */
export type Outcome =
  | 'completed'
  | 'error'
  /** The caller's signal, or `stop()`. */
  | 'aborted'
  /** The caller's deadline or a limit of time. */
  | 'timeout'
  /** The consumer of a stream stopped reading. */
  | 'early_exit'
  /** The stream was collected unread or half read. */
  | 'abandoned'
  /** An agent asks its user back. */
  | 'clarification';

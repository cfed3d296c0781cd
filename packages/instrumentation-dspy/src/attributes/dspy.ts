// What neither the GenAI conventions nor OpenInference has a name for: docs/attributes.md.

export const DSPY_MODULE_NAME = 'dspy.module.name';
export const DSPY_MODULE_TYPE = 'dspy.module.type';
export const DSPY_OUTCOME = 'dspy.outcome';
export const DSPY_TRUNCATED = 'dspy.truncated';
export const DSPY_EXPERIMENT = 'dspy.experiment';
export const DSPY_RUN_ID = 'dspy.run_id';
export const DSPY_CLIENT_REQUEST_ID = 'dspy.client_request_id';
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

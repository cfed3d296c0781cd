import type { Attributes, Context } from '@opentelemetry/api';
import { context } from '@opentelemetry/api';
import {
  DSPY_CLIENT_REQUEST_ID,
  DSPY_EXPERIMENT,
  DSPY_PROMPTS,
  DSPY_RUN_ID,
} from './attributes/dspy.js';
import { GEN_AI_CONVERSATION_ID } from './attributes/gen-ai.js';
import { METADATA, SESSION_ID, USER_ID } from './attributes/openinference.js';
import { safeString } from './capture/redact.js';
import { toJson } from './capture/serialize.js';
import { diagnostics } from './diagnostics.js';
import { type TraceValues, traceValuesOf, withTraceValues } from './execution/context.js';
import { runIn } from './execution/run-in.js';
import { type Settings, tagAttributes } from './settings.js';

/** What executions within {@link withTraceContext} belong to. */
export interface TraceContext {
  /** Conversation: `session.id` and `gen_ai.conversation.id` of every span. */
  readonly sessionId?: string | undefined;
  /** `user.id` of every span. */
  readonly userId?: string | undefined;
  /** Trace tags: `tag.tags` and `dspy.tag.KEY` of the outermost span. */
  readonly tags?: Readonly<Record<string, string>> | undefined;
  /** `metadata` of the outermost span, as JSON. */
  readonly metadata?: Readonly<Record<string, unknown>> | undefined;
  /** MLflow run the executions belong to: `dspy.run_id` of every span. */
  readonly runId?: string | undefined;
  /** Experiment the traces go to: `dspy.experiment` of every span. */
  readonly experimentName?: string | undefined;
  /** The caller's id of the request: `dspy.client_request_id` of the outermost span. */
  readonly clientRequestId?: string | undefined;
  /** Registered prompt versions the executions use: `dspy.prompts` of the outermost span. Inner ones replace outer ones. */
  readonly prompts?: readonly PromptVersion[] | undefined;
}

/** A version of a prompt in MLflow's registry. */
export interface PromptVersion {
  readonly name: string;
  readonly version: string | number;
}

const FIELDS: readonly (keyof TraceContext)[] = [
  'sessionId',
  'userId',
  'tags',
  'metadata',
  'runId',
  'experimentName',
  'clientRequestId',
  'prompts',
];

/** Bytes of `metadata` that are kept. */
const MAX_METADATA_BYTES = 16_384;

/**
 * Runs `fn` with session, user, tags and so on for every execution in it, also across `await`, timers
 * and queues that keep OpenTelemetry's context. Within another call the values add up: inner ones go
 * before outer ones, tags and metadata key by key.
 *
 * @returns What `fn` returns. What `fn` throws is thrown.
 */
export function withTraceContext<T>(values: TraceContext, fn: () => T): T {
  let inner: Context | undefined;
  try {
    const active = context.active();
    inner = withTraceValues(active, merge(traceValuesOf(active), values));
  } catch (fault) {
    diagnostics.fault('withTraceContext', fault);
  }
  return runIn(inner, fn, undefined, []) as T;
}

/** Values with what they were made of, so that inner ones can be merged with them. */
interface MergedValues extends TraceValues {
  readonly given: TraceContext;
}

function merge(outer: TraceValues | undefined, values: TraceContext): MergedValues {
  warnAboutUnknown(values);
  const before = (outer as MergedValues | undefined)?.given;
  const given: TraceContext = {
    ...before,
    ...definedOf(values),
    tags: { ...before?.tags, ...values.tags },
    metadata: { ...before?.metadata, ...values.metadata },
  };
  return { given, identity: identityOf(given), outermost: outermostOf(given) };
}

function identityOf(given: TraceContext): Attributes | undefined {
  const identity: Attributes = {};
  setText(identity, SESSION_ID, given.sessionId);
  setText(identity, GEN_AI_CONVERSATION_ID, given.sessionId);
  setText(identity, USER_ID, given.userId);
  setText(identity, DSPY_RUN_ID, given.runId);
  setText(identity, DSPY_EXPERIMENT, given.experimentName);
  return orNothing(identity);
}

/** Made when the first span is recorded: what of it is private is up to the settings. */
function outermostOf(given: TraceContext): TraceValues['outermost'] {
  let known:
    | { readonly settings: Settings; readonly attributes: Attributes | undefined }
    | undefined;
  return (settings) => {
    if (known?.settings !== settings) {
      known = { settings, attributes: outermostAttributes(given, settings) };
    }
    return known.attributes;
  };
}

function outermostAttributes(given: TraceContext, settings: Settings): Attributes | undefined {
  const { isSensitiveKey } = settings.serialize;
  const outermost: Attributes = { ...tagAttributes(given.tags, isSensitiveKey) };
  setText(outermost, DSPY_CLIENT_REQUEST_ID, given.clientRequestId);
  if (given.prompts !== undefined && given.prompts.length > 0) {
    const prompts = Array.from(given.prompts, ({ name, version }) => ({
      name: safeString(name),
      version: safeString(version),
    }));
    outermost[DSPY_PROMPTS] = toJson(prompts);
  }
  if (given.metadata !== undefined && Object.keys(given.metadata).length > 0) {
    const options = { maxBytes: MAX_METADATA_BYTES, isSensitiveKey };
    outermost[METADATA] = toJson(given.metadata, options);
  }
  return orNothing(outermost);
}

function setText(attributes: Attributes, name: string, value: unknown): void {
  if (value !== undefined && value !== null && value !== '') attributes[name] = safeString(value);
}

function orNothing(attributes: Attributes): Attributes | undefined {
  return Object.keys(attributes).length > 0 ? attributes : undefined;
}

function definedOf(values: TraceContext): TraceContext {
  return Object.fromEntries(Object.entries(values).filter(([, value]) => value !== undefined));
}

function warnAboutUnknown(values: TraceContext): void {
  for (const name of Object.keys(values)) {
    if ((FIELDS as readonly string[]).includes(name)) continue;
    diagnostics.warnOnce(
      `trace context ${name}`,
      `withTraceContext: "${safeString(name)}" is unknown and has no effect. Known: ${FIELDS.join(', ')}`,
    );
  }
}

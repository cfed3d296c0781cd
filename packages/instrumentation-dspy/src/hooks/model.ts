import { SpanKind } from '@opentelemetry/api';
import { DSPY_STEP_INDEX } from '../attributes/dspy.js';
import {
  GEN_AI_INPUT_MESSAGES,
  GEN_AI_OUTPUT_MESSAGES,
  GEN_AI_OUTPUT_TYPE,
  GEN_AI_REQUEST_MODEL,
  GEN_AI_RESPONSE_FINISH_REASONS,
  GEN_AI_RESPONSE_ID,
  GEN_AI_RESPONSE_MODEL,
  GEN_AI_RESPONSE_TIME_TO_FIRST_CHUNK,
  GEN_AI_TOOL_DEFINITIONS,
} from '../attributes/gen-ai.js';
import { flattenMessages } from '../attributes/messages.js';
import {
  INPUT_MIME_TYPE,
  INPUT_VALUE,
  LLM_COST_TOTAL,
  LLM_FINISH_REASON,
  LLM_INPUT_MESSAGES,
  LLM_INVOCATION_PARAMETERS,
  LLM_MODEL_NAME,
  LLM_OUTPUT_MESSAGES,
  LLM_TOOLS,
  MIME_JSON,
  OUTPUT_MIME_TYPE,
  OUTPUT_VALUE,
} from '../attributes/openinference.js';
import {
  invocationParameters,
  type ModelConfig,
  requestAttributes,
  sameConfig,
} from '../attributes/request.js';
import { writeUsage } from '../attributes/response.js';
import { subjectOf } from '../attributes/subject.js';
import {
  type ChatMessage,
  createStreamAssembler,
  finishReasons,
  messagesToJson,
  type OutputMessage,
  toInputMessages,
  toOutputMessages,
  toToolDefinitions,
} from '../capture/messages.js';
import { safeString } from '../capture/redact.js';
import { serialize, toJson } from '../capture/serialize.js';
import { normalizeUsage } from '../capture/usage.js';
import { diagnostics } from '../diagnostics.js';
import type { CallKind, Subject } from '../execution/kinds.js';
import type { Operation } from '../execution/operation.js';
import { tapStream } from '../execution/readable.js';
import { sanitizeInput, WITHHELD } from '../execution/sanitize.js';
import type { Settings } from '../settings.js';
import { nearestRun } from './run.js';
import { costOf, describeService, type Service, type ServiceDescription } from './service.js';
import { lostUsageOf } from './stream-usage.js';

/** An Ax chat request. */
export interface ChatRequest {
  readonly chatPrompt?: unknown;
  readonly functions?: readonly unknown[];
  readonly model?: unknown;
  readonly modelConfig?: ModelConfig;
  readonly responseFormat?: { readonly type?: unknown };
}

interface ChatOptions {
  readonly stepIndex?: unknown;
  readonly stream?: unknown;
}

/** An Ax chat response. */
interface ChatResponse {
  readonly results?: readonly { readonly content?: unknown; readonly functionCalls?: unknown }[];
  readonly remoteId?: unknown;
  readonly modelUsage?: unknown;
}

/**
 * Arguments as the kind sees them: those of `chat`, then what Ax resolved them to, where it says so
 * (`_chat2`): the model a key stands for and the service's own defaults.
 */
export type ChatArguments = [ChatRequest, ChatOptions?, unknown?, ModelConfig?];

const WITHHELD_TEXT = '[withheld]';
const NO_CONFIG: ModelConfig = {};

export const chat: CallKind = {
  role: 'model',
  spanKind: SpanKind.CLIENT,
  inference: true,
  optionsIndex: 1,
  input: (_self, args) => args[0],
  recordsInput: false,
  subject: (_copy, self: Service & object, args, settings) =>
    describeCall(self, args as ChatArguments, settings),
  started(operation, self: Service & object, args, subject) {
    const [request, options] = args as ChatArguments;
    const call = subject as CallDescription;
    const state: ChatState = {
      service: self,
      model: call.model,
      // Only a stream has a first chunk to be timed.
      startedAt: call.config.stream === false ? undefined : performance.now(),
      firstAt: undefined,
      input: undefined,
      inputTexts: undefined,
    };
    operation.state = state;
    const step = options?.stepIndex;
    if (typeof step === 'number') operation.set(DSPY_STEP_INDEX, step);
    if (operation.settings.genAi) {
      const format = request?.responseFormat?.type;
      const isJson = typeof format === 'string' && format.startsWith('json');
      operation.set(GEN_AI_OUTPUT_TYPE, isJson ? 'json' : 'text');
    }
    recordRequest(operation, request);
  },
};

interface ChatState {
  readonly service: Service;
  readonly model: string | undefined;
  /** Milliseconds, of `performance.now()`; unknown where no stream was asked for. */
  readonly startedAt: number | undefined;
  firstAt: number | undefined;
  input: readonly ChatMessage[] | undefined;
  inputTexts: readonly string[] | undefined;
}

interface CallDescription extends Subject {
  /** As it was asked for. */
  readonly asked: unknown;
  readonly model: string | undefined;
  readonly config: ModelConfig;
}

/** The latest calls of a service: most differ in their messages alone. */
const latest = new WeakMap<ServiceDescription, CallDescription[]>();
const MAX_LATEST = 8;

function describeCall(
  self: Service & object,
  [request, options, resolvedModel, resolvedConfig]: ChatArguments,
  settings: Settings,
): CallDescription {
  const service = describeService(self, settings);
  const asked = resolvedModel ?? request?.model;
  const config = resolvedConfig ?? request?.modelConfig ?? NO_CONFIG;
  const wished = options?.stream;
  const stream =
    resolvedConfig === undefined && typeof wished === 'boolean' ? wished : config.stream;
  let calls = latest.get(service);
  if (calls === undefined) {
    calls = [];
    latest.set(service, calls);
  }
  for (const call of calls) {
    if (call.asked === asked && call.config.stream === stream && sameConfig(call.config, config)) {
      return call;
    }
  }
  const created = createDescription(service, asked, { ...config, stream }, settings);
  if (calls.unshift(created) > MAX_LATEST) calls.pop();
  return created;
}

function createDescription(
  service: ServiceDescription,
  asked: unknown,
  config: ModelConfig,
  settings: Settings,
): CallDescription {
  const model = modelOf(asked);
  const attributes = { ...service.identity };
  if (settings.genAi) {
    if (model !== undefined) attributes[GEN_AI_REQUEST_MODEL] = model;
    Object.assign(attributes, requestAttributes(config, settings.parameters));
  }
  const fixed = { ...service.fixed };
  if (settings.openInference && settings.parameters) {
    const parameters = invocationParameters(config);
    if (parameters !== undefined) {
      fixed[LLM_INVOCATION_PARAMETERS] = toJson(parameters, settings.serialize);
    }
  }
  const subject = subjectOf(settings, {
    name: model ?? service.name,
    type: 'model',
    operation: 'chat',
    kind: 'LLM',
    spanName: model === undefined ? 'chat' : `chat ${model}`,
    attributes,
    fixed,
  });
  return { ...subject, asked, model, config };
}

function modelOf(model: unknown): string | undefined {
  return typeof model === 'string' && model !== '' ? safeString(model, 128) : undefined;
}

function recordRequest(operation: Operation, request: ChatRequest | undefined): void {
  const { settings } = operation;
  if (settings.toolDefinitions && operation.recordsText && request?.functions?.length) {
    recordTools(operation, request.functions);
  }
  // A reply may quote what a sanitizer removes, also from a request that is not recorded.
  const mayBeQuoted = settings.inputSanitizer !== undefined && settings.outputMessages;
  if (!settings.inputMessages && !mayBeQuoted) return;
  const prompt = promptOf(operation, request?.chatPrompt);
  if (!settings.inputMessages || !operation.recordsText) return;
  if (prompt === undefined || prompt === WITHHELD) return;
  const options = operation.inherited.serialize;
  const messages = toInputMessages(prompt, options);
  const { json, truncated, texts } = messagesToJson(messages, options);
  operation.set(INPUT_VALUE, json);
  operation.set(INPUT_MIME_TYPE, MIME_JSON);
  if (truncated) operation.markTruncated(INPUT_VALUE);
  if (settings.genAi) {
    operation.set(GEN_AI_INPUT_MESSAGES, json);
    if (truncated) operation.markTruncated(GEN_AI_INPUT_MESSAGES);
  }
  if (settings.openInference) {
    const state = operation.state as ChatState;
    state.input = messages;
    state.inputTexts = texts;
  }
}

/** The prompt as it may be recorded: programs have had their inputs sanitized, a bare call has not. */
function promptOf(operation: Operation, chatPrompt: unknown): unknown {
  const { settings } = operation;
  let prompt = chatPrompt;
  if (settings.inputSanitizer !== undefined && operation.parent === undefined) {
    const sanitized = sanitizeInput(operation, { chatPrompt });
    if (sanitized === WITHHELD) return WITHHELD;
    prompt = (sanitized as { chatPrompt?: unknown } | undefined)?.chatPrompt;
  }
  const mayHoldReplies = settings.outputs && settings.outputSanitizer === undefined;
  if (mayHoldReplies || !Array.isArray(prompt)) return prompt;
  // Replies and tool results in the history are outputs, which no sanitizer has seen; what Ax asks for
  // after a reply of the same program (a correction) quotes it.
  const mayBeQuoted = hasAnswered(operation.parent);
  let isQuote = false;
  return prompt.map((message: { readonly role?: unknown }) => {
    const isReply = message?.role === 'assistant' || message?.role === 'function';
    isQuote ||= mayBeQuoted && isReply;
    return isReply || isQuote
      ? { role: message.role, content: WITHHELD_TEXT, result: WITHHELD_TEXT }
      : message;
  });
}

/** A model call below the operation, or below one around it, has ended. */
function hasAnswered(operation: Operation | undefined): boolean {
  for (let above = operation; above !== undefined; above = above.parent) {
    if (above.totals !== undefined) return true;
  }
  return false;
}

const MAX_FLATTENED_TOOLS = 8;

function recordTools(operation: Operation, functions: readonly unknown[]): void {
  const { settings, inherited } = operation;
  const tools = toToolDefinitions(functions);
  if (settings.genAi) operation.json(GEN_AI_TOOL_DEFINITIONS, tools);
  if (!settings.openInference) return;
  for (let index = 0; index < tools.length && index < MAX_FLATTENED_TOOLS; index++) {
    const { json } = serialize(tools[index], inherited.serialize);
    operation.set(`${LLM_TOOLS}.${index}.tool.json_schema`, json);
  }
  if (tools.length > MAX_FLATTENED_TOOLS) operation.markTruncated(LLM_TOOLS);
}

/** Writes what a response says, whole or assembled from a stream, and counts what it used. */
export function recordResponse(operation: Operation, response: ChatResponse | undefined): void {
  const state = operation.state as ChatState | undefined;
  const results = response?.results;
  expectToolCalls(operation, results);
  const usage = normalizeUsage(response?.modelUsage, { hasOutput: hasOutput(results) });
  const cost = state === undefined ? undefined : costOf(state.service, response?.modelUsage);
  operation.addModelCall(usage, cost);
  if (!operation.recording || state === undefined) return;

  const { settings } = operation;
  if (usage !== undefined && !operation.duplicate) writeUsage(operation, settings, usage);
  const model = modelOf((response?.modelUsage as { readonly model?: unknown } | undefined)?.model);
  const reasons = finishReasons(response);
  if (settings.genAi) {
    operation.set(GEN_AI_RESPONSE_MODEL, model);
    const id = response?.remoteId;
    if (typeof id === 'string' && id !== '') operation.set(GEN_AI_RESPONSE_ID, safeString(id));
    if (reasons.length > 0) operation.set(GEN_AI_RESPONSE_FINISH_REASONS, reasons);
  }
  if (settings.openInference) {
    operation.set(LLM_MODEL_NAME, model ?? state.model);
    if (!operation.duplicate) operation.set(LLM_COST_TOTAL, cost);
    operation.set(LLM_FINISH_REASON, reasons[0]);
  }
  recordMessages(operation, state, response);
}

/** The reply, then the flattened copies, which are the first to go should the SDK's limit be met. */
function recordMessages(operation: Operation, state: ChatState, response: unknown): void {
  const { settings } = operation;
  const options = operation.inherited.serialize;
  let replies: OutputMessage[] | undefined;
  let texts: readonly string[] | undefined;
  if (settings.outputMessages && settings.outputSanitizer === undefined && operation.recordsText) {
    replies = toOutputMessages(response, options);
    if (!settings.inputs) withholdArguments(replies);
    const recorded = messagesToJson(replies, options);
    const { json, truncated } = recorded;
    texts = recorded.texts;
    operation.set(OUTPUT_VALUE, json);
    operation.set(OUTPUT_MIME_TYPE, MIME_JSON);
    if (truncated) operation.markTruncated(OUTPUT_VALUE);
    if (settings.genAi) {
      operation.set(GEN_AI_OUTPUT_MESSAGES, json);
      if (truncated) operation.markTruncated(GEN_AI_OUTPUT_MESSAGES);
    }
  }
  if (!settings.openInference) return;
  flatten(operation, LLM_OUTPUT_MESSAGES, replies, texts);
  flatten(operation, LLM_INPUT_MESSAGES, state.input, state.inputTexts);
}

function flatten(
  operation: Operation,
  name: string,
  messages: readonly ChatMessage[] | undefined,
  texts: readonly string[] | undefined,
): void {
  if (messages === undefined) return;
  const isCut = flattenMessages(operation, name, messages, operation.inherited.serialize, texts);
  if (isCut) operation.markTruncated(name);
}

/** What a model asks a tool with is input of the tool. */
function withholdArguments(replies: readonly OutputMessage[]): void {
  for (const { parts } of replies) {
    for (const part of parts) if (part.type === 'tool_call') delete part.arguments;
  }
}

/** Tells the generator that asked which tools it is about to call, and by which ids. */
function expectToolCalls(operation: Operation, results: ChatResponse['results']): void {
  const run = nearestRun(operation);
  if (run === undefined || !Array.isArray(results)) return;
  for (const result of results) {
    if (Array.isArray(result?.functionCalls)) run.toolCalls.expect(result.functionCalls);
  }
}

function hasOutput(results: ChatResponse['results']): boolean {
  if (!Array.isArray(results)) return false;
  return results.some((result) => Boolean(result?.content) || Boolean(result?.functionCalls));
}

/**
 * Takes what `chat` resolved to. A stream is passed on with a tap on it and ends the operation when
 * it has been read; a response ends it now.
 *
 * @returns What the caller of `chat` gets.
 */
export function settleChat(operation: Operation, response: unknown): unknown {
  if (operation.ended) return response;
  try {
    if (response instanceof ReadableStream && !response.locked) {
      return tapResponse(operation, response);
    }
    recordResponse(operation, response as ChatResponse);
  } catch (fault) {
    diagnostics.fault('model.settle', fault);
  }
  operation.end('completed');
  return response;
}

function tapResponse(operation: Operation, source: ReadableStream): ReadableStream {
  const { settings, recording } = operation;
  const assembler = createStreamAssembler(
    settings.outputMessages && recording ? settings.serialize.maxBytes : 0,
  );
  const state = operation.state as ChatState | undefined;
  return tapStream(source, operation, {
    chunk(value) {
      if (!assembler.started && state !== undefined) state.firstAt ??= performance.now();
      assembler.push(value);
      const lost = lostUsageOf(value);
      if (lost !== undefined) assembler.push({ modelUsage: lost });
    },
    collected() {
      if (state?.firstAt !== undefined && state.startedAt !== undefined && settings.genAi) {
        const seconds = (state.firstAt - state.startedAt) / 1000;
        operation.set(GEN_AI_RESPONSE_TIME_TO_FIRST_CHUNK, seconds);
      }
      recordResponse(operation, assembler.response());
    },
  });
}

import { type Attributes, SpanKind } from '@opentelemetry/api';
import {
  GEN_AI_EMBEDDINGS_DIMENSION_COUNT,
  GEN_AI_REQUEST_MODEL,
  GEN_AI_RESPONSE_MODEL,
  GEN_AI_USAGE_INPUT_TOKENS,
} from '../attributes/gen-ai.js';
import {
  EMBEDDING_EMBEDDINGS,
  EMBEDDING_MODEL_NAME,
  LLM_COST_TOTAL,
  LLM_TOKEN_COUNT_PROMPT,
  LLM_TOKEN_COUNT_TOTAL,
} from '../attributes/openinference.js';
import { subjectOf } from '../attributes/subject.js';
import { safeString } from '../capture/redact.js';
import { serializeText } from '../capture/serialize.js';
import { normalizeUsage } from '../capture/usage.js';
import { diagnostics } from '../diagnostics.js';
import type { CallKind } from '../execution/kinds.js';
import type { Operation } from '../execution/operation.js';
import { costOf, describeService, type Service } from './service.js';
import { innerCall, outerCall, type ServiceCall, simpleCall } from './service-call.js';
import type { Hook } from './types.js';

interface EmbedRequest {
  readonly texts?: readonly unknown[];
  readonly embedModel?: unknown;
}

interface EmbedResponse {
  readonly embeddings?: readonly (readonly unknown[])[];
  readonly modelUsage?: { readonly model?: unknown };
}

/** The request, its options, and the model that Ax resolved, where it says so. */
type EmbedArguments = readonly [EmbedRequest, unknown?, unknown?];

/** Texts that are copied to attributes of their own; all of them are in `input.value`. */
const MAX_TEXTS = 8;

const embedding: CallKind = {
  role: 'model',
  spanKind: SpanKind.CLIENT,
  inference: true,
  optionsIndex: 1,
  input: (_self, args) => (args as EmbedArguments)[0]?.texts,
  recordsInput: false,
  subject(_copy, self: Service & object, args, settings) {
    const service = describeService(self, settings);
    const model = modelOf(args as EmbedArguments);
    const attributes: Attributes = { ...service.identity };
    if (settings.genAi && model !== undefined) attributes[GEN_AI_REQUEST_MODEL] = model;
    return subjectOf(settings, {
      name: model ?? service.name,
      type: 'embedder',
      operation: 'embeddings',
      kind: 'EMBEDDING',
      spanName: model === undefined ? 'embeddings' : `embeddings ${model}`,
      attributes,
      fixed: service.fixed,
    });
  },
  started(operation, self: Service & object, args) {
    operation.state = self;
    const model = modelOf(args as EmbedArguments);
    if (operation.settings.openInference && model !== undefined) {
      operation.set(EMBEDDING_MODEL_NAME, model);
    }
    recordTexts(operation, (args as EmbedArguments)[0]?.texts);
  },
};

function modelOf([request, , resolved]: EmbedArguments): string | undefined {
  const model = resolved ?? request?.embedModel;
  return typeof model === 'string' && model !== '' ? safeString(model, 128) : undefined;
}

function recordTexts(operation: Operation, texts: readonly unknown[] | undefined): void {
  const { settings } = operation;
  if (!Array.isArray(texts) || !settings.embeddingText) return;
  operation.recordInput(texts);
  // Single texts cannot be told from what a sanitizer makes of the list.
  if (!settings.openInference || !operation.recordsText || settings.inputSanitizer) return;
  for (let index = 0; index < texts.length && index < MAX_TEXTS; index++) {
    const { text } = serializeText(texts[index], operation.inherited.serialize);
    operation.set(`${EMBEDDING_EMBEDDINGS}.${index}.embedding.text`, text);
  }
  if (texts.length > MAX_TEXTS) operation.markTruncated(EMBEDDING_EMBEDDINGS);
}

function recordResponse(operation: Operation, response: EmbedResponse | undefined): void {
  const usage = normalizeUsage(response?.modelUsage);
  const service = operation.state as Service | undefined;
  const cost = service === undefined ? undefined : costOf(service, response?.modelUsage);
  operation.addUsage(usage, cost);
  if (!operation.recording) return;
  const { settings } = operation;
  const { inputTokens, totalTokens } = usage ?? {};
  const model = response?.modelUsage?.model;
  const dimensions = response?.embeddings?.[0]?.length;
  if (settings.genAi) {
    operation.set(GEN_AI_USAGE_INPUT_TOKENS, inputTokens);
    if (typeof model === 'string') operation.set(GEN_AI_RESPONSE_MODEL, safeString(model, 128));
    operation.set(GEN_AI_EMBEDDINGS_DIMENSION_COUNT, dimensions);
  }
  if (settings.openInference) {
    operation.set(LLM_TOKEN_COUNT_PROMPT, inputTokens);
    operation.set(LLM_TOKEN_COUNT_TOTAL, totalTokens);
    operation.set(LLM_COST_TOTAL, cost);
  }
  // Vectors stay out: they are large, and texts can be guessed from them.
  const count = response?.embeddings?.length;
  if (count !== undefined) operation.recordOutput({ count, dimensions });
}

const embedCall: ServiceCall = {
  kind: embedding,
  resolve: ([model, request, options]) => [request, options, model],
  settle(operation, response) {
    if (operation.ended) return response;
    try {
      recordResponse(operation, response as EmbedResponse);
    } catch (fault) {
      diagnostics.fault('embedding.settle', fault);
    }
    operation.end('completed');
    return response;
  },
};

export const embeddingHooks: readonly Hook[] = [
  { target: 'AxBaseAI', method: 'embed', wrap: outerCall(embedCall) },
  { target: 'AxBaseAI', method: '_embed2', wrap: innerCall(embedCall) },
  { target: 'AxMockAIService', method: 'embed', wrap: simpleCall(embedCall) },
];

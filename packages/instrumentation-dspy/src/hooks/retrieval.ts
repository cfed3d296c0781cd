import { type Attributes, SpanKind } from '@opentelemetry/api';
import {
  GEN_AI_DATA_SOURCE_ID,
  GEN_AI_RETRIEVAL_DOCUMENTS,
  GEN_AI_RETRIEVAL_QUERY_TEXT,
} from '../attributes/gen-ai.js';
import { RETRIEVAL_DOCUMENTS } from '../attributes/openinference.js';
import { subjectOf } from '../attributes/subject.js';
import { readArray, readProperty, readText } from '../capture/read.js';
import { safeString } from '../capture/redact.js';
import { serializeText, toJson } from '../capture/serialize.js';
import { typeOf } from '../copy.js';
import { tracedCall } from '../execution/call.js';
import type { CallKind } from '../execution/kinds.js';
import type { Operation } from '../execution/operation.js';
import type { Hook } from './types.js';

/** Documents that are copied to attributes of their own; all of them are in `output.value`. */
const MAX_DOCUMENTS = 16;

/** `AxEmbeddingAdapter.embedAdapter(text, options)`: embeds the text and hands the vector to the user's search. */
const embeddingSearch: CallKind = {
  role: 'step',
  subject: (_copy, self: object, _args, settings) =>
    subjectOf(settings, {
      name: safeString(readText(readProperty(self, 'info'), 'name') ?? typeOf(self), 128),
      type: 'retriever',
      operation: 'retrieval',
      kind: 'RETRIEVER',
    }),
  input: (_self, args) => args[0],
  started(operation, _self, args) {
    const { settings } = operation;
    operation.signal = readProperty(args[1], 'abortSignal') as AbortSignal | undefined;
    // `input.value` has passed the sanitizer; a copy of the raw text would not have.
    if (!settings.genAi || !operation.recordsInputs || settings.inputSanitizer !== undefined)
      return;
    if (typeof args[0] === 'string') operation.text(GEN_AI_RETRIEVAL_QUERY_TEXT, args[0]);
  },
  finished: (operation, result) => recordDocuments(operation, result, result),
};

/** `AxDBBase.query`, of Ax up to 19: a vector, an id or a text; answered with matches. */
const vectorQuery: CallKind = {
  role: 'step',
  spanKind: SpanKind.CLIENT,
  subject(_copy, self: object, args, settings) {
    const database = safeString(readText(self, 'name') ?? typeOf(self), 128);
    const attributes: Attributes = {};
    const table = readText(args[0], 'table');
    if (settings.genAi && table !== undefined) {
      attributes[GEN_AI_DATA_SOURCE_ID] = safeString(table, 128);
    }
    return subjectOf(settings, {
      name: database,
      type: 'retriever',
      operation: 'retrieval',
      kind: 'RETRIEVER',
      attributes,
    });
  },
  // The vector itself is large, and its text can be guessed from it.
  input(_self, args) {
    const query: Record<string, unknown> = {};
    for (const name of Object.keys(args[0] ?? {})) {
      const value = readProperty(args[0], name);
      if (name !== 'values') query[name] = value;
      else if (Array.isArray(value)) query.dimensions = value.length;
    }
    return query;
  },
  finished: (operation, result) =>
    recordDocuments(operation, result, readProperty(result, 'matches')),
};

/** A document as searches give it, under the names they use. */
interface Document {
  readonly id?: string;
  readonly content?: string;
  readonly score?: number;
  readonly metadata?: unknown;
}

function toDocument(value: unknown): Document {
  if (typeof value === 'string') return { content: value };
  const metadata = readProperty(value, 'metadata');
  const id = readProperty(value, 'id') ?? readProperty(value, 'uri');
  const score = readProperty(value, 'score');
  const content =
    readText(value, 'content') ??
    readText(value, 'text') ??
    readText(value, 'page_content') ??
    readText(metadata, 'text');
  return {
    ...(typeof id === 'string' || typeof id === 'number' ? { id: String(id) } : {}),
    ...(content === undefined ? {} : { content }),
    ...(typeof score === 'number' && Number.isFinite(score) ? { score } : {}),
    ...(metadata === undefined ? {} : { metadata }),
  };
}

/** Records what a search gave: whole as the output, and document by document. */
export function recordDocuments(operation: Operation, result: unknown, found: unknown): void {
  operation.recordOutput(result);
  const { settings, attributes, inherited } = operation;
  if (!operation.recordsOutputs || settings.outputSanitizer !== undefined) return;
  const list = readArray(found);
  const documents = Array.from({ length: list.length }, (_, index) =>
    toDocument(readProperty(list, index)),
  );
  if (settings.genAi) {
    const scored = documents.filter(({ id, score }) => id !== undefined && score !== undefined);
    if (scored.length > 0) {
      operation.json(
        GEN_AI_RETRIEVAL_DOCUMENTS,
        scored.map(({ id, score }) => ({ id, score })),
      );
    }
  }
  if (!settings.openInference) return;
  documents.slice(0, MAX_DOCUMENTS).forEach((document, index) => {
    const prefix = `${RETRIEVAL_DOCUMENTS}.${index}.document`;
    const { id, content, score, metadata } = document;
    if (id !== undefined) attributes[`${prefix}.id`] = safeString(id, 256);
    if (content !== undefined) {
      attributes[`${prefix}.content`] = serializeText(content, inherited.serialize).text;
    }
    if (score !== undefined) attributes[`${prefix}.score`] = score;
    if (metadata !== undefined) {
      attributes[`${prefix}.metadata`] = toJson(metadata, inherited.serialize);
    }
  });
  if (documents.length > MAX_DOCUMENTS) operation.markTruncated(RETRIEVAL_DOCUMENTS);
}

export const retrievalHooks: readonly Hook[] = [
  { target: 'AxEmbeddingAdapter', method: 'embedAdapter', wrap: tracedCall(embeddingSearch) },
  { target: 'AxDBBase', method: 'query', wrap: tracedCall(vectorQuery) },
];

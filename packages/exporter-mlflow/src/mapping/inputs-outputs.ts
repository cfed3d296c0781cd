import type { AttributeMap, AttributeValue } from '../internal-types.js';
import { toMlflowValue } from './content.js';
import { readOpenInferenceMessages, readTraceloopMessages, unflatten } from './messages.js';
import { isObject, parseJson, readArray, readText } from './read.js';

/** What went in or came out, ready for `mlflow.spanInputs` / `mlflow.spanOutputs`. */
interface Content {
  value: AttributeValue;
  /** Attributes that the value takes the place of. */
  replaces: readonly string[];
  /** `mlflow.message.format`, where MLflow's page needs to be told. */
  format?: string;
}

type Reader = (attributes: AttributeMap) => Content | undefined;

/** Text of one attribute, JSON where it has the shape of an object or a list. */
function from(key: string, mimeKey?: string): Reader {
  const replaces = mimeKey === undefined ? [key] : [key, mimeKey];
  return (attributes) => {
    const value = attributes[key];
    if (value === undefined || value === '') return undefined;
    const mime = mimeKey === undefined ? undefined : readText(attributes, mimeKey);
    const content: Content = { value: toMlflowValue(value, mime), replaces };
    if (typeof value === 'string' && isOpenAi(value)) content.format = 'openai';
    return content;
  };
}

/** Characters of plain fields (model, temperature, …) before the messages. */
const MAX_HEAD = 2_000;
const OPENAI_HEAD = /[{,]\s*"(?:messages|choices)"\s*:\s*$/;

/** Requests and answers of OpenAI's chat API, which several instrumentations record as they are. */
function isOpenAi(text: string): boolean {
  // The first list or object within is that of the messages; the fields before it are plain.
  const list = text.startsWith('{') ? text.indexOf('[') : -1;
  if (list < 0 || list > MAX_HEAD || text.lastIndexOf('{', list) > 0) return false;
  return OPENAI_HEAD.test(text.slice(Math.max(0, list - 40), list));
}

/** `gen_ai.system_instructions` are the first message: a program reads the conversation from the top. */
const genAiInput: Reader = (attributes) => {
  const messages = attributes['gen_ai.input.messages'];
  if (messages === undefined || messages === '') return undefined;
  const instructions = readArray(attributes, 'gen_ai.system_instructions');
  const parsed = instructions && readArray(attributes, 'gen_ai.input.messages');
  if (!instructions || !parsed) {
    return { value: toMlflowValue(messages), replaces: ['gen_ai.input.messages'] };
  }
  return {
    value: JSON.stringify([{ role: 'system', parts: instructions }, ...parsed]),
    replaces: ['gen_ai.input.messages', 'gen_ai.system_instructions'],
  };
};

const chat =
  (
    read: (attributes: AttributeMap, prefix: string) => unknown[] | undefined,
    prefix: string,
    direction: 'in' | 'out',
  ): Reader =>
  (attributes) => {
    const messages = read(attributes, prefix);
    if (messages === undefined || messages.length === 0) return undefined;
    const body =
      direction === 'in'
        ? { messages }
        : { choices: messages.map((message, index) => ({ index, message })) };
    return { value: JSON.stringify(body), replaces: [], format: 'openai' };
  };

/** Documents in the shape that MLflow's page shows as documents. */
const documents: Reader = (attributes) => {
  const list = unflatten(attributes, 'retrieval.documents.')?.filter(isObject);
  if (list === undefined || list.length === 0) return undefined;
  const found = list.map((entry) => {
    const { content, id, metadata, score } = isObject(entry.document) ? entry.document : {};
    const extra = parseJson(typeof metadata === 'string' ? metadata : undefined);
    return {
      page_content: content,
      ...(id === undefined ? {} : { id }),
      metadata: { ...(isObject(extra) ? extra : {}), ...(score === undefined ? {} : { score }) },
    };
  });
  return { value: JSON.stringify(found), replaces: [] };
};

/** Embedded texts: `embedding.embeddings.N.embedding.text`. */
const embeddedTexts: Reader = (attributes) => {
  const texts = unflatten(attributes, 'embedding.embeddings.')
    ?.filter(isObject)
    .map(({ embedding }) => (isObject(embedding) ? embedding.text : undefined))
    .filter((text) => typeof text === 'string');
  return texts && texts.length > 0 ? { value: JSON.stringify(texts), replaces: [] } : undefined;
};

/** The model call inside a Vercel AI operation: its parts lie under one prefix. */
const vercelChat =
  (prefix: string): Reader =>
  (attributes) => {
    const operation = readText(attributes, 'ai.operationId');
    if (!operation || !/\.do(Generate|Stream)$/.test(operation)) return undefined;
    const body: Record<string, unknown> = {};
    const replaces: string[] = [];
    for (const key in attributes) {
      if (attributes[key] === undefined || !key.startsWith(prefix)) continue;
      body[key.slice(prefix.length)] = decode(attributes[key]);
      replaces.push(key);
    }
    return replaces.length === 0
      ? undefined
      : { value: JSON.stringify(body), replaces, format: 'vercel_ai' };
  };

/** JSON texts there may be JSON texts of JSON texts. */
function decode(value: unknown, depth = 0): unknown {
  if (Array.isArray(value)) return value.map((item) => decode(item, depth));
  if (typeof value !== 'string' || depth > 2 || !/^\s*[{["]/.test(value)) return value;
  const parsed = parseJson(value);
  return parsed === undefined ? value : decode(parsed, depth + 1);
}

/** In the order in which MLflow's own translation asks the conventions. */
const INPUTS: readonly Reader[] = [
  from('input.value', 'input.mime_type'),
  chat(readOpenInferenceMessages, 'llm.input_messages.', 'in'),
  genAiInput,
  from('gen_ai.tool.call.arguments'),
  from('gen_ai.retrieval.query.text'),
  from('traceloop.entity.input'),
  chat(readTraceloopMessages, 'gen_ai.prompt.', 'in'),
  vercelChat('ai.prompt.'),
  from('ai.prompt'),
  from('ai.toolCall.args'),
  from('ai.value'),
  from('ai.values'),
  from('langfuse.observation.input'),
  from('lmnr.span.input'),
  embeddedTexts,
];

const OUTPUTS: readonly Reader[] = [
  from('output.value', 'output.mime_type'),
  chat(readOpenInferenceMessages, 'llm.output_messages.', 'out'),
  from('gen_ai.output.messages'),
  from('gen_ai.tool.call.result'),
  from('gen_ai.retrieval.documents'),
  documents,
  from('traceloop.entity.output'),
  chat(readTraceloopMessages, 'gen_ai.completion.', 'out'),
  vercelChat('ai.response.'),
  from('ai.response.text'),
  from('ai.response.object'),
  from('ai.response.toolCalls'),
  from('ai.toolCall.result'),
  from('ai.embedding'),
  from('ai.embeddings'),
  from('langfuse.observation.output'),
  from('lmnr.span.output'),
];

/** Keys that repeat, flattened or under another convention's name, what inputs and outputs now hold. */
const COPIES = {
  inputs: {
    keys: ['gen_ai.input.messages', 'gen_ai.tool.call.arguments'],
    prefixes: ['llm.input_messages.', 'gen_ai.prompt.', 'embedding.embeddings.'],
  },
  outputs: {
    keys: ['gen_ai.output.messages', 'gen_ai.tool.call.result'],
    prefixes: ['llm.output_messages.', 'gen_ai.completion.', 'retrieval.documents.'],
  },
} as const;

/**
 * Reads inputs and outputs of a span under whatever convention it was recorded, writes them as MLflow's,
 * and takes the attributes away that they replace: MLflow would store and show each value twice.
 * Values that the span already has under MLflow's own names win.
 *
 * @param isFlattened the span has messages or documents that are spread over many keys
 */
export function writeInputsAndOutputs(attributes: AttributeMap, isFlattened: boolean): void {
  const input = writeContent(attributes, 'mlflow.spanInputs', INPUTS);
  const output = writeContent(attributes, 'mlflow.spanOutputs', OUTPUTS);
  if (input) removeCopies(attributes, input, COPIES.inputs, isFlattened);
  if (output) removeCopies(attributes, output, COPIES.outputs, isFlattened);
  const format = input?.format ?? output?.format;
  if (format !== undefined) attributes['mlflow.message.format'] ??= format;
}

function writeContent(
  attributes: AttributeMap,
  target: string,
  readers: readonly Reader[],
): Content | undefined {
  if (attributes[target] !== undefined) return undefined;
  for (const read of readers) {
    const content = read(attributes);
    if (content === undefined) continue;
    // Deleting would make every span's attributes a slow object.
    for (const key of content.replaces) attributes[key] = undefined;
    attributes[target] = content.value;
    return content;
  }
  return undefined;
}

function removeCopies(
  attributes: AttributeMap,
  content: Content,
  { keys, prefixes }: (typeof COPIES)[keyof typeof COPIES],
  isFlattened: boolean,
): void {
  for (const key of keys) {
    const copy = attributes[key];
    if (copy !== undefined && toMlflowValue(copy) === content.value) attributes[key] = undefined;
  }
  if (!isFlattened) return;
  for (const key in attributes) {
    if (prefixes.some((prefix) => key.startsWith(prefix))) delete attributes[key];
  }
}

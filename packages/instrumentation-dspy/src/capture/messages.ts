import { base64Size, describeMedia, mediaDescription } from './media.js';
import { plainMessagesToJson } from './plain-messages.js';
import { readArray, readProperty, readText } from './read.js';
import {
  DEFAULT_MAX_BYTES,
  type Serialized,
  type SerializeOptions,
  serialize,
} from './serialize.js';
import { utf8Length } from './text.js';

export { createStreamAssembler } from './assemble.js';

/**
 * A part of a message as in the OTel GenAI conventions (`gen-ai-input-messages.json`). Media that is not kept is a text part with
 * its description.
 */
export type MessagePart =
  | { type: 'text'; content: string }
  | { type: 'reasoning'; content: string }
  | { type: 'tool_call'; id?: string; name: string; arguments?: unknown }
  | { type: 'tool_call_response'; id?: string; response: unknown }
  | { type: 'blob'; modality: Modality; mime_type?: string; content: string }
  | { type: 'uri'; modality: Modality; mime_type?: string; uri: string };

export type Modality = 'image' | 'audio' | 'video' | 'file';

/** A message as in the OTel GenAI conventions. */
export interface ChatMessage {
  role: string;
  name?: string;
  parts: MessagePart[];
}

export interface OutputMessage extends ChatMessage {
  finish_reason?: string;
  /** Sources the model named, as Ax gives them. */
  citations?: readonly unknown[];
}

export interface ToolDefinition {
  type: 'function';
  name: string;
  description?: string;
  parameters?: unknown;
}

export interface MessageOptions {
  /** Keep base64 media as `blob` parts instead of a description. Default `false`. */
  keepMedia?: boolean | undefined;
}

/** Of a longer history the first message and the last ones are looked at. */
const MAX_MESSAGES = 1000;
const MAX_PARTS = 1000;
/** Arguments beyond are left as the text they are. */
const MAX_PARSED_CHARS = 65_536;

/** Ax's roles and finish reasons in the words of the conventions. */
const ROLES: Readonly<Record<string, string>> = { function: 'tool' };
const FINISH_REASONS: Readonly<Record<string, string>> = { function_call: 'tool_call' };

/** Ax `chatPrompt` as GenAI messages. */
export function toInputMessages(chatPrompt: unknown, options: MessageOptions = {}): ChatMessage[] {
  const prompt = readArray(chatPrompt);
  const messages: ChatMessage[] = [];
  const skipped = prompt.length - MAX_MESSAGES;
  for (let index = 0; index < prompt.length; index++) {
    if (skipped > 0 && index === 1) {
      messages.push(omission(skipped));
      index += skipped;
    }
    messages.push(toMessage(prompt[index], options));
  }
  return messages;
}

/** Ax response, whole or assembled from a stream, as GenAI messages, one a choice. */
export function toOutputMessages(response: unknown, options: MessageOptions = {}): OutputMessage[] {
  const messages: OutputMessage[] = [];
  for (const result of readArray(readProperty(response, 'results'))) {
    if (messages.length === MAX_MESSAGES) break;
    const message: OutputMessage = { role: 'assistant', parts: outputParts(result, options) };
    const finish = finishReason(result);
    if (finish !== undefined) message.finish_reason = finish;
    const citations = readArray(readProperty(result, 'citations'));
    if (citations.length > 0) message.citations = citations.slice(0, MAX_PARTS);
    messages.push(message);
  }
  return messages;
}

/** Finish reason of every choice in the words of the conventions: `stop length tool_call content_filter error`. */
export function finishReasons(response: unknown): string[] {
  const reasons: string[] = [];
  for (const result of readArray(readProperty(response, 'results'))) {
    const reason = finishReason(result);
    if (reason !== undefined) reasons.push(reason);
  }
  return reasons;
}

/** `gen_ai.tool.definitions` of the functions offered to the model. */
export function toToolDefinitions(functions: unknown): ToolDefinition[] {
  return readArray(functions)
    .slice(0, MAX_PARTS)
    .map((tool) => {
      const definition: ToolDefinition = { type: 'function', name: readText(tool, 'name') ?? '' };
      const description = readText(tool, 'description');
      if (description !== undefined) definition.description = description;
      const parameters = readProperty(tool, 'parameters');
      if (parameters !== undefined) definition.parameters = parameters;
      return definition;
    });
}

/** Messages as they are recorded. */
export interface RecordedMessages extends Serialized {
  /** What of the text of every message may be recorded, where the messages have one text each. */
  texts?: readonly string[];
}

/**
 * Messages as JSON within the budget. A history that does not fit keeps its first message (the instructions) and its last ones
 * (the question at hand); what is between is counted.
 */
export function messagesToJson(
  messages: readonly ChatMessage[],
  options: SerializeOptions = {},
): RecordedMessages {
  const plain = plainMessagesToJson(messages, options);
  if (plain !== undefined) return plain;
  const whole = serialize(messages, options);
  const first = messages[0];
  if (!whole.truncated || first === undefined || messages.length < 3) return whole;

  const maxBytes = options.maxBytes ?? DEFAULT_MAX_BYTES;
  const head = serialize(first, { ...options, maxBytes: Math.floor(maxBytes / 4) }).json;
  // Brackets, commas and the message that counts the omitted ones.
  let left =
    maxBytes - utf8Length(head) - utf8Length(JSON.stringify(omission(messages.length))) - 4;
  const tail: string[] = [];
  for (let index = messages.length - 1; index > 0 && left > 0; index--) {
    const { json, truncated } = serialize(messages[index], { ...options, maxBytes: left });
    if (truncated && tail.length > 0) break;
    left -= utf8Length(json) + 1;
    if (left < 0) break;
    tail.push(json);
  }
  if (tail.length === 0) return whole;
  const omitted = messages.length - 1 - tail.length;
  const middle = omitted > 0 ? [JSON.stringify(omission(omitted))] : [];
  return { json: `[${[head, ...middle, ...tail.reverse()].join(',')}]`, truncated: true };
}

function omission(count: number): ChatMessage {
  return { role: 'system', parts: [{ type: 'text', content: `[+${count} messages]` }] };
}

function toMessage(prompt: unknown, options: MessageOptions): ChatMessage {
  const role = readText(prompt, 'role') ?? 'user';
  const message: ChatMessage = {
    role: ROLES[role] ?? role,
    parts: role === 'function' ? [toolResponse(prompt)] : inputParts(role, prompt, options),
  };
  const name = readText(prompt, 'name');
  if (name !== undefined) message.name = name;
  return message;
}

function toolResponse(prompt: unknown): MessagePart {
  const result = readProperty(prompt, 'result') ?? readProperty(prompt, 'content') ?? null;
  const id = readText(prompt, 'functionId');
  return id === undefined
    ? { type: 'tool_call_response', response: result }
    : { type: 'tool_call_response', id, response: result };
}

function inputParts(role: string, prompt: unknown, options: MessageOptions): MessagePart[] {
  const content = readProperty(prompt, 'content');
  // Only a model's own messages have more than content.
  if (typeof content === 'string' && (role === 'system' || role === 'user')) {
    return [{ type: 'text', content }];
  }
  const parts: MessagePart[] = [];
  addReasoning(parts, prompt);
  if (typeof content === 'string') {
    if (content !== '') parts.push({ type: 'text', content });
  } else {
    for (const part of readArray(content).slice(0, MAX_PARTS))
      parts.push(contentPart(part, options));
  }
  addMedia(parts, prompt, options);
  addToolCalls(parts, prompt);
  return orEmpty(parts);
}

function outputParts(result: unknown, options: MessageOptions): MessagePart[] {
  const parts: MessagePart[] = [];
  addReasoning(parts, result);
  const content = readText(result, 'content');
  if (content !== undefined && content !== '') parts.push({ type: 'text', content });
  addMedia(parts, result, options);
  addToolCalls(parts, result);
  return orEmpty(parts);
}

/** A message without parts is not shown as one by readers of the convention. */
function orEmpty(parts: MessagePart[]): MessagePart[] {
  if (parts.length === 0) parts.push({ type: 'text', content: '' });
  return parts;
}

function addReasoning(parts: MessagePart[], message: unknown): void {
  const thought = readText(message, 'thought') ?? thoughtOfBlocks(message);
  if (thought !== undefined && thought !== '') parts.push({ type: 'reasoning', content: thought });
}

/** Blocks that are not encrypted, where there is no thought in one piece. */
function thoughtOfBlocks(message: unknown): string | undefined {
  const blocks = readProperty(message, 'thoughtBlocks');
  // Up to Ax 14 one block: `thoughtBlock`.
  const single = readProperty(message, 'thoughtBlock');
  if (blocks === undefined && single === undefined) return undefined;
  const texts = (single === undefined ? readArray(blocks).slice(0, MAX_PARTS) : [single])
    .filter((block) => readProperty(block, 'encrypted') !== true)
    .map((block) => readText(block, 'summary') ?? readText(block, 'data') ?? '');
  return texts.length > 0 ? texts.join('') : undefined;
}

function addToolCalls(parts: MessagePart[], message: unknown): void {
  const calls = readProperty(message, 'functionCalls');
  if (calls === undefined) return;
  for (const call of readArray(calls).slice(0, MAX_PARTS)) {
    const called = readProperty(call, 'function');
    const part: MessagePart = { type: 'tool_call', name: readText(called, 'name') ?? '' };
    const id = readText(call, 'id');
    if (id !== undefined) part.id = id;
    const parameters = readProperty(called, 'params');
    if (parameters !== undefined) part.arguments = toArguments(parameters);
    parts.push(part);
  }
}

/** Arguments as a value: the model writes them as JSON text. */
function toArguments(parameters: unknown): unknown {
  if (typeof parameters !== 'string' || parameters.length > MAX_PARSED_CHARS) return parameters;
  try {
    return JSON.parse(parameters);
  } catch {
    return parameters;
  }
}

function addMedia(parts: MessagePart[], message: unknown, options: MessageOptions): void {
  const images = readProperty(message, 'images');
  if (images !== undefined) {
    for (const image of readArray(images).slice(0, MAX_PARTS)) {
      parts.push(mediaPart('image', readText(image, 'mimeType'), image, 'data', 'url', options));
    }
  }
  const audio = readProperty(message, 'audio');
  if (audio === undefined || audio === null) return;
  const transcript = readText(audio, 'transcript');
  if (transcript !== undefined && transcript !== '')
    parts.push({ type: 'text', content: transcript });
  if (readText(audio, 'data') !== undefined) {
    parts.push(mediaPart('audio', audioType(audio), audio, 'data', 'url', options));
  }
}

/** A part of a user's message: text, image, audio, file or link. */
function contentPart(part: unknown, options: MessageOptions): MessagePart {
  switch (readText(part, 'type')) {
    case 'image':
      return mediaPart('image', readText(part, 'mimeType'), part, 'image', 'url', options);
    case 'audio':
      return mediaPart('audio', audioType(part), part, 'data', 'url', options);
    case 'video':
      return mediaPart('video', readText(part, 'mimeType'), part, 'data', 'url', options);
    case 'file':
      return mediaPart('file', readText(part, 'mimeType'), part, 'data', 'fileUri', options);
    case 'url':
      return { type: 'uri', modality: 'file', uri: readText(part, 'url') ?? '' };
    default: {
      const text = readText(part, 'text');
      return { type: 'text', content: text ?? serialize(part, { maxBytes: 4096 }).json };
    }
  }
}

function audioType(audio: unknown): string | undefined {
  const mimeType = readText(audio, 'mimeType');
  if (mimeType !== undefined) return mimeType;
  const format = readText(audio, 'format');
  return format === undefined ? undefined : `audio/${format}`;
}

function mediaPart(
  modality: Modality,
  mimeType: string | undefined,
  media: unknown,
  dataKey: string,
  uriKey: string,
  options: MessageOptions,
): MessagePart {
  const data = readText(media, dataKey);
  const uri = readText(media, uriKey);
  const type = mimeType === undefined ? {} : { mime_type: mimeType };
  if (data === undefined && uri !== undefined) return { type: 'uri', modality, ...type, uri };
  const content = data ?? '';
  if (options.keepMedia === true) return { type: 'blob', modality, ...type, content };
  const text =
    mediaDescription(content) ?? describeMedia(mimeType ?? modality, base64Size(content));
  const name = readText(media, 'filename');
  return { type: 'text', content: name === undefined ? text : `${name} ${text}` };
}

function finishReason(result: unknown): string | undefined {
  const reason = readText(result, 'finishReason');
  return reason === undefined ? undefined : (FINISH_REASONS[reason] ?? reason);
}

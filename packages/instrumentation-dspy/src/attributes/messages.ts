import type { ChatMessage, MessagePart } from '../capture/messages.js';
import { type SerializeOptions, serializeText } from '../capture/serialize.js';
import type { AttributeTarget } from './target.js';

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
  target: AttributeTarget,
  prefix: string,
  messages: readonly ChatMessage[],
  options: SerializeOptions,
): boolean {
  const kept = selectMessages(messages);
  for (let index = 0; index < kept.length; index++) {
    flattenMessage(target, namesOf(prefix, index), kept[index] as ChatMessage, options);
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

/** Names of the attributes of one message, built once: names made for every call would have to be interned again. */
class MessageNames {
  readonly role: string;
  readonly content: string;
  readonly toolCallId: string;
  readonly #prefix: string;

  constructor(prefix: string) {
    this.#prefix = prefix;
    this.role = `${prefix}role`;
    this.content = `${prefix}content`;
    this.toolCallId = `${prefix}tool_call_id`;
  }

  toolCall(index: number): string {
    return `${this.#prefix}tool_calls.${index}.tool_call.`;
  }
}

const names = new Map<string, MessageNames[]>();

function namesOf(prefix: string, index: number): MessageNames {
  let list = names.get(prefix);
  if (list === undefined) {
    list = [];
    names.set(prefix, list);
  }
  const known = list[index];
  if (known !== undefined) return known;
  const created = new MessageNames(`${prefix}.${index}.message.`);
  list[index] = created;
  return created;
}

function flattenMessage(
  target: AttributeTarget,
  name: MessageNames,
  message: ChatMessage,
  options: SerializeOptions,
): void {
  target.set(name.role, message.role);
  let content: string | undefined;
  let calls = 0;
  for (const part of message.parts) {
    if (part.type === 'tool_call') {
      if (calls >= MAX_ATTRIBUTES / 3) continue;
      const call = name.toolCall(calls++);
      target.set(`${call}function.name`, part.name);
      if (part.arguments !== undefined) {
        target.set(`${call}function.arguments`, serializeText(part.arguments, options).text);
      }
      target.set(`${call}id`, part.id);
      continue;
    }
    if (part.type === 'tool_call_response') target.set(name.toolCallId, part.id);
    const text = textOf(part, options);
    if (text !== undefined) content = content === undefined ? text : `${content}\n${text}`;
  }
  target.set(name.content, content);
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

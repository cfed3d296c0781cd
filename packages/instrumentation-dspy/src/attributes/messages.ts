import type { ChatMessage, MessagePart, RecordedMessages } from '../capture/messages.js';
import { type SerializeOptions, serializeText } from '../capture/serialize.js';
import type { AttributeTarget } from './target.js';

/** Attributes that the flattened copy of one list of messages may take up. */
const MAX_ATTRIBUTES = 24;

/**
 * OpenInference's flattened copy of messages (`llm.input_messages.0.message.role`, …). It is a second
 * copy of what the JSON attribute holds, so it is capped in number: the first message and the last
 * ones are kept, numbered without a gap.
 *
 * @param texts The texts of the messages, where they are recorded already: {@link RecordedMessages.texts}.
 * @returns `true` when messages were left out.
 */
export function flattenMessages(
  target: AttributeTarget,
  prefix: string,
  messages: readonly ChatMessage[],
  options: SerializeOptions,
  texts?: readonly string[],
): boolean {
  const start = startOfKept(messages);
  let written = 0;
  for (let index = 0; index < messages.length; index++) {
    if (index > 0 && index < start) continue;
    const message = messages[index] as ChatMessage;
    const names = namesOf(prefix, written++);
    target.set(names.role, message.role);
    if (texts === undefined) flattenParts(target, names, message, options);
    else target.set(names.content, texts[index]);
  }
  return written < messages.length;
}

/** Where the messages begin that are kept beside the first one. */
function startOfKept(messages: readonly ChatMessage[]): number {
  let size = 0;
  for (const message of messages) size += sizeOf(message);
  if (size <= MAX_ATTRIBUTES) return 1;
  let left = MAX_ATTRIBUTES - sizeOf(messages[0] as ChatMessage);
  let start = messages.length;
  while (start > 1) {
    left -= sizeOf(messages[start - 1] as ChatMessage);
    if (left < 0) break;
    start--;
  }
  return start;
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

function flattenParts(
  target: AttributeTarget,
  name: MessageNames,
  message: ChatMessage,
  options: SerializeOptions,
): void {
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

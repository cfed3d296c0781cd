import type { OutputMessage, RecordedMessages } from './messages.js';
import { scrub } from './scrub.js';
import { DEFAULT_MAX_BYTES, type SerializeOptions } from './serialize.js';
import { isPlain, wellFormed } from './text.js';

/** Keys and marks of one message, in UTF-16 units. */
const FRAME_CHARS = 96;
const SHORT_CHARS = 48;
const KEYS = ['role', 'parts', 'type', 'content', 'finish_reason'];

/**
 * {@link messagesToJson} of messages that are one text each, which most are: the same JSON, put together at once. `undefined` where
 * that does not do: other messages, a redactor of texts, a budget that might not hold them.
 */
export function plainMessagesToJson(
  messages: readonly OutputMessage[],
  options: SerializeOptions,
): RecordedMessages | undefined {
  const { redactText, maxItems, maxDepth, maxBytes = DEFAULT_MAX_BYTES } = options;
  if (redactText !== undefined || maxItems !== undefined || maxDepth !== undefined)
    return undefined;
  if (!keepsKeys(options.isSensitiveKey)) return undefined;
  const texts: string[] = [];
  let json = '[';
  // A unit takes three bytes at most.
  let room = maxBytes / 3;
  for (let index = 0; index < messages.length; index++) {
    const { role, name, parts, finish_reason, citations } = messages[index] as OutputMessage;
    const part = parts[0];
    if (parts.length !== 1 || part?.type !== 'text') return undefined;
    if (name !== undefined || citations !== undefined) return undefined;
    if (!isShort(role) || (finish_reason !== undefined && !isShort(finish_reason)))
      return undefined;
    const { content } = part;
    if (content.length > room) return undefined;
    const isRepeated = index === 0 && role === 'system';
    const recorded = isRepeated ? recordRepeated(content, options) : record(content, options);
    texts.push(recorded.text);
    json += `${index === 0 ? '' : ','}{"role":"${role}","parts":[{"type":"text","content":${recorded.json}}]`;
    json += finish_reason === undefined ? '}' : `,"finish_reason":"${finish_reason}"}`;
    room -= recorded.json.length + FRAME_CHARS;
    if (room < 0) return undefined;
  }
  return { json: `${json}]`, truncated: false, texts };
}

function isShort(text: string): boolean {
  return text.length <= SHORT_CHARS && isPlain(text);
}

interface Recorded {
  /** What of the text may be recorded. */
  readonly text: string;
  /** The same as a JSON string. */
  readonly json: string;
}

function record(content: string, options: SerializeOptions): Recorded {
  if (isShort(content)) return { text: content, json: `"${content}"` };
  const text = wellFormed(scrub(content, content.length, options, 'content').text);
  return { text, json: JSON.stringify(text) };
}

interface Repeated extends Recorded {
  readonly isSensitiveKey: SerializeOptions['isSensitiveKey'];
  readonly keepMedia: SerializeOptions['keepMedia'];
}

/** Instructions of the latest calls, by their length; a length alone: seen once. */
const repeated: (Repeated | number)[] = new Array(32).fill(0);

/** The instructions are the longest message and the same in every call of a program: looked through once. */
function recordRepeated(content: string, options: SerializeOptions): Recorded {
  if (content.length <= SHORT_CHARS) return record(content, options);
  const slot = content.length % repeated.length;
  const known = repeated[slot] as Repeated | number;
  if (
    typeof known === 'object' &&
    known.text === content &&
    known.isSensitiveKey === options.isSensitiveKey &&
    known.keepMedia === options.keepMedia
  ) {
    return known;
  }
  const recorded = record(content, options);
  if (known !== content.length || recorded.text !== content) {
    repeated[slot] = content.length;
    return recorded;
  }
  const { json } = recorded;
  const { isSensitiveKey, keepMedia } = options;
  // A copy: the text may be a piece of a far longer one, which it would keep alive.
  repeated[slot] = { text: JSON.parse(json) as string, json, isSensitiveKey, keepMedia };
  return recorded;
}

let kept: SerializeOptions['isSensitiveKey'];

/** `true` when none of a message's own keys counts as the name of a secret. */
function keepsKeys(isSensitiveKey: SerializeOptions['isSensitiveKey']): boolean {
  if (isSensitiveKey === undefined || isSensitiveKey === kept) return true;
  if (KEYS.some(isSensitiveKey)) return false;
  kept = isSensitiveKey;
  return true;
}

import type { AttributeValue } from '../internal-types.js';
import { isObject, parseJson } from './read.js';
import { cap } from './text.js';

/** As MLflow cuts them (`TRACE_REQUEST_RESPONSE_PREVIEW_MAX_LENGTH_OSS`). */
const MAX_PREVIEW = 1_000;
/** A longer text is not parsed for its messages. */
const MAX_PARSED = 256 * 1024;

/**
 * The preview that MLflow's list of traces shows, by its own rules (mlflow/tracing/utils/truncation.py):
 * the text of the last message of the role where there are messages, else the value cut to 1000
 * characters. On top, OpenTelemetry's messages (`parts`) are read as well.
 */
export function previewOf(
  value: AttributeValue | undefined,
  role: 'user' | 'assistant',
): string | undefined {
  if (value === undefined) return undefined;
  const text = typeof value === 'string' ? value : JSON.stringify(value);
  const found = text.length <= MAX_PARSED ? readMessageText(text, role) : undefined;
  const shown = found || text;
  return shown.length <= MAX_PREVIEW ? shown : `${cap(shown, MAX_PREVIEW - 3)}...`;
}

function readMessageText(text: string, role: string): string | undefined {
  // Messages have a role; most values are none and need no parsing.
  if (!/^\s*"/.test(text) && !(/^\s*[{[]/.test(text) && text.includes('"role"'))) return undefined;
  const value = parseJson(text);
  if (typeof value === 'string') return value;
  const messages = (Array.isArray(value) ? value : messagesIn(value)).filter(isMessage);
  const message = messages.findLast((one) => one.role === role) ?? messages.at(-1);
  return message && textOf(message.parts ?? message.content);
}

function messagesIn(value: unknown): unknown[] {
  if (!isObject(value)) return [];
  for (const key of ['messages', 'input', 'output']) {
    if (Array.isArray(value[key])) return value[key];
  }
  const choice = Array.isArray(value.choices) ? value.choices[0] : undefined;
  return isObject(choice) ? [choice.message] : [];
}

function isMessage(value: unknown): value is Record<string, unknown> {
  return isObject(value) && 'role' in value && ('content' in value || 'parts' in value);
}

function textOf(content: unknown): string | undefined {
  if (typeof content === 'string') return content;
  if (!Array.isArray(content)) return undefined;
  for (const part of content) {
    if (typeof part === 'string') return part;
    if (isObject(part) && (part.type === 'text' || part.type === 'output_text')) {
      const text = part.content ?? part.text;
      if (typeof text === 'string') return text;
    }
  }
  return undefined;
}

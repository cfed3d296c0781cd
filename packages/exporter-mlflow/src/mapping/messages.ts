import type { AttributeMap } from '../internal-types.js';
import { isObject, parseJson } from './read.js';

/** A chat message as OpenAI's API writes it, which MLflow's page shows as a bubble. */
export interface ChatMessage {
  role: string;
  content?: unknown;
  tool_calls?: { id?: string; type: 'function'; function: { name: string; arguments: string } }[];
  tool_call_id?: string;
}

/**
 * The list behind flattened keys: `prefix.0.message.role`, `prefix.0.message.content`, … becomes
 * `[{ message: { role, content } }]`. `undefined` when no key starts with the prefix.
 */
export function unflatten(attributes: AttributeMap, prefix: string): unknown[] | undefined {
  let root: Record<string, unknown> | undefined;
  for (const key in attributes) {
    if (attributes[key] === undefined || !key.startsWith(prefix)) continue;
    const path = key.slice(prefix.length).split('.');
    if (!isIndex(path[0])) continue;
    root ??= Object.create(null) as Record<string, unknown>;
    let node = root;
    for (const step of path.slice(0, -1)) {
      if (!isObject(node[step])) node[step] = Object.create(null);
      node = node[step] as Record<string, unknown>;
    }
    node[path.at(-1) as string] = attributes[key];
  }
  return root && toList(root);
}

const isIndex = (step: string | undefined): boolean => step !== undefined && /^\d{1,6}$/.test(step);

function toList(node: Record<string, unknown>): unknown[] {
  return Object.keys(node)
    .filter(isIndex)
    .sort((a, b) => Number(a) - Number(b))
    .map((key) => node[key]);
}

function listAt(node: Record<string, unknown>, key: string): Record<string, unknown>[] {
  const child = node[key];
  return isObject(child) ? toList(child).filter(isObject) : [];
}

const text = (value: unknown): string | undefined =>
  typeof value === 'string' ? value : undefined;

/** OpenInference: `llm.input_messages.N.message.*` and `llm.output_messages.N.message.*`. */
export function readOpenInferenceMessages(
  attributes: AttributeMap,
  prefix: string,
): ChatMessage[] | undefined {
  return unflatten(attributes, prefix)
    ?.filter(isObject)
    .map((entry) => {
      const message = isObject(entry.message) ? entry.message : {};
      const result: ChatMessage = { role: text(message.role) ?? 'user' };
      const parts = listAt(message, 'contents').map(readContentPart);
      if (parts.length > 0) result.content = parts;
      else if (message.content !== undefined) result.content = message.content;
      const calls = listAt(message, 'tool_calls').map((item) => {
        const call = isObject(item.tool_call) ? item.tool_call : {};
        const target = isObject(call.function) ? call.function : {};
        return toToolCall(text(call.id), target.name, target.arguments);
      });
      if (calls.length > 0) result.tool_calls = calls;
      const callId = text(message.tool_call_id);
      if (callId !== undefined) result.tool_call_id = callId;
      return result;
    });
}

function readContentPart(item: Record<string, unknown>): Record<string, unknown> {
  const part = isObject(item.message_content) ? item.message_content : {};
  const image = isObject(part.image) && isObject(part.image.image) ? part.image.image : undefined;
  if (image) return { type: 'image_url', image_url: { url: image.url } };
  return { type: 'text', text: part.text };
}

/** Traceloop: `gen_ai.prompt.N.*` and `gen_ai.completion.N.*`. */
export function readTraceloopMessages(
  attributes: AttributeMap,
  prefix: string,
): ChatMessage[] | undefined {
  return unflatten(attributes, prefix)
    ?.filter(isObject)
    .map((message) => {
      const defaultRole = prefix.includes('completion') ? 'assistant' : 'user';
      const result: ChatMessage = { role: text(message.role) ?? defaultRole };
      if (message.content !== undefined) result.content = readParts(message.content);
      const calls = listAt(message, 'tool_calls').map((call) =>
        toToolCall(text(call.id), call.name, call.arguments),
      );
      if (calls.length > 0) result.tool_calls = calls;
      const callId = text(message.tool_call_id);
      if (callId !== undefined) result.tool_call_id = callId;
      return result;
    });
}

/** Content parts travel as JSON text there. */
function readParts(content: unknown): unknown {
  if (typeof content !== 'string' || !content.startsWith('[')) return content;
  const parts = parseJson(content);
  return Array.isArray(parts) ? parts : content;
}

function toToolCall(id: string | undefined, name: unknown, args: unknown) {
  return {
    ...(id === undefined ? {} : { id }),
    type: 'function' as const,
    function: {
      name: text(name) ?? '',
      arguments: typeof args === 'string' ? args : JSON.stringify(args ?? {}),
    },
  };
}

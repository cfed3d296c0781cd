import type { AttributeMap } from '../internal-types.js';
import { isObject, readObject, readTexts } from './read.js';
import { cap, mend, mendKey } from './text.js';

/** Limits of MLflow's tables (mlflow/utils/validation.py, tried on 3.17.2); beyond them it refuses or cuts. */
const MAX_KEY = 250;
export const MAX_TAG_VALUE = 4_096;
const MAX_METADATA_VALUE = 250;
export const MAX_TRACE_NAME = 4_096;
export const MAX_SESSION = 250;

/** Attributes whose value the server refuses when it is too long. */
export const IDENTITY_KEYS = ['session.id', 'gen_ai.conversation.id', 'user.id'] as const;

const DSPY_TAG = 'dspy.tag.';
const TRACE_TAG = 'mlflow.traceTag.';
export const TRACE_NAME_TAG = 'mlflow.traceName';

/** Keys of MLflow's own namespace that describe a trace without steering the server. */
const ALLOWED_RESERVED =
  /^mlflow\.(modelId|user|source\.(name|type|git\.(commit|branch|repoURL)))$/;

export type Complaint = (message: string) => void;

/** A tag as the server takes it; `undefined` (and a complaint) for a key that is reserved or empty. */
export function toTag(
  key: string,
  value: unknown,
  complain: Complaint,
): [string, string] | undefined {
  const clean = cleanKey('trace tag', key, complain);
  return clean === undefined ? undefined : [clean, cap(toText(value), MAX_TAG_VALUE)];
}

/** Trace metadata as the server takes it, cut to 250 characters (the span keeps the whole). */
export function toMetadata(
  key: string,
  value: unknown,
  complain: Complaint,
): [string, string] | undefined {
  const clean = ALLOWED_RESERVED.test(key) ? key : cleanKey('trace metadata', key, complain);
  return clean === undefined ? undefined : [clean, cap(toText(value), MAX_METADATA_VALUE)];
}

/** The server skips keys with other characters without a word, and lets reserved ones break the trace. */
function cleanKey(what: string, key: string, complain: Complaint): string | undefined {
  const clean = cap(mendKey(key).replace(/[^\w./ :-]/g, '_'), MAX_KEY);
  if (clean.trim() === '') {
    complain(`a ${what} without a name is left out`);
    return undefined;
  }
  if (clean.startsWith('mlflow.')) {
    complain(
      `the ${what} "${clean}" is left out: names that begin with "mlflow." belong to MLflow; rename it`,
    );
    return undefined;
  }
  return clean;
}

function toText(value: unknown): string {
  if (typeof value === 'string') return mend(value);
  if (value === undefined || value === null) return '';
  return mend(typeof value === 'object' ? JSON.stringify(value) : String(value));
}

/**
 * Tags that a span asks for its trace: `dspy.tag.*`, or OpenInference's `tag.tags` (`key:value`, or a
 * bare word) where there are none.
 */
export function readTags(attributes: AttributeMap, complain: Complaint): Record<string, string> {
  const tags: Record<string, string> = {};
  let any = false;
  for (const key in attributes) {
    const name = key.startsWith(DSPY_TAG)
      ? key.slice(DSPY_TAG.length)
      : key.startsWith(TRACE_TAG) && key !== TRACE_TAG + TRACE_NAME_TAG
        ? key.slice(TRACE_TAG.length)
        : undefined;
    if (name === undefined) continue;
    any = true;
    const tag = toTag(name, attributes[key], complain);
    if (tag) tags[tag[0]] = tag[1];
  }
  if (any) return tags;
  for (const text of readTexts(attributes, 'tag.tags')) {
    const colon = text.indexOf(':');
    const tag =
      colon > 0
        ? toTag(text.slice(0, colon), text.slice(colon + 1), complain)
        : toTag(text, 'true', complain);
    if (tag) tags[tag[0]] = tag[1];
  }
  return tags;
}

/** Metadata that a span asks for its trace: the members of OpenInference's `metadata` object. */
export function readMetadata(
  attributes: AttributeMap,
  complain: Complaint,
): Record<string, string> {
  const metadata: Record<string, string> = {};
  const object = readObject(attributes, 'metadata');
  if (!isObject(object)) return metadata;
  for (const [key, value] of Object.entries(object)) {
    if (value === null || value === undefined) continue;
    const entry = toMetadata(key, value, complain);
    if (entry) metadata[entry[0]] = entry[1];
  }
  return metadata;
}

/** Writes tags where the server looks for them: on the root span, one attribute a tag. */
export function writeTraceTags(
  attributes: AttributeMap,
  tags: Readonly<Record<string, string>>,
): void {
  for (const key in attributes) {
    if (key.startsWith(TRACE_TAG)) delete attributes[key];
  }
  for (const [key, value] of Object.entries(tags)) attributes[TRACE_TAG + key] = value;
}

/**
 * Cuts what the server refuses when it is too long (session, user: 250 characters; the whole request
 * is answered 400) and keeps the whole beside it, as `session.id.full`.
 */
export function capIdentities(attributes: AttributeMap): void {
  for (const key of IDENTITY_KEYS) {
    const value = attributes[key];
    if (value === undefined) continue;
    // A list or a number as session breaks the server's own check.
    const text = typeof value === 'string' ? value : JSON.stringify(value);
    if (text.length > MAX_SESSION) attributes[`${key}.full`] = text;
    attributes[key] = cap(text, MAX_SESSION);
  }
}

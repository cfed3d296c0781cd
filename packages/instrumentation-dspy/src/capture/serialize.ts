import { diagnostics } from '../diagnostics.js';
import { type ScrubOptions, scrub } from './scrub.js';
import { boundedText } from './text.js';
import { Writer } from './writer.js';

export type { TextRedactor } from './scrub.js';

/** Default byte budget (UTF-8) of one serialised value. */
export const DEFAULT_MAX_BYTES = 65_536;

/** The smallest byte budget: room for a marker. A smaller `maxBytes` counts as this. */
export const MIN_MAX_BYTES = 16;

/** Default depth of nested containers. */
export const DEFAULT_MAX_DEPTH = 64;

/** How a value is written. */
export interface SerializeOptions extends ScrubOptions {
  /** Byte budget (UTF-8) of the result, markers included. Default 65536, at least 16. */
  maxBytes?: number;
  /** Containers nested deeper are replaced by a marker. Default 64. */
  maxDepth?: number;
  /** Items or keys kept of one container. Default: as many as the budget holds. */
  maxItems?: number;
}

export interface Serialized {
  /** Valid, well-formed JSON without NUL. */
  json: string;
  /** `true` when something was cut to fit the budget, the depth or the item cap. */
  truncated: boolean;
  /** Values that were left out because their names are those of credentials. */
  secrets?: readonly unknown[] | undefined;
}

export interface SerializedText {
  /** Well-formed text without NUL. */
  text: string;
  truncated: boolean;
}

const UNSERIALIZABLE = '[unserializable]';

/**
 * Any value as valid JSON within the byte budget. Never throws, never changes the value, and its cost is bounded by the
 * budget, not by the value.
 *
 * Of the value's code it runs only getters of own enumerable properties, traps of proxies, and `toJSON` where there is one;
 * what these throw is recorded as `[threw: …]`. True cycles are `[Circular]`; a BigInt is its decimal string, `NaN` and
 * `Infinity` are strings; Map is a list of pairs, Set a list, Error `{ name, message, stack, cause, errors }`; a class instance
 * is its properties, except connections, streams, services and programs, which are `[ClassName]`; media is `<image/png 3.1 MB>`.
 */
export function serialize(value: unknown, options: SerializeOptions = {}): Serialized {
  try {
    const writer = new Writer({
      keepMedia: options.keepMedia,
      isSensitiveKey: options.isSensitiveKey,
      redactText: options.redactText,
      maxBytes: byteBudget(options.maxBytes),
      maxDepth: options.maxDepth ?? DEFAULT_MAX_DEPTH,
      maxItems: options.maxItems ?? Number.POSITIVE_INFINITY,
    });
    const json = writer.json(value);
    return { json, truncated: writer.truncated, secrets: writer.secrets };
  } catch (fault) {
    diagnostics.fault('serialize', fault);
    return { json: `"${UNSERIALIZABLE}"`, truncated: false };
  }
}

/** {@link serialize}, the JSON alone. */
export function toJson(value: unknown, options?: SerializeOptions): string {
  return serialize(value, options).json;
}

/** A string as well-formed text within the byte budget, under the same rules as {@link serialize}; any other value as its JSON. */
export function serializeText(value: unknown, options: SerializeOptions = {}): SerializedText {
  if (typeof value !== 'string') {
    const { json, truncated } = serialize(value, options);
    return { text: json, truncated };
  }
  try {
    const maxBytes = byteBudget(options.maxBytes);
    const { text, cut } = scrub(value, maxBytes, options);
    return boundedText(text, maxBytes, cut ? value.length : text.length);
  } catch (fault) {
    diagnostics.fault('serialize', fault);
    return { text: UNSERIALIZABLE, truncated: false };
  }
}

/** {@link serializeText}, the text alone. */
export function toText(value: unknown, options?: SerializeOptions): string {
  return serializeText(value, options).text;
}

function byteBudget(maxBytes = DEFAULT_MAX_BYTES): number {
  return maxBytes >= MIN_MAX_BYTES ? Math.floor(maxBytes) : MIN_MAX_BYTES;
}

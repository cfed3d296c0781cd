/** Default byte budget (UTF-8) of one serialised value. */
export const DEFAULT_MAX_BYTES = 65_536;

export interface SerializeOptions {
  /** Byte budget (UTF-8) of the result. Default 65536, at least 16. */
  maxBytes?: number;
  /** Containers nested deeper are replaced by a marker. Default 64. */
  maxDepth?: number;
  /** Items or keys kept of one container. Default: as many as the budget holds. */
  maxItems?: number;
  /** Keep base64 and binary where it fits the budget, instead of a short description. Default `false`. */
  keepMedia?: boolean;
  /** Names whose values are replaced by `[REDACTED]`, at any depth. Default: none. */
  isSensitiveKey?: (key: string) => boolean;
  /** Applied to every string (values and keys are given in bounded pieces). */
  redactText?: (text: string) => string;
}

export interface Serialized {
  json: string;
  /** `true` when something was cut to fit the budget, the depth or the item cap. */
  truncated: boolean;
}

export interface SerializedText {
  text: string;
  truncated: boolean;
}

/** Any value as valid JSON within the byte budget. Never throws, never changes the value. */
export function serialize(value: unknown, options: SerializeOptions = {}): Serialized {
  try {
    const json = JSON.stringify(value) ?? 'null';
    return Buffer.byteLength(json) <= (options.maxBytes ?? DEFAULT_MAX_BYTES)
      ? { json, truncated: false }
      : { json: '"[truncated]"', truncated: true };
  } catch {
    return { json: '"[unserializable]"', truncated: false };
  }
}

/** {@link serialize}, the JSON alone. */
export function toJson(value: unknown, options?: SerializeOptions): string {
  return serialize(value, options).json;
}

/** A string as well-formed text within the byte budget; any other value as its JSON. */
export function serializeText(value: unknown, options?: SerializeOptions): SerializedText {
  if (typeof value === 'string') return { text: value, truncated: false };
  const { json, truncated } = serialize(value, options);
  return { text: json, truncated };
}

/** {@link serializeText}, the text alone. */
export function toText(value: unknown, options?: SerializeOptions): string {
  return serializeText(value, options).text;
}

/**
 * Whether the entries of a value are its own properties. A `Map` or `Headers` has none and would pass
 * for empty, a text would pass for the list of its characters. Never throws.
 */
export function isPlainObject(value: unknown): value is Record<string, unknown> {
  try {
    return Object.prototype.toString.call(value) === '[object Object]';
  } catch {
    // A revoked proxy.
    return false;
  }
}

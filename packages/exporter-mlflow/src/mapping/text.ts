/** Databases refuse U+0000, and half a surrogate pair is no Unicode text: both become U+FFFD. */
export function mend(text: string): string {
  const wellFormed = text.isWellFormed() ? text : text.toWellFormed();
  return wellFormed.includes('\0') ? wellFormed.replaceAll('\0', '\ufffd') : wellFormed;
}

/** The first `max` UTF-16 units, never half a surrogate pair. */
export function cap(text: string, max: number): string {
  if (text.length <= max) return text;
  const code = text.charCodeAt(max - 1);
  const splitsPair = code >= 0xd800 && code <= 0xdbff;
  return text.slice(0, splitsPair ? max - 1 : max);
}

/** A mended name that a plain object can hold as a member like any other. */
export function mendKey(key: string): string {
  return key === '__proto__' ? '_proto_' : mend(key);
}

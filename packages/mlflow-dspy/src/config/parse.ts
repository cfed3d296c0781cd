const BOOLEANS: ReadonlyMap<string, boolean> = new Map([
  ['true', true],
  ['1', true],
  ['yes', true],
  ['on', true],
  ['false', false],
  ['0', false],
  ['no', false],
  ['off', false],
]);

/** What {@link parseBoolean} reads, for messages. */
export const BOOLEAN_FORMS = 'true, 1, yes, on, false, 0, no or off';

/** `undefined` for a word that is neither true nor false. Case and surrounding space do not count. */
export function parseBoolean(text: string): boolean | undefined {
  return BOOLEANS.get(text.trim().toLowerCase());
}

/** `undefined` for anything but a finite decimal number. Surrounding space does not count. */
export function parseNumber(text: string): number | undefined {
  const word = text.trim();
  // `Number` alone would read '' as 0 and take '0x10', '1_0' or 'Infinity' for what the author meant.
  if (!/^[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?$/i.test(word)) return undefined;
  const value = Number(word);
  return Number.isFinite(value) ? value : undefined;
}

/** Words between commas, without surrounding space; empty ones are left out. */
export function parseList(text: string): string[] {
  return text
    .split(',')
    .map((word) => word.trim())
    .filter((word) => word !== '');
}

/** `key=value` pairs between commas; `undefined` when one has no key or no `=`. */
export function parsePairs(text: string): Record<string, string> | undefined {
  const pairs: Record<string, string> = {};
  for (const pair of parseList(text)) {
    const at = pair.indexOf('=');
    if (at < 1) return undefined;
    pairs[pair.slice(0, at).trim()] = pair.slice(at + 1).trim();
  }
  return pairs;
}

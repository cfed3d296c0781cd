const WORDS: Record<string, boolean> = {
  '1': true,
  true: true,
  yes: true,
  on: true,
  '0': false,
  false: false,
  no: false,
  off: false,
};

/** `undefined` for a word that is neither true nor false. Case and surrounding space do not count. */
export function readBoolean(word: string): boolean | undefined {
  return WORDS[word.trim().toLowerCase()];
}

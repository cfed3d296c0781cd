import { distance } from 'fastest-levenshtein';

/** `. Did you mean x?` for the nearest known word, or `. Known: …`; empty when nothing is known. */
export function suggest(word: string, known: readonly string[]): string {
  const name = nearest(word, known);
  if (name !== undefined) return `. Did you mean ${name}?`;
  return known.length === 0 ? '' : `. Known: ${known.join(', ')}`;
}

/** The known word that a mistyped one most likely means, if any is near. */
export function nearest(word: string, known: readonly string[]): string | undefined {
  const target = word.toLowerCase();
  const [best] = known
    .map((name) => ({ name, mistyped: distance(target, name.toLowerCase()) }))
    .sort((a, b) => a.mistyped - b.mistyped);
  return best && best.mistyped <= Math.max(1, Math.floor(word.length / 3)) ? best.name : undefined;
}

// Built into this package, and of the interface of neither.
import { nearest } from '../../exporter-mlflow/src/nearest.js';

/** `. Did you mean x?` for the nearest known word, or `. Known: …`; empty when nothing is known. */
export function suggest(word: string, known: readonly string[]): string {
  const name = nearest(word, known);
  if (name !== undefined) return `. Did you mean ${name}?`;
  return known.length === 0 ? '' : `. Known: ${known.join(', ')}`;
}

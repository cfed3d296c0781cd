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
    .map((name) => ({ name, distance: editDistance(target, name.toLowerCase()) }))
    .sort((a, b) => a.distance - b.distance);
  return best && best.distance <= Math.max(1, Math.floor(word.length / 3)) ? best.name : undefined;
}

function editDistance(a: string, b: string): number {
  let row = Array.from({ length: b.length + 1 }, (_, index) => index);
  for (let i = 1; i <= a.length; i++) {
    const next = [i];
    for (let j = 1; j <= b.length; j++) {
      const substitution = (row[j - 1] as number) + (a[i - 1] === b[j - 1] ? 0 : 1);
      next.push(Math.min((row[j] as number) + 1, (next[j - 1] as number) + 1, substitution));
    }
    row = next;
  }
  return row[b.length] as number;
}

/** `. Did you mean "x"?` for the nearest known word, or `. Known: …`; empty when nothing is known. */
export function suggest(word: string, known: readonly string[]): string {
  const target = word.toLowerCase();
  const ranked = known
    .map((name) => ({ name, distance: editDistance(target, name.toLowerCase()) }))
    .sort((a, b) => a.distance - b.distance);
  const [nearest] = ranked;
  if (!nearest) return '';
  return nearest.distance <= Math.max(1, Math.floor(word.length / 3))
    ? `. Did you mean ${JSON.stringify(nearest.name)}?`
    : `. Known: ${known.join(', ')}`;
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

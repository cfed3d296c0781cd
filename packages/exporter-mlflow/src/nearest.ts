import { distance } from 'fastest-levenshtein';

/** The known name that a mistyped one most likely means; `undefined` when none is near. */
export function nearest(name: string, known: readonly string[]): string | undefined {
  const wanted = plain(name);
  let best: string | undefined;
  // A third of the name may be wrong: `sampling` is not taken for `spool`.
  let bestDistance = Math.max(1, Math.floor(wanted.length / 3)) + 1;
  for (const candidate of known) {
    const mistyped = distance(wanted, plain(candidate));
    if (mistyped < bestDistance) [best, bestDistance] = [candidate, mistyped];
  }
  return best;
}

/** `sampling_rate`, `SamplingRate` and `samplingRate` are one name spelled three ways. */
const plain = (name: string): string => name.replace(/[^a-z0-9]/gi, '').toLowerCase();

import fc from 'fast-check';
import { vi } from 'vitest';

const DEFAULT_CASES = 3_000;
/** The slowest property takes about 1.5 ms a case on a machine that does other work too. */
const MS_A_CASE = 10;

/**
 * Values that each property of the file is tried on: `FUZZ_RUNS` or some thousands. A failure prints the
 * seed and path of its case; `FUZZ_SEED` repeats a whole run.
 */
export function fuzzCases(): number {
  const cases = positive('FUZZ_RUNS') ?? DEFAULT_CASES;
  const seed = process.env.FUZZ_SEED;
  fc.configureGlobal({ numRuns: cases, ...(seed !== undefined && { seed: Number(seed) }) });
  vi.setConfig({ testTimeout: 20_000 + cases * MS_A_CASE });
  return cases;
}

function positive(name: string): number | undefined {
  const text = process.env[name];
  if (text === undefined) return undefined;
  const value = Number(text);
  // A misread number would try nothing and pass.
  if (!Number.isSafeInteger(value) || value < 1) throw new Error(`${name}=${text} is no count`);
  return value;
}

import { createRequire } from 'node:module';

/** Both copies of Ax: two module instances, so one can be patched and the other stay bare. */
export async function bothCopies() {
  const esm = await import('@ax-llm/ax');
  const cjs = createRequire(import.meta.url)('@ax-llm/ax');
  if (esm.AxGen === cjs.AxGen) throw new Error('expected two copies of @ax-llm/ax');
  return { esm, cjs };
}

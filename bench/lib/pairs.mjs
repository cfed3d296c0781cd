import { spread } from './stats.mjs';

/**
 * Pairs that are run before any is timed: what is measured is the hot path of a program that has
 * been running for a while, compiled and with warm inline caches.
 */
export const WARMUP = 200;

/**
 * Times two arms in pairs of blocks, in random order within a pair, so that drift of the machine
 * and of the JIT falls on both alike. An arm makes a fresh block (`prepare`, untimed), runs it
 * (timed) and settles what it left (`settle`, untimed).
 *
 * @param {{a: Arm, b: Arm, pairs: number, warmup?: number}} options
 * @typedef {{prepare: () => unknown, run: (block: any) => Promise<unknown> | unknown, settle?: () => Promise<unknown> | unknown, calls: number}} Arm
 */
export async function comparePairs({ a, b, pairs, warmup = WARMUP }) {
  const ratios = [];
  const times = { a: [], b: [] };
  for (let i = -warmup; i < pairs; i++) {
    const order = Math.random() < 0.5 ? ['a', 'b'] : ['b', 'a'];
    const took = {};
    for (const key of order) took[key] = await timeBlock(key === 'a' ? a : b);
    if (i < 0) continue;
    ratios.push(took.a / took.b);
    times.a.push(took.a);
    times.b.push(took.b);
  }
  return { ratio: spread(ratios), aMicros: spread(times.a), bMicros: spread(times.b) };
}

/** Microseconds per call of one block. @param {Arm} arm */
async function timeBlock(arm) {
  const block = arm.prepare();
  globalThis.gc?.({ type: 'minor' });
  const start = process.hrtime.bigint();
  await arm.run(block);
  const end = process.hrtime.bigint();
  await arm.settle?.();
  return Number(end - start) / 1000 / arm.calls;
}

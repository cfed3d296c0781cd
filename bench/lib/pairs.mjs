import { spread } from './stats.mjs';

/**
 * Pairs that are run before any is timed: what is measured is the hot path of a program that has
 * been running for a while, compiled and with warm inline caches.
 */
export const WARMUP = 200;

/** The same where a model takes 5 ms: fewer, since they take minutes; 2,000 calls of each arm. */
export const HTTP_WARMUP = 100;

/**
 * Times two arms in pairs of blocks, in random order within a pair, so that drift of the machine
 * and of the JIT falls on both alike. An arm makes a fresh block (`prepare`, untimed), runs it
 * (timed) and settles what it left (`settle`, untimed).
 *
 * @param {{a: Arm, b: Arm, pairs: number, warmup?: number, callByCall?: boolean}} options
 *   `callByCall`: the calls of the two blocks take turns. For calls that take milliseconds, over
 *   which a machine drifts within a block; between shorter ones it would spoil the caches.
 * @typedef {{prepare: () => unknown, run: (block: any) => Promise<unknown> | unknown, call?: (block: any) => Promise<unknown>, settle?: () => Promise<unknown> | unknown, calls: number}} Arm
 */
export async function comparePairs({ a, b, pairs, warmup = WARMUP, callByCall = false }) {
  const ratios = [];
  const times = { a: [], b: [] };
  const time = callByCall ? timeCalls : timeBlocks;
  for (let i = -warmup; i < pairs; i++) {
    const took = await time({ a, b });
    if (i < 0) continue;
    ratios.push(took.a / took.b);
    times.a.push(took.a);
    times.b.push(took.b);
  }
  return { ratio: spread(ratios), aMicros: spread(times.a), bMicros: spread(times.b) };
}

const inRandomOrder = () => (Math.random() < 0.5 ? ['a', 'b'] : ['b', 'a']);

/** Microseconds per call of one block of each arm. @param {{a: Arm, b: Arm}} arms */
async function timeBlocks(arms) {
  const took = {};
  for (const key of inRandomOrder()) {
    const arm = arms[key];
    const block = arm.prepare();
    globalThis.gc?.({ type: 'minor' });
    took[key] = (await timed(() => arm.run(block))) / arm.calls;
    await arm.settle?.();
  }
  return took;
}

/** The same with the blocks side by side. @param {{a: Arm, b: Arm}} arms */
async function timeCalls(arms) {
  const blocks = { a: arms.a.prepare(), b: arms.b.prepare() };
  const took = { a: 0, b: 0 };
  for (let i = 0; i < arms.a.calls; i++) {
    for (const key of inRandomOrder()) {
      took[key] += (await timed(() => arms[key].call(blocks[key]))) / arms[key].calls;
      await arms[key].settle?.();
    }
  }
  return took;
}

/** Microseconds. */
async function timed(work) {
  const start = process.hrtime.bigint();
  await work();
  return Number(process.hrtime.bigint() - start) / 1000;
}

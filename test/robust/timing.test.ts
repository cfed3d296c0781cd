import { createRequire } from 'node:module';
import * as esm from '@ax-llm/ax';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import {
  startTracing,
  type Tracing,
} from '../../packages/instrumentation-dspy/test/support/tracing.js';
import {
  ANSWER,
  CALL,
  mockModel,
  QUESTION,
  SIGNATURE,
  tool,
  type World,
} from './programs/world.js';

type Ax = typeof esm;
type Timed = (ax: Ax, model: World['model']) => Promise<unknown>;

/** The other copy of Ax in this process: nothing of it is traced. */
const cjs = createRequire(import.meta.url)('@ax-llm/ax') as Ax;
const LIMIT = 100_000;

/** Microtask turns until a promise settles. */
async function turnsOf(promise: Promise<unknown>): Promise<number> {
  let settled = false;
  const settle = () => {
    settled = true;
  };
  promise.then(settle, settle);
  let turns = 0;
  for (; !settled && turns < LIMIT; turns++) await undefined;
  return turns;
}

/** Turns that tracing adds to a program. No timer and no I/O is in it, or the count would not end. */
async function addedTo(program: Timed): Promise<number> {
  const run = (ax: Ax) => turnsOf(program(ax, (...answers) => mockModel(() => {}, answers, ax)));
  // Each copy runs once before, so that nothing is counted that happens the first time alone.
  await run(cjs);
  await run(esm);
  tracing.reset();
  const untraced = await run(cjs);
  const traced = await run(esm);
  expect(untraced).toBeLessThan(LIMIT);
  return traced - untraced;
}

const withTool =
  (func: unknown): Timed =>
  (ax, model) =>
    ax.ax(SIGNATURE, { functions: [tool(func)] }).forward(model(CALL, ANSWER), QUESTION);

let tracing: Tracing;
beforeAll(() => {
  tracing = startTracing([esm]);
});
afterAll(() => tracing.stop());

describe('the microtask turns that tracing adds', () => {
  it.each<[string, Timed]>([
    ['a program', (ax, model) => ax.ax(SIGNATURE).forward(model(ANSWER), QUESTION)],
    [
      'a program that fails',
      (ax, model) => ax.ax(SIGNATURE).forward(model({ throws: new Error('no') }), QUESTION),
    ],
    [
      'a flow',
      (ax, model) =>
        ax
          .flow<{ questionText: string }>()
          .node('one', SIGNATURE)
          .execute('one', ({ questionText }) => ({ questionText }))
          .forward(model(ANSWER), QUESTION),
    ],
  ])('are one for each span that %s waits for', async (_, program) => {
    const added = await addedTo(program);
    expect(added).toBe(tracing.spans().length);
  });

  it.each<[string, unknown]>([
    ['a value', () => 42],
    ['a promise', () => Promise.resolve(42)],
    ['the promise of an async function', async () => 42],
    [
      'a thenable',
      // biome-ignore lint/suspicious/noThenProperty: a thenable is what is tested
      () => ({ then: (resolve: (value: number) => void) => resolve(42) }),
    ],
    ['a failure', () => Promise.reject(new Error('no'))],
  ])('are none for a tool that gives %s', async (_, func) => {
    const added = await addedTo(withTool(func));
    const spans = tracing.spans();
    const tools = spans.filter(
      ({ attributes }) => attributes['openinference.span.kind'] === 'TOOL',
    );
    expect(tools).toHaveLength(1);
    expect(added).toBe(spans.length - tools.length);
  });

  it('are one for each step of a stream', async () => {
    const perStep = async (ax: Ax) => {
      const model = mockModel(() => {}, [{ pieces: ['Answer Text: ', 'four', ' or', ' so'] }], ax);
      const stream = ax.ax(SIGNATURE).streamingForward(model, QUESTION);
      await stream.next();
      return turnsOf(stream.next());
    };
    await perStep(cjs);
    await perStep(esm);
    expect((await perStep(esm)) - (await perStep(cjs))).toBe(1);
  });

  it.each([
    ['an execution that is sampled out', { samplingRate: 0 }],
    ['tracing that is switched off', { enabled: false }],
  ])('are none for %s', async (_, config) => {
    tracing.instrumentation.setConfig(config);
    const added = await addedTo(withTool(async () => 42));
    tracing.instrumentation.setConfig({});
    expect(tracing.spans()).toEqual([]);
    expect(added).toBe(0);
  });
});

import { describe, expect, it } from 'vitest';
import { observe } from '../../src/execution/result.js';

/** What was observed of a call of an async function that returns `result`, or of a call whose receiver handles it. */
function watch(result: unknown, passOn: boolean) {
  const seen: [string, unknown][] = [];
  const given = observe(
    result,
    passOn ? async () => {} : undefined,
    (value) => void seen.push(['value', value]),
    (error) => void seen.push(['error', error]),
  );
  return { given, seen };
}

describe('observe', () => {
  it('sees a plain value at once', () => {
    const { given, seen } = watch(42, true);
    expect(given).toBe(42);
    expect(seen).toEqual([['value', 42]]);
  });

  it('hands on a plain promise with its value and its failure', async () => {
    const ok = watch(Promise.resolve(1), true);
    expect(await ok.given).toBe(1);
    expect(ok.seen).toEqual([['value', 1]]);
    const error = new Error('no');
    const failed = watch(Promise.reject(error), true);
    await expect(failed.given).rejects.toBe(error);
    expect(failed.seen).toEqual([['error', error]]);
  });

  it('returns a promise of a class of its own as it is', async () => {
    class Own extends Promise<number> {
      readonly extra = 1;
    }
    const promise = new Own((resolve) => resolve(2));
    const { given, seen } = watch(promise, true);
    expect(given).toBe(promise);
    await promise;
    expect(seen).toEqual([['value', 2]]);
  });

  it('returns a promise of someone else as it is where it is handled anyway', async () => {
    const promise = Promise.resolve(3);
    const { given, seen } = watch(promise, false);
    expect(given).toBe(promise);
    await promise;
    expect(seen).toEqual([['value', 3]]);
  });

  it('never starts a thenable that starts when it is awaited', async () => {
    let started = 0;
    const lazy = {
      // biome-ignore lint/suspicious/noThenProperty: that is what is tested
      then(resolve: (value: number) => void) {
        started++;
        resolve(4);
      },
    };
    const { given, seen } = watch(lazy, true);
    expect(given).toBe(lazy);
    await new Promise((resolve) => setImmediate(resolve));
    expect(started).toBe(0);
    expect(await given).toBe(4);
    expect(started).toBe(1);
    expect(seen).toEqual([['value', 4]]);
    expect(Object.keys(lazy)).toEqual(['then']);
    expect(await lazy).toBe(4);
    expect(seen).toHaveLength(1);
  });

  it('leaves alone what throws when it is looked at', () => {
    const hostile = Object.defineProperty({}, 'then', {
      get() {
        throw new Error('do not look');
      },
    });
    const { given, seen } = watch(hostile, true);
    expect(given).toBe(hostile);
    expect(seen).toEqual([['value', hostile]]);
  });

  it('gives up on a frozen thenable without touching it', () => {
    const frozen = Object.freeze({
      // biome-ignore lint/suspicious/noThenProperty: that is what is tested
      then() {},
    });
    const { given, seen } = watch(frozen, true);
    expect(given).toBe(frozen);
    expect(seen).toEqual([['value', undefined]]);
  });
});

import { AsyncResource } from 'node:async_hooks';
import { EventEmitter, once } from 'node:events';
import { describe, expect, it } from 'vitest';
import { withinLimit } from '../../src/time-limit.js';

const LIMIT_MS = 20;
const LONG_MS = 60_000;

/** Work that never ends by itself, and what it has begun. */
function endless(begin: () => void): () => Promise<void> {
  return () => {
    begin();
    return new Promise(() => {});
  };
}

describe('work in time', () => {
  it('resolves', async () => {
    await withinLimit(LONG_MS, async () => {});
  });

  it.each([
    [
      'rejects',
      async () => {
        throw new Error('refused');
      },
    ],
    [
      'throws',
      () => {
        throw new Error('refused');
      },
    ],
  ])('that %s does so', async (_name, work) => {
    await expect(withinLimit(LONG_MS, work)).rejects.toThrow('refused');
  });
});

describe('work that is late', () => {
  it('is said to be', async () => {
    await expect(
      withinLimit(
        LIMIT_MS,
        endless(() => {}),
      ),
    ).rejects.toThrow('not finished within 20 ms');
  });

  it('keeps the process alive neither with what it began nor with what it begins', async () => {
    const timers: NodeJS.Timeout[] = [];
    const program = new EventEmitter();
    const late = withinLimit(LIMIT_MS, async () => {
      timers.push(setTimeout(() => {}, LONG_MS));
      await once(program, 'going on');
      timers.push(setTimeout(() => {}, LONG_MS));
      await new Promise(() => {});
    });
    await expect(late).rejects.toThrow();
    program.emit('going on');
    await new Promise(setImmediate);
    expect(timers.map((timer) => timer.hasRef())).toEqual([false, false]);
    for (const timer of timers) clearTimeout(timer);
  });

  it('lets go nothing of anybody else', async () => {
    const before = setTimeout(() => {}, LONG_MS);
    const late = withinLimit(
      LIMIT_MS,
      endless(() => {}),
    );
    const meanwhile = setTimeout(() => {}, LONG_MS);
    await expect(late).rejects.toThrow();
    expect([before, meanwhile].map((timer) => timer.hasRef())).toEqual([true, true]);
    clearTimeout(before);
    clearTimeout(meanwhile);
  });

  it('may make what cannot be read or let go', async () => {
    class Unreadable extends AsyncResource {
      get unref(): never {
        throw new Error('unreadable');
      }
    }
    class Stubborn extends AsyncResource {
      unref(): void {
        throw new Error('stubborn');
      }
    }
    let timer: NodeJS.Timeout | undefined;
    const work = endless(() => {
      new Unreadable('Unreadable');
      new Stubborn('Stubborn');
      timer = setTimeout(() => {}, LONG_MS);
    });
    await expect(withinLimit(LIMIT_MS, work)).rejects.toThrow('not finished');
    expect(timer?.hasRef()).toBe(false);
    clearTimeout(timer);
  });
});

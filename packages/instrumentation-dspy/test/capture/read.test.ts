import { describe, expect, it } from 'vitest';
import { readProperty, readText } from '../../src/capture/read.js';
import { unhandledIn } from '../support/unhandled.js';

describe('readProperty', () => {
  const reject = (message: string) => Promise.reject(new Error(message));

  it('handles the promise that a getter or a proxy makes, which counts as unknown', async () => {
    class Base {
      get inherited() {
        return reject('inherited');
      }
    }
    const own = {
      get made() {
        return reject('made');
      },
    };
    const proxy = new Proxy({}, { get: () => reject('trap') });
    const read: unknown[] = [];
    const unhandled = await unhandledIn(() => {
      read.push(readProperty(own, 'made'), readProperty(new Base(), 'inherited'));
      read.push(readProperty(proxy, 'any'), readProperty(Object.create(proxy), 'any'));
      read.push(readText(own, 'made'));
    });
    expect(read).toEqual([undefined, undefined, undefined, undefined, undefined]);
    expect(unhandled).toEqual([]);
  });

  it('leaves the promise that is stored for its owner to handle', async () => {
    class Row {
      stored = reject('stored');
    }
    let read: unknown;
    const unhandled = await unhandledIn(() => {
      read = readProperty(Object.create(new Row()), 'stored');
    });
    expect(read).toBeUndefined();
    expect(unhandled).toEqual(['stored']);
  });

  it('is nothing where there is nothing to read', () => {
    const throwing = {
      get key() {
        throw new Error('no');
      },
    };
    for (const value of [undefined, null, 'text', 1, {}, throwing]) {
      expect(readProperty(value, 'key')).toBeUndefined();
    }
    expect(readProperty(['a'], 0)).toBe('a');
  });
});

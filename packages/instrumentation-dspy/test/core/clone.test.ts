import { describe, expect, it } from 'vitest';
import { createValueRedactor } from '../../src/capture/redact.js';
import { deepCopy } from '../../src/execution/clone.js';

class Point {
  constructor(readonly x: number) {}
}

describe('a deep copy', () => {
  it('has plain objects, lists, maps, sets and dates of its own', () => {
    const value = {
      object: { list: [1, { a: 'b' }] },
      map: new Map<unknown, unknown>([[{ key: 1 }, { item: 1 }]]),
      set: new Set<unknown>([{ member: 1 }, 'text']),
      date: new Date(7),
      bare: Object.assign(Object.create(null), { x: 1 }),
    };
    const copy = deepCopy(value) as typeof value;
    expect(copy).toEqual(value);
    expect(Object.getPrototypeOf(copy.bare)).toBeNull();
    const partsOf = ({ object, map, set, date, bare }: typeof value): unknown[] => [
      ...[object, object.list, object.list[1], map, set, date, bare],
      ...[...map].flat(),
      [...set][0],
    ];
    const before = new Set(partsOf(value));
    expect(partsOf(copy).filter((part) => before.has(part))).toEqual([]);
  });

  it('shares instances of other classes and functions', () => {
    const value = [new Point(1), Buffer.from('a'), new Error('e'), /r/, () => 1, new Uint8Array(2)];
    const copy = deepCopy(value) as unknown[];
    expect(copy).not.toBe(value);
    for (const [index, item] of value.entries()) expect(copy[index]).toBe(item);
    const point = new Point(2);
    expect(deepCopy(point)).toBe(point);
  });

  it('shares within itself what is shared within the value', () => {
    const shared = { x: 1 };
    const value: Record<string, unknown> = { first: shared, second: [shared] };
    value.self = value;
    const copy = deepCopy(value) as { first: object; second: object[]; self: object };
    expect(copy.first).not.toBe(shared);
    expect(copy.second[0]).toBe(copy.first);
    expect(copy.self).toBe(copy);
  });

  it('keeps names that mean something to JavaScript, and holes', () => {
    const value = JSON.parse('{"__proto__":{"polluted":1},"constructor":1,"toString":"t"}');
    const copy = deepCopy(value) as object;
    expect(Object.entries(copy)).toEqual(Object.entries(value));
    expect(Object.getPrototypeOf(copy)).toBe(Object.prototype);
    // biome-ignore lint/suspicious/noSparseArray: what a program may have
    expect(deepCopy([1, , 3])).toStrictEqual([1, , 3]);
  });

  it('of a deep value needs no stack', () => {
    let deep: unknown = 'end';
    for (let depth = 0; depth < 90_000; depth++) deep = depth % 2 === 0 ? [deep] : { deep };
    expect(() => deepCopy(deep)).not.toThrow();
  });

  it.each<[string, () => unknown]>([
    ['a list', () => new Array(100_000).fill(0)],
    ['a list of nothing', () => new Array(4e9)],
    ['an object', () => Object.fromEntries(Array.from({ length: 100_001 }, (_, i) => [i, i]))],
    ['a set', () => new Set(Array.from({ length: 100_001 }, (_, i) => i))],
    ['what is made on the way', () => endless()],
  ])('of too much throws: %s', (_, make) => {
    const value = make();
    expect(() => deepCopy(value)).toThrow(RangeError);
  });

  it('throws what a getter throws, and handles the promise of one', async () => {
    const error = new Error('mine');
    const bad = {
      get x() {
        throw error;
      },
    };
    expect(() => deepCopy([bad])).toThrow(error);
    const late = {
      get x() {
        return Promise.reject(error);
      },
    };
    expect(deepCopy(late)).toEqual({ x: expect.any(Promise) });
    // Vitest fails the run where a rejection is nobody's.
    await new Promise((resolve) => setImmediate(resolve));
  });

  it('that nobody touched counts as nothing removed', () => {
    const value = {
      list: ['one', 2, { three: 'drei' }],
      map: new Map<unknown, unknown>([
        ['k', { v: 'w' }],
        [{ key: 'object' }, 'item'],
      ]),
      set: new Set<unknown>(['a member', 12345, { of: 'a set' }, new Date(5)]),
      date: new Date(0),
      bytes: Buffer.from('bytes'),
      point: new Point(77),
    };
    expect(createValueRedactor(value, deepCopy(value))).toBeUndefined();
  });
});

function endless(): object {
  return new Proxy(
    {},
    {
      ownKeys: () => ['x'],
      getOwnPropertyDescriptor: () => ({ value: 1, enumerable: true, configurable: true }),
      get: () => endless(),
    },
  );
}

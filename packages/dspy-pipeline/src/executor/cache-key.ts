import { createHash, type Hash } from 'node:crypto';

/** Deeper values are not keyed, and their results not cached. */
const MAX_DEPTH = 64;
/** More values, those of an object met twice counted twice, are not keyed: it would take longer than it saves. */
const MAX_VALUES = 50_000;

/** Numbers objects by identity, without keeping them alive. */
const numbers = new WeakMap<object, number>();
let last = 0;

/** A number that stands for this object, and for no other, while the process runs. */
export function identityNumber(value: object | undefined): number {
  if (value === undefined) return 0;
  let number = numbers.get(value);
  if (number === undefined) {
    number = ++last;
    numbers.set(value, number);
  }
  return number;
}

/**
 * A key that is equal for equal values, whatever the order of their keys; `undefined` when a value
 * cannot be told by what it holds (functions, class instances, streams, cycles), or holds too much.
 */
export function keyOf(values: readonly unknown[]): string | undefined {
  const hash = createHash('sha256');
  try {
    feed(hash, values, 0, { values: MAX_VALUES });
    return hash.digest('base64url');
  } catch (error) {
    if (error instanceof NotKeyable) return undefined;
    throw error;
  }
}

class NotKeyable extends Error {}

function feed(hash: Hash, value: unknown, depth: number, left: { values: number }): void {
  if (depth > MAX_DEPTH || left.values-- === 0) throw new NotKeyable();
  if (value === null || value === undefined || typeof value === 'boolean') {
    hash.update(`${String(value)};`);
  } else if (typeof value === 'number' || typeof value === 'bigint') {
    hash.update(`${typeof value}:${Object.is(value, -0) ? '-0' : value};`);
  } else if (typeof value === 'string') {
    // The length before the text, so that no text can pass for the end of one and the start of the next.
    // And not in UTF-8, where halves of different surrogate pairs are the same three bytes.
    hash.update(`string:${value.length}:`).update(value, 'utf16le');
  } else if (Array.isArray(value)) {
    hash.update(`array:${value.length}:`);
    for (const item of value) feed(hash, item, depth + 1, left);
  } else if (value instanceof Date) {
    hash.update(`date:${value.getTime()};`);
  } else if (ArrayBuffer.isView(value)) {
    const bytes = new Uint8Array(value.buffer, value.byteOffset, value.byteLength);
    hash.update(`bytes:${value.constructor.name}:${bytes.length}:`).update(bytes);
  } else if (typeof value === 'object' && isPlain(value)) {
    const keys = Object.keys(value).sort();
    hash.update(`object:${keys.length}:`);
    for (const key of keys) {
      feed(hash, key, depth, left);
      feed(hash, (value as Record<string, unknown>)[key], depth + 1, left);
    }
  } else {
    throw new NotKeyable();
  }
}

function isPlain(value: object): boolean {
  const prototype: unknown = Object.getPrototypeOf(value);
  return prototype === null || prototype === Object.prototype;
}

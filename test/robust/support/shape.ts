import { types } from 'node:util';

const MAX_DEPTH = 8;

/** Gives every object a number by its identity, in the order in which they come. */
export class Identities {
  readonly #numbers = new WeakMap<object, number>();
  #next = 1;

  of(value: object): number {
    let number = this.#numbers.get(value);
    if (number === undefined) {
      number = this.#next++;
      this.#numbers.set(value, number);
    }
    return number;
  }
}

/**
 * Everything of a value that a program could tell it by: type, class, keys in their order, whether it
 * is frozen, and identity within the same journal. Stacks are left out: the frames are ours and Ax's.
 */
export function shapeOf(value: unknown, ids: Identities, depth = 0): unknown {
  if (typeof value === 'function') return `function ${value.name}/${value.length}`;
  if (typeof value === 'bigint') return `${value}n`;
  if (typeof value === 'symbol') return value.toString();
  if (typeof value === 'number' && !Number.isFinite(value)) return `number ${value}`;
  if (value === undefined) return 'undefined';
  if (typeof value !== 'object' || value === null) return value;
  if (depth > MAX_DEPTH) return `#${ids.of(value)} too deep`;
  const known: Record<string, unknown> = { '#': ids.of(value), class: className(value) };
  if (!Object.isExtensible(value)) known.fixed = Object.isFrozen(value) ? 'frozen' : 'sealed';
  if (types.isPromise(value) || types.isProxy(value)) return known;
  if (types.isNativeError(value)) known.error = `${value.name}: ${value.message}`;
  if (value instanceof Map) known.entries = [...value].map((pair) => shapeOf(pair, ids, depth + 1));
  if (value instanceof Set) known.items = [...value].map((item) => shapeOf(item, ids, depth + 1));
  known.own = Reflect.ownKeys(value)
    .filter((key) => key !== 'stack')
    .map((key) => {
      const { value: item, get, enumerable } = Object.getOwnPropertyDescriptor(value, key) ?? {};
      const what = get === undefined ? shapeOf(item, ids, depth + 1) : 'getter';
      return [`${String(key)}${enumerable ? '' : ' (hidden)'}`, what];
    });
  return known;
}

function className(value: object): string {
  const tag = Object.prototype.toString.call(value);
  const prototype: unknown = Object.getPrototypeOf(value);
  if (prototype === null) return `${tag} without prototype`;
  const type = (prototype as { constructor?: { name?: unknown } }).constructor;
  return `${tag} ${String(type?.name)}`;
}

import { types } from 'node:util';
import { ignoreIfMade } from '../capture/read.js';

/** Values copied of one value: more take too long in a call of the program's. */
const MAX_VALUES = 100_000;

/**
 * A deep copy for a sanitizer, which may do to it what it likes: plain objects, lists, Maps, Sets and
 * dates are new, instances of other classes are shared, since nobody else knows how to make one.
 *
 * @throws RangeError where there is too much of it; what a getter or a proxy throws. Nothing of the value
 *   may be recorded then.
 */
export function deepCopy(value: unknown): unknown {
  return new Copier().copy(value);
}

class Copier {
  readonly #copies = new Map<object, object>();
  /** Containers whose contents are still to be copied: no recursion, a value may be deeper than the stack. */
  readonly #unfilled: (() => void)[] = [];
  #left = MAX_VALUES;

  copy(value: unknown): unknown {
    const copy = this.#copyOf(value);
    for (let fill = this.#unfilled.pop(); fill !== undefined; fill = this.#unfilled.pop()) fill();
    return copy;
  }

  #copyOf(value: unknown): unknown {
    this.#take(1);
    if (typeof value !== 'object' || value === null) return value;
    const known = this.#copies.get(value);
    if (known !== undefined) return known;
    const copy = this.#begin(value);
    this.#copies.set(value, copy);
    return copy;
  }

  #take(count: number): void {
    this.#left -= count;
    if (this.#left < 0) throw tooMuch();
  }

  #begin(value: object): object {
    if (Array.isArray(value)) return this.#list(value);
    if (types.isDate(value)) return new Date(Date.prototype.getTime.call(value));
    const prototype: unknown = Object.getPrototypeOf(value);
    if (prototype === Map.prototype) return this.#map(value as Map<unknown, unknown>);
    if (prototype === Set.prototype) return this.#set(value as Set<unknown>);
    if (prototype === null || isObjectPrototype(prototype)) return this.#record(value, prototype);
    return value;
  }

  #list(list: readonly unknown[]): object {
    const { length } = list;
    if (length > this.#left) throw tooMuch();
    const copy: unknown[] = new Array(length);
    this.#unfilled.push(() => {
      for (let index = 0; index < length; index++) {
        if (Object.hasOwn(list, index)) copy[index] = this.#copyOf(read(list, index));
      }
    });
    return copy;
  }

  #map(map: Map<unknown, unknown>): object {
    const copy = new Map<unknown, unknown>();
    this.#unfilled.push(() => {
      for (const [key, item] of Map.prototype.entries.call(map)) {
        copy.set(this.#copyOf(key), this.#copyOf(item));
      }
    });
    return copy;
  }

  #set(set: Set<unknown>): object {
    const copy = new Set<unknown>();
    this.#unfilled.push(() => {
      for (const item of Set.prototype.values.call(set)) copy.add(this.#copyOf(item));
    });
    return copy;
  }

  #record(record: object, prototype: object | null): object {
    const copy = Object.create(prototype) as object;
    this.#unfilled.push(() => {
      for (const key of Object.keys(record)) {
        const value = this.#copyOf(read(record, key));
        // Not an assignment: `__proto__` is a name like any other.
        Object.defineProperty(copy, key, {
          value,
          writable: true,
          enumerable: true,
          configurable: true,
        });
      }
    });
    return copy;
  }
}

function tooMuch(): RangeError {
  return new RangeError(`more than ${MAX_VALUES} values`);
}

function read(owner: object, key: string | number): unknown {
  const value = (owner as Record<string | number, unknown>)[key];
  ignoreIfMade(value, owner, key);
  return value;
}

/** Of this realm or another. */
export function isObjectPrototype(prototype: unknown): prototype is object {
  return (
    prototype === Object.prototype ||
    (typeof prototype === 'object' &&
      prototype !== null &&
      Object.getPrototypeOf(prototype) === null &&
      Object.hasOwn(prototype, 'hasOwnProperty'))
  );
}

import { diagnostics } from './diagnostics.js';
import type { Method } from './hooks/types.js';

/** Gives the function that stands in the place of a method; `undefined`: the method stays. */
export type Replace = (key: PropertyKey, method: Method) => Method | undefined;

const originals = new WeakMap<object, object>();

/**
 * The object with some of its methods replaced, for one who is to see the change while the object stays
 * as it is. All else is the object's own: methods and getters run on it, so that private state is there,
 * and what is written goes to it.
 */
export function viewOf<T extends object>(object: T, replace: Replace): T {
  const member = (key: PropertyKey, value: unknown): unknown => {
    if (typeof value !== 'function' || key === 'constructor') return value;
    const replaced = replacement(key, value as Method);
    if (replaced !== undefined) return replaced;
    try {
      return Function.prototype.bind.call(value, object);
    } catch {
      // A proxy may have no usable `bind`, and needs none where it is called as a method.
      return value;
    }
  };
  const replacement: Replace = (key, method) => {
    try {
      return replace(key, method);
    } catch (fault) {
      diagnostics.fault('view', fault);
      return undefined;
    }
  };
  // The target is an empty stand-in: what a proxy says of its target's read-only properties must be
  // the truth, so that nothing of a frozen object could be replaced.
  const view: object = new Proxy<object>(Object.create(Object.getPrototypeOf(object)), {
    get: (_, key): unknown => member(key, Reflect.get(object, key, object)),
    set: (_, key, value) => Reflect.set(object, key, value, object),
    has: (_, key) => Reflect.has(object, key),
    ownKeys: () => Reflect.ownKeys(object),
    deleteProperty: (_, key) => Reflect.deleteProperty(object, key),
    defineProperty: (_, key, descriptor) => Reflect.defineProperty(object, key, descriptor),
    getOwnPropertyDescriptor(_, key) {
      const descriptor: PropertyDescriptor | undefined = Object.getOwnPropertyDescriptor(
        object,
        key,
      );
      if (descriptor === undefined) return undefined;
      if ('value' in descriptor) descriptor.value = member(key, descriptor.value);
      return { ...descriptor, configurable: true };
    },
  });
  originals.set(view, object);
  return view as T;
}

/** The object that a view is of; any other value as it is. */
export function originalOf<T>(value: T): T {
  if (typeof value !== 'object' || value === null) return value;
  return (originals.get(value) as T | undefined) ?? value;
}

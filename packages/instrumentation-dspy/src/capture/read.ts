import { types } from 'node:util';

/** A property of whatever it is; `undefined` where there is none, reading it throws, or it is a promise. */
export function readProperty(value: unknown, key: PropertyKey): unknown {
  if (value === null || typeof value !== 'object') return undefined;
  try {
    const read = (value as Record<PropertyKey, unknown>)[key];
    if (typeof read !== 'object' || !types.isPromise(read)) return read;
    ignoreIfMade(read, value, key);
    return undefined;
  } catch {
    return undefined;
  }
}

/**
 * What a getter or a method gave. A promise counts as unknown; as it was made for nobody but tracing,
 * its rejection must not end the process.
 */
export function withoutPromise(given: unknown): unknown {
  if (typeof given !== 'object' || !types.isPromise(given)) return given;
  ignoreRejection(given);
  return undefined;
}

/**
 * Of a promise that a getter or a proxy gave for a property: see {@link withoutPromise}. A stored one is its
 * owner's to handle: that nobody does is theirs to hear of.
 */
export function ignoreIfMade(read: unknown, owner: object, key: PropertyKey): void {
  if (typeof read !== 'object' || !types.isPromise(read)) return;
  if (!isStored(owner, key)) ignoreRejection(read);
}

/** `true` for data of the object or its prototypes; `false` where a getter or a proxy answers. */
function isStored(value: object, key: PropertyKey): boolean {
  for (let level: object | null = value; level !== null; level = Object.getPrototypeOf(level)) {
    if (types.isProxy(level)) return false;
    const descriptor = Object.getOwnPropertyDescriptor(level, key);
    if (descriptor !== undefined) return descriptor.get === undefined;
  }
  return false;
}

/** Marks a promise as handled. */
function ignoreRejection(promise: Promise<unknown>): void {
  Promise.prototype.then.call(promise, undefined, () => {});
}

/** A property that is a string. */
export function readText(value: unknown, key: PropertyKey): string | undefined {
  const text = readProperty(value, key);
  return typeof text === 'string' ? text : undefined;
}

/** The value, if it is an array; else none. */
export function readArray(value: unknown): readonly unknown[] {
  try {
    return Array.isArray(value) ? value : [];
  } catch {
    // A revoked proxy.
    return [];
  }
}

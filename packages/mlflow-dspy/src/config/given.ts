import { types } from 'node:util';
import { fields, optionNames } from './fields.js';

/** On every configuration that is made, of whatever copy of this package. */
export const BRAND = Symbol.for('@hokusai/mlflow-dspy/config');

/** Prototypes looked at; a proxy can make a chain without end. */
const MAX_HOPS = 16;

/** A configuration of this or another copy of the package. */
export function isMade(options: unknown): options is { readonly [BRAND]: true } {
  try {
    return typeof options === 'object' && options !== null && BRAND in options;
  } catch {
    // A proxy that refuses: its options cannot be read either, which the configuration made of it says.
    return false;
  }
}

/** An object whose options are its properties; not a list, a Map or the like. */
export function isOptions(options: unknown): options is object {
  if (typeof options !== 'object' || options === null) return false;
  try {
    const isList = Array.isArray(options);
    return !isList && !types.isMap(options) && !types.isSet(options) && !types.isDate(options);
  } catch {
    // A revoked proxy: an object, whose names cannot be listed.
    return true;
  }
}

/**
 * The names of the options that an object gives, those of its class and prototypes included;
 * `undefined` where they cannot be listed.
 */
export function namesOf(options: object): readonly string[] | undefined {
  if (isMade(options)) return optionNames;
  try {
    const names = new Set<string>();
    let level: object | null = options;
    for (let hops = 0; level !== null && !isObjectPrototype(level); hops++) {
      if (hops === MAX_HOPS) return undefined;
      for (const name of Object.getOwnPropertyNames(level)) {
        // What a class has of methods beside is its own affair.
        const isMethod = typeof Object.getOwnPropertyDescriptor(level, name)?.value === 'function';
        if (level === options || !isMethod || Object.hasOwn(fields, name)) names.add(name);
      }
      level = Object.getPrototypeOf(level);
    }
    return [...names];
  } catch {
    return undefined;
  }
}

/** The value of an option. Throws what reading it throws. */
export function readOption(options: object, name: string): unknown {
  const value = (options as Record<string, unknown>)[name];
  // A method needs its object.
  return typeof value === 'function' && !Object.hasOwn(options, name) ? value.bind(options) : value;
}

/** Of this realm or another. */
function isObjectPrototype(level: object): boolean {
  return Object.getPrototypeOf(level) === null && Object.hasOwn(level, 'hasOwnProperty');
}

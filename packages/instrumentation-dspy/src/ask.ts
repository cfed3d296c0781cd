import { types } from 'node:util';
import { readProperty, withoutPromise } from './capture/read.js';
import { nameOfAxClass } from './copy.js';
import type { Method } from './hooks/types.js';
import { originalOf } from './view.js';

/** Where Ax's own classes keep what may be the user's and is asked in their place. A flow asks each of its nodes. */
const HANDED_ON: Readonly<Record<string, readonly string[]>> = {
  getSignature: ['program', 'gen', 'nodeGenerators'],
  inferSignatureFromFlow: ['nodeGenerators'],
  getInstruction: ['promptTemplate', 'gen'],
  getName: ['currentService'],
  getOptions: ['currentService'],
};
/** Programs in programs, routers in routers. */
const MAX_DEPTH = 8;

/**
 * What a program or a service says of itself, where no code but Ax's runs to say it. A method of the
 * user's own is not called: it may count its calls, take its time or bill somebody. Never throws.
 */
export function askAx(target: unknown, name: string, ...args: unknown[]): unknown {
  if (userBehind(target, name) !== undefined) return undefined;
  return ask(target, name, ...args);
}

/** The same for what Ax's interfaces are there to answer, whoever implements them: what a service's call cost. */
export function ask(target: unknown, name: string, ...args: unknown[]): unknown {
  const method = readProperty(target, name);
  if (typeof method !== 'function') return undefined;
  try {
    return withoutPromise(method.apply(target, args));
  } catch {
    return undefined;
  }
}

const answers = new WeakMap<object, Map<string, unknown>>();

/** The same for what hardly changes: a method of the user's own is called too, once for its object. */
export function askOnce(target: unknown, name: string): unknown {
  const user = userBehind(target, name);
  if (user === undefined) return ask(target, name);
  let known = answers.get(user);
  if (known === undefined) {
    known = new Map();
    answers.set(user, known);
  }
  if (!known.has(name)) {
    // Before the call, should it ask back.
    known.set(name, undefined);
    known.set(name, ask(user, name));
  }
  return known.get(name);
}

/** The object of the user's own whose code runs when `target` is asked; `undefined`: Ax's own alone. */
function userBehind(target: unknown, name: string, depth = 0): object | undefined {
  const method = readProperty(target, name);
  if (typeof method !== 'function') return undefined;
  const object = target as object;
  if (!isOfAx(object, name, method as Method)) {
    const original = originalOf(object);
    return original === object ? object : userBehind(original, name, depth);
  }
  const fields = HANDED_ON[name];
  if (fields === undefined) return undefined;
  if (depth === MAX_DEPTH) return object;
  const asked = name === 'inferSignatureFromFlow' ? 'getSignature' : name;
  for (const field of fields) {
    const held = readProperty(object, field);
    if (typeof held !== 'object') continue;
    for (const next of types.isMap(held) ? held.values() : [held]) {
      const user = userBehind(next, asked, depth + 1);
      if (user !== undefined) return user;
    }
  }
  return undefined;
}

const methods = new WeakMap<Method, boolean>();

/** `true` for a method as a class of Ax has it, not an object or a class that somebody derived. */
function isOfAx(object: object, name: string, method: Method): boolean {
  let isAx = methods.get(method);
  if (isAx === undefined) {
    isAx = isFromAx(object, name, method);
    methods.set(method, isAx);
  }
  return isAx;
}

function isFromAx(object: object, name: string, method: Method): boolean {
  let isAx = false;
  for (let level: object | null = object; level !== null; level = Object.getPrototypeOf(level)) {
    // What is above a class of Ax's is Ax's too, exported or not.
    isAx ||= nameOfAxClass(ownValue(level, 'constructor')) !== undefined;
    if (Object.hasOwn(level, name)) return isAx && ownValue(level, name) === method;
  }
  return false;
}

function ownValue(object: object, key: string): unknown {
  return Object.getOwnPropertyDescriptor(object, key)?.value;
}

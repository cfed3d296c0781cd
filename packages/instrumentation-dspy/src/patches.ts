import type { AxCopy } from './copy.js';
import { diagnostics } from './diagnostics.js';
import { declareFresh } from './execution/fresh.js';
import type { Hook, Method, Wrapper } from './hooks/types.js';

/** On a replaced method: the original. Shared between copies of this package, so that none wraps twice. */
const ORIGINAL = Symbol.for('@hokusai/instrumentation-dspy original');

/** `true` when the function stands in the place of an original. */
export function isPatched(method: unknown): boolean {
  return typeof method === 'function' && ORIGINAL in method;
}

/** Every method that an instrumentation has replaced, so that all of them can be put back. */
export class Patches {
  /** By object, and not held by this class: objects of the user's own come and go. */
  readonly #undo = new WeakMap<object, (() => void)[]>();
  readonly #objects = new Set<WeakRef<object>>();
  readonly #collected = new FinalizationRegistry<WeakRef<object>>((object) => {
    this.#objects.delete(object);
  });

  /** Applies hooks to a copy of Ax. What that copy does not have is left out. */
  patch(copy: AxCopy, hooks: readonly Hook[]): void {
    for (const hook of hooks) this.#apply(hook, copy);
  }

  #apply(hook: Hook, copy: AxCopy): void {
    const target = copy.ax[hook.target];
    const prototype = typeof target === 'function' ? (target.prototype as object) : undefined;
    if (prototype === undefined || typeof methodOf(prototype, hook.method) !== 'function') {
      diagnostics.debug(`${hook.target}.${hook.method} is not there in this version of Ax`);
      return;
    }
    declareFresh(methodOf(prototype, hook.method) as Method);
    this.replace(prototype, hook.method, hook.wrap, copy);
  }

  /** Replaces one method of an object, unless it is replaced already. */
  replace(object: object, name: string, wrap: Wrapper, copy: AxCopy): void {
    const original = methodOf(object, name);
    if (typeof original !== 'function' || isPatched(original)) return;
    const own = Object.getOwnPropertyDescriptor(object, name);
    const replacement = disguise(wrap(original as Method, copy), original as Method);
    const replaced = Reflect.defineProperty(object, name, {
      configurable: true,
      writable: true,
      enumerable: own?.enumerable ?? false,
      value: replacement,
    });
    if (!replaced) {
      diagnostics.debug(`${name} of a frozen object cannot be traced`);
      return;
    }
    this.#remember(object, () => {
      // Someone wrapped the method after us: taking ours out would take theirs out as well.
      if (Object.getOwnPropertyDescriptor(object, name)?.value !== replacement) return;
      if (own === undefined) delete (object as Record<string, unknown>)[name];
      else Object.defineProperty(object, name, own);
    });
  }

  #remember(object: object, undo: () => void): void {
    const known = this.#undo.get(object);
    if (known !== undefined) {
      known.push(undo);
      return;
    }
    this.#undo.set(object, [undo]);
    const reference = new WeakRef(object);
    this.#objects.add(reference);
    this.#collected.register(object, reference, this);
  }

  /** Puts every original back. */
  revert(): void {
    this.#collected.unregister(this);
    for (const reference of this.#objects) {
      const object = reference.deref();
      if (object !== undefined) this.#putBack(object);
    }
    this.#objects.clear();
  }

  #putBack(object: object): void {
    const undos = this.#undo.get(object) ?? [];
    this.#undo.delete(object);
    for (const undo of undos.reverse()) {
      try {
        undo();
      } catch (fault) {
        diagnostics.fault('patches.revert', fault);
      }
    }
  }
}

/** What belongs to one function alone. */
const UNCOPIED: ReadonlySet<PropertyKey> = new Set([ORIGINAL, 'prototype', 'arguments', 'caller']);

/**
 * Name, length, kind and properties (those of a spy): what reads them sees the original (Ax dispatches
 * tools on `length`). And the marker.
 */
export function disguise(replacement: Method, original: Method): Method {
  Object.setPrototypeOf(replacement, Object.getPrototypeOf(original));
  for (const key of Reflect.ownKeys(original)) {
    if (UNCOPIED.has(key)) continue;
    const descriptor = Object.getOwnPropertyDescriptor(original, key);
    if (descriptor !== undefined) Reflect.defineProperty(replacement, key, descriptor);
  }
  Object.defineProperty(replacement, ORIGINAL, { value: original });
  return replacement;
}

function methodOf(object: object, name: string): unknown {
  return (object as Record<string, unknown>)[name];
}

import type { AxCopy, AxModule } from './copy.js';
import { diagnostics } from './diagnostics.js';
import { traceUserClass } from './hooks/subclass.js';

const BASE = 'AxProgram';
const SEEN = Symbol.for('@hokusai/instrumentation-dspy program class');

/**
 * Makes classes that users derive from `AxProgram` known when they are first constructed. Their
 * `forward` is their own and the base class has none that could be hooked, so the exported class is
 * replaced by a view of it. That is possible while the module is being loaded, not later.
 *
 * @param copyOf Gives the copy while it is traced.
 * @returns The module for those who load it: itself, or a view of it where its exports cannot be changed.
 */
export function exposeProgramClasses(ax: AxModule, copyOf: () => AxCopy | undefined): AxModule {
  const base = ax[BASE];
  if (typeof base !== 'function' || SEEN in base) return ax;
  const view = viewOf(base, copyOf);
  const exports = ax as Record<string, unknown>;
  try {
    // The namespace that the ESM hook hands out takes assignments.
    exports[BASE] = view;
  } catch {
    // A CommonJS bundle exports getters, which do not.
  }
  if (exports[BASE] === view) return ax;
  const descriptors = Object.getOwnPropertyDescriptors(ax);
  const replaced = { value: view, enumerable: true, configurable: true, writable: true };
  return Object.create(Object.getPrototypeOf(ax), { ...descriptors, [BASE]: replaced });
}

function viewOf(base: object, copyOf: () => AxCopy | undefined): object {
  return new Proxy(base as new (...args: unknown[]) => object, {
    construct(target, args, newTarget) {
      const instance: object = Reflect.construct(target, args, newTarget);
      try {
        const copy = copyOf();
        if (copy !== undefined && newTarget !== target) traceUserClass(copy, newTarget.prototype);
      } catch (fault) {
        diagnostics.fault('program.class', fault);
      }
      return instance;
    },
    has: (target, key) => key === SEEN || Reflect.has(target, key),
  });
}

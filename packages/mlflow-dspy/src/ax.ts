import * as imported from '@ax-llm/ax';
import { cjsCache } from './cjs-cache.js';

/** A loaded copy of Ax. */
export type AxModule = Readonly<Record<string, unknown>>;

const AX_MAIN = /[\\/]@ax-llm[\\/]ax[\\/]index\.cjs$/;

/**
 * The copies of Ax in this process that can be had at once: the one this module imports (ESM in an ESM
 * program, CJS in a CJS program, the bundled one in a bundle), and every CJS copy loaded so far.
 */
export function loadedCopies(): AxModule[] {
  const copies = new Map<unknown, AxModule>();
  const add = (copy: AxModule) => {
    if (!copies.has(copy.AxGen)) copies.set(copy.AxGen, copy);
  };
  add(imported);
  for (const [path, module] of Object.entries(cjsCache)) {
    if (AX_MAIN.test(path) && module !== undefined) add(module.exports as AxModule);
  }
  return [...copies.values()];
}

/**
 * The ESM copy, where this package was loaded as CJS by a program that began as ESM: it can only be
 * had later. `undefined` in any other case.
 */
export function pendingEsmCopy(): Promise<AxModule | undefined> | undefined {
  const weAreCjs = Object.entries(cjsCache).some(
    ([path, module]) =>
      AX_MAIN.test(path) && (module?.exports as AxModule | undefined)?.AxGen === imported.AxGen,
  );
  if (!weAreCjs || process.mainModule !== undefined) return undefined;
  // Not a literal: a bundler would put a second copy of Ax into the bundle.
  const name = ['@ax-llm', 'ax'].join('/');
  return import(/* webpackIgnore: true */ /* @vite-ignore */ name).then(
    (copy: AxModule) => copy,
    () => undefined,
  );
}

import { readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import * as imported from '@ax-llm/ax';
import { cjsCache, requireFrom } from './cjs-cache.js';

/** A loaded copy of Ax. */
export type AxModule = Readonly<Record<string, unknown>>;

const AX_CJS = /[\\/]@ax-llm[\\/]ax[\\/]index\.cjs$/;

/**
 * The copies of Ax in this process: the one this module imports (ESM in an ESM program, CJS in a CJS
 * program, the bundled one in a bundle), every CJS copy loaded so far, and the ESM copy beside ours.
 */
export function loadedCopies(): AxModule[] {
  const copies = new Map<unknown, AxModule>();
  const add = (copy: AxModule | undefined) => {
    if (copy !== undefined && !copies.has(copy.AxGen)) copies.set(copy.AxGen, copy);
  };
  add(imported);
  for (const [path, module] of Object.entries(cjsCache)) {
    if (AX_CJS.test(path)) add(module?.exports as AxModule | undefined);
  }
  add(requiredEsmCopy());
  return [...copies.values()];
}

/** As {@link requiredEsmCopy}, on a Node that has to wait for it (before 20.19). */
export function importedEsmCopy(): Promise<AxModule | undefined> | undefined {
  if (ownCjsFile() === undefined || !beganAsEsm() || process.features.require_module) {
    return undefined;
  }
  // Not a literal: a bundler would put a second copy of Ax into the bundle.
  const name = ['@ax-llm', 'ax'].join('/');
  return import(/* webpackIgnore: true */ /* @vite-ignore */ name).then(
    (copy: AxModule) => copy,
    () => undefined,
  );
}

/**
 * The ESM copy of Ax, where this package itself was loaded as CJS in a program that is ESM
 * (`--require`, or a CJS library that calls `autolog()`).
 */
function requiredEsmCopy(): AxModule | undefined {
  const file = ownCjsFile();
  if (file === undefined || !beganAsEsm() || !process.features.require_module) return undefined;
  try {
    return requireFrom(file)('./index.js') as AxModule;
  } catch {
    return undefined;
  }
}

/** File of the Ax that this module imports, if that is a CJS module. */
function ownCjsFile(): string | undefined {
  const own = Object.entries(cjsCache).find(
    ([path, module]) =>
      AX_CJS.test(path) && (module?.exports as AxModule | undefined)?.AxGen === imported.AxGen,
  );
  return own?.[0];
}

/** The program's entry point is an ES module. It may not have been loaded yet (`--require`). */
function beganAsEsm(): boolean {
  const entry = process.argv[1];
  if (process.mainModule !== undefined || entry === undefined) return false;
  if (/\.[cm][jt]s$/.test(entry)) return /\.m[jt]s$/.test(entry);
  for (let folder = dirname(entry); ; folder = dirname(folder)) {
    try {
      const text = readFileSync(join(folder, 'package.json'), 'utf8');
      return (JSON.parse(text) as { type?: unknown }).type === 'module';
    } catch {
      if (folder === dirname(folder)) return false;
    }
  }
}

import Module from 'node:module';

/** Modules loaded as CJS by file name. Node keeps one cache, whichever module format asks. */
export const cjsCache: Readonly<Record<string, { readonly exports: unknown } | undefined>> =
  (Module as unknown as { _cache?: Record<string, { exports: unknown }> })._cache ?? {};

/** `require` as the module in that file has it. A named import is what webpack warns of. */
export const requireFrom = (file: string): NodeJS.Require => Module.createRequire(file);

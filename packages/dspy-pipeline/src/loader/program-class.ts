import { pathToFileURL } from 'node:url';
import { LoadError, messageOf } from '../errors.js';
import { suggest } from '../suggest.js';
import type { LoadedProgram } from './types.js';

/**
 * Imports a module and makes its program: a class to construct without arguments, a function that
 * returns a program, or a program.
 *
 * @param path real path of a JavaScript module.
 * @throws {LoadError} when the module fails, has no such export, or it makes no program.
 */
export async function loadProgramClass(path: string, className: string): Promise<LoadedProgram> {
  const exported = await importModule(path);
  if (!Object.hasOwn(exported, className)) {
    const names = Object.keys(exported);
    throw new LoadError(`${path} exports no ${className}${suggest(className, names)}`);
  }
  const program = await make(exported[className], `${className} of ${path}`);
  if (!isProgram(program)) {
    throw new LoadError(`${className} of ${path} makes no program: it has no forward method`);
  }
  return program;
}

async function importModule(path: string): Promise<Record<string, unknown>> {
  let module: Record<string, unknown>;
  try {
    module = (await import(pathToFileURL(path).href)) as Record<string, unknown>;
  } catch (error) {
    throw new LoadError(`${path} cannot be imported: ${messageOf(error)}`, { cause: error });
  }
  // The exports of a CommonJS module may be found on its default export alone.
  const { default: inner } = module;
  return typeof inner === 'object' && inner !== null ? { ...inner, ...module } : module;
}

async function make(value: unknown, label: string): Promise<unknown> {
  if (typeof value !== 'function') return value;
  try {
    return isClass(value) ? Reflect.construct(value, []) : await value();
  } catch (error) {
    throw new LoadError(`${label} failed to construct: ${messageOf(error)}`, { cause: error });
  }
}

function isClass(value: object): boolean {
  return (
    /^class\b/.test(Function.prototype.toString.call(value)) ||
    isProgram((value as { prototype?: unknown }).prototype)
  );
}

function isProgram(value: unknown): value is LoadedProgram {
  return typeof (value as { forward?: unknown } | null | undefined)?.forward === 'function';
}

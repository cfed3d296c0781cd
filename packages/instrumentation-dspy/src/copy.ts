import type { Patches } from './patches.js';
import type { Recorder } from './recorder.js';

/** The exports of `@ax-llm/ax`, read by name: which ones exist depends on the version. */
export type AxModule = Readonly<Record<string, unknown>>;

/** One loaded copy of Ax. ESM and CJS are two copies with different classes in one process. */
export interface AxCopy {
  readonly ax: AxModule;
  readonly recorder: Recorder;
  /** Where methods of the user's own classes are replaced, as those come to light. */
  readonly patches: Patches;
  /** Ax's own defaults of every call; `undefined` in versions that have none. */
  readonly globals: AxGlobals | undefined;
  /** From Ax 23 on the tracer of a call goes before that of its service, for tools too. */
  readonly obeysCallTracer: boolean;
}

/** What is read of `axGlobals`. */
export interface AxGlobals {
  readonly tracer?: unknown;
  readonly cachingFunction?: unknown;
}

/** Names of Ax's classes, of every copy, by identity: the bundle's own class names are minified. */
const axClasses = new WeakMap<object, string>();

/** Of every copy: a service of one may be asked by a program of another. */
const globalsOfAll: AxGlobals[] = [];

/** A tracer that some copy of Ax gives to all calls. */
export function globalTracer(): unknown {
  for (const { tracer } of globalsOfAll) if (tracer !== undefined) return tracer;
  return undefined;
}

/** Describes a loaded copy of Ax. */
export function createCopy(ax: AxModule, recorder: Recorder, patches: Patches): AxCopy {
  for (const name of Object.keys(ax)) {
    const value = ax[name];
    if (typeof value === 'function' && !axClasses.has(value)) axClasses.set(value, name);
  }
  const globals = ax.axGlobals as AxGlobals | undefined;
  if (globals !== undefined && !globalsOfAll.includes(globals)) globalsOfAll.push(globals);
  const service = (ax.AxBaseAI as { prototype?: object } | undefined)?.prototype;
  const obeysCallTracer = service !== undefined && 'getEffectiveTracer' in service;
  return { ax, recorder, patches, globals, obeysCallTracer };
}

/** The name under which Ax exports a class; `undefined` for any other class. */
export function nameOfAxClass(type: unknown): string | undefined {
  return typeof type === 'function' ? axClasses.get(type) : undefined;
}

/** The class of a program or service: Ax's name for Ax's own classes, the class name of a user's. */
export function typeOf(value: object): string {
  const { constructor: type }: { constructor: unknown } = value;
  const known = nameOfAxClass(type);
  if (known !== undefined) return known;
  return typeof type === 'function' && type.name !== '' ? type.name : 'Object';
}

/** `true` when `value` is of a class that some copy of Ax exports, or of one derived from it. */
export function isOfAxClass(value: object): boolean {
  for (let level: unknown = value; level !== null; level = Object.getPrototypeOf(level)) {
    if (nameOfAxClass((level as object).constructor) !== undefined) return true;
  }
  return false;
}

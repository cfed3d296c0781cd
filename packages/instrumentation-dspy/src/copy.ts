import type { Patches } from './patches.js';
import type { Recorder } from './recorder.js';

/** The exports of `@ax-llm/ax`, read by name: which ones exist depends on the version. */
export type AxModule = Readonly<Record<string, unknown>>;

/** One loaded copy of Ax. ESM and CJS are two copies with different classes in one process. */
export interface AxCopy {
  readonly ax: AxModule;
  readonly recorder: Recorder;
  /** Replaces further methods, as they come to light: those of the user's own classes. */
  readonly patches: Patches;
  /** Names of Ax's own classes by identity: the bundle's class names are minified. */
  readonly classNames: ReadonlyMap<unknown, string>;
}

/** Creates the description of a loaded copy of Ax. */
export function createCopy(ax: AxModule, recorder: Recorder, patches: Patches): AxCopy {
  const classNames = new Map<unknown, string>();
  for (const name of Object.keys(ax)) {
    const value = ax[name];
    if (typeof value === 'function' && !classNames.has(value)) classNames.set(value, name);
  }
  return { ax, recorder, patches, classNames };
}

/** The class of a program or service: Ax's name for Ax's own classes, the class name of a user's. */
export function typeOf(copy: AxCopy, value: object): string {
  const { constructor: owner }: { constructor: unknown } = value;
  const known = copy.classNames.get(owner);
  if (known !== undefined) return known;
  return typeof owner === 'function' && owner.name !== '' ? owner.name : 'Object';
}

/** `true` when `value` is an instance of a class that this copy exports under `name`. */
export function isInstance(copy: AxCopy, name: string, value: unknown): boolean {
  const exported = copy.ax[name];
  return typeof exported === 'function' && value instanceof exported;
}

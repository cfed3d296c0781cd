import type { AnySignature } from '../signatures/types.js';

/** What a program is, beyond its code: set by `createProgram` and the model loader. */
export interface ProgramIdentity {
  readonly name: string;
  readonly version?: string;
  /** What it takes and gives, where Ax's own view is inferred (a flow's is). */
  readonly signature?: AnySignature;
  readonly description?: string;
  readonly author?: string;
  /** Path or URL of the file it was loaded from. */
  readonly source?: string;
  /** Metrics that the config file names. */
  readonly metrics?: readonly string[];
  /** Packages that the config file names. */
  readonly dependencies?: readonly string[];
}

// The registered symbol is the same in every copy of this package, and instrumentation reads name
// and version under it (docs/attributes.md).
const IDENTITY = Symbol.for('hokusai.dspy.program');

/** The identity of a program; `undefined` for one built by hand. */
export function identityOf(program: object): ProgramIdentity | undefined {
  return (program as { [IDENTITY]?: ProgramIdentity })[IDENTITY];
}

/** Gives a program its identity and returns it. */
export function identify<P extends object>(program: P, identity: ProgramIdentity): P {
  return Object.defineProperty(program, IDENTITY, {
    value: Object.freeze(identity),
    configurable: true,
  });
}

import { readArray, readProperty } from '../capture/read.js';
import { describeSignature } from '../capture/signature.js';
import type { Example } from '../execution/kinds.js';
import { type Program, signatureOf } from './program.js';

/** The demos and examples of a program, which Ax writes into its prompts. */
export function examplesOf(program: Program): readonly Example[] {
  const runs = [
    ...readArray(readProperty(program, 'demos')),
    ...readArray(readProperty(program, 'examples')),
  ];
  if (runs.length === 0) return runs as [];
  const outputNames = new Set(describeSignature(signatureOf(program))?.outputNames);
  return runs.map((run) => split(run, outputNames));
}

function split(run: unknown, outputNames: ReadonlySet<string>): Example {
  const inputs: Record<string, unknown> = {};
  const outputs: Record<string, unknown> = {};
  if (typeof run === 'object' && run !== null) {
    for (const name of Object.keys(run)) {
      (outputNames.has(name) ? outputs : inputs)[name] = readProperty(run, name);
    }
  }
  return { inputs, outputs };
}

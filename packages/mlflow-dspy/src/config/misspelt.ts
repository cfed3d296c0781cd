import { nearest } from '../../../exporter-mlflow/src/nearest.js';
import { fields, optionNames } from './fields.js';
import type { OptionName } from './options.js';

/** An option or variable whose name is unknown. */
interface Misspelling {
  /** The option it most likely stands for. */
  readonly meant: OptionName | undefined;
  /** Switched off, because it may have said so. */
  readonly off: readonly OptionName[];
  /** Completes "Unknown option …;". */
  readonly instead: string;
}

/** What a guard that cannot be honoured would have kept back, in whole or in part. */
export const VALUES = ['logInputs', 'logOutputs'] as const;

/** What is missing when one of these is off; without it the trace holds what somebody may have kept back. */
const SWITCHES: Partial<Record<OptionName, string>> = {
  enabled: 'nothing is traced',
  logInputs: 'no inputs are recorded',
  logOutputs: 'no outputs are recorded',
  logSignatures: 'no signatures are recorded',
  logIntermediateSteps: 'no intermediate steps are recorded',
  keepMedia: 'no media are recorded',
};

/** What other tracers, and other options of OpenTelemetry, call keeping content back. */
const OF_CONTENT =
  /content|privacy|redact|saniti[sz]|anonymi[sz]|scrub|mask|hide|(capture|record|trace)(in|out)put/i;

const PREFIX = 'MLFLOW_DSPY_';

const optionOfVariable: ReadonlyMap<string, OptionName> = new Map(
  optionNames.flatMap((option) =>
    (fields[option].variables ?? [])
      .filter(({ name }) => name.startsWith(PREFIX))
      .map(({ name }): [string, OptionName] => [name.slice(PREFIX.length), option]),
  ),
);

export function misspeltOption(name: string): Misspelling {
  return misspelling(name, nearest(name, optionNames) as OptionName | undefined);
}

export function misspeltVariable(name: string): Misspelling {
  const word = name.slice(PREFIX.length);
  // What all of them begin with would make any two of them alike.
  const option = nearest(word, [...optionOfVariable.keys()]) ?? '';
  return misspelling(word, optionOfVariable.get(option));
}

/** A name in doubt counts as a switch or guard that cannot be read: its private side is taken. */
function misspelling(name: string, nearest: OptionName | undefined): Misspelling {
  const word = name.replace(/[^a-z]/gi, '');
  const meant = nearest ?? (/^disabled?$/i.test(word) ? 'enabled' : undefined);
  const missing = meant && SWITCHES[meant];
  if (missing !== undefined) return { meant, off: [meant as OptionName], instead: missing };
  const isGuard = meant === undefined ? OF_CONTENT.test(word) : fields[meant].guard === true;
  if (isGuard) return { meant, off: VALUES, instead: 'no content is recorded' };
  return { meant, off: [], instead: 'it has no effect' };
}

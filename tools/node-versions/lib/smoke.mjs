// @ts-check
import { rmSync } from 'node:fs';
import { join } from 'node:path';

const NAME = 'AxGen(question -> answer)';
const TRACE = { name: NAME, state: 'OK', tokens: 18, types: ['CHAIN', 'CHAT_MODEL'] };
/** The executor's span is above the program. */
const EXECUTION = { ...TRACE, types: ['CHAIN', 'CHAIN', 'CHAT_MODEL'] };

/**
 * @typedef {object} Program
 * @property {string} name
 * @property {string[]} args
 * @property {boolean} [sdk] needs an SDK in the application
 * @property {Record<string, string>} [env]
 * @property {RegExp} [alsoPrints] what the application's own exporter prints, beside the answer
 * @property {string} [experiment] where the trace is; default `dspy-traces`
 * @property {object} [leaves] the trace; default that of the program alone
 */

// The application's own exporter: its spans go on arriving there.
const CONSOLE = { OTEL_TRACES_EXPORTER: 'console', MLFLOW_TRACKING_URI: 'file:./traces' };
const SPAN = /name: 'invoke_workflow AxGen\(question -> answer\)'/;

/** @type {Program[]} */
export const PROGRAMS = [
  { name: 'autolog() in an ES module', args: ['autolog.mjs'] },
  { name: 'autolog() in CommonJS', args: ['autolog.cjs'] },
  {
    name: 'register, ES module',
    args: ['--import', '@hokusai/mlflow-dspy/register', 'plain.mjs'],
  },
  {
    name: 'register, CommonJS',
    args: ['--require', '@hokusai/mlflow-dspy/register', 'plain.cjs'],
  },
  {
    name: 'autolog() after the SDK',
    args: ['sdk-first.mjs'],
    sdk: true,
    env: CONSOLE,
    alsoPrints: SPAN,
  },
  {
    name: 'autolog() before the SDK',
    args: ['sdk-last.mjs'],
    sdk: true,
    env: CONSOLE,
    alsoPrints: SPAN,
  },
  { name: 'instrumentation and exporter in the SDK', args: ['own-sdk.mjs'], sdk: true },
  {
    name: 'pipeline executor',
    args: ['pipeline.mjs'],
    experiment: 'dspy-execution',
    leaves: EXECUTION,
  },
];

/**
 * Runs a program in an application and reads back what it left.
 * @param {import('./application.mjs').Application} application
 * @param {Program} program
 * @returns {Promise<string | undefined>} what is wrong
 */
export async function smoke(application, program) {
  const { args, env, alsoPrints, experiment = 'dspy-traces', leaves = TRACE } = program;
  rmSync(join(application.folder, 'traces'), { recursive: true, force: true });
  const { code, stdout, output } = await application.run(args, env);
  const others = output.length - stdout.length;
  const printed = alsoPrints
    ? alsoPrints.test(stdout) && /^four$/m.test(stdout)
    : stdout === 'four\n';
  if (code !== 0 || others !== 0 || !printed) return `ended with ${code} and printed:\n${output}`;
  const read = await application.run(['read.mjs', experiment]);
  const expected = JSON.stringify([leaves]);
  if (read.stdout.trim() === expected) return undefined;
  return `left ${read.output.trim()}\ninstead of ${expected}`;
}

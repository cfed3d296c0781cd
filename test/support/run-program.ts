import { join, resolve } from 'node:path';
import { ROOT } from '../../scripts/lib/cache.mjs';
import { startGroup } from '../../scripts/lib/processes.mjs';

export interface ProgramResult {
  code: number;
  stdout: string;
  stderr: string;
  /** Milliseconds from start to exit. */
  durationMs: number;
}

export interface ProgramOptions {
  /** Modules for `--import`, relative to the repository. */
  imports?: readonly string[];
  /** Modules for `--require`, relative to the repository. */
  requires?: readonly string[];
  /** Arguments of the program. */
  args?: readonly string[];
  env?: Record<string, string>;
  /** Default the repository. */
  cwd?: string;
}

/** Variables that would send a test's traces elsewhere or change what it says. */
const SETTINGS = /^(MLFLOW_|OTEL_|OPENINFERENCE_|NODE_OPTIONS$|VITEST)/;

/**
 * Runs a program in a Node process of its own, as a user would.
 *
 * @param file relative to the repository
 */
export async function runProgram(
  file: string,
  options: ProgramOptions = {},
): Promise<ProgramResult> {
  const { imports = [], requires = [], args = [], env, cwd = ROOT } = options;
  const nodeArgs = [
    ...imports.flatMap((module) => ['--import', join(ROOT, module)]),
    ...requires.flatMap((module) => ['--require', join(ROOT, module)]),
    resolve(ROOT, file),
    ...args,
  ];
  const inherited = Object.entries(process.env).filter(([name]) => !SETTINGS.test(name));
  const output = { stdout: '', stderr: '' };
  const start = performance.now();
  const group = startGroup(process.execPath, nodeArgs, {
    cwd,
    // Ax runs agents' code in a worker behind Node's permission model, which warns of itself.
    env: {
      ...Object.fromEntries(inherited),
      NODE_OPTIONS: '--disable-warning=ExperimentalWarning',
      ...env,
    },
    onOutput: (chunk, stream) => {
      output[stream] += chunk;
    },
  });
  const code = await group.exited;
  return { code, ...output, durationMs: performance.now() - start };
}

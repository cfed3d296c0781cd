import { execFile } from 'node:child_process';
import { readdirSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';

const root = fileURLToPath(new URL('../../', import.meta.url));
const OUTPUTS = ['index.js', 'index.cjs', 'register.js', 'register.cjs'];

/** Builds the package if its sources changed since it was built: what is published is tested as such. */
export async function buildPackage(): Promise<void> {
  const sources = readdirSync(join(root, 'src'), { recursive: true, encoding: 'utf8' });
  const newest = Math.max(...sources.map((name) => changedAt(join(root, 'src', name))));
  const oldest = Math.min(...OUTPUTS.map((name) => changedAt(join(root, 'dist', name))));
  if (oldest < newest) await promisify(execFile)('npx', ['tsup'], { cwd: root });
}

function changedAt(path: string): number {
  return statSync(path, { throwIfNoEntry: false })?.mtimeMs ?? 0;
}

export interface Run {
  code: number | null;
  stdout: string;
  stderr: string;
}

/** Runs Node in the folder of the fixtures. */
export function runNode(args: readonly string[], env: Record<string, string> = {}): Promise<Run> {
  return new Promise((resolve) => {
    const cwd = fileURLToPath(new URL('../fixtures/', import.meta.url));
    const quiet = { OTEL_METRICS_EXPORTER: 'none', OTEL_LOGS_EXPORTER: 'none' };
    const { PATH = '' } = process.env;
    execFile(
      process.execPath,
      args,
      { cwd, env: { PATH, ...quiet, ...env } },
      (error, stdout, stderr) => {
        const code = error === null ? 0 : ((error.code as unknown as number | undefined) ?? null);
        resolve({ code, stdout, stderr });
      },
    );
  });
}

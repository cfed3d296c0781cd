import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { buildSync } from 'esbuild';

const ROOT = fileURLToPath(new URL('../../../../', import.meta.url));
// Below node_modules, so that the bundle finds the packages it leaves out.
const OUT = join(ROOT, 'node_modules', '.cache', 'exporter-mlflow-test');

/** Starts a TypeScript file as a process of its own; `args` reach it as `process.argv.slice(2)`. */
export function startChild(source: string, args: readonly string[] = []): ChildProcess {
  mkdirSync(OUT, { recursive: true });
  const outfile = join(OUT, `${source.replaceAll('/', '_')}.${process.pid}.mjs`);
  buildSync({
    entryPoints: [fileURLToPath(new URL(source, new URL('../', import.meta.url)))],
    outfile,
    bundle: true,
    platform: 'node',
    format: 'esm',
    target: 'node20',
    packages: 'external',
  });
  return fork(outfile, [...args], { stdio: ['ignore', 'inherit', 'inherit', 'ipc'] });
}

/** Resolves with the first message that fits; rejects when the child ends before. */
export function messageOf<T>(child: ChildProcess, fits: (message: T) => boolean): Promise<T> {
  return new Promise((resolve, reject) => {
    const onMessage = (message: unknown): void => {
      if (!fits(message as T)) return;
      child.off('message', onMessage);
      child.off('exit', onExit);
      resolve(message as T);
    };
    const onExit = (code: number | null, signal: string | null): void =>
      reject(new Error(`the child ended with ${code ?? signal} before it sent what was awaited`));
    child.on('message', onMessage);
    child.once('exit', onExit);
  });
}

/** `kill -9`, and waits until it is gone. */
export async function kill9(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const gone = once(child, 'exit');
  child.kill('SIGKILL');
  await gone;
}

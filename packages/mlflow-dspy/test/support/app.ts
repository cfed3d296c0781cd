import { cpSync, existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';

const ROOT = fileURLToPath(new URL('../../../../', import.meta.url));
const OURS = ['instrumentation-dspy', 'exporter-mlflow', 'mlflow-dspy'];
/** Milliseconds to wait for a build that runs beside the tests. */
const BUILD_MS = 120_000;

export interface App {
  readonly folder: string;
  remove(): void;
}

/**
 * A folder in which the built packages are installed as npm would: files of `npm pack`, everything else
 * from the repository's `node_modules` above it. A build that runs beside the tests does not reach it.
 */
export async function createApp(): Promise<App> {
  const folder = join(ROOT, 'node_modules', '.cache', 'mlflow-dspy-test', String(process.pid));
  rmSync(folder, { recursive: true, force: true });
  for (const name of OURS) await installBuilt(name, join(folder, 'node_modules', '@hokusai', name));
  return { folder, remove: () => rmSync(folder, { recursive: true, force: true }) };
}

async function installBuilt(name: string, target: string): Promise<void> {
  const source = join(ROOT, 'packages', name);
  const manifest = readFileSync(join(source, 'package.json'), 'utf8');
  const needed = manifest.match(/dist\/[\w-]+\.c?js/g) ?? [];
  const missing = () => needed.find((file) => !existsSync(join(source, file)));
  for (const deadline = Date.now() + BUILD_MS; missing() !== undefined; await sleep(250)) {
    if (Date.now() > deadline) throw new Error(`${source} has no ${missing()}: npm run build`);
  }
  mkdirSync(target, { recursive: true });
  cpSync(join(source, 'dist'), join(target, 'dist'), { recursive: true });
  writeFileSync(join(target, 'package.json'), manifest);
}

/** Copies a file or folder into an app; returns its place there. */
export function copyInto(folder: string, source: string, name: string): string {
  const target = join(folder, name);
  cpSync(source, target, {
    recursive: true,
    filter: (path) => !path.includes('node_modules') || path.startsWith(folder),
  });
  return target;
}

import { cpSync, existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const ROOT = fileURLToPath(new URL('../../../../', import.meta.url));
const OURS = ['instrumentation-dspy', 'exporter-mlflow', 'mlflow-dspy'];

/**
 * A folder in which the built packages are installed as npm would: files of `npm pack`, everything else
 * from the repository's `node_modules` above it. A build that runs beside the tests does not reach it.
 */
export function createApp(): { folder: string; remove(): void } {
  const folder = join(ROOT, 'node_modules', '.cache', 'mlflow-dspy-test', String(process.pid));
  rmSync(folder, { recursive: true, force: true });
  for (const name of OURS) {
    const source = join(ROOT, 'packages', name);
    const target = join(folder, 'node_modules', '@hokusai', name);
    const manifest = JSON.parse(readFileSync(join(source, 'package.json'), 'utf8')) as {
      main: string;
    };
    if (!existsSync(join(source, manifest.main))) {
      throw new Error(`${source} is not built: npm run build`);
    }
    mkdirSync(target, { recursive: true });
    cpSync(join(source, 'dist'), join(target, 'dist'), { recursive: true });
    writeFileSync(join(target, 'package.json'), JSON.stringify(manifest));
  }
  return { folder, remove: () => rmSync(folder, { recursive: true, force: true }) };
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

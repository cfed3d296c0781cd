import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { build, type Plugin } from 'esbuild';

const ROOT = fileURLToPath(new URL('../../../', import.meta.url));
// Below node_modules, so that a bundle finds the packages it leaves out.
const OUT = join(ROOT, 'node_modules', '.cache', 'robust');

/**
 * Builds a TypeScript program of `test/robust` for a process of its own (or an `import()`), with our
 * packages from source and everyone else's from `node_modules`.
 *
 * @param entry File, relative to `test/robust`.
 * @returns the built module's path
 */
export async function bundle(entry: string, plugins: Plugin[] = []): Promise<string> {
  mkdirSync(OUT, { recursive: true });
  const outfile = join(OUT, `${entry.replace('/', '-')}.${process.pid}.mjs`);
  await build({
    entryPoints: [join(ROOT, 'test/robust', entry)],
    outfile,
    bundle: true,
    platform: 'node',
    format: 'esm',
    target: 'node20',
    sourcemap: 'inline',
    packages: 'external',
    // Its `paths` lead to the sources of our packages.
    tsconfig: join(ROOT, 'tsconfig.json'),
    plugins,
  });
  return outfile;
}

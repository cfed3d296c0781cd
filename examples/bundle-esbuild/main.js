// @ts-check
// Bundles app.js with esbuild into one file, as an ES module and as CommonJS, and runs both.
//   node examples/bundle-esbuild/main.js
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { build } from 'esbuild';
import { runBundle } from '../lib/run-bundle.js';

const out = mkdtempSync(join(tmpdir(), 'esbuild-'));
/** @type {import('esbuild').BuildOptions} */
const common = {
  entryPoints: [join(import.meta.dirname, 'app.js')],
  bundle: true,
  platform: 'node',
  target: 'node20',
  minify: true,
};
const cjs = join(out, 'app.cjs');
await build({ ...common, format: 'cjs', outfile: cjs });

const esm = join(out, 'app.mjs');
await build({
  ...common,
  format: 'esm',
  outfile: esm,
  // What every ES module bundle of CommonJS packages needs, OpenTelemetry's among them.
  banner: {
    js: "import { createRequire } from 'node:module'; const require = createRequire(import.meta.url);",
  },
});

for (const bundle of [cjs, esm]) process.exitCode ||= await runBundle(bundle);
rmSync(out, { recursive: true });

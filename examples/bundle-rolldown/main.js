// @ts-check
// Bundles app.js with rolldown into one file, as an ES module and as CommonJS, and runs both.
//   node examples/bundle-rolldown/main.js
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { rolldown } from 'rolldown';
import { runBundle } from '../lib/run-bundle.js';

const out = mkdtempSync(join(tmpdir(), 'rolldown-'));
const bundle = await rolldown({ input: join(import.meta.dirname, 'app.js'), platform: 'node' });
const files = /** @type {const} */ ([
  ['cjs', join(out, 'app.cjs')],
  ['esm', join(out, 'app.mjs')],
]);
for (const [format, file] of files) {
  await bundle.write({ format, file, codeSplitting: false, minify: true });
}

for (const [, file] of files) process.exitCode ||= await runBundle(file);
rmSync(out, { recursive: true });

// @ts-check
// Bundles app.js with webpack into one file, and runs it.
//   node examples/bundle-webpack/main.js
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import webpack from 'webpack';
import { runBundle } from '../lib/run-bundle.js';

const out = mkdtempSync(join(tmpdir(), 'webpack-'));
const compiler = webpack({
  mode: 'production',
  target: 'node20',
  entry: join(import.meta.dirname, 'app.js'),
  output: { path: out, filename: 'app.cjs' },
  optimization: { minimize: false },
  // The tsconfig.json of this repository sends the type checker to the sources of the packages.
  resolve: { tsconfig: false },
  // Ax, and OpenTelemetry's module hooks, load what they find at run time.
  ignoreWarnings: [/^Critical dependency/],
});
await new Promise((resolve, reject) => {
  compiler?.run((error, stats) => {
    if (error) reject(error);
    else if (stats?.hasErrors() || stats?.hasWarnings())
      reject(new Error(stats.toString('minimal')));
    else resolve(stats);
  });
});

process.exitCode = await runBundle(join(out, 'app.cjs'));
rmSync(out, { recursive: true });

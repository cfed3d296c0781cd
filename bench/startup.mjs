// Start-up of `/register` and size of each package: whole processes and whole bundles.
import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { gzipSync } from 'node:zlib';
import { build } from 'esbuild';
import { median } from './lib/stats.mjs';

const at = (path) => fileURLToPath(new URL(path, import.meta.url));

function processMillis(args) {
  const start = process.hrtime.bigint();
  const { status } = spawnSync(process.execPath, [...args, at('./lib/import-ax.mjs')], {
    stdio: 'ignore',
    env: { ...process.env, OTEL_TRACES_EXPORTER: 'none' },
  });
  if (status !== 0) throw new Error(`node ${args.join(' ')} ended with ${status}`);
  return Number(process.hrtime.bigint() - start) / 1e6;
}

/** Milliseconds of a process that imports Ax, with and without each register entry, in turn. */
export function startup(runs) {
  const entries = {
    plain: [],
    'instrumentation-dspy/register': ['--import', '@hokusai/instrumentation-dspy/register'],
    'mlflow-dspy/register': ['--import', '@hokusai/mlflow-dspy/register'],
  };
  const times = Object.fromEntries(Object.keys(entries).map((name) => [name, []]));
  for (let i = -1; i < runs; i++)
    for (const [name, args] of Object.entries(entries)) {
      const took = processMillis(args);
      if (i >= 0) times[name].push(took);
    }
  return Object.fromEntries(Object.entries(times).map(([name, list]) => [name, median(list)]));
}

/** Minified and gzipped bytes of each package with its own dependencies; the API and Ax are the user's. */
export async function bundleSizes() {
  const sizes = {};
  for (const name of ['instrumentation-dspy', 'exporter-mlflow', 'mlflow-dspy', 'dspy-pipeline']) {
    const { outputFiles } = await build({
      entryPoints: [at(`../packages/${name}/dist/index.js`)],
      bundle: true,
      minify: true,
      platform: 'node',
      format: 'esm',
      write: false,
      external: ['@opentelemetry/api', '@ax-llm/ax', '@opentelemetry/sdk-node'],
      logLevel: 'silent',
    });
    const code = Buffer.from(outputFiles[0].contents);
    sizes[name] = {
      distBytes: readFileSync(at(`../packages/${name}/dist/index.js`)).length,
      minifiedBytes: code.length,
      gzipBytes: gzipSync(code).length,
    };
  }
  return sizes;
}

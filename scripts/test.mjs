// @ts-check
// `npm test`: installs and builds what is missing, then every check and test of the repository.
// Ends with the totals alone on the last line; exits with 1 when anything failed.
import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { runMatrix } from '../tools/node-versions/lib/matrix.mjs';
import { ROOT } from './lib/cache.mjs';
import { ensureCollector, NoCollectorError } from './lib/collector.mjs';
import { ensureMlflow } from './lib/mlflow.mjs';
import { stopAllGroups, stopGroupsOnSignals } from './lib/processes.mjs';
import { check, Stages, vitest } from './lib/stages.mjs';
import { build, install } from './lib/toolchain.mjs';

/** Values that each property of the serializer is tried on. */
const FUZZ_RUNS = process.env.FUZZ_RUNS ?? '100000';

/** @param {string} message */
const progress = (message) => {
  process.stdout.write(`-- ${message}\n`);
};

stopGroupsOnSignals();
const stages = new Stages();
process.exitCode = await main();

async function main() {
  // Downloads and compiles for minutes at first: beside the checks that need neither.
  const servers = prepareServers();
  if (!(await stages.run('install', () => install(progress)))) return finish();
  const built = await stages.run('build', async () => (await build()).code === 0);
  await stages.run('lint', () => check('biome', ['check', '--error-on-warnings', '.']));
  await stages.run('types', () => check('tsc', ['--noEmit', '-p', 'tsconfig.json']));
  await stages.run('unused code', () => check('knip', ['--no-progress']));
  if (built) await stages.run('packages', checkPackages);
  await stages.run('MLflow and collector', servers);
  await stages.run('unit tests', () => vitest('unit', { FUZZ_RUNS }));
  await stages.run('robustness tests', () => vitest('robust'));
  if (built) {
    await stages.run('end-to-end tests', () => vitest('e2e'));
    await runMatrix(stages);
  }
  return finish();
}

async function finish() {
  await stopAllGroups();
  return stages.report();
}

/** @returns {() => Promise<boolean>} waits for the end of it */
function prepareServers() {
  const work = Promise.allSettled([
    ensureMlflow({ progress }),
    // Its tests count themselves as skipped.
    ensureCollector(progress).catch((error) => {
      if (!(error instanceof NoCollectorError)) throw error;
      progress(error.message);
    }),
  ]);
  return async () => {
    for (const result of await work) if (result.status === 'rejected') throw result.reason;
    return true;
  };
}

/** What npm would publish: fields, files, and types as each kind of importer resolves them. */
async function checkPackages() {
  let passed = 0;
  let failed = 0;
  for (const name of readdirSync(join(ROOT, 'packages'))) {
    const cwd = join(ROOT, 'packages', name);
    for (const ok of [
      await check('publint', ['--strict', cwd]),
      await check('attw', ['--pack', cwd, '--quiet', '--profile', 'node16']),
    ]) {
      if (ok) passed++;
      else failed++;
    }
  }
  return { passed, failed };
}

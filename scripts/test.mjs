// @ts-check
// `npm test`: installs and builds what is missing, then every check and test of the repository.
// Ends with the totals alone on the last line; exits with 1 when anything failed.
import { runMatrix } from '../tools/node-versions/lib/matrix.mjs';
import { ensureCollector, NoCollectorError } from './lib/collector.mjs';
import { ensureMlflow } from './lib/mlflow.mjs';
import { stopAllGroups, stopGroupsOnSignals } from './lib/processes.mjs';
import { audit, PACKAGES, problemsOf } from './lib/published.mjs';
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

/** What npm would publish: fields, types as each kind of importer resolves them, files, dependencies. */
async function checkPackages() {
  const counts = await audit(progress);
  for (const folder of PACKAGES) {
    const problems = await problemsOf(folder);
    for (const problem of problems) progress(`FAILED: ${folder}: ${problem}`);
    for (const ok of [
      await check('publint', ['--strict', folder]),
      await check('attw', ['--pack', folder, '--quiet', '--profile', 'node16']),
      problems.length === 0,
    ]) {
      if (ok) counts.passed++;
      else counts.failed++;
    }
  }
  return counts;
}

// @ts-check
import { mkdirSync, readFileSync, rmSync } from 'node:fs';
import { join, relative } from 'node:path';
import { LOCAL_CACHE, ROOT } from './cache.mjs';
import { run } from './processes.mjs';
import { QUIET_ENV, tool } from './toolchain.mjs';

/**
 * @typedef {object} Counts
 * @property {number} passed
 * @property {number} failed
 * @property {number} [skipped]
 * @property {string[]} [failures] a line for each test that failed
 */

/** Runs stages one after the other and keeps their counts. */
export class Stages {
  /** @type {(Counts & { name: string, seconds: number })[]} */
  #done = [];

  /**
   * @param {string} name
   * @param {() => Promise<Counts | boolean>} work `true` is one passed, `false` and a throw one failed
   * @returns {Promise<boolean>} whether nothing failed
   */
  async run(name, work) {
    process.stdout.write(`\n=== ${name}\n`);
    const start = Date.now();
    const counts = await work().catch((error) => {
      process.stderr.write(`${error instanceof Error ? error.message : String(error)}\n`);
      return false;
    });
    const all = typeof counts === 'boolean' ? single(counts) : counts;
    this.#done.push({ name, ...all, seconds: (Date.now() - start) / 1000 });
    return all.failed === 0;
  }

  /**
   * Prints what failed, the table and the last line: whoever has only the end of the output knows.
   * @returns {number} exit code
   */
  report() {
    const width = Math.max(...this.#done.map(({ name }) => name.length), 8);
    for (const { name, failures = [] } of this.#done) {
      if (failures.length > 0) process.stdout.write(`\nFailed, ${name}:\n`);
      for (const failure of failures) process.stdout.write(`  ${failure}\n`);
    }
    process.stdout.write('\n');
    for (const { name, passed, failed, skipped = 0, seconds } of this.#done) {
      const counts = [passed, failed, skipped].map((count) => String(count).padStart(7)).join('');
      process.stdout.write(`${name.padEnd(width)}${counts}${seconds.toFixed(1).padStart(9)} s\n`);
    }
    process.stdout.write(`${summary(this.#done)}\n`);
    return this.#done.some(({ failed }) => failed > 0) ? 1 : 0;
  }
}

/**
 * The line that ends a test run.
 * @param {readonly Counts[]} stages
 */
export function summary(stages) {
  const sum = (/** @type {'passed' | 'failed' | 'skipped'} */ key) =>
    stages.reduce((total, stage) => total + (stage[key] ?? 0), 0);
  const skipped = sum('skipped');
  return `${sum('passed')} passed, ${sum('failed')} failed${skipped ? `, ${skipped} skipped` : ''}`;
}

/**
 * Runs a development tool as one test.
 * @param {string} name
 * @param {string[]} args
 * @param {{ cwd?: string }} [options]
 */
export async function check(name, args, { cwd = ROOT } = {}) {
  const { code } = await run(tool(name), args, { cwd, env: QUIET_ENV });
  return code === 0;
}

/**
 * Runs a project of the test configuration and counts its tests.
 * @param {string} project
 * @param {Record<string, string>} [env] on top of this process's
 * @returns {Promise<Counts>}
 */
export async function vitest(project, env = {}) {
  const folder = join(LOCAL_CACHE, 'reports');
  const outputFile = join(folder, `${project}.json`);
  mkdirSync(folder, { recursive: true });
  rmSync(outputFile, { force: true });
  const reporters = ['--reporter=default', '--reporter=json', `--outputFile.json=${outputFile}`];
  const { code } = await run(tool('vitest'), ['run', '--project', project, ...reporters], {
    cwd: ROOT,
    env: { ...QUIET_ENV, ...env },
  });
  return countTests(readFileSync(outputFile, 'utf8'), code);
}

/**
 * Counts of a vitest JSON report. A file that could not be loaded and an error outside of every test
 * fail nothing in the report's own totals; each counts as one failed here.
 * @param {string} json
 * @param {number} exitCode
 * @returns {Required<Counts>}
 */
export function countTests(json, exitCode) {
  const report = JSON.parse(json);
  /** @type {TestFile[]} */
  const files = report.testResults;
  const broken = files.filter(
    ({ status, assertionResults }) => status === 'failed' && assertionResults.length === 0,
  );
  const failed = report.numFailedTests + broken.length;
  return {
    passed: report.numPassedTests,
    failed: failed === 0 && exitCode !== 0 ? 1 : failed,
    skipped: report.numPendingTests + report.numTodoTests,
    failures: [
      ...broken.map(({ name, message }) => failure(name, 'could not be loaded', message)),
      ...files.flatMap(({ name, assertionResults }) =>
        assertionResults
          .filter(({ status }) => status === 'failed')
          .map(({ fullName, failureMessages }) => failure(name, fullName, failureMessages[0])),
      ),
    ],
  };
}

/**
 * @typedef {object} TestFile
 * @property {string} name path of the file
 * @property {string} status
 * @property {string} [message]
 * @property {{ status: string, fullName: string, failureMessages: string[] }[]} assertionResults
 */

/**
 * @param {string} path
 * @param {string} test
 * @param {string} [message]
 */
function failure(path, test, message = '') {
  const [reason = ''] = message.split('\n', 1);
  return `${relative(ROOT, path)}: ${test}: ${reason.slice(0, 300)}`;
}

/**
 * @param {boolean} ok
 * @returns {Counts}
 */
const single = (ok) => ({ passed: ok ? 1 : 0, failed: ok ? 0 : 1 });

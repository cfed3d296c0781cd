// @ts-check
// `npm run test:matrix`: the packed packages on every Node and OpenTelemetry line that is supported,
// installed in empty folders with npm and with pnpm; then the whole test suite on Node 24 with SDK 3.x.
// `node tools/node-versions/matrix.mjs installs` or `… suite` runs one half.
import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { run, stopAllGroups, stopGroupsOnSignals } from '../../scripts/lib/processes.mjs';
import { Stages } from '../../scripts/lib/stages.mjs';
import { build, install } from '../../scripts/lib/toolchain.mjs';
import { Application, pack } from './lib/application.mjs';
import { CELLS, nodeFolder, TOOLS } from './lib/cells.mjs';
import { PROGRAMS, smoke } from './lib/smoke.mjs';
import { runSuite } from './lib/suite.mjs';

/** @param {string} message */
const say = (message) => process.stdout.write(`-- ${message}\n`);

stopGroupsOnSignals();
const stages = new Stages();
process.exitCode = await main(process.argv[2] ?? 'all');

/** @param {string} what */
async function main(what) {
  if (!(await stages.run('install', () => install(say)))) return stages.report();
  if (!(await stages.run('build', async () => (await build()).code === 0))) return stages.report();
  if (!(await stages.run('Node releases', installNodes))) return stages.report();
  if (what !== 'suite') await runInstalls();
  if (what !== 'installs') {
    await stages.run('whole suite: Node 24, OpenTelemetry 3.x', () => runSuite(say));
  }
  await stopAllGroups();
  return stages.report();
}

async function installNodes() {
  if (!existsSync(nodeFolder('24'))) {
    const { code } = await run('npm', ['ci', '--no-workspaces', '--no-audit', '--no-fund'], {
      cwd: TOOLS,
    });
    if (code !== 0) return false;
  }
  if (existsSync(nodeFolder('24'))) return true;
  throw new Error(`There are no Node releases for ${process.platform} ${process.arch} here.`);
}

async function runInstalls() {
  const folder = mkdtempSync(join(tmpdir(), 'tarballs-'));
  /** @type {Record<string, string>} */
  let tarballs = {};
  await stages.run('pack', async () => {
    tarballs = await pack(folder);
    return true;
  });
  for (const cell of CELLS) {
    const order = cell.order === 'together' ? '' : `, ${cell.order}`;
    const name = `Node ${cell.node}, ${cell.line}, ${cell.manager}${order}`;
    await stages.run(name, () => runCell(cell, tarballs));
  }
  rmSync(folder, { recursive: true });
}

/**
 * @param {import('./lib/cells.mjs').Cell} cell
 * @param {Record<string, string>} tarballs
 */
async function runCell(cell, tarballs) {
  const application = new Application(cell);
  const counts = { passed: 0, failed: 0 };
  /** @param {string} name @param {string | undefined} problem */
  const count = (name, problem) => {
    if (problem === undefined) counts.passed++;
    else counts.failed++;
    say(problem === undefined ? `${name}: ok` : `${name}: FAILED, it ${problem}`);
  };
  try {
    const { code, warnings, output } = await application.install(tarballs);
    count('install', code === 0 ? undefined : `ended with ${code}:\n${output}`);
    count('install is quiet', warnings.length === 0 ? undefined : `said:\n${warnings.join('\n')}`);
    for (const program of PROGRAMS) {
      if (program.sdk && cell.line === 'no SDK') continue;
      count(program.name, await smoke(application, program));
    }
  } finally {
    application.remove();
  }
  return counts;
}

// @ts-check
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { run } from '../../../scripts/lib/processes.mjs';
import { QUIET_ENV } from '../../../scripts/lib/toolchain.mjs';
import { Application, pack } from './application.mjs';
import { areNodesInstalled, CELLS, hasNodeReleases, TOOLS } from './cells.mjs';
import { PROGRAMS, smoke } from './smoke.mjs';
import { runSuite } from './suite.mjs';

/** @param {string} message */
const say = (message) => process.stdout.write(`-- ${message}\n`);

/**
 * The built packages, packed, on every supported Node and OpenTelemetry line, installed in empty folders
 * with npm and with pnpm; then the unit tests on Node 24 with SDK 3.x.
 * @param {import('../../../scripts/lib/stages.mjs').Stages} stages
 * @param {'all' | 'installs' | 'suite'} [what]
 */
export async function runMatrix(stages, what = 'all') {
  if (!hasNodeReleases()) {
    await stages.run('Node releases', async () => {
      say(`the matrix is skipped: no Node releases for ${process.platform} ${process.arch} here`);
      return { passed: 0, failed: 0, skipped: 1 };
    });
    return;
  }
  if (!(await stages.run('Node releases', installNodes))) return;
  if (what !== 'suite') await runInstalls(stages);
  if (what !== 'installs') {
    await stages.run('unit tests: Node 24, OpenTelemetry 3.x', () => runSuite(say));
  }
}

async function installNodes() {
  if (areNodesInstalled()) return true;
  const { code } = await run('npm', ['ci', '--no-workspaces', '--no-audit', '--no-fund'], {
    cwd: TOOLS,
    env: QUIET_ENV,
  });
  return code === 0 && areNodesInstalled();
}

/** @param {import('../../../scripts/lib/stages.mjs').Stages} stages */
async function runInstalls(stages) {
  const folder = mkdtempSync(join(tmpdir(), 'tarballs-'));
  /** @type {Record<string, string>} */
  let tarballs = {};
  const packed = await stages.run('pack', async () => {
    tarballs = await pack(folder);
    return true;
  });
  for (const cell of packed ? CELLS : []) {
    const order = cell.order === 'together' ? '' : `, ${cell.order}`;
    const name = `Node ${cell.node}, ${cell.line}, ${cell.manager}${order}`;
    await stages.run(name, () => runCell(cell, tarballs));
  }
  rmSync(folder, { recursive: true });
}

/**
 * @param {import('./cells.mjs').Cell} cell
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

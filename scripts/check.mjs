// @ts-check
// `npm run check`: the loop while working. Lint, types, and the unit tests that depend on what
// changed since the last commit (or in it, when nothing has).
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { LOCAL_CACHE, ROOT } from './lib/cache.mjs';
import { run, stopGroupsOnSignals } from './lib/processes.mjs';
import { tool } from './lib/toolchain.mjs';

stopGroupsOnSignals();
mkdirSync(LOCAL_CACHE, { recursive: true });
const start = Date.now();
const { stdout: dirty } = await run('git', ['status', '--porcelain'], { cwd: ROOT, quiet: true });
const since = dirty.trim() === '' ? ['--changed', 'HEAD~1'] : ['--changed'];

const buildInfo = join(LOCAL_CACHE, 'check.tsbuildinfo');
const checks = [
  ['lint', 'biome', 'check', '--error-on-warnings', '.'],
  ['types', 'tsc', '-p', 'tsconfig.json', '--incremental', '--tsBuildInfoFile', buildInfo],
  ['unit tests', 'vitest', 'run', '--project', 'unit', '--passWithNoTests', ...since],
];
const results = await Promise.all(
  checks.map(async ([name = '', command = '', ...args]) => {
    const { code, output } = await run(tool(command), args, { cwd: ROOT, quiet: true });
    process.stdout.write(code === 0 ? `ok      ${name}\n` : `FAILED  ${name}\n${output}\n`);
    return code === 0;
  }),
);
process.stdout.write(`${((Date.now() - start) / 1000).toFixed(1)} s\n`);
process.exitCode = results.every(Boolean) ? 0 : 1;

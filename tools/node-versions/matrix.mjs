// @ts-check
// `npm run test:matrix`: the part of `npm test` that runs the packages on other releases of Node and
// OpenTelemetry. `node tools/node-versions/matrix.mjs installs` or `… suite` runs one half.
import { stopAllGroups, stopGroupsOnSignals } from '../../scripts/lib/processes.mjs';
import { Stages } from '../../scripts/lib/stages.mjs';
import { build, install } from '../../scripts/lib/toolchain.mjs';
import { runMatrix } from './lib/matrix.mjs';

const what = process.argv[2] ?? 'all';
if (what !== 'all' && what !== 'installs' && what !== 'suite') {
  throw new Error(`"${what}" is no part of the matrix: all, installs, suite`);
}
stopGroupsOnSignals();
const stages = new Stages();
const installed = await stages.run('install', () =>
  install((message) => process.stdout.write(`-- ${message}\n`)),
);
if (installed && (await stages.run('build', async () => (await build()).code === 0))) {
  await runMatrix(stages, what);
}
await stopAllGroups();
process.exitCode = stages.report();

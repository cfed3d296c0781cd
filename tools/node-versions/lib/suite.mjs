// @ts-check
import {
  copyFileSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { delimiter, dirname, join } from 'node:path';
import { CACHE_VARIABLE, LOCAL_CACHE, ROOT } from '../../../scripts/lib/cache.mjs';
import { run } from '../../../scripts/lib/processes.mjs';
import { countTests } from '../../../scripts/lib/stages.mjs';
import { QUIET_ENV } from '../../../scripts/lib/toolchain.mjs';
import { nodeFolder } from './cells.mjs';

const NODE = '24';
/** The development dependencies of the repository, on the other OpenTelemetry line. */
const LINE_3 = {
  '@opentelemetry/api': '~1.10.0',
  '@opentelemetry/context-async-hooks': '3.1.1',
  '@opentelemetry/core': '3.1.1',
  '@opentelemetry/exporter-trace-otlp-proto': '0.301.1',
  '@opentelemetry/instrumentation-http': '0.301.0',
  '@opentelemetry/otlp-transformer': '0.301.1',
  '@opentelemetry/resources': '3.1.1',
  '@opentelemetry/sdk-node': '0.301.0',
  '@opentelemetry/sdk-trace': '3.1.1',
  // Their names are gone in 3.x.
  '@opentelemetry/sdk-trace-base': 'file:./tools/node-versions/shims/sdk-trace-base',
  '@opentelemetry/sdk-trace-node': 'file:./tools/node-versions/shims/sdk-trace-node',
};

const COPY = join(LOCAL_CACHE, 'matrix', `node${NODE}-otel3`);

/**
 * Runs the unit tests of a copy of the repository on Node 24 with OpenTelemetry SDK 3.x. The packages
 * are built there too: the SDK that autolog() brings along stays the one of its build.
 * @param {(message: string) => void} say
 */
export async function runSuite(say) {
  say(`copying the repository to ${COPY}`);
  await copyRepository();
  const env = {
    ...QUIET_ENV,
    PATH: `${nodeFolder(NODE)}${delimiter}${process.env.PATH}`,
    // MLflow and the collector are those of the repository.
    [CACHE_VARIABLE]: LOCAL_CACHE,
  };
  const node = join(nodeFolder(NODE), 'node');
  /** @param {string} command @param {string[]} args */
  const must = async (command, args) => {
    const { code } = await run(command, args, { cwd: COPY, env });
    if (code !== 0) throw new Error(`${[command, ...args].join(' ')} ended with ${code}`);
  };
  // The SDK 2.x of the build refuses API 1.10 by its peer range, and works with it.
  await must('npm', ['install', '--legacy-peer-deps', '--no-audit', '--no-fund']);
  await must(join(COPY, 'node_modules', '.bin', 'turbo'), [
    'run',
    'build',
    '--output-logs',
    'errors-only',
  ]);
  const report = join(COPY, 'report.json');
  rmSync(report, { force: true });
  const { code } = await run(
    node,
    [
      join(COPY, 'node_modules', 'vitest', 'vitest.mjs'),
      'run',
      '--project',
      'unit',
      '--reporter=default',
      '--reporter=json',
      `--outputFile.json=${report}`,
    ],
    { cwd: COPY, env },
  );
  return countTests(readFileSync(report, 'utf8'), code);
}

async function copyRepository() {
  mkdirSync(COPY, { recursive: true });
  for (const name of readdirSync(COPY)) {
    if (name !== 'node_modules') rmSync(join(COPY, name), { recursive: true });
  }
  const { stdout } = await run('git', ['ls-files', '-co', '--exclude-standard', '-z'], {
    cwd: ROOT,
    quiet: true,
  });
  for (const file of stdout.split('\0')) {
    const source = join(ROOT, file);
    if (file === '' || file === 'package-lock.json' || !existsSync(source)) continue;
    mkdirSync(dirname(join(COPY, file)), { recursive: true });
    copyFileSync(source, join(COPY, file));
  }
  const manifest = JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8'));
  manifest.devDependencies = { ...manifest.devDependencies, ...LINE_3 };
  writeFileSync(join(COPY, 'package.json'), JSON.stringify(manifest, undefined, 2));
}

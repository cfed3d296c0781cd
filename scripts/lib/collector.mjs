// @ts-check
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { ROOT, USER_CACHE, withLock } from './cache.mjs';
import { run } from './processes.mjs';

const BUILDER = 'go.opentelemetry.io/collector/cmd/builder@v0.165.0';
const RECIPE = join(ROOT, 'test/support/collector/builder.yaml');

/** Why there is no collector on this machine: a reason to skip its tests, not to fail them. */
export class NoCollectorError extends Error {
  /** @param {string} reason */
  constructor(reason) {
    super(`No OpenTelemetry Collector to test with: ${reason}`);
    this.name = 'NoCollectorError';
  }
}

/**
 * Builds the collector of this recipe unless it is in the user's cache.
 * @param {(message: string) => void} [progress]
 * @returns {Promise<string>} path of its executable
 * @throws {NoCollectorError} where Go is missing or its module proxy does not answer
 */
export async function ensureCollector(progress = () => {}) {
  const recipe = readFileSync(RECIPE, 'utf8');
  const key = createHash('sha256').update(BUILDER).update(recipe).digest('hex').slice(0, 12);
  const home = join(USER_CACHE, 'otelcol', key);
  const binary = join(home, 'otelcol-mlflow');
  if (existsSync(binary)) return binary;
  if ((await run('go', ['version'], { quiet: true })).code !== 0) {
    throw new NoCollectorError('Go is not installed (https://go.dev/dl).');
  }
  return withLock(
    `${home}.lock`,
    async () => {
      if (!existsSync(binary)) await build(home, recipe, binary, progress);
      return binary;
    },
    progress,
  );
}

/**
 * @param {string} home
 * @param {string} recipe
 * @param {string} binary
 * @param {(message: string) => void} progress
 */
async function build(home, recipe, binary, progress) {
  progress('building the OpenTelemetry Collector (once for all clones, about two minutes)');
  const tick = setInterval(() => progress('still building the collector'), 15_000);
  const source = join(home, 'source');
  try {
    mkdirSync(source, { recursive: true });
    writeFileSync(join(source, 'builder.yaml'), recipe);
    const env = { ...process.env, GOBIN: join(source, 'bin') };
    await must('go', ['install', BUILDER], source, env);
    const flags = ['--config', 'builder.yaml', '--skip-strict-versioning'];
    await must(join(source, 'bin', 'builder'), flags, source, env);
    renameSync(join(source, 'dist', 'otelcol-mlflow'), binary);
  } finally {
    clearInterval(tick);
    rmSync(source, { recursive: true, force: true });
  }
}

/**
 * @param {string} command
 * @param {string[]} args
 * @param {string} cwd
 * @param {NodeJS.ProcessEnv} env
 */
async function must(command, args, cwd, env) {
  const { code, output } = await run(command, args, { quiet: true, cwd, env });
  if (code === 0) return;
  const end = output.trim().split('\n').slice(-15).join('\n');
  throw new NoCollectorError(`\`${command} ${args.join(' ')}\` ended with ${code}:\n${end}`);
}

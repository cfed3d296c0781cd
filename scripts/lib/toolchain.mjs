// @ts-check
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { ROOT } from './cache.mjs';
import { run } from './processes.mjs';

/** Nothing here may call outside but for what it installs. */
export const QUIET_ENV = {
  ...process.env,
  TURBO_TELEMETRY_DISABLED: '1',
  DO_NOT_TRACK: '1',
  npm_config_update_notifier: 'false',
};

/**
 * Executable of a development dependency.
 * @param {string} name
 */
export const tool = (name) => join(ROOT, 'node_modules', '.bin', name);

/**
 * Whether `node_modules` holds what the lockfile says. Compared by version, since the times of the
 * files say nothing after a checkout.
 */
export function isInstalled() {
  const wanted = lockedPackages(join(ROOT, 'package-lock.json'));
  const present = lockedPackages(join(ROOT, 'node_modules', '.package-lock.json'));
  return Object.entries(wanted).every(([path, entry]) => {
    const found = present[path];
    if (!found) return path === '' || entry.optional === true || entry.peer === true;
    return entry.link === true || found.version === entry.version;
  });
}

/**
 * Runs `npm ci` where {@link isInstalled} says no.
 * @param {(message: string) => void} progress
 * @returns {Promise<boolean>} whether it worked
 */
export async function install(progress) {
  if (isInstalled()) return true;
  progress('installing dependencies (npm ci)');
  const { code } = await run('npm', ['ci', '--no-audit', '--no-fund', '--loglevel', 'error'], {
    cwd: ROOT,
    env: QUIET_ENV,
  });
  return code === 0;
}

/**
 * Builds the packages whose sources changed since the last build.
 * @param {{ quiet?: boolean }} [options]
 */
export async function build({ quiet = false } = {}) {
  const args = ['run', 'build', '--output-logs', quiet ? 'errors-only' : 'new-only'];
  return run(tool('turbo'), args, { cwd: ROOT, env: QUIET_ENV, quiet });
}

/**
 * @param {string} file
 * @returns {Record<string, { version?: string, optional?: boolean, peer?: boolean, link?: boolean }>}
 */
function lockedPackages(file) {
  if (!existsSync(file)) return {};
  return JSON.parse(readFileSync(file, 'utf8')).packages ?? {};
}

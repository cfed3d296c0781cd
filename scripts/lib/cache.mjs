// @ts-check
import { mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { homedir } from 'node:os';
import { dirname, join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';

export const ROOT = fileURLToPath(new URL('../..', import.meta.url));

/** Names the one setting that moves both caches. */
export const CACHE_VARIABLE = 'HOKUSAI_CACHE_DIR';

const override = process.env[CACHE_VARIABLE];

/** What a clone may throw away with its folder: the MLflow environments, reports. */
export const LOCAL_CACHE = override || join(ROOT, '.cache');

/** What is dear to build and the same for every clone: the collector. */
export const USER_CACHE =
  override || join(process.env.XDG_CACHE_HOME || join(homedir(), '.cache'), 'hokusai');

/**
 * Does `work` while no other process does: several test runs share one cache.
 * @template T
 * @param {string} path of the lock; the folder above it is made
 * @param {() => Promise<T>} work
 * @param {(message: string) => void} [progress]
 * @returns {Promise<T>}
 */
export async function withLock(path, work, progress = () => {}) {
  mkdirSync(dirname(path), { recursive: true });
  for (let told = false; !acquire(path); ) {
    if (!told) progress(`waiting for another process to finish (${path})`);
    told = true;
    await sleep(500);
  }
  try {
    return await work();
  } finally {
    rmSync(path, { force: true });
  }
}

/** @param {string} path */
function acquire(path) {
  try {
    writeFileSync(path, String(process.pid), { flag: 'wx' });
    return true;
  } catch (error) {
    if (/** @type {NodeJS.ErrnoException} */ (error).code !== 'EEXIST') throw error;
  }
  if (holderIsGone(path)) rmSync(path, { force: true });
  return false;
}

/** @param {string} path */
function holderIsGone(path) {
  try {
    const pid = Number(readFileSync(path, 'utf8'));
    // Empty: the holder is between creating the file and writing its id.
    if (pid > 0) process.kill(pid, 0);
    return false;
  } catch (error) {
    return /** @type {NodeJS.ErrnoException} */ (error).code === 'ESRCH';
  }
}

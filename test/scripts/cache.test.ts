import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, describe, expect, it } from 'vitest';
import { withLock } from '../../scripts/lib/cache.mjs';

const folder = mkdtempSync(join(tmpdir(), 'hokusai-lock-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

describe('the lock of a cache', () => {
  it('lets one work at a time', async () => {
    const lock = join(folder, 'one');
    let inside = 0;
    const work = async () => {
      expect(++inside).toBe(1);
      await sleep(20);
      inside--;
    };
    await Promise.all([withLock(lock, work), withLock(lock, work)]);
    expect(existsSync(lock)).toBe(false);
  });

  it('is given back when the work fails', async () => {
    const lock = join(folder, 'two');
    const failing = withLock(lock, () => Promise.reject(new Error('no')));
    await expect(failing).rejects.toThrow('no');
    expect(existsSync(lock)).toBe(false);
  });

  it('is taken over from a process that is gone', async () => {
    const lock = join(folder, 'three');
    writeFileSync(lock, '2147483646');
    await expect(withLock(lock, async () => 'done')).resolves.toBe('done');
  });
});

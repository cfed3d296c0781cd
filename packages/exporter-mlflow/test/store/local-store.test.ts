import {
  appendFileSync,
  mkdirSync,
  readdirSync,
  statSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { writeRecordsSync } from '../../src/store/files.js';
import { openLocalStore } from '../../src/store/local-store.js';
import { StoreReader } from '../../src/store/store-reader.js';
import { hex, idsOf, stored } from '../support/records.js';

let directory: string;
beforeEach(async () => {
  directory = join(await mkdtemp(join(tmpdir(), 'store-')), 'traces');
});
afterEach(() => rm(join(directory, '..'), { recursive: true, force: true }));

async function all(): Promise<string[]> {
  const records = [];
  for await (const record of new StoreReader(directory).records()) records.push(record);
  return idsOf(records);
}

describe('LocalStore', () => {
  it('writes what several writers give it at once, readable by another instance at once', async () => {
    const [a, b] = [await openLocalStore({ directory }), await openLocalStore({ directory })];
    const records = Array.from({ length: 40 }, () => stored());
    await Promise.all(records.map((record, i) => (i % 2 ? a : b).write([record])));
    expect((await all()).sort()).toEqual(idsOf(records).sort());
    await Promise.all([a.close(), b.close()]);
    const mode = statSync(join(directory, readdirSync(directory)[0] as string)).mode & 0o777;
    expect(mode).toBe(0o600);
  });

  it('begins new files by size and removes the oldest beyond its bound, telling how much', async () => {
    const onDrop = vi.fn();
    const store = await openLocalStore({ directory, maxBytes: 40_000, onDrop });
    const records = Array.from({ length: 200 }, () => stored());
    for (const record of records) await store.write([record]);
    await store.close();
    const size = readdirSync(directory).reduce(
      (sum, name) => sum + statSync(join(directory, name)).size,
      0,
    );
    expect(size).toBeLessThanOrEqual(40_000 + 5_000 + 1_000);
    const left = await all();
    expect(left).toEqual(idsOf(records).slice(-left.length));
    const dropped = onDrop.mock.calls.reduce((sum, [, count]) => sum + (count as number), 0);
    expect(dropped).toBe(200 - left.length);
  });

  it('leaves a file that another process may be writing to, whatever the bound', async () => {
    const other = await openLocalStore({ directory });
    await other.write(Array.from({ length: 50 }, () => stored()));
    const store = await openLocalStore({ directory, maxBytes: 20_000 });
    await store.write([stored()]);
    expect(await all()).toHaveLength(51);
    const minutesAgo = new Date(Date.now() - 120_000);
    for (const name of readdirSync(directory))
      utimesSync(join(directory, name), minutesAgo, minutesAgo);
    await openLocalStore({ directory, maxBytes: 20_000 });
    expect(await all()).toHaveLength(1);
    // Its file is gone; it begins another.
    await other.write([stored()]);
    expect(await all()).toHaveLength(2);
    await Promise.all([other.close(), store.close()]);
  });

  it('removes files older than maxAgeMs', async () => {
    const store = await openLocalStore({ directory });
    await store.write([stored()]);
    await store.close();
    const dayAgo = new Date(Date.now() - 86_400_000);
    for (const name of readdirSync(directory)) utimesSync(join(directory, name), dayAgo, dayAgo);
    const onDrop = vi.fn();
    await openLocalStore({ directory, maxAgeMs: 3_600_000, onDrop });
    expect(await all()).toEqual([]);
    expect(onDrop).toHaveBeenCalledWith('store_expired', 1);
  });

  it('refuses the folder of a Python file store', async () => {
    mkdirSync(join(directory, '0'), { recursive: true });
    writeFileSync(join(directory, '0', 'meta.yaml'), 'name: Default\n');
    await expect(openLocalStore({ directory })).rejects.toThrow(/file store.*another folder/);
  });

  it('holds what was written synchronously at the exit of a process', async () => {
    const record = stored();
    writeRecordsSync('store', directory, [record]);
    expect(await all()).toEqual(idsOf([record]));
  });
});

describe('writeSync', () => {
  it('also writes what was still waiting for the disk', async () => {
    const store = await openLocalStore({ directory });
    const [waiting, last] = [stored(), stored()];
    const written = store.write([waiting]);
    store.writeSync([last]);
    const kept = await all();
    expect(kept).toEqual(expect.arrayContaining(idsOf([waiting, last])));
    await written;
    await store.close();
  });
});

describe('StoreReader', () => {
  it('follows files as they grow, waits for the end of a torn line, and forgets removed files', async () => {
    const reader = new StoreReader(directory);
    await reader.refresh();
    expect(reader.traces()).toEqual([]);
    const store = await openLocalStore({ directory });
    const traceId = hex(16);
    await store.write([stored({ traceId, requestTimeMs: 2_000 })]);
    await reader.refresh();
    await store.write([stored({ traceId, requestTimeMs: 1_000 })]);
    const file = join(directory, readdirSync(directory)[0] as string);
    appendFileSync(file, 'deadbeef 400 1700');
    await reader.refresh();
    expect(reader.trace(traceId)).toMatchObject({ timeMs: 1_000, places: [{}, {}] });
    expect(reader.corrupt).toBe(0);
    expect(await reader.read(reader.trace(traceId)?.places ?? [])).toHaveLength(2);
    await rm(file);
    expect(await reader.read(reader.trace(traceId)?.places ?? [])).toEqual([]);
    await reader.refresh();
    expect(reader.traces()).toEqual([]);
    await store.close();
  });

  it('sees what was written before it was asked, also while it reads for others', async () => {
    const reader = new StoreReader(directory);
    const store = await openLocalStore({ directory });
    for (let i = 0; i < 20; i++) {
      const traceId = hex(16);
      const earlier = reader.refresh();
      await store.write([stored({ traceId })]);
      await Promise.all([reader.refresh(), reader.refresh()]);
      expect(reader.trace(traceId)).toBeDefined();
      await earlier;
    }
    await store.close();
  });

  it('reads a folder that does not exist as empty', async () => {
    expect(await all()).toEqual([]);
  });
});

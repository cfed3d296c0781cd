import {
  appendFileSync,
  existsSync,
  readdirSync,
  readFileSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { hostname, tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { writeRecordsSync } from '../../src/store/files.js';
import { openSpool, type Spool, SpoolFullError } from '../../src/store/spool.js';
import { StoreReader } from '../../src/store/store-reader.js';
import { kill9, messageOf, startChild } from '../support/child.js';
import { idsOf, stored } from '../support/records.js';

let directory: string;
const open: Spool[] = [];

beforeEach(async () => {
  directory = join(await mkdtemp(join(tmpdir(), 'spool-')), 'spool');
});
afterEach(async () => {
  vi.useRealTimers();
  for (const spool of open.splice(0)) await spool.close();
  await rm(join(directory, '..'), { recursive: true, force: true });
});

async function start(options: Partial<Parameters<typeof openSpool>[0]> = {}): Promise<Spool> {
  const spool = await openSpool({ directory, ...options });
  open.push(spool);
  return spool;
}
async function stop(spool: Spool): Promise<void> {
  open.splice(open.indexOf(spool), 1);
  await spool.close();
}
const segments = (): string[] => readdirSync(directory).filter((name) => name.endsWith('.v1.log'));
const takeAll = async (spool: Spool): Promise<string[]> =>
  idsOf((await spool.take({ maxItems: 10_000, maxBytes: 1e9 })).map(({ record }) => record));

describe('Spool', () => {
  it('gives records in the order they were put, each to one taker, and forgets the acknowledged', async () => {
    const spool = await start();
    const records = Array.from({ length: 10 }, () => stored());
    await Promise.all(records.map((record) => spool.put([record])));
    const [a, b] = await Promise.all([spool.take({ maxItems: 4 }), spool.take({ maxItems: 100 })]);
    expect(idsOf([...a, ...b].map(({ record }) => record))).toEqual(idsOf(records));
    expect(a).toHaveLength(4);
    expect(a[0]?.record).toEqual(records[0]);
    await spool.ack(a);
    spool.release(b);
    expect(spool.stats().waiting).toBe(6);
    expect(await takeAll(spool)).toEqual(idsOf(records.slice(4)));
  });

  it('takes at most about maxBytes, and at least one', async () => {
    const spool = await start();
    await spool.put([stored(), stored(), stored()]);
    expect(await spool.take({ maxBytes: 1 })).toHaveLength(1);
  });

  it('keeps what was not acknowledged over a restart, and removes files that are done with', async () => {
    const first = await start({ segmentBytes: 2_000 });
    const records = Array.from({ length: 12 }, () => stored());
    for (const record of records) await first.put([record]);
    expect(segments().length).toBeGreaterThan(3);
    await first.ack(await first.take({ maxItems: 5 }));
    await stop(first);

    const second = await start();
    expect(second.stats()).toMatchObject({ waiting: 7, adopted: 7 });
    const items = await second.take();
    expect(idsOf(items.map(({ record }) => record))).toEqual(idsOf(records.slice(5)));
    await second.ack(items);
    await stop(second);
    expect(readdirSync(directory).filter((name) => name !== 'buried')).toEqual([]);
  });

  it('reads an acknowledgment that was torn as not given', async () => {
    const first = await start();
    await first.put([stored(), stored()]);
    const [item] = await first.take({ maxItems: 1 });
    await first.ack([item as NonNullable<typeof item>]);
    await stop(first);
    const acks = readdirSync(directory).find((name) => name.endsWith('.acks')) as string;
    appendFileSync(join(directory, acks), '123=12');
    const second = await start();
    expect(second.stats().waiting).toBe(1);
  });

  it('loses only the torn record of a torn tail, and does not count it as dropped', async () => {
    const first = await start();
    const records = [stored(), stored()];
    await first.put(records);
    await stop(first);
    const file = join(directory, segments()[0] as string);
    appendFileSync(file, 'deadbeef 400 17000000');
    const second = await start();
    expect(await takeAll(second)).toEqual(idsOf(records));
    expect(second.stats().dropped.spool_corrupt).toBe(0);
  });

  it('counts a damaged record and goes on', async () => {
    const first = await start();
    const records = [stored(), stored(), stored()];
    for (const record of records) await first.put([record]);
    await stop(first);
    const file = join(directory, segments()[0] as string);
    const bytes = readFileSync(file);
    const middle = bytes.indexOf('\n') + 200;
    bytes[middle] = (bytes[middle] as number) ^ 1;
    writeFileSync(file, bytes);
    const onDrop = vi.fn();
    const second = await start({ onDrop });
    const ids = idsOf(records);
    expect(await takeAll(second)).toEqual([ids[0], ids[2]]);
    expect(onDrop).toHaveBeenCalledWith('spool_corrupt', 1);
  });

  it('buries a refused record with its reason and never offers it again', async () => {
    const spool = await start();
    const records = [stored(), stored()];
    await spool.put(records);
    const [poison] = await spool.take({ maxItems: 1 });
    await spool.bury([poison as NonNullable<typeof poison>], '400 INVALID_PARAMETER_VALUE');
    expect(await takeAll(spool)).toEqual([idsOf(records)[1]]);
    expect(spool.stats().buried).toBe(1);
    const buried = [];
    for await (const record of new StoreReader(join(directory, 'buried')).records()) {
      buried.push(record);
    }
    expect(buried).toHaveLength(1);
    expect(buried[0]).toMatchObject({
      value: { buried: { reason: '400 INVALID_PARAMETER_VALUE' } },
    });
  });

  it('drops the oldest when it is full, counts them, and stays within its bound', async () => {
    const onDrop = vi.fn(() => {
      throw new Error('from the program');
    });
    const maxBytes = 60_000;
    const spool = await start({ maxBytes, onDrop });
    const records = Array.from({ length: 200 }, () => stored());
    for (const record of records) await spool.put([record]);
    const size = readdirSync(directory).reduce(
      (sum, name) => sum + statSync(join(directory, name)).size,
      0,
    );
    expect(size).toBeLessThanOrEqual(maxBytes);
    const left = await takeAll(spool);
    expect(left).toEqual(idsOf(records).slice(-left.length));
    expect(left.length).toBeGreaterThan(30);
    expect(spool.stats().dropped.spool_full).toBe(200 - left.length);
    expect(onDrop).toHaveBeenCalled();
  });

  it('refuses a put that could never fit', async () => {
    const spool = await start({ maxBytes: 1_000 });
    await expect(spool.put([stored(), stored(), stored()])).rejects.toThrow(SpoolFullError);
    await spool.put([stored()]);
    expect(spool.stats().waiting).toBe(1);
  });

  it('does not offer what a full spool threw away after it was taken, and counts it when given back', async () => {
    const spool = await start({ maxBytes: 20_000 });
    await spool.put([stored()]);
    const taken = await spool.take();
    for (let i = 0; i < 60; i++) await spool.put([stored()]);
    const before = spool.stats().dropped.spool_full;
    spool.release(taken);
    await spool.ack(taken);
    expect(spool.stats().dropped.spool_full).toBe(before + 1);
  });

  it('gives up what waited longer than maxAgeMs', async () => {
    const first = await start();
    await first.put([stored()]);
    await stop(first);
    vi.useFakeTimers({ toFake: ['Date'], now: Date.now() + 1_000_000 });
    const onDrop = vi.fn();
    const second = await start({ maxAgeMs: 900_000, onDrop });
    expect(second.stats().waiting).toBe(0);
    expect(onDrop).toHaveBeenCalledWith('spool_expired', 1);
  });

  it('goes on in a new file when its own was removed under it', async () => {
    const spool = await start();
    await spool.put([stored()]);
    await rm(join(directory, segments()[0] as string));
    const kept = stored();
    await spool.put([kept]);
    await stop(spool);
    expect(await takeAll(await start())).toEqual(idsOf([kept]));
  });

  it('rejects a put that the disk refuses and takes the next one', async () => {
    const spool = await start();
    await rm(directory, { recursive: true });
    writeFileSync(directory, 'a file in its place');
    await expect(spool.put([stored()])).rejects.toThrow(/ENOTDIR|EEXIST/);
    await rm(directory);
    await spool.put([stored()]);
    expect(spool.stats().waiting).toBe(1);
  });

  it('takes over what the exit of a process wrote synchronously', async () => {
    const record = stored();
    writeRecordsSync('spool', directory, [record]);
    expect(await takeAll(await start())).toEqual(idsOf([record]));
  });

  it('writes synchronously at the exit of a process, what was still waiting for the disk included', async () => {
    const child = startChild('store/spool-child.ts', [directory, 'exit']);
    const { ids } = await messageOf(child, (message: { ids: string[] }) => message.ids.length > 0);
    await new Promise((resolve) => child.once('exit', resolve));
    expect(new Set(await takeAll(await start()))).toEqual(new Set(ids));
  });

  it('leaves the segments of a live process alone, in the same process too', async () => {
    const first = await start();
    await first.put([stored()]);
    const second = await start();
    expect(await takeAll(second)).toEqual([]);
    await stop(first);
    expect(await second.adopt()).toBe(1);
  });

  it('takes over from an owner whose process id was used again', async () => {
    const first = await start();
    await first.put([stored()]);
    const owner = readdirSync(directory).find((name) => name.endsWith('.owner')) as string;
    const content = { pid: process.pid, host: hostname(), startedAtMs: 1 };
    writeFileSync(join(directory, owner), JSON.stringify(content));
    const second = await start();
    expect(second.stats().adopted).toBe(1);
    await second.adopt();
    expect(existsSync(join(directory, owner))).toBe(false);
  });

  it('loses nothing acknowledged to kill -9 in the middle of writing', async () => {
    const child = startChild('store/spool-child.ts', [directory, 'put']);
    const put: string[] = [];
    child.on('message', (message: { put: string[] }) => put.push(...message.put));
    await messageOf(child, () => put.length > 300);
    await kill9(child);
    const spool = await start();
    const kept = new Set(await takeAll(spool));
    expect(put.filter((id) => !kept.has(id))).toEqual([]);
    expect(spool.stats().dropped.spool_corrupt).toBe(0);
  });

  it('hands every record to one of several processes, also when one is killed holding some', async () => {
    const writer = await start({ segmentBytes: 3_000 });
    const records = Array.from({ length: 400 }, () => stored());
    for (const record of records) await writer.put([record]);
    await stop(writer);

    const taken: string[][] = [[], []];
    const acked = new Set<string>();
    const children = [0, 1].map((i) => {
      const child = startChild('store/spool-child.ts', [directory, 'take']);
      child.on('message', (message: { taken?: string[]; acked?: string[] }) => {
        taken[i]?.push(...(message.taken ?? []));
        for (const id of message.acked ?? []) acked.add(id);
      });
      return child;
    });
    const [a, b] = children as [(typeof children)[0], (typeof children)[0]];
    await messageOf(a, () => acked.size > 40);
    await kill9(a);
    await messageOf(b, (message: { idle?: boolean }) => message.idle === true && acked.size > 300);
    await kill9(b);

    const rest = await takeAll(await start());
    const reached = new Set([...acked, ...(taken[0] as string[]), ...rest]);
    expect(idsOf(records).filter((id) => !reached.has(id))).toEqual([]);
    // Only the one portion that died with `a` unacknowledged may be seen twice.
    const twice = (taken[1] as string[]).filter((id) => taken[0]?.includes(id));
    expect(twice.length).toBeLessThanOrEqual(7);
  });
});

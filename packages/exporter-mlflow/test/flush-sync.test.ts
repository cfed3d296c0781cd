import { mkdtemp, rm } from 'node:fs/promises';
import { type AddressInfo, createServer, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { MlflowSpanExporter } from '../src/exporter.js';
import { StoreReader } from '../src/store/store-reader.js';
import { idsOf } from './support/records.js';
import { programSpan } from './support/spans.js';

/**
 * `process.exit()` and an uncaught error leave only synchronous work: `autolog()` hands its spans over in
 * the `exit` event and calls `flushSync()`, all in one turn of the event loop.
 */
let folder: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'flush-sync-'));
});
afterEach(() => rm(folder, { recursive: true, force: true }));

async function kept(directory: string): Promise<string[]> {
  const records = [];
  for await (const record of new StoreReader(directory).records()) records.push(record);
  return idsOf(records).sort();
}

const exportAll = (exporter: MlflowSpanExporter, names: readonly string[]) =>
  names
    .map((name) => {
      const span = programSpan(name);
      exporter.export([span], () => undefined);
      return span.spanContext().traceId;
    })
    .sort();

describe('flushSync()', () => {
  it('in the turn of the first export: everything is in the local store', async () => {
    const directory = join(folder, 'traces');
    const exporter = new MlflowSpanExporter({ trackingUri: `file:${directory}` });
    const ids = exportAll(exporter, ['a', 'b', 'c']);
    expect(exporter.flushSync()).toBe(0);
    expect(await kept(directory)).toEqual(ids);
    await exporter.shutdown();
    expect(await kept(directory)).toEqual(ids);
  });

  it('in the turn of the first export: everything is in the spool', async () => {
    const directory = join(folder, 'spool');
    const exporter = new MlflowSpanExporter({
      trackingUri: 'http://127.0.0.1:9',
      spool: directory,
    });
    const ids = exportAll(exporter, ['a', 'b']);
    expect(exporter.flushSync()).toBe(0);
    expect(await kept(directory)).toEqual(ids);
    await exporter.shutdown();
  });

  it('without a place to keep them counts the spans as dropped', async () => {
    const exporter = new MlflowSpanExporter({ trackingUri: 'http://127.0.0.1:9' });
    exportAll(exporter, ['a', 'b']);
    expect(exporter.flushSync()).toBe(2);
    expect(exporter.stats().dropped).toEqual({ shutdown: 2 });
    await exporter.shutdown();
  });

  it('has nothing to do after delivery, before the first export, and when the settings are unusable', async () => {
    const directory = join(folder, 'traces');
    const exporter = new MlflowSpanExporter({ trackingUri: `file:${directory}` });
    expect(exporter.flushSync()).toBe(0);
    const ids = exportAll(exporter, ['a']);
    await exporter.forceFlush();
    expect(exporter.flushSync()).toBe(0);
    expect(await kept(directory)).toEqual(ids);
    await exporter.shutdown();
    const broken = new MlflowSpanExporter({ trackingUri: 'sqlite:///m.db' });
    exportAll(broken, ['a']);
    expect(() => broken.flushSync()).not.toThrow();
  });

  it('gives up requests under way, so that a server that does not answer keeps nobody waiting', async () => {
    const silent = createServer(() => undefined);
    await new Promise<void>((resolve) => silent.listen(0, '127.0.0.1', resolve));
    const sockets = new Set<Socket>();
    silent.on('connection', (socket) => sockets.add(socket.resume()));
    const directory = join(folder, 'spool');
    const exporter = new MlflowSpanExporter({
      trackingUri: `http://127.0.0.1:${(silent.address() as AddressInfo).port}`,
      spool: directory,
    });
    const ids = exportAll(exporter, ['a']);
    await vi.waitFor(() => expect(sockets.size).toBeGreaterThan(0));
    const flushed = exporter.forceFlush();
    expect(exporter.flushSync()).toBe(0);
    await flushed;
    await vi.waitFor(() => expect([...sockets].every(({ destroyed }) => destroyed)).toBe(true));
    expect(await kept(directory)).toEqual(ids);
    expect(exporter.stats()).toMatchObject({ spooled: 1, sent: 0, dropped: {} });
    await exporter.shutdown();
    silent.close();
    expect(await kept(directory)).toEqual(ids);
  });
});

import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, it, vi } from 'vitest';
import { MlflowSpanExporter } from '../../src/exporter.js';
import { kill9, messageOf, startChild } from '../support/child.js';
import { startFakeMlflow } from '../support/fake-mlflow.js';
import { exportSpans, smallTrace } from '../support/spans.js';

it('everything acknowledged before a kill -9 is delivered, by this process or the next', async () => {
  const server = await startFakeMlflow();
  const spool = await mkdtemp(join(tmpdir(), 'hokusai-crash-'));
  // First the server takes traces, then the spool does.
  server.onTraces = (_, count) => (count > 20 ? { status: 503 } : undefined);
  const child = startChild('delivery/crash-child.ts', [server.url, spool]);
  const acknowledged = new Set<string>();
  child.on('message', ({ acknowledged: id }: { acknowledged: string }) => acknowledged.add(id));
  await messageOf(child, () => acknowledged.size >= 25);
  await kill9(child);
  const isStored = (id: string) => server.stored.get(id)?.size === 2;
  expect([...acknowledged].every(isStored)).toBe(false);

  server.onTraces = () => undefined;
  const next = new MlflowSpanExporter({ trackingUri: server.url, spool });
  // The spool is opened with the first export.
  await exportSpans(next, smallTrace());
  await vi.waitFor(
    () => {
      expect([...acknowledged].filter((id) => !isStored(id))).toEqual([]);
    },
    { timeout: 30_000, interval: 100 },
  );
  await next.shutdown();
  await server.close();
  await rm(spool, { recursive: true });
}, 60_000);

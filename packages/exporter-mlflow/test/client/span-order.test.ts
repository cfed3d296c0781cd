import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { MlflowClient } from '../../src/client.js';
import { MlflowSpanExporter } from '../../src/exporter.js';
import { makeSpan } from '../support/spans.js';

it('spans that began in the same millisecond come parents first, however they arrived', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'span-order-'));
  const trackingUri = `file:${folder}`;
  const start = Date.now();
  const root = makeSpan({ name: 'root', start });
  const child = makeSpan({ name: 'child', parent: root, start });
  const grandchild = makeSpan({ name: 'grandchild', parent: child, start });
  const later = makeSpan({ name: 'later', parent: root, start: start + 1 });
  const exporter = new MlflowSpanExporter({ trackingUri, experimentName: 'order' });
  exporter.export([grandchild, child, later, root], () => undefined);
  await exporter.shutdown();
  const client = new MlflowClient({ trackingUri, experimentName: 'order' });
  const [trace] = await client.getTraces().toArray();
  expect(trace?.spans.map(({ name }) => name)).toEqual(['root', 'child', 'grandchild', 'later']);
  await client.close();
  await rm(folder, { recursive: true });
});

import { afterEach, beforeEach, expect, it, vi } from 'vitest';
import { MlflowSpanExporter } from '../../src/exporter.js';
import { estimateBytes } from '../../src/mapping/estimate.js';
import { type FakeMlflow, startFakeMlflow } from '../support/fake-mlflow.js';
import { exportSpans, programSpan } from '../support/spans.js';

const MAX_QUEUE_BYTES = 256 * 1024;

let server: FakeMlflow;
let exporter: MlflowSpanExporter;
beforeEach(async () => {
  vi.spyOn(console, 'warn').mockImplementation(() => {});
  server = await startFakeMlflow();
  exporter = new MlflowSpanExporter({ trackingUri: server.url, maxQueueBytes: MAX_QUEUE_BYTES });
});
afterEach(async () => {
  await exporter.shutdown();
  await server.close();
  vi.restoreAllMocks();
});

/** About 48 kB of spans. */
const batch = () =>
  Array.from({ length: 40 }, (_, index) =>
    programSpan(`step ${index}`, { attributes: { note: 'x'.repeat(200) } }),
  );

it('batches of a program that leaves the event loop no turn are kept within the bound', async () => {
  const bound = MAX_QUEUE_BYTES + estimateBytes(batch());
  const results: Promise<unknown>[] = [];
  for (let count = 0; count < 100; count++) {
    results.push(exportSpans(exporter, batch()));
    expect(exporter.stats().bytesHeld).toBeLessThanOrEqual(bound);
  }
  expect(exporter.stats().bytesHeld).toBeGreaterThan(MAX_QUEUE_BYTES / 2);
  await Promise.all(results);
  const { received, sent, dropped } = exporter.stats();
  expect(dropped.queue_full).toBeGreaterThan(0);
  expect(sent + (dropped.queue_full ?? 0)).toBe(received);
});

it('what fits the bound waits for its turn and arrives', async () => {
  await Promise.all([exportSpans(exporter, batch()), exportSpans(exporter, batch())]);
  expect(exporter.stats()).toMatchObject({ received: 80, sent: 80, dropped: {}, bytesHeld: 0 });
});

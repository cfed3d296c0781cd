import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Sample } from '../../../bench/lib/memory-load.mjs';
import { bundle } from '../support/bundle.js';
import { runChild } from '../support/process.js';
import type { LoadRequest } from './load.js';

// `bench/memory.mjs` runs the same load with a million executions.
const EXECUTIONS = 20_000;
const STREAMS = 2_000;
/** Each when nothing waits any more: the first is of a process that is still warming up. */
const SAMPLES = 3;
const MAX_QUEUE_BYTES = 500_000;
/** The newest batch may wait beside the bound: 512 spans. */
const BATCH_BYTES = 512 * 4_000;
/**
 * Of a heap that holds nothing of ours any more: what compiled code and caches move between samples. Between
 * two there are 6,667 executions: 250 bytes that each left behind would be more.
 */
const NOISE_BYTES = 1_500_000;

/** Timers of the batch processor and of the exporter that may be set at any moment, whatever the load. */
const TIMERS = 5;

const folder = mkdtempSync(join(tmpdir(), 'memory-'));
let samples: Sample[];
beforeAll(async () => {
  const out = join(folder, 'samples.json');
  const request: LoadRequest = {
    executions: EXECUTIONS,
    streams: STREAMS,
    samples: SAMPLES,
    drain: true,
    exporter: { maxQueueBytes: MAX_QUEUE_BYTES, retryBudgetMs: 300 },
    out,
  };
  const { code, stderr } = await runChild(await bundle('memory/load.ts'), request);
  expect(code, stderr).toBe(0);
  samples = JSON.parse(readFileSync(out, 'utf8'));
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

function samplesOf(load: Sample['load']): [first: Sample, middle: Sample, last: Sample] {
  const all = samples.filter((sample) => sample.load === load);
  expect(all).toHaveLength(SAMPLES);
  return all as [Sample, Sample, Sample];
}

describe.each(['executions', 'abandoned streams'] as const)('%s with a dead server', (load) => {
  it('leave nothing on the heap', () => {
    const [, middle, last] = samplesOf(load);
    expect(last.heapBytes).toBeLessThan(middle.heapBytes + NOISE_BYTES);
  });

  it('leave no handle open', () => {
    const [, middle, last] = samplesOf(load);
    expect(last.handles).toBeLessThanOrEqual(middle.handles + TIMERS);
  });

  it('wait within the bound of the exporter', () => {
    const held = Math.max(...samplesOf(load).map(({ bytesHeld }) => bytesHeld));
    expect(held).toBeLessThan(MAX_QUEUE_BYTES + BATCH_BYTES);
  });
});

it('the load is more than the exporter may hold', () => {
  expect(samples.at(-1)?.dropped.queue_full).toBeGreaterThan(0);
});

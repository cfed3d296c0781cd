/**
 * A process of its own: runs every program under one way of tracing and writes down what each of them
 * saw. `node run.mjs '{"mode": …, "urls": …, "out": …}'`
 */
import { writeFileSync } from 'node:fs';
import { autolog, getAutologClient } from '@hokusai/mlflow-dspy';
import { PROGRAMS } from './index.js';
import { Journalist } from './journal.js';
import { MODES, type RunReport, type RunRequest } from './modes.js';

const request = JSON.parse(process.argv[2] ?? '') as RunRequest;
const journalist = new Journalist(request.urls);
MODES[request.mode].start?.(autolog, request);

const journals: RunReport['journals'] = {};
for (const [name, program] of Object.entries(PROGRAMS)) {
  if (request.only !== undefined && !name.includes(request.only)) continue;
  journals[name] = await journalist.journalOf(name, program);
  // Whatever a program abandoned ends while the programs after it run.
  if (Object.keys(journals).length % 16 === 0) global.gc?.();
}
const client = getAutologClient();
await client?.flush();
const report: RunReport = {
  journals,
  said: journalist.said,
  handles: await remainingHandles(),
  spans: client?.stats().received ?? 0,
};
writeFileSync(request.out, JSON.stringify(report));

/** What still keeps the process alive after a while, the pipes to the parent aside. */
async function remainingHandles(): Promise<string[]> {
  for (let tries = 100; ; tries--) {
    const handles = process.getActiveResourcesInfo().filter((name) => name !== 'PipeWrap');
    if (handles.length === 0 || tries === 0) return handles;
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}

/**
 * A process of its own: runs every program under one way of tracing and writes down what each of them
 * saw. `node run.mjs '{"mode": …, "urls": …, "out": …}'`
 */
import { writeFileSync } from 'node:fs';
import * as ax from '@ax-llm/ax';
import { autolog, getAutologClient } from '@hokusai/mlflow-dspy';
import { Identities, shapeOf } from '../support/shape.js';
import { PROGRAMS } from './index.js';
import { MODES, type RunReport, type RunRequest } from './modes.js';
import { chatOf, mockModel, settle, type World } from './world.js';

const request = JSON.parse(process.argv[2] ?? '') as RunRequest;
const TIME_LIMIT_MS = 20_000;

let note: World['note'] = () => {};
process.on('unhandledRejection', (reason) => note('unhandled rejection', reason));
process.on('rejectionHandled', () => note('rejection handled late'));
process.on('uncaughtException', (error) => note('uncaught', error));
process.on('warning', (warning) => note('warning', warning.message));
const said: string[] = [];
let current = 'start';
for (const stream of ['stdout', 'stderr'] as const) {
  process[stream].write = ((text: string | Uint8Array) => {
    if (String(text).startsWith('@hokusai/')) said.push(`${current}: ${text}`);
    // Node warns in the worker that runs an agent's code, at its own time.
    else if (!String(text).includes('ExperimentalWarning')) note(stream, String(text));
    return true;
  }) as typeof process.stdout.write;
}

MODES[request.mode].start?.(autolog, request);

const journals: RunReport['journals'] = {};
for (const [name, program] of Object.entries(PROGRAMS)) {
  if (request.only !== undefined && !name.includes(request.only)) continue;
  current = name;
  journals[name] = await journalOf(program);
  // Whatever a program abandoned ends while the programs after it run.
  if (Object.keys(journals).length % 16 === 0) global.gc?.();
}
const client = getAutologClient();
await client?.flush();
const report: RunReport = {
  journals,
  said,
  handles: await remainingHandles(),
  spans: client?.stats().received ?? 0,
};
writeFileSync(request.out, JSON.stringify(report));

/** What still keeps the process alive after a while, the pipes to the parent aside. */
async function remainingHandles(): Promise<string[]> {
  current = 'end';
  for (let tries = 100; ; tries--) {
    const handles = process.getActiveResourcesInfo().filter((name) => name !== 'PipeWrap');
    if (handles.length === 0 || tries === 0) return handles;
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}

async function journalOf(program: (world: World) => unknown): Promise<unknown[]> {
  const ids = new Identities();
  const journal: unknown[] = [];
  note = (what, value) => {
    journal.push([what, stable(shapeOf(value, ids))]);
  };
  const own = note;
  const world: World = {
    ax,
    note: own,
    model: (...answers) => mockModel(own, answers),
    chat: (...answers) => chatOf(own, answers),
    openai: ({ stream = false, model = 'gpt-4o-mini' } = {}) =>
      ax.ai({
        name: 'openai',
        apiKey: 'sk-test',
        apiURL: model === 'silent' ? request.urls.silent : request.urls.model,
        config: { model: model as never, stream },
        options: { retry: { maxRetries: 0 } },
      } as never) as unknown as ax.AxAIService,
  };
  let timer: NodeJS.Timeout | undefined;
  const limit = new Promise<'hung'>((resolve) => {
    timer = setTimeout(() => resolve('hung'), TIME_LIMIT_MS);
  });
  try {
    own('result', await Promise.race([program(world), limit]));
  } catch (error) {
    own('threw', error);
  }
  clearTimeout(timer);
  await settle();
  return journal;
}

/** Without what differs from run to run anyway. */
function stable(value: unknown): unknown {
  if (typeof value === 'string') {
    return value
      .replace(/[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}/g, '<uuid>')
      .replace(/\d{4}-\d\d-\d\dT[\d:.]+Z/g, '<time>')
      .replace(/127\.0\.0\.1:\d+/g, '<host>');
  }
  // Milliseconds since the epoch.
  if (typeof value === 'number' && value > 1e12) return '<time>';
  if (Array.isArray(value)) return value.map(stable);
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(Object.entries(value).map(([key, item]) => [key, stable(item)]));
}

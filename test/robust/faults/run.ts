/**
 * A process of its own, built with probes: makes every function of the instrumentation throw in turn
 * while programs run. `node run.mjs '{"urls": …, "out": …}'`
 */
import { writeFileSync } from 'node:fs';
import { isDeepStrictEqual } from 'node:util';
import * as ax from '@ax-llm/ax';
import { context, trace } from '@opentelemetry/api';
import { AsyncLocalStorageContextManager } from '@opentelemetry/context-async-hooks';
import {
  BasicTracerProvider,
  InMemorySpanExporter,
  SimpleSpanProcessor,
} from '@opentelemetry/sdk-trace-base';
import { diagnostics } from '../../../packages/instrumentation-dspy/src/diagnostics.js';
import { DspyInstrumentation } from '../../../packages/instrumentation-dspy/src/index.js';
import { PROGRAMS } from '../programs/index.js';
import { Journalist } from '../programs/journal.js';
import { Fault } from './globals.js';
import type { FaultReport, FaultRequest, Outcome } from './report.js';

const request = JSON.parse(process.argv[2] ?? '') as FaultRequest;
const journalist = new Journalist(request.urls);

/** Programs that reach everything: one of each kind is enough. */
const names = Object.keys(PROGRAMS).filter((name) => !request.leaveOut.includes(name));

const baseline = new Map<string, unknown[]>();
for (const name of names) baseline.set(name, await journalOf(name));

context.setGlobalContextManager(new AsyncLocalStorageContextManager().enable());
const exporter = new InMemorySpanExporter();
const provider = new BasicTracerProvider({ spanProcessors: [new SimpleSpanProcessor(exporter)] });
trace.setGlobalTracerProvider(provider);
const instrumentation = new DspyInstrumentation();
instrumentation.setTracerProvider(provider);
instrumentation.manuallyInstrument(ax);

// What each program reaches.
const reached = new Map<string, string[]>();
for (const name of names) {
  const seen = new Set<string>();
  __probes.enter = (id) => seen.add(id);
  await journalOf(name);
  __probes.enter = () => {};
  for (const id of seen) reached.set(id, [...(reached.get(id) ?? []), name]);
}

const outcomes: Outcome[] = [];
for (const [id, programs] of reached) {
  if (request.only !== undefined && !id.includes(request.only)) continue;
  for (const name of programs.slice(0, request.programsPerFunction)) {
    for (const at of ['enter', 'leave'] as const) outcomes.push(await failing(id, at, name));
  }
}

const report: FaultReport = { functions: [...reached.keys()], outcomes };
writeFileSync(request.out, JSON.stringify(report));

function journalOf(name: string): Promise<unknown[]> {
  exporter?.reset();
  return journalist.journalOf(name, PROGRAMS[name] as never);
}

async function failing(id: string, at: 'enter' | 'leave', name: string): Promise<Outcome> {
  diagnostics.reset();
  let fired = 0;
  __probes[at] = (reached) => {
    if (reached !== id) return;
    fired++;
    throw new Fault();
  };
  const journal = await journalOf(name);
  __probes[at] = () => {};
  const expected = baseline.get(name) ?? [];
  const same = isDeepStrictEqual(journal, expected);
  return {
    id,
    at,
    program: name,
    fired,
    counted: diagnostics.count(),
    same,
    ...(!same && { difference: firstDifference(journal, expected) }),
  };
}

function firstDifference(journal: unknown[], expected: unknown[]): string {
  const index = journal.findIndex((entry, at) => !isDeepStrictEqual(entry, expected[at]));
  const at = index < 0 ? journal.length : index;
  return `${JSON.stringify(journal[at])?.slice(0, 400)} instead of ${JSON.stringify(expected[at])?.slice(0, 200)}`;
}

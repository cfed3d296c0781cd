/**
 * A process of its own, built with probes: makes every function of the instrumentation throw in turn
 * while programs run. `node run.mjs '{"urls": …, "out": …}'`
 */
import { writeFileSync } from 'node:fs';
import { isDeepStrictEqual } from 'node:util';
import * as ax from '@ax-llm/ax';
import { DspyInstrumentation, type DspyInstrumentationConfig } from '@hokusai/instrumentation-dspy';
import { context, trace } from '@opentelemetry/api';
import { AsyncLocalStorageContextManager } from '@opentelemetry/context-async-hooks';
import {
  BasicTracerProvider,
  InMemorySpanExporter,
  SimpleSpanProcessor,
} from '@opentelemetry/sdk-trace-base';
import { diagnostics } from '../../../packages/instrumentation-dspy/src/diagnostics.js';
import { PROGRAMS } from '../programs/index.js';
import { Journalist } from '../programs/journal.js';
import type { Program } from '../programs/world.js';
import { Fault } from './globals.js';
import type { FaultReport, FaultRequest, Outcome } from './report.js';

const request = JSON.parse(process.argv[2] ?? '') as FaultRequest;
const journalist = new Journalist(request.urls);
const exporter = new InMemorySpanExporter();

/** What has to be switched on for some of the functions to be reached. */
const CONFIGS: readonly DspyInstrumentationConfig[] = [
  {},
  {
    moduleFilter: (name) => !name.startsWith('Filtered'),
    traceCondition: () => true,
    inputSanitizer: (inputs) => ({ ...inputs, questionText: 'two plus [removed]?' }),
    outputSanitizer: (outputs) => outputs,
    customTags: { team: 'x' },
  },
];

const names = Object.keys(PROGRAMS).filter((name) => !request.leaveOut.includes(name));
const baseline = new Map<string, unknown[]>();
for (const name of names) baseline.set(name, await journalOf(name));

context.setGlobalContextManager(new AsyncLocalStorageContextManager().enable());
const provider = new BasicTracerProvider({ spanProcessors: [new SimpleSpanProcessor(exporter)] });
trace.setGlobalTracerProvider(provider);
const instrumentation = new DspyInstrumentation();
instrumentation.setTracerProvider(provider);
instrumentation.manuallyInstrument(ax);

const functions = new Set<string>();
const outcomes: Outcome[] = [];
for (const config of CONFIGS) {
  instrumentation.setConfig(config);
  const reached = await reach();
  for (const [id, programs] of reached) {
    if (functions.has(id)) continue;
    functions.add(id);
    if (request.only !== undefined && !id.includes(request.only)) continue;
    for (const name of programs.slice(0, request.programsPerFunction)) {
      for (const at of ['enter', 'leave'] as const) outcomes.push(await failing(id, at, name));
    }
  }
}
const report: FaultReport = { functions: [...functions], outcomes };
writeFileSync(request.out, JSON.stringify(report));

function journalOf(name: string): Promise<unknown[]> {
  exporter.reset();
  return journalist.journalOf(name, PROGRAMS[name] as Program);
}

/** The functions that are called while programs run, each with the programs that call it. */
async function reach(): Promise<Map<string, string[]>> {
  const reached = new Map<string, string[]>();
  for (const name of names) {
    const seen = new Set<string>();
    __probes.enter = (id) => seen.add(id);
    await journalOf(name);
    __probes.enter = () => {};
    for (const id of seen) reached.set(id, [...(reached.get(id) ?? []), name]);
  }
  return reached;
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
  const [got, wanted] = [journal[at], expected[at]].map((entry) => JSON.stringify(entry) ?? '');
  return `${got?.slice(0, 400)} instead of ${wanted?.slice(0, 200)}`;
}

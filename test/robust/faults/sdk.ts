/**
 * A process of its own: runs programs on an OpenTelemetry SDK one part of which throws.
 * `node sdk.mjs '{"urls": …, "out": …}'`
 */
import { writeFileSync } from 'node:fs';
import { isDeepStrictEqual } from 'node:util';
import * as ax from '@ax-llm/ax';
import { DspyInstrumentation } from '@hokusai/instrumentation-dspy';
import { type ContextManager, context, type Span, type TracerProvider } from '@opentelemetry/api';
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
import { type FaultRequest, SDK_PARTS, type SdkOutcome } from './report.js';

const request = JSON.parse(process.argv[2] ?? '') as FaultRequest;
const journalist = new Journalist(request.urls);
const names = Object.keys(PROGRAMS).filter((name) => !request.leaveOut.includes(name));
const journalOf = (name: string) => journalist.journalOf(name, PROGRAMS[name] as Program);

/** The part that throws. */
let broken = '';
let fired = 0;

/** The object with the broken part of it throwing, its own methods on itself. */
function fragile<T extends object>(object: T, kind: string): T {
  return new Proxy(object, {
    get(target, key) {
      const value: unknown = Reflect.get(target, key, target);
      if (typeof value !== 'function') return value;
      return (...args: unknown[]) => {
        if (`${kind}.${String(key)}` === broken) {
          fired++;
          throw new Fault();
        }
        return Reflect.apply(value, target, args);
      };
    },
  });
}

const manager = new AsyncLocalStorageContextManager().enable();
context.setGlobalContextManager(fragile<ContextManager>(manager, 'contextManager'));

// Without tracing, on the same context manager: Ax asks it for the context too.
const baseline = new Map<string, unknown[]>();
for (const part of SDK_PARTS) {
  broken = part;
  for (const name of names) baseline.set(`${part} ${name}`, await journalOf(name));
}
broken = '';

const exporter = fragile(new InMemorySpanExporter(), 'exporter');
const provider = new BasicTracerProvider({
  sampler: fragile(
    { shouldSample: () => ({ decision: 2 }), toString: () => 'always' },
    'sampler',
  ) as never,
  spanProcessors: [fragile(new SimpleSpanProcessor(exporter), 'processor')],
});
const instrumentation = new DspyInstrumentation();
instrumentation.setTracerProvider({
  getTracer(...args: Parameters<TracerProvider['getTracer']>) {
    const tracer = provider.getTracer(...args);
    return fragile(
      {
        startSpan: (...given: Parameters<typeof tracer.startSpan>): Span =>
          fragile(tracer.startSpan(...given), 'span'),
        startActiveSpan: tracer.startActiveSpan.bind(tracer),
      },
      'tracer',
    ) as typeof tracer;
  },
});
instrumentation.manuallyInstrument(ax);

const outcomes: SdkOutcome[] = [];
for (const part of SDK_PARTS) {
  for (const name of names) {
    diagnostics.reset();
    broken = part;
    fired = 0;
    const journal = await journalOf(name);
    broken = '';
    const same = isDeepStrictEqual(journal, baseline.get(`${part} ${name}`));
    outcomes.push({ part, program: name, fired, counted: diagnostics.count(), same });
  }
}
writeFileSync(request.out, JSON.stringify(outcomes));

// `node --expose-gc bench/memory.mjs [--executions 1000000] [--streams 100000]`: heap and handles over many
// executions, and over streams that nobody reads to their end, with a server that is dead the whole time.
import { parseArgs } from 'node:util';
import { MlflowSpanExporter } from '@hokusai/exporter-mlflow';
import { DspyInstrumentation } from '@hokusai/instrumentation-dspy';
import { tracing } from './lib/arms.mjs';
import { bothCopies } from './lib/ax.mjs';
import { CALLS_PER_BLOCK, mockProgram, runCalls } from './lib/programs.mjs';

const { values } = parseArgs({
  options: {
    executions: { type: 'string', default: '1000000' },
    streams: { type: 'string', default: '100000' },
  },
});
const REPORTS = 10;
const { esm } = await bothCopies();
// Nothing listens on the discard port.
const exporter = new MlflowSpanExporter({ trackingUri: 'http://127.0.0.1:9', experimentName: 'x' });
const { processor } = tracing(exporter, {}, { maxQueueSize: 4_096, scheduledDelayMillis: 500 });
new DspyInstrumentation().manuallyInstrument(esm);

async function report(what, done) {
  // Finalizers and timers get a turn, so that what is collected is also closed.
  for (let i = 0; i < 3; i++) {
    globalThis.gc();
    await new Promise((resolve) => setImmediate(resolve));
  }
  const { held, bytesHeld, dropped } = exporter.stats();
  const mb = (bytes) => (bytes / 1e6).toFixed(1);
  console.log(
    `${what} ${done}: heap ${mb(process.memoryUsage().heapUsed)} MB, rss ${mb(process.memoryUsage.rss())} MB, handles ${process.getActiveResourcesInfo().length}, held ${held} spans ${mb(bytesHeld)} MB, dropped ${JSON.stringify(dropped)}`,
  );
}

const executions = Number(values.executions);
const every = Math.max(executions / REPORTS, CALLS_PER_BLOCK);
for (let done = 0, next = every; done < executions; ) {
  await runCalls(mockProgram(esm));
  done += CALLS_PER_BLOCK;
  if (done % 2_000 === 0) await new Promise((resolve) => setImmediate(resolve));
  if (done >= next) {
    await report('executions', done);
    next += every;
  }
}

/** A generator whose answer never ends. */
function endless() {
  const ai = new esm.AxMockAIService({
    features: { functions: false, streaming: true },
    chatResponse: async () =>
      new ReadableStream({
        pull: (controller) =>
          controller.enqueue({ results: [{ index: 0, content: 'Answer: word word ' }] }),
      }),
  });
  return esm.ax('question:string -> answer:string').streamingForward(ai, { question: 'why?' });
}

const streams = Number(values.streams);
for (let done = 0; done < streams; ) {
  await endless().next();
  done++;
  if (done % 200 === 0) await new Promise((resolve) => setImmediate(resolve));
  if (done % Math.max(streams / REPORTS, 1) === 0) await report('abandoned streams', done);
}
// Rejects, as it should: nothing was delivered.
await processor.shutdown().catch(() => {});
process.exit(0);

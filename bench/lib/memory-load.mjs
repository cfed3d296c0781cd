// Executions, and streams that nobody reads to their end, with a server that is dead the whole time.
import { setImmediate as nextTurn } from 'node:timers/promises';
import * as ax from '@ax-llm/ax';
import { MlflowSpanExporter } from '@hokusai/exporter-mlflow';
import { DspyInstrumentation } from '@hokusai/instrumentation-dspy';
import { tracing } from './arms.mjs';
import { CALLS_PER_BLOCK, mockProgram, runCalls } from './programs.mjs';

/** Executions in a row before timers and sockets get a turn. */
const EXECUTIONS_A_TURN = 2_000;
const STREAMS_A_TURN = 200;

/**
 * What is held, on the heap after a collection.
 * @typedef {object} Sample
 * @property {'executions' | 'abandoned streams'} load
 * @property {number} done executions or streams so far
 * @property {number} heapBytes
 * @property {number} rssBytes
 * @property {number} handles timers, sockets and requests that are open
 * @property {number} spansHeld by the exporter
 * @property {number} bytesHeld by the exporter, as it counts them
 * @property {Readonly<Record<string, number>>} dropped spans by reason
 */

/**
 * Runs both loads, traced, one after the other. Needs `--expose-gc`.
 * @param {object} options
 * @param {number} options.executions
 * @param {number} options.streams
 * @param {number} options.samples of each load
 * @param {{ maxQueueBytes?: number, retryBudgetMs?: number }} [options.exporter] instead of its defaults
 * @param {boolean} [options.drain] measure the heap when nothing waits any more
 * @param {(sample: Sample) => void} options.onSample
 */
export async function runMemoryLoad(options) {
  const { executions, streams, samples, drain = false, onSample } = options;
  const exporter = new MlflowSpanExporter({
    // Nothing listens on the discard port.
    trackingUri: 'http://127.0.0.1:9',
    experimentName: 'memory',
    ...options.exporter,
  });
  const { processor } = tracing(exporter, {}, { maxQueueSize: 4_096, scheduledDelayMillis: 500 });
  new DspyInstrumentation().manuallyInstrument(ax);

  const sample = async (load, done) => {
    const { held: spansHeld, bytesHeld } = exporter.stats();
    // Rejects, as it should: nothing is delivered.
    if (drain) await processor.forceFlush().catch(() => {});
    const { dropped } = exporter.stats();
    const inProcess = drain ? await settled() : await measured();
    onSample({ load, done, spansHeld, bytesHeld, dropped: { ...dropped }, ...inProcess });
  };
  const executionsASample = Math.max(executions / samples, CALLS_PER_BLOCK);
  for (let done = 0, next = executionsASample; done < executions; ) {
    await runCalls(mockProgram(ax));
    done += CALLS_PER_BLOCK;
    if (done % EXECUTIONS_A_TURN === 0) await nextTurn();
    if (done < next) continue;
    await sample('executions', done);
    next += executionsASample;
  }
  const streamsASample = Math.max(Math.floor(streams / samples), 1);
  for (let done = 1; done <= streams; done++) {
    await endless().next();
    if (done % STREAMS_A_TURN === 0) await nextTurn();
    if (done % streamsASample === 0) await sample('abandoned streams', done);
  }
  await processor.shutdown().catch(() => {});
}

/** Rounds without anything let go after which nothing more will be. */
const CALM_ROUNDS = 15;

/** What is left when timers of the HTTP client, which tick about once a second, have let go of their requests. */
async function settled() {
  let least = await measured();
  for (let calm = 0; calm < CALM_ROUNDS; calm++) {
    await new Promise((resolve) => setTimeout(resolve, 100));
    const now = await measured();
    if (now.heapBytes < least.heapBytes) {
      // What compiled code gives and takes is no reason to go on.
      if (now.heapBytes < least.heapBytes - 50_000) calm = 0;
      least = { ...now, handles: Math.min(now.handles, least.handles) };
    }
  }
  return least;
}

async function measured() {
  // Finalizers and timers get a turn, so that what is collected is also closed.
  for (let i = 0; i < 3; i++) {
    globalThis.gc();
    await nextTurn();
  }
  return {
    heapBytes: process.memoryUsage().heapUsed,
    rssBytes: process.memoryUsage.rss(),
    handles: process.getActiveResourcesInfo().length,
  };
}

/** A stream whose answer never ends. */
function endless() {
  const ai = new ax.AxMockAIService({
    features: { functions: false, streaming: true },
    chatResponse: async () =>
      new ReadableStream({
        pull: (controller) =>
          controller.enqueue({ results: [{ index: 0, content: 'Answer: word word ' }] }),
      }),
  });
  return ax.ax('question:string -> answer:string').streamingForward(ai, { question: 'why?' });
}

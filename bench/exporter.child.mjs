// Spans a second, bytes a span and event-loop delay of one exporter sending to a loopback sink.
import { monitorEventLoopDelay } from 'node:perf_hooks';
import { BasicTracerProvider } from '@opentelemetry/sdk-trace-base';
import { exporterFor } from './lib/exporters.mjs';
import { startSink } from './lib/servers.mjs';
import { makeTrace, SPANS_PER_TRACE } from './lib/spans.mjs';

const { exporter: kind, spans: total } = JSON.parse(process.argv[2]);
const BATCH = 512;
const WARM_UP = 10_000;

/** One tracer for all spans, as a program has it. */
let ended = [];
const tracer = new BasicTracerProvider({
  spanProcessors: [
    {
      // The SDK's simple processor leaves timers and promises behind, which the measured part would clean up.
      onStart: () => {},
      onEnd: (span) => ended.push(span),
      forceFlush: async () => {},
      shutdown: async () => {},
    },
  ],
}).getTracer('bench');
const text = JSON.stringify({ question: 'lorem ipsum dolor sit amet '.repeat(35) });

/** Real SDK spans, about 2 kB of content each. */
function makeSpans(count) {
  ended = [];
  for (let i = 0; i < count / SPANS_PER_TRACE; i++) makeTrace(tracer, text);
  return ended;
}

const sink = await startSink();
const exporter = await exporterFor(kind, sink.url);
const send = (batch) =>
  new Promise((resolve, reject) =>
    exporter.export(batch, (result) => (result.code === 0 ? resolve() : reject(result.error))),
  );

// The stock batch processor's way: one batch after the other.
const sendAll = async (spans) => {
  for (let i = 0; i < spans.length; i += BATCH) await send(spans.slice(i, i + BATCH));
};

// Connections, lazy loading, and the JIT: by then the cost of a batch has levelled off for each exporter.
await sendAll(makeSpans(WARM_UP));
const spans = makeSpans(total);
// The spans are old by then: moving them there is not the exporters' cost.
for (let i = 0; i < 2; i++) globalThis.gc?.({ type: 'minor' });
const before = await sink.counts();
const delay = monitorEventLoopDelay({ resolution: 1 });
delay.enable();
await new Promise((resolve) => setTimeout(resolve, 20));
delay.reset();
const cpu = process.cpuUsage();
const start = process.hrtime.bigint();
await sendAll(spans);
const seconds = Number(process.hrtime.bigint() - start) / 1e9;
const used = process.cpuUsage(cpu);
delay.disable();
const after = await sink.counts();

process.stdout.write(
  `${JSON.stringify({
    spansPerSecond: spans.length / seconds,
    cpuMicrosPerSpan: (used.user + used.system) / spans.length,
    bytesPerSpan: (after.bytes - before.bytes) / spans.length,
    requests: after.requests - before.requests,
    longestBlockMs: delay.max / 1e6,
  })}\n`,
);
sink.stop();
process.exit(0);

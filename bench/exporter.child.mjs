// Spans a second, bytes a span and event-loop delay of one exporter sending to a loopback sink.
import { monitorEventLoopDelay } from 'node:perf_hooks';
import { ROOT_CONTEXT, trace } from '@opentelemetry/api';
import {
  BasicTracerProvider,
  InMemorySpanExporter,
  SimpleSpanProcessor,
} from '@opentelemetry/sdk-trace-base';
import { exporterFor } from './lib/exporters.mjs';
import { startSink } from './lib/servers.mjs';

const { exporter: kind, spans: total } = JSON.parse(process.argv[2]);
const SPANS_PER_TRACE = 5;
const BATCH = 512;

/** Real SDK spans: a program, its model call and three steps, about 2 kB of content a span. */
function makeSpans(count) {
  const memory = new InMemorySpanExporter();
  const provider = new BasicTracerProvider({ spanProcessors: [new SimpleSpanProcessor(memory)] });
  const tracer = provider.getTracer('bench');
  const text = JSON.stringify({ question: 'lorem ipsum dolor sit amet '.repeat(35) });
  for (let i = 0; i < count / SPANS_PER_TRACE; i++) {
    const root = tracer.startSpan('invoke_workflow QA', {
      attributes: {
        'openinference.span.kind': 'CHAIN',
        'gen_ai.operation.name': 'invoke_workflow',
        'dspy.module.name': 'QA',
        'input.value': text,
        'output.value': text,
      },
    });
    const below = trace.setSpan(ROOT_CONTEXT, root);
    for (let k = 1; k < SPANS_PER_TRACE; k++) {
      const child = tracer.startSpan(
        'chat gpt-4o-mini',
        {
          attributes: {
            'openinference.span.kind': 'LLM',
            'gen_ai.operation.name': 'chat',
            'gen_ai.request.model': 'gpt-4o-mini',
            'gen_ai.usage.input_tokens': 11,
            'gen_ai.usage.output_tokens': 7,
            'input.value': text,
            'output.value': text,
          },
        },
        below,
      );
      child.end();
    }
    root.end();
  }
  return memory.getFinishedSpans();
}

const sink = await startSink();
const exporter = await exporterFor(kind, sink.url);
const send = (batch) =>
  new Promise((resolve, reject) =>
    exporter.export(batch, (result) => (result.code === 0 ? resolve() : reject(result.error))),
  );

await send(makeSpans(500)); // connections, lazy loading, JIT
const spans = makeSpans(total);
const before = await sink.counts();
const delay = monitorEventLoopDelay({ resolution: 1 });
delay.enable();
await new Promise((resolve) => setTimeout(resolve, 20));
delay.reset();
const cpu = process.cpuUsage();
const start = process.hrtime.bigint();
// The stock batch processor's way: one batch after the other.
for (let i = 0; i < spans.length; i += BATCH) await send(spans.slice(i, i + BATCH));
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

// `node bench/steady.mjs [--minutes 10] [--rate 100]`: a steady load on a real MLflow server of one worker.
// Says at intervals what the exporter holds, and at the end whether all is there.
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import { MlflowSpanExporter } from '@hokusai/exporter-mlflow';
import { BasicTracerProvider, BatchSpanProcessor } from '@opentelemetry/sdk-trace-base';
import { startMlflow } from '../scripts/lib/mlflow.mjs';
import { stopAllGroups, stopGroupsOnSignals } from '../scripts/lib/processes.mjs';
import { makeTrace, SPANS_PER_TRACE } from './lib/spans.mjs';

const { values } = parseArgs({
  options: {
    minutes: { type: 'string', default: '10' },
    rate: { type: 'string', default: '100' },
  },
});
const minutes = Number(values.minutes);
const rate = Number(values.rate);
const TICKS_PER_SECOND = 10;
const REPORT_MS = 30_000;

stopGroupsOnSignals();
const folder = mkdtempSync(join(tmpdir(), 'steady-'));
const server = await startMlflow({ folder, progress: (text) => console.log(text) });
const exporter = new MlflowSpanExporter({ trackingUri: server.url, experimentName: 'steady' });
const processor = new BatchSpanProcessor(exporter);
const tracer = new BasicTracerProvider({ spanProcessors: [processor] }).getTracer('steady');
// Inputs and outputs together about 4 kB a span.
const text = JSON.stringify({ question: 'lorem ipsum dolor sit amet '.repeat(75) });

const report = () => {
  const { sent, held, retried, dropped, bytesHeld } = exporter.stats();
  const mb = (bytes) => `${(bytes / 1e6).toFixed(1)} MB`;
  console.log(
    `sent ${sent}, held ${held} (${mb(bytesHeld)}), retried ${retried}, dropped ${JSON.stringify(dropped)}, heap ${mb(process.memoryUsage().heapUsed)}, rss ${mb(process.memoryUsage.rss())}`,
  );
};

const cpu = process.cpuUsage();
const begun = performance.now();
let made = 0;
for (let nextReport = REPORT_MS; ; ) {
  const elapsed = performance.now() - begun;
  if (elapsed >= minutes * 60_000) break;
  // What is due by now, also when a turn of the loop came late.
  for (const due = (elapsed / 1000) * rate; made < due; made++) makeTrace(tracer, text);
  if (elapsed >= nextReport) {
    report();
    nextReport += REPORT_MS;
  }
  await sleep(1000 / TICKS_PER_SECOND);
}
await processor.forceFlush();
const used = process.cpuUsage(cpu);
report();
const count = await storedTraces();
await processor.shutdown();
await stopAllGroups();
rmSync(folder, { recursive: true, force: true });
const perSpan = (used.user + used.system) / (made * SPANS_PER_TRACE);
console.log(
  `${made} traces of ${SPANS_PER_TRACE} spans made, ${count} in MLflow; ${perSpan.toFixed(0)} µs of CPU a span, its making included`,
);
process.exit(count === made ? 0 : 1);

/** `POST /api/3.0/mlflow/traces/metrics`: traces of the experiment, as the server counts them. */
async function storedTraces() {
  const get = (path, init) => fetch(`${server.url}${path}`, init).then((answer) => answer.json());
  const { experiment } = await get(
    '/api/2.0/mlflow/experiments/get-by-name?experiment_name=steady',
  );
  const answer = await get('/api/3.0/mlflow/traces/metrics', {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({
      experiment_ids: [experiment.experiment_id],
      view_type: 'TRACES',
      metric_name: 'trace_count',
      aggregations: [{ aggregation_type: 'COUNT' }],
    }),
  });
  return answer.data_points?.[0]?.values?.COUNT ?? answer;
}

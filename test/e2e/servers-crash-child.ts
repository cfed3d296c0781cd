import { MlflowSpanExporter } from '../../packages/exporter-mlflow/src/exporter.js';
import {
  exportSpans,
  makeSpan,
  traceIdOf,
} from '../../packages/exporter-mlflow/test/support/spans.js';

// Exports traces until it is killed, or delivers what an earlier process left; reports what was acknowledged.
const [trackingUri, directory, experimentName, mode] = process.argv.slice(2) as [
  string,
  string,
  string,
  'export' | 'drain',
];
const exporter = new MlflowSpanExporter({
  trackingUri,
  experimentName,
  spool: directory,
  retryBudgetMs: 1_000,
});

// A program has something of its own to do; the exporter keeps no process alive.
setInterval(() => undefined, 1_000);

if (mode === 'export') {
  for (;;) {
    const root = makeSpan({ attributes: { 'input.value': 'question', 'output.value': 'answer' } });
    const { code } = await exportSpans(exporter, [makeSpan({ parent: root }), root]);
    process.send?.({ id: traceIdOf(root), code, spooled: exporter.stats().spooled });
  }
}

const root = makeSpan();
await exportSpans(exporter, [root]);
setInterval(() => process.send?.({ stats: exporter.stats() }), 200);

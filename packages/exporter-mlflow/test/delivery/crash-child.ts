import { MlflowSpanExporter } from '../../src/exporter.js';
import { exportSpans, smallTrace } from '../support/spans.js';

/** Exports trace after trace and tells of each that was acknowledged, until it is killed. */
const [trackingUri, spool] = process.argv.slice(2);
// As a program that has something else to do: waiting for a server keeps no process alive.
setInterval(() => undefined, 1_000);
const exporter = new MlflowSpanExporter({ trackingUri, spool });
for (;;) {
  const spans = smallTrace();
  const { code } = await exportSpans(exporter, spans);
  if (code === 0) process.send?.({ acknowledged: spans[1].spanContext().traceId });
}

// One comparison of the overhead table, in a process of its own: A/A first, then A/B.

import { DspyInstrumentation } from '@hokusai/instrumentation-dspy';
import { trace } from '@opentelemetry/api';
import { bareSpansArm, plainArm, tracing } from './lib/arms.mjs';
import { bothCopies } from './lib/ax.mjs';
import { exporterFor } from './lib/exporters.mjs';
import { comparePairs, WARMUP } from './lib/pairs.mjs';
import { httpProgram, mockProgram } from './lib/programs.mjs';
import { startModelServer, startSink } from './lib/servers.mjs';

const { arm, against, pairs } = JSON.parse(process.argv[2]);
const { esm, cjs } = await bothCopies();
// One call in ten is traced in some arms: their hot path takes ten times the calls to be one.
const warmup = arm.model ? 20 : WARMUP * (arm.config?.samplingRate === 0.1 ? 10 : 1);

const model = arm.model === 'http' ? await startModelServer(arm.latencyMs ?? 5) : undefined;
const sink = arm.exporter ? await startSink() : undefined;
const make = (ax) => (model ? httpProgram(ax, model.url) : mockProgram(ax));
const { settle } = tracing(arm.exporter ? await exporterFor(arm.exporter, sink.url) : undefined);
const tracer = trace.getTracer('bench');
const baseline = () =>
  against === 'bare' ? bareSpansArm(() => make(cjs), tracer, settle) : plainArm(() => make(cjs));

const same = await comparePairs({
  a: plainArm(() => make(esm)),
  b: plainArm(() => make(cjs)),
  pairs,
  warmup: arm.model ? warmup : WARMUP,
});

const instrumentation = new DspyInstrumentation(arm.config ?? {});
instrumentation.manuallyInstrument(esm);
if (arm.disable) instrumentation.disable();

// With an exporter its work is the point: it is drained inside the timing.
const traced = plainArm(() => make(esm), arm.exporter ? undefined : settle);
if (arm.exporter) {
  const { run } = traced;
  traced.run = async (block) => {
    await run(block);
    await settle();
  };
}
const compared = await comparePairs({ a: traced, b: baseline(), pairs, warmup });

process.stdout.write(
  `${JSON.stringify({
    aa: same.ratio.median,
    raw: compared.ratio.median,
    ratio: compared.ratio.median / same.ratio.median,
    p25: compared.ratio.p25 / same.ratio.median,
    p75: compared.ratio.p75 / same.ratio.median,
    tracedMicros: compared.aMicros.median,
    baselineMicros: compared.bMicros.median,
  })}\n`,
);
model?.stop();
sink?.stop();
process.exit(0);

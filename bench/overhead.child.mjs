// One comparison of the overhead table, in a process of its own: A/A first, then A/B.
import { execFileSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { DspyInstrumentation } from '@hokusai/instrumentation-dspy';
import { trace } from '@opentelemetry/api';
import { handArm, plainArm, tracing } from './lib/arms.mjs';
import { bothCopies } from './lib/ax.mjs';
import { exporterFor } from './lib/exporters.mjs';
import { comparePairs, HTTP_WARMUP, WARMUP } from './lib/pairs.mjs';
import { httpProgram, mockProgram } from './lib/programs.mjs';
import { startModelServer, startSink } from './lib/servers.mjs';

const { arm, against, pairs } = JSON.parse(process.argv[2]);
const { esm, cjs } = await bothCopies();
const overHttp = arm.model === 'http';
// One call in ten is traced in some arms: their hot path takes ten times the calls to be one.
const isRare = arm.config?.samplingRate === 0.1 || arm.hand?.rate === 0.1;
const warmup = overHttp ? HTTP_WARMUP : WARMUP * (isRare ? 10 : 1);

const model = overHttp ? await startModelServer(arm.latencyMs ?? 5) : undefined;
const sink = arm.exporter ? await startSink() : undefined;
const make = (ax) => (model ? httpProgram(ax, model.url) : mockProgram(ax));
const { settle } = tracing(arm.exporter ? await exporterFor(arm.exporter, sink.url) : undefined);
const tracer = trace.getTracer('bench');
const baseline = () =>
  against === 'bare' ? handArm(() => make(cjs), settle, { tracer }) : plainArm(() => make(cjs));

const same = await comparePairs({
  a: plainArm(() => make(esm)),
  b: plainArm(() => make(cjs)),
  pairs,
  warmup: overHttp ? warmup : WARMUP,
  callByCall: overHttp,
});

const traced = arm.hand === undefined ? instrumented() : byHand(arm.hand);
if (arm.exporter) {
  // Its work is the point: it is drained inside the timing.
  const { run } = traced;
  traced.settle = undefined;
  traced.run = async (block) => {
    await run(block);
    await settle();
  };
}
const compared = await comparePairs({
  a: traced,
  b: baseline(),
  pairs,
  warmup,
  callByCall: overHttp,
});

function instrumented() {
  const instrumentation = new DspyInstrumentation(arm.config ?? {});
  instrumentation.manuallyInstrument(esm);
  if (arm.disable) instrumentation.disable();
  return plainArm(() => make(esm), settle);
}

/** Spans that somebody wrote by hand, with the attributes of ours as constants where asked for. */
function byHand({ rate, attributes }) {
  const file = fileURLToPath(new URL('./attributes.child.mjs', import.meta.url));
  const constants = attributes ? JSON.parse(execFileSync(process.execPath, [file])) : undefined;
  return handArm(() => make(esm), settle, { tracer, rate, attributes: constants });
}

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

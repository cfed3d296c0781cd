// One tracer on the flow of the side-by-side table, against the untraced copy, in a process of its own.
import { OITracer, withSpan } from '@arizeai/openinference-core';
import { DspyInstrumentation } from '@hokusai/instrumentation-dspy';
import { observe } from '@langfuse/tracing';
import { trace } from '@opentelemetry/api';
import { AlwaysOffSampler } from '@opentelemetry/sdk-trace-base';
import { tracing } from './lib/arms.mjs';
import { bothCopies } from './lib/ax.mjs';
import { comparePairs, WARMUP } from './lib/pairs.mjs';
import { flowProgram, mockProgram } from './lib/programs.mjs';

const { tracer: kind, input: inputName, recorded, pairs } = JSON.parse(process.argv[2]);
const INPUTS = {
  '100 B': 'x'.repeat(100),
  '10 kB': 'x'.repeat(10_000),
  '1 MB': 'x'.repeat(1_000_000),
  '1 MB typed array': new Uint8Array(1_000_000),
};
const CALLS = inputName.startsWith('1 MB') ? 5 : 20;
const values = { doc: INPUTS[inputName] };

const { esm, cjs } = await bothCopies();
const { settle } = tracing(undefined, recorded ? {} : { sampler: new AlwaysOffSampler() });
const tracer = trace.getTracer('bench');

const direct = ({ flow, ai }, options) => flow.forward(ai, values, options);

// What ours says of the flow besides its values, for the plain spans with the same attributes.
const IDENTITY = {
  'gen_ai.operation.name': 'invoke_workflow',
  'gen_ai.workflow.name': 'flow',
  'dspy.module.name': 'flow',
  'dspy.module.type': 'AxFlow',
  'openinference.span.kind': 'CHAIN',
};
const SIGNATURE = {
  'dspy.signature': 'doc:string -> size:number',
  'dspy.signature.fields': JSON.stringify([
    { name: 'doc', type: 'string', io: 'input' },
    { name: 'size', type: 'number', io: 'output' },
  ]),
};

/** How each tracer is put around the call; all but ours and Ax's own are written by hand by their users. */
const CALL = {
  hokusai: () => direct,
  'ax native': () => (block) => direct(block, { tracer }),
  'otel spans': () => (block) =>
    tracer.startActiveSpan('invoke_workflow flow', { attributes: IDENTITY }, async (span) => {
      try {
        span.setAttribute('input.value', JSON.stringify(values));
        span.setAttribute('input.mime_type', 'application/json');
        const result = await direct(block);
        span.setAttribute('output.value', JSON.stringify(result));
        span.setAttribute('output.mime_type', 'application/json');
        span.setAttribute('dspy.outcome', 'completed');
        span.setAttributes(SIGNATURE);
        return result;
      } finally {
        span.end();
      }
    }),
  openinference: () => {
    const oi = new OITracer({ tracer });
    let block;
    const traced = withSpan((input) => block.flow.forward(block.ai, input), {
      name: 'flow',
      kind: 'CHAIN',
      tracer: oi,
    });
    return (next) => {
      block = next;
      return traced(values);
    };
  },
  langfuse: () => {
    let block;
    const traced = observe((input) => block.flow.forward(block.ai, input), { name: 'flow' });
    return (next) => {
      block = next;
      return traced(values);
    };
  },
  'naive JSON.stringify': () => async (block) => {
    const span = tracer.startSpan('flow');
    span.setAttribute('input', JSON.stringify(values));
    const result = await direct(block);
    span.setAttribute('output', JSON.stringify(result));
    span.end();
    return result;
  },
};

const arm = (ax, call, after) => ({
  prepare: () => ({ ai: mockProgram(ax).ai, flow: flowProgram(ax) }),
  run: async (block) => {
    for (let i = 0; i < CALLS; i++) await call(block);
  },
  settle: after,
  calls: CALLS,
});

const warmup = inputName.startsWith('1 MB') ? 20 : WARMUP;
const same = await comparePairs({ a: arm(esm, direct), b: arm(cjs, direct), pairs, warmup });
if (kind === 'hokusai') new DspyInstrumentation().manuallyInstrument(esm);
const compared = await comparePairs({
  a: arm(esm, CALL[kind](), settle),
  b: arm(cjs, direct),
  pairs,
  warmup,
});
const ratio = compared.ratio.median / same.ratio.median;
process.stdout.write(
  `${JSON.stringify({
    ratio,
    p25: compared.ratio.p25 / same.ratio.median,
    p75: compared.ratio.p75 / same.ratio.median,
    addedMicros: compared.bMicros.median * (ratio - 1),
    baselineMicros: compared.bMicros.median,
  })}\n`,
);
process.exit(0);

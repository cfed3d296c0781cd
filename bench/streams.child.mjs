// Cost of a chunk: a streamed answer of many chunks, read to its end, traced against untraced.
import { DspyInstrumentation } from '@hokusai/instrumentation-dspy';
import { tracing } from './lib/arms.mjs';
import { bothCopies } from './lib/ax.mjs';
import { comparePairs } from './lib/pairs.mjs';

const { pairs } = JSON.parse(process.argv[2]);
const CHUNKS = 200;
const { esm, cjs } = await bothCopies();
const { settle } = tracing();

const chunk = (content, last) => ({
  results: [{ index: 0, content, ...(last && { finishReason: 'stop' }) }],
  ...(last && {
    modelUsage: {
      ai: 'mock',
      model: 'm',
      tokens: { promptTokens: 11, completionTokens: 7, totalTokens: 18 },
    },
  }),
});

function makeBlock(ax) {
  const ai = new ax.AxMockAIService({
    features: { functions: false, streaming: true },
    chatResponse: async () => {
      let sent = 0;
      return new ReadableStream({
        pull(controller) {
          controller.enqueue(
            sent === 0 ? chunk('Answer: word') : chunk(' word', sent === CHUNKS - 1),
          );
          if (++sent === CHUNKS) controller.close();
        },
      });
    },
  });
  return { ai, gen: ax.ax('question:string -> answer:string') };
}

const arm = (ax, after) => ({
  prepare: () => makeBlock(ax),
  run: async ({ ai, gen }) => {
    for await (const delta of gen.streamingForward(ai, { question: 'two and two?' })) void delta;
  },
  settle: after,
  calls: CHUNKS,
});

const same = await comparePairs({ a: arm(esm), b: arm(cjs), pairs });
new DspyInstrumentation().manuallyInstrument(esm);
const compared = await comparePairs({ a: arm(esm, settle), b: arm(cjs), pairs });
const ratio = compared.ratio.median / same.ratio.median;
process.stdout.write(
  `${JSON.stringify({
    ratio,
    p25: compared.ratio.p25 / same.ratio.median,
    p75: compared.ratio.p75 / same.ratio.median,
    addedMicrosPerChunk: compared.bMicros.median * (ratio - 1),
    baselineMicrosPerChunk: compared.bMicros.median,
  })}\n`,
);
process.exit(0);

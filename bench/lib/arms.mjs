// What each arm does around the same program. The untraced copy of Ax is the CJS one, the traced
// copy the ESM one: swapping prototype methods in and out would spoil the baseline's inline caches.
import { context, trace } from '@opentelemetry/api';
import { AsyncLocalStorageContextManager } from '@opentelemetry/context-async-hooks';
import { BasicTracerProvider, BatchSpanProcessor } from '@opentelemetry/sdk-trace-base';
import { CALLS_PER_BLOCK, runCalls } from './programs.mjs';

/** Accepts everything at once: what an exporter costs is measured elsewhere. */
export const nullExporter = {
  export: (_spans, done) => done({ code: 0 }),
  shutdown: async () => {},
  forceFlush: async () => {},
};

/** A provider with the stock batch processor; `settle` empties it outside the timing. */
export function tracing(exporter = nullExporter, options = {}, queue = {}) {
  const manager = new AsyncLocalStorageContextManager().enable();
  context.setGlobalContextManager(manager);
  const processor = new BatchSpanProcessor(exporter, {
    maxQueueSize: 100_000,
    scheduledDelayMillis: 3_600_000,
    ...queue,
  });
  const provider = new BasicTracerProvider({ spanProcessors: [processor], ...options });
  trace.setGlobalTracerProvider(provider);
  return { provider, processor, settle: () => processor.forceFlush() };
}

/** @returns {import('./pairs.mjs').Arm} */
export const plainArm = (makeBlock, settle) => ({
  prepare: makeBlock,
  run: runCalls,
  settle,
  calls: CALLS_PER_BLOCK,
});

/** Two nested spans without attributes around the program and its model call: the floor of any tracer. */
export function bareSpansArm(makeBlock, tracer, settle) {
  const inSpan = (name, work) =>
    tracer.startActiveSpan(name, async (span) => {
      try {
        return await work();
      } finally {
        span.end();
      }
    });
  return {
    prepare: () => {
      const block = makeBlock();
      const chat = block.ai.chat.bind(block.ai);
      block.ai.chat = (request, options) => inSpan('chat', () => chat(request, options));
      return block;
    },
    run: (block) =>
      runCalls(block, (gen, ai, values) => inSpan('program', () => gen.forward(ai, values))),
    settle,
    calls: CALLS_PER_BLOCK,
  };
}

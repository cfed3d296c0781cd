// What each arm does around the same program. The untraced copy of Ax is the CJS one, the traced
// copy the ESM one: swapping prototype methods in and out would spoil the baseline's inline caches.
import { context, trace } from '@opentelemetry/api';
import { AsyncLocalStorageContextManager } from '@opentelemetry/context-async-hooks';
import { BasicTracerProvider, BatchSpanProcessor } from '@opentelemetry/sdk-trace-base';
import { CALLS_PER_BLOCK, call, runCalls } from './programs.mjs';

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
  call,
  settle,
  calls: CALLS_PER_BLOCK,
});

/**
 * Two nested spans by hand around the program and its model call. Without attributes they are the
 * floor of any tracer; with constant ones, the floor of any that writes as many.
 *
 * @param {{tracer: import('@opentelemetry/api').Tracer, rate?: number, attributes?: {chat: object, program: object}}} options
 *   `rate`: share of the calls that have their spans.
 * @returns {import('./pairs.mjs').Arm}
 */
export function handArm(makeBlock, settle, { tracer, rate = 1, attributes }) {
  const inSpan = (name, work) =>
    tracer.startActiveSpan(name, async (span) => {
      try {
        return await work();
      } finally {
        for (const key in attributes?.[name]) span.setAttribute(key, attributes[name][key]);
        span.end();
      }
    });
  const callOne = (block) => {
    block.isSampled = rate === 1 || Math.random() < rate;
    return block.isSampled ? inSpan('program', () => call(block)) : call(block);
  };
  return {
    prepare: () => {
      const block = makeBlock();
      const chat = block.ai.chat.bind(block.ai);
      block.ai.chat = (request, options) =>
        block.isSampled ? inSpan('chat', () => chat(request, options)) : chat(request, options);
      return block;
    },
    run: (block) => runCalls(block, callOne),
    call: callOne,
    settle,
    calls: CALLS_PER_BLOCK,
  };
}

export { type TraceContext, withTraceContext } from './context.js';
export { DspyInstrumentation } from './instrumentation.js';
export {
  DspyScopedSampler,
  type DspyScopedSamplerOptions,
  type SamplerLike,
  type ScopedSamplingResult,
} from './sampler.js';
export { type CallDescription, type CallSpan, isTracing, traceCall } from './trace-call.js';
export { type TraceableProgram, TracedModule, type TraceMetadata, traced } from './traced.js';
export * from './types.js';

export { DspyInstrumentation } from './instrumentation.js';
export { type CallDescription, type CallSpan, traceCall } from './trace-call.js';
export * from './types.js';

export { DspyInstrumentation } from './instrumentation.js';
export * from './types.js';

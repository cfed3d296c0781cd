import type { Tracer } from '@opentelemetry/api';
import type { Settings } from './settings.js';

/** Where patched methods find the current tracer and settings. Both change while the program runs. */
export interface Recorder {
  readonly tracer: Tracer;
  settings: Settings;
}

import type { Tracer } from '@opentelemetry/api';
import { diagnostics } from './diagnostics.js';
import { attributeLengthLimit, hasContextManager } from './sdk.js';
import { resolveSettings, type Settings } from './settings.js';
import type { DspyInstrumentationConfig } from './types.js';

/** Where patched methods find the current tracer and settings. Both change while the program runs. */
export interface Recorder {
  readonly tracer: Tracer;
  readonly settings: Settings;
}

/** Where no SDK shows itself by then, there is none, or none that tells of itself. */
const MAX_LOOKS = 100;

/**
 * The recorder of an instrumentation. An SDK may be started after it: what the SDK has to say is read
 * when the first executions are.
 */
export class LiveRecorder implements Recorder {
  readonly #readTracer: () => Tracer;
  readonly #readConfig: () => DspyInstrumentationConfig;
  #settings: Settings;
  #inactive: Settings | undefined;
  #isSdkKnown = false;
  #looks = 0;
  #lengthLimit = Number.POSITIVE_INFINITY;

  /** `false` while the methods of Ax are as they were: what a program still holds of ours starts nothing. */
  isActive = true;

  constructor(readTracer: () => Tracer, readConfig: () => DspyInstrumentationConfig) {
    this.#readTracer = readTracer;
    this.#readConfig = readConfig;
    this.#settings = resolveSettings(readConfig());
  }

  get tracer(): Tracer {
    return this.#readTracer();
  }

  get settings(): Settings {
    if (!this.#isSdkKnown) this.#lookForSdk();
    if (this.isActive) return this.#settings;
    this.#inactive ??= { ...this.#settings, enabled: false };
    return this.#inactive;
  }

  /** `false`: switched off by the option. */
  get isEnabled(): boolean {
    return this.#settings.enabled;
  }

  /** Reads the options again. */
  resolve(): void {
    this.#settings = resolveSettings(this.#readConfig(), process.env, this.#lengthLimit);
    this.#inactive = undefined;
  }

  /** Another provider is there. */
  forgetSdk(): void {
    this.#isSdkKnown = false;
    this.#looks = 0;
  }

  #lookForSdk(): void {
    this.#isSdkKnown = ++this.#looks >= MAX_LOOKS;
    try {
      const limit = attributeLengthLimit(this.#readTracer());
      if (limit === undefined) return;
      this.#isSdkKnown = true;
      if (limit !== this.#lengthLimit) {
        this.#lengthLimit = limit;
        this.resolve();
      }
      if (!hasContextManager()) {
        diagnostics.tell(
          'no context manager is registered, so spans are not nested: each is a trace of its own. ' +
            'Register one: provider.register() of NodeTracerProvider or sdk.start() of NodeSDK do, ' +
            'or context.setGlobalContextManager(new AsyncLocalStorageContextManager().enable())',
        );
      }
    } catch (fault) {
      this.#isSdkKnown = true;
      diagnostics.fault('sdk', fault);
    }
  }
}

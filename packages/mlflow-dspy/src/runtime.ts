import { DspyInstrumentation, type DspyInstrumentationConfig } from '@hokusai/instrumentation-dspy';
import { type AxModule, importedEsmCopy, loadedCopies } from './ax.js';
import { Client } from './client.js';
import { MlflowDspyConfig } from './config/config.js';
import type { MlflowDspyOptions } from './config/options.js';
import { Endings } from './endings.js';
import { messageOf, showWarnings, warnOnce } from './log.js';
import { SpanHub } from './pipeline/hub.js';
import { ProviderSetup } from './provider/setup.js';
import { checkApiCopies, checkPatched, checkUntouched } from './self-check.js';
import type { AutologClient } from './types.js';

/** Everything that `autolog()` has running; one in a process (`autolog.ts`). Its methods never throw. */
export class Runtime {
  readonly #hub = new SpanHub();
  readonly #provider = new ProviderSetup(this.#hub, () => this.#refresh());
  readonly #endings = new Endings(this.#hub);
  #instrumentation: DspyInstrumentation | undefined;
  #client: Client | undefined;

  get client(): AutologClient | undefined {
    return this.#client;
  }

  /** Without options: what runs goes on, else the environment decides. */
  enable(options?: MlflowDspyConfig | MlflowDspyOptions): AutologClient {
    if (options === undefined && this.#client !== undefined) return this.#client;
    const client = this.#client ?? new Client(this.#hub, this.#provider);
    this.#client = client;
    try {
      this.#apply(client, MlflowDspyConfig.from(options));
    } catch (error) {
      warnOnce(`autolog() failed (${messageOf(error)}): nothing is traced.`);
      this.disable();
    }
    return client;
  }

  disable(): void {
    const client = this.#client;
    this.#client = undefined;
    try {
      if (client !== undefined) this.#stop(client, client.config);
    } catch (error) {
      warnOnce(`disableAutolog() failed (${messageOf(error)}).`);
    }
  }

  /** Instruments copies of Ax, such as those that another copy of this package sees. */
  adopt(copies: readonly AxModule[]): void {
    for (const copy of copies) this.#instrumentation?.manuallyInstrument(copy);
  }

  #apply(client: Client, config: MlflowDspyConfig): void {
    showWarnings(process.env);
    if (config.enabled) this.#start(client, config);
    else this.#stop(client, config);
    for (const { message } of config.problems) warnOnce(message);
  }

  #start(client: Client, config: MlflowDspyConfig): void {
    this.#provider.start(process.env);
    client.start(config);
    this.#instrument(config);
    this.#endings.limitTo(config.shutdownTimeoutMs);
    this.#endings.install();
    checkApiCopies();
    checkPatched(loadedCopies());
  }

  #stop(client: Client, config: MlflowDspyConfig): void {
    this.#instrumentation?.disable();
    this.#provider.stop();
    client.stop(config);
  }

  /** The application's SDK was started after us. */
  #refresh(): void {
    if (!this.#client?.config.enabled) return;
    this.#client.start(this.#client.config);
    // It may keep less of a value than ours did.
    this.#instrumentation?.setTracerProvider(this.#provider.tracerProvider);
  }

  #instrument(config: MlflowDspyConfig): void {
    const options = instrumentationOptions(config);
    if (this.#instrumentation === undefined) {
      checkUntouched(loadedCopies());
      this.#instrumentation = new DspyInstrumentation(options);
    } else {
      this.#instrumentation.setConfig(options);
      this.#instrumentation.enable();
    }
    // In this order: the instrumentation warns of a program without Ax when it gets its provider.
    this.adopt(loadedCopies());
    this.#instrumentation.setTracerProvider(this.#provider.tracerProvider);
    void importedEsmCopy()?.then((copy) => {
      if (copy !== undefined && this.#client?.config.enabled) this.adopt([copy]);
    });
  }
}

function instrumentationOptions(config: MlflowDspyConfig): DspyInstrumentationConfig {
  const { moduleFilter, traceCondition, inputSanitizer, outputSanitizer } = config;
  return {
    enabled: true,
    logInputs: config.logInputs,
    logOutputs: config.logOutputs,
    logSignatures: config.logSignatures,
    logIntermediateSteps: config.logIntermediateSteps,
    samplingRate: config.samplingRate,
    customTags: config.customTags,
    conventions: config.conventions,
    maxAttributeBytes: config.maxAttributeBytes,
    keepMedia: config.keepMedia,
    redactKeys: config.redactKeys,
    nativeSpans: config.nativeSpans,
    recordOptimizerCalls: config.recordOptimizerCalls,
    ...(moduleFilter && { moduleFilter }),
    ...(traceCondition && { traceCondition }),
    ...(inputSanitizer && { inputSanitizer }),
    ...(outputSanitizer && { outputSanitizer }),
  };
}

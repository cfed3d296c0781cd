import type { TracerProvider } from '@opentelemetry/api';
import {
  InstrumentationBase,
  InstrumentationNodeModuleDefinition,
  InstrumentationNodeModuleFile,
} from '@opentelemetry/instrumentation';
import { canLoad, programFolders } from './ax-presence.js';
import { type AxCopy, type AxModule, createCopy } from './copy.js';
import { diagnostics } from './diagnostics.js';
import { hooks } from './hooks/index.js';
import { Patches } from './patches.js';
import { exposeProgramClasses } from './program-class.js';
import { LiveRecorder } from './recorder.js';
import { plainOptions } from './settings.js';
import { provideTracing, withdrawTracing } from './trace-call.js';
import type { DspyInstrumentationConfig } from './types.js';
import { PACKAGE_NAME, PACKAGE_VERSION } from './version.js';

const AX = '@ax-llm/ax';
const SUPPORTED_VERSIONS = ['>=12 <25'];

/** The first of them to see a copy of Ax patches it; when that one ends, the next takes it over. */
const active = new Set<() => void>();

/**
 * OpenTelemetry instrumentation for `@ax-llm/ax`. Registered before Ax is loaded it traces every
 * copy of Ax; {@link manuallyInstrument} does the same for one that is loaded already.
 */
export class DspyInstrumentation extends InstrumentationBase<DspyInstrumentationConfig> {
  // The base constructor calls init(), setConfig() and enable() before fields of this class exist.
  declare private current: State | undefined;

  /** @param config Options; every one has a default. */
  constructor(config: DspyInstrumentationConfig = {}) {
    super(PACKAGE_NAME, PACKAGE_VERSION, plainOptions(config));
  }

  /**
   * Traces a copy of Ax that is loaded already, or that a bundler hides from the module hooks.
   *
   * @param ax The module: `import * as ax from '@ax-llm/ax'`. Calling it again does nothing.
   */
  manuallyInstrument(ax: object): void {
    this.patch(ax as AxModule);
  }

  /** Replaces the options. They hold for calls that start from now on. */
  override setConfig(config: DspyInstrumentationConfig = {}): void {
    super.setConfig(plainOptions(config));
    const { recorder } = this.state;
    const before = recorder.isEnabled;
    recorder.resolve();
    if (before !== recorder.isEnabled) this.refresh();
  }

  /**
   * Patches every copy of Ax seen so far. An SDK enables whatever is registered with it, so the
   * option `enabled: false` goes before: only `setConfig({ enabled: true })` ends it.
   */
  override enable(): void {
    super.enable();
    this.refresh();
  }

  /** Puts every patched copy of Ax back as it was. Calls under way are traced to their end. */
  override disable(): void {
    super.disable();
    this.refresh();
  }

  /** Called when the SDK starts, which is when a program without Ax can be told of it. */
  override setTracerProvider(tracerProvider: TracerProvider): void {
    super.setTracerProvider(tracerProvider);
    this.state.recorder.forgetSdk();
    try {
      this.warnWithoutAx();
    } catch (fault) {
      diagnostics.fault('presence', fault);
    }
  }

  protected override init(): InstrumentationNodeModuleDefinition[] {
    const patch = (ax: AxModule): AxModule => {
      this.patch(ax);
      return exposeProgramClasses(ax, () =>
        this.isActive ? this.state.copies.get(ax) : undefined,
      );
    };
    // The base class remembers one copy of a module, and CJS and ESM are two: refresh() knows all.
    const unpatch = (): void => {};
    return [
      new InstrumentationNodeModuleDefinition(AX, SUPPORTED_VERSIONS, patch, unpatch, [
        new InstrumentationNodeModuleFile(`${AX}/index.js`, SUPPORTED_VERSIONS, patch, unpatch),
        new InstrumentationNodeModuleFile(`${AX}/index.cjs`, SUPPORTED_VERSIONS, patch, unpatch),
      ]),
    ];
  }

  private warnWithoutAx(): void {
    if (!this.isActive || this.state.copies.size > 0) return;
    const folders = programFolders();
    if (canLoad(AX, folders)) return;
    diagnostics.tell(
      `${AX} is not installed for this program (looked from ${folders.join(' and ')}), so nothing of it is traced; ` +
        'install it, or hand it to manuallyInstrument() where a bundler includes it',
    );
  }

  private get state(): State {
    if (this.current === undefined) {
      const copies = new Map<AxModule, AxCopy>();
      const patches = new Patches();
      const recorder = new LiveRecorder(
        () => this.tracer,
        () => this.getConfig(),
      );
      const start = (): void => {
        for (const copy of copies.values()) patches.patch(copy, hooks);
        provideTracing(recorder);
      };
      this.current = { copies, patches, recorder, start };
    }
    return this.current;
  }

  private get isActive(): boolean {
    return this.isEnabled() && this.state.recorder.isEnabled;
  }

  private patch(ax: AxModule): void {
    const { copies, patches, recorder } = this.state;
    try {
      if (!copies.has(ax)) copies.set(ax, createCopy(ax, recorder, patches));
    } catch (fault) {
      diagnostics.fault('patch', fault);
    }
    this.refresh();
  }

  /** Makes the patches what they should be: all of them, or none. */
  private refresh(): void {
    const { patches, recorder, start } = this.state;
    try {
      recorder.isActive = this.isActive;
      if (recorder.isActive) {
        active.add(start);
        start();
        return;
      }
      active.delete(start);
      patches.revert();
      withdrawTracing(recorder);
      for (const startOther of active) startOther();
    } catch (fault) {
      diagnostics.fault('patch', fault);
    }
  }
}

interface State {
  /** Every copy of Ax seen so far. */
  readonly copies: Map<AxModule, AxCopy>;
  readonly patches: Patches;
  readonly recorder: LiveRecorder;
  /** Patches every copy that nobody else has patched, and takes what programs give it to trace. */
  start(): void;
}

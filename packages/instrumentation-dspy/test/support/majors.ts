import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, vi } from 'vitest';
import {
  type MockModel,
  type Script,
  startMockModel,
} from '../../../../test/support/mock-model.js';
import { diagnostics } from '../../src/diagnostics.js';
import { isAnyUnderWay } from '../../src/execution/operation.js';
import type { DspyInstrumentationConfig } from '../../src/index.js';
import { AX_MAJORS, type AxMajor, loadAx } from './ax.js';
import { openAI, type ServiceOptions } from './service.js';
import { startTracing, type Tracing } from './tracing.js';

export interface Bench {
  readonly major: AxMajor;
  // biome-ignore lint/suspicious/noExplicitAny: the types of Ax differ from major to major
  readonly ax: any;
  readonly tracing: Tracing;
  readonly model: MockModel;
  /** An OpenAI service at the mock model. */
  // biome-ignore lint/suspicious/noExplicitAny: see above
  service(options?: ServiceOptions): any;
  /** Sets the options of the instrumentation until the end of the test. */
  configure(config: DspyInstrumentationConfig): void;
}

/**
 * The same tests on every installed major of Ax (or on some), each with its own instrumented copy and mock model.
 *
 * @param has Tells from the module whether the major has what is tested; the others are left out.
 */
export function describeMajors(
  name: string,
  majors: readonly AxMajor[],
  tests: (bench: () => Bench) => void,
  script?: Script,
): void {
  describe.each(AX_MAJORS.filter((major) => majors.includes(major)))(`${name}, Ax %i`, (major) => {
    let bench: Bench;
    beforeAll(async () => {
      const ax = await loadAx(major);
      const model = await startMockModel(script === undefined ? {} : { script });
      const tracing = startTracing([ax]);
      bench = {
        major,
        ax,
        tracing,
        model,
        service: (options) => openAI(ax, model.apiURL, options),
        configure: (config) => tracing.instrumentation.setConfig(config),
      };
    });
    const faults: unknown[][] = [];
    beforeEach(() => {
      vi.spyOn(diagnostics, 'fault').mockImplementation((...fault) => void faults.push(fault));
    });
    afterEach(() => {
      vi.restoreAllMocks();
      bench.tracing.instrumentation.setConfig({});
      bench.tracing.reset();
      // A fault of ours is caught and counted wherever it happens: no test may pass with one.
      expect(faults.splice(0)).toEqual([]);
      // What has begun has ended, whatever the test did to it.
      expect(isAnyUnderWay()).toBe(false);
    });
    afterAll(async () => {
      await bench.tracing.stop();
      await bench.model.stop();
    });
    tests(() => bench);
  });
}

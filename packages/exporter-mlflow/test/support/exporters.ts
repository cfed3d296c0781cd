import { afterEach, beforeEach, vi } from 'vitest';
import { MlflowSpanExporter } from '../../src/exporter.js';
import type { DropReport, MlflowSpanExporterOptions } from '../../src/types.js';

export interface Exporters {
  newExporter(options?: MlflowSpanExporterOptions): MlflowSpanExporter;
  /** Those of the test so far, the newest last; one made otherwise is shut down, too, when it is added. */
  readonly exporters: MlflowSpanExporter[];
  /** What was said on the console since the test began. */
  readonly warnings: string[];
  /** What exporters reported as dropped since the test began. */
  readonly drops: DropReport[];
}

/**
 * Exporters for the tests of a file, shut down after each. Call it behind the hooks of what they send to:
 * hooks after a test run in reverse.
 */
export function useExporters(defaults: () => MlflowSpanExporterOptions): Exporters {
  const exporters: MlflowSpanExporter[] = [];
  const warnings: string[] = [];
  const drops: DropReport[] = [];
  beforeEach(() => {
    warnings.length = 0;
    drops.length = 0;
    vi.spyOn(console, 'warn').mockImplementation((text: string) => void warnings.push(text));
  });
  afterEach(async () => {
    await Promise.all(exporters.splice(0).map((exporter) => exporter.shutdown()));
    vi.restoreAllMocks();
  });
  return {
    newExporter(options = {}) {
      const exporter = new MlflowSpanExporter({
        shutdownTimeoutMs: 1_000,
        onDrop: (drop) => drops.push(drop),
        ...defaults(),
        ...options,
      });
      exporters.push(exporter);
      return exporter;
    },
    exporters,
    warnings,
    drops,
  };
}

import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type DiagLogger, diag } from '@opentelemetry/api';
import { BasicTracerProvider } from '@opentelemetry/sdk-trace-base';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { canLoad, programFolders } from '../../src/ax-presence.js';
import { diagnostics } from '../../src/diagnostics.js';
import { DspyInstrumentation } from '../../src/index.js';

let empty: string;
let warnings: string[];

beforeEach(() => {
  empty = mkdtempSync(join(tmpdir(), 'no-ax-'));
  warnings = [];
  diagnostics.reset();
  vi.spyOn(console, 'warn').mockImplementation((text: string) => void warnings.push(text));
  vi.spyOn(process, 'cwd').mockImplementation(() => empty);
});
afterEach(() => {
  vi.restoreAllMocks();
  vi.unstubAllGlobals();
  diag.disable();
  rmSync(empty, { recursive: true });
});

/** Registers an instrumentation as an SDK does, in a program that lies in the empty folder. */
function start(prepare: (instrumentation: DspyInstrumentation) => void = () => {}): void {
  const argv = process.argv;
  process.argv = [process.execPath, join(empty, 'app.js')];
  try {
    const instrumentation = new DspyInstrumentation();
    prepare(instrumentation);
    instrumentation.setTracerProvider(new BasicTracerProvider());
    instrumentation.setTracerProvider(new BasicTracerProvider());
    instrumentation.disable();
  } finally {
    process.argv = argv;
  }
}

describe('a program without Ax', () => {
  it('is told once, with where it was looked for and what to do', () => {
    start();
    expect(warnings).toEqual([expect.stringContaining('@ax-llm/ax is not installed')]);
    expect(warnings[0]).toContain(empty);
    expect(warnings[0]).toContain('manuallyInstrument()');
  });

  it('is told through the logger that the program has set', () => {
    const logger = { warn: vi.fn() } as unknown as DiagLogger;
    diag.setLogger(logger);
    start();
    expect(warnings).toEqual([]);
    expect(logger.warn).toHaveBeenCalledTimes(1);
  });

  it('is not told of an Ax that it handed over', () => {
    start((instrumentation) => instrumentation.manuallyInstrument({}));
    expect(warnings).toEqual([]);
  });

  it('is not told when the instrumentation is switched off', () => {
    start((instrumentation) => instrumentation.setConfig({ enabled: false }));
    expect(warnings).toEqual([]);
  });

  it('runs on when looking for it throws', () => {
    vi.spyOn(process, 'cwd').mockImplementation(() => {
      throw new Error('the folder is gone');
    });
    expect(() => start()).not.toThrow();
  });
});

describe('a package', () => {
  it('is found from the folder of the program or the one it was started in', () => {
    expect(canLoad('@ax-llm/ax', [empty, import.meta.dirname])).toBe(true);
    expect(canLoad('@ax-llm/ax', [empty])).toBe(false);
    expect(programFolders(['node', '/srv/app/main.js'], '/home')).toEqual(['/srv/app', '/home']);
    expect(programFolders(['node'], '/home')).toEqual(['/home']);
  });
});

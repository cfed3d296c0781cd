import { mkdirSync, mkdtempSync, realpathSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterAll } from 'vitest';

/** A temporary folder for the tests of one file. */
export function useFolder() {
  const path = realpathSync(mkdtempSync(join(tmpdir(), 'hokusai-pipeline-')));
  afterAll(() => rmSync(path, { recursive: true, force: true }));
  return {
    path,
    /** Writes a file below the folder and returns its path there. */
    write(name: string, text: string): string {
      mkdirSync(dirname(join(path, name)), { recursive: true });
      writeFileSync(join(path, name), text);
      return name;
    },
  };
}

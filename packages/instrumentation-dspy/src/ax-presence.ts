import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';

/** Folders that a program loads its packages from: its own, and the one it was started in. */
export function programFolders(argv = process.argv, cwd = process.cwd()): string[] {
  const [, script] = argv;
  return script === undefined ? [cwd] : [dirname(script), cwd];
}

/**
 * Whether a package can be loaded from one of the folders. `true` where that cannot be told: only the
 * answer "there is no such package" is worth a warning.
 */
export function canLoad(name: string, folders: readonly string[]): boolean {
  return folders.some((folder) => {
    try {
      createRequire(join(folder, 'index.js')).resolve(name);
      return true;
    } catch (error) {
      return (error as NodeJS.ErrnoException).code !== 'MODULE_NOT_FOUND';
    }
  });
}

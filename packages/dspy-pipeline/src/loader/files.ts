import { readFile, realpath, stat } from 'node:fs/promises';
import { isAbsolute, relative, resolve, sep } from 'node:path';
import { LoadError } from '../errors.js';

/**
 * The real path of a file below `root`, symbolic links followed.
 *
 * @param path relative to `from`, or absolute.
 * @throws {LoadError} when it is not there, or its real place is outside `root`.
 */
export async function resolveWithin(root: string, path: string, from = root): Promise<string> {
  if (typeof path !== 'string') throw new LoadError('the path of a file must be text');
  const wanted = resolve(from, path);
  const [realRoot, found] = await Promise.all([
    realpath(root).catch(() => {
      throw new LoadError(`The root folder ${root} does not exist`);
    }),
    realpath(wanted).catch((error: NodeJS.ErrnoException) => error),
  ]);
  // Said before whether the file exists, which is not to be learned of anything outside.
  const outside = new LoadError(
    `${path} is outside ${realRoot}. Files are read from there alone; set \`root\` to read others`,
  );
  if (typeof found !== 'string') {
    if (!isWithin(resolve(root), wanted) && !isWithin(realRoot, wanted)) throw outside;
    throw new LoadError(
      found.code === 'ENOENT'
        ? `${wanted} does not exist`
        : `${wanted} cannot be read: ${found.code}`,
    );
  }
  if (!isWithin(realRoot, found)) throw outside;
  return found;
}

function isWithin(root: string, path: string): boolean {
  const inner = relative(root, path);
  return inner !== '..' && !inner.startsWith(`..${sep}`) && !isAbsolute(inner);
}

/**
 * Reads a text file of bounded size.
 *
 * @param maxBytes size limit, in bytes.
 * @throws {LoadError} when it is larger, or no file.
 */
export async function readTextFile(path: string, maxBytes: number): Promise<string> {
  try {
    const found = await stat(path);
    if (!found.isFile()) throw new LoadError(`${path} is no file`);
    if (found.size > maxBytes) throw new LoadError(`${path} is larger than ${maxBytes} bytes`);
    return await readFile(path, 'utf8');
  } catch (error) {
    if (error instanceof LoadError) throw error;
    throw new LoadError(`${path} cannot be read: ${(error as NodeJS.ErrnoException).code}`);
  }
}

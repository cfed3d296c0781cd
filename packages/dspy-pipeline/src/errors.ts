/** A program cannot be loaded: its file is not there, may not be read, or is not what it should be. */
export class LoadError extends Error {
  override readonly name = 'LoadError';
}

/** What an error says, whatever was thrown. Never throws. */
export function messageOf(error: unknown): string {
  return readable(() => (error instanceof Error ? String(error.message) : String(error)));
}

/** What kind of error it is, without what it says. Never throws. */
export function nameOf(error: unknown): string {
  return readable(() => (error instanceof Error ? String(error.name) : typeof error));
}

/** A program may throw an object without a prototype, or a proxy that refuses to be looked at. */
function readable(read: () => string): string {
  try {
    return read();
  } catch {
    return 'an error that cannot be read';
  }
}

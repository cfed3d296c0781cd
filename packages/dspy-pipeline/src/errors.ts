/** A program cannot be loaded: its file is not there, may not be read, or is not what it should be. */
export class LoadError extends Error {
  override readonly name = 'LoadError';
}

/** What an error says, whatever was thrown. */
export function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

/** What kind of error it is, without what it says. */
export function nameOf(error: unknown): string {
  return error instanceof Error ? error.name : typeof error;
}

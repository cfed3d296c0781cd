/** The messages of the rejections that nobody has handled by the end of `run` and of the turn after it. */
export async function unhandledIn(run: () => unknown): Promise<string[]> {
  const unhandled: string[] = [];
  const listener = (reason: unknown): void =>
    void unhandled.push(reason instanceof Error ? reason.message : String(reason));
  process.on('unhandledRejection', listener);
  try {
    await run();
    await new Promise((resolve) => setImmediate(resolve));
    return unhandled;
  } finally {
    process.off('unhandledRejection', listener);
  }
}

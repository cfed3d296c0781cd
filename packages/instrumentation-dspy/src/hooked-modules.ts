/** The ESM entry of Ax, by its URL: no other module is rewritten by the loader hook. */
export const HOOKED_MODULES: readonly RegExp[] = [/\/@ax-llm\/ax\/index\.js$/];

const CLAIMED = Symbol.for('@hokusai/instrumentation-dspy loader hooks');

/** `true` for the first caller in the process: hooks that are registered twice wrap twice. */
export function claimLoaderHooks(): boolean {
  const global = globalThis as { [CLAIMED]?: boolean };
  if (global[CLAIMED] === true) return false;
  global[CLAIMED] = true;
  return true;
}

/** Who is told when a signal of the caller is aborted. */
const listeners = new WeakMap<AbortSignal, { readonly all: Set<() => void>; tell(): void }>();

/**
 * Calls `listener` when the signal is aborted, and returns the function that takes it back. A signal
 * gets one listener of ours however many executions it is for: at the eleventh Node warns of a leak.
 */
export function onAbort(signal: AbortSignal, listener: () => void): () => void {
  let told = listeners.get(signal);
  if (told === undefined) {
    const all = new Set<() => void>();
    told = {
      all,
      tell: () => {
        for (const one of all) one();
      },
    };
    listeners.set(signal, told);
  }
  const { all, tell } = told;
  if (all.size === 0) signal.addEventListener('abort', tell, { once: true });
  all.add(listener);
  return () => {
    all.delete(listener);
    if (all.size === 0) signal.removeEventListener('abort', tell);
  };
}

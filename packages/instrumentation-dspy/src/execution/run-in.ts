import { type Context, context } from '@opentelemetry/api';
import { diagnostics } from '../diagnostics.js';
import type { Method } from '../hooks/types.js';

/**
 * Calls a function in a context; `undefined`: where the caller is. It is called once, and what comes of
 * it is what it gives or throws, whatever the application's context manager does.
 */
export function runIn(
  home: Context | undefined,
  method: Method,
  self: unknown,
  args: readonly unknown[],
): unknown {
  // Not `method.apply`: a function may have an `apply` of its own, or none.
  if (home === undefined) return Reflect.apply(method, self, args);
  let begun = false;
  let returned = false;
  let result: unknown;
  const call = (): void => {
    begun = true;
    result = Reflect.apply(method, self, args);
    returned = true;
  };
  try {
    context.with(home, call);
  } catch (error) {
    if (begun && !returned) throw error;
    diagnostics.fault('context.with', error);
  }
  if (!begun) call();
  return result;
}

import type { AxCopy } from '../copy.js';
import { diagnostics } from '../diagnostics.js';
import type { Hook, Method, Wrapper } from './types.js';

/** What the hooks read of a service up to Ax 17. */
interface OldService {
  readonly aiImpl?: object;
  tokensUsed?: object | undefined;
}

/** Usage that a chunk came with and that Ax did not put on it. */
const usages = new WeakMap<object, object>();

/** Usage that Ax lost on the way; in the form of `modelUsage`. */
export function lostUsageOf(chunk: unknown): { tokens: object } | undefined {
  const tokens = typeof chunk === 'object' && chunk !== null ? usages.get(chunk) : undefined;
  return tokens === undefined ? undefined : { tokens };
}

/**
 * Up to Ax 17 a provider's `createChatStreamResp` is called on the service in the place of the provider's own object where it is a
 * method of a class (OpenAI and all that speak its language): it notes the usage on the service, and Ax looks for it elsewhere.
 * Here it is kept by the chunk that it came with, so that calls at the same time are not mixed up.
 */
const noteUsage: Wrapper = (original) =>
  function (this: OldService, ...args: unknown[]): unknown {
    const misplaced = this?.aiImpl !== undefined;
    if (misplaced) this.tokensUsed = undefined;
    const chunk: unknown = original.apply(this, args);
    if (misplaced && typeof chunk === 'object' && chunk !== null && this.tokensUsed !== undefined) {
      usages.set(chunk, this.tokensUsed);
    }
    return chunk;
  };

function watch(copy: AxCopy, service: OldService | undefined): void {
  const provider = service?.aiImpl;
  // From Ax 19 on it is a function of the object itself, and called on it.
  if (provider === undefined || Object.hasOwn(provider, 'createChatStreamResp')) return;
  for (let at = Object.getPrototypeOf(provider); at !== null; at = Object.getPrototypeOf(at)) {
    if (!Object.hasOwn(at, 'createChatStreamResp')) continue;
    copy.patches.replace(at, 'createChatStreamResp', noteUsage, copy);
    return;
  }
}

/** Every chat passes here before it reaches the provider. */
const beforeChat: Wrapper = (original: Method, copy) =>
  function (this: OldService, ...args: unknown[]): unknown {
    try {
      watch(copy, this);
    } catch (fault) {
      diagnostics.fault('stream-usage', fault);
    }
    return original.apply(this, args);
  };

export const streamUsageHooks: readonly Hook[] = [
  { target: 'AxBaseAI', method: '_chat1', wrap: beforeChat },
];

import { type AxCopy, isOfAxClass } from '../copy.js';
import { isPatched } from '../patches.js';
import { viewOf } from '../view.js';
import { traceChat } from './chat.js';

const views = new WeakMap<object, WeakMap<AxCopy, object>>();

/**
 * The service a generator is to ask. A service of Ax's own has its methods hooked; any other (the
 * user's own object, an adapter from another package) is seen through a view whose `chat` is traced.
 * The service itself is left as it is, and its methods run on itself.
 */
export function traceableService(copy: AxCopy, service: unknown): unknown {
  if (typeof service !== 'object' || service === null) return service;
  const chat: unknown = (service as { chat?: unknown }).chat;
  if (typeof chat !== 'function' || isPatched(chat) || isOfAxClass(service)) return service;
  let byCopy = views.get(service);
  if (byCopy === undefined) {
    byCopy = new WeakMap();
    views.set(service, byCopy);
  }
  let view = byCopy.get(copy);
  if (view === undefined) {
    view = viewOf(service, (key, method) =>
      key === 'chat' ? (...args: unknown[]) => traceChat(copy, method, service, args) : undefined,
    );
    byCopy.set(copy, view);
  }
  return view;
}

import type { AxCopy } from '../copy.js';
import { diagnostics } from '../diagnostics.js';
import { begin, type Entry } from '../execution/gate.js';
import { Operation } from '../execution/operation.js';
import { observe, tell } from '../execution/result.js';
import { runIn } from '../execution/run-in.js';
import { type ChatRequest, chat, recordResponse } from './model.js';
import type { Hook, Method, Wrapper } from './types.js';

/** What the hooks read of an event of a session. */
interface SessionEvent {
  readonly type?: unknown;
  readonly response?: Parameters<typeof recordResponse>[1];
}

type Events = AsyncIterator<SessionEvent>;

/** A conversation held open with a provider. Each response in it is one model call, and one span. */
class ChatSession {
  #entry: Entry;
  /** Messages handed over since the last response: what the next one answers to. */
  #messages: unknown[] = [];

  constructor(
    private readonly copy: AxCopy,
    private readonly service: unknown,
    private readonly request: ChatRequest | undefined,
    private readonly options: unknown,
  ) {}

  /** Runs what asks for a response in the context of that response's span. */
  ask(
    method: Method,
    self: unknown,
    args: unknown[],
    requestOf: () => ChatRequest | undefined,
  ): unknown {
    tell(() => this.#begin(requestOf()), undefined);
    const entry = this.#entry;
    const fail = (error: unknown): void => this.fail(error);
    let result: unknown;
    try {
      result = runIn(entry instanceof Operation ? entry.context : entry, method, self, args);
    } catch (error) {
      tell(fail, error);
      throw error;
    }
    return observe(result, method, () => {}, fail);
  }

  /** The request for the next response: it answers to what was handed over meanwhile. */
  next(): ChatRequest {
    const chatPrompt = this.#messages;
    this.#messages = [];
    return { ...this.request, chatPrompt };
  }

  hand(messages: readonly unknown[]): void {
    for (const message of messages) this.#messages.push(message);
  }

  take({ done, value: event }: IteratorResult<SessionEvent | undefined>): void {
    if (done === true) this.close();
    if (done === true || event?.type !== 'response.completed') return;
    const operation = this.#current();
    this.#entry = undefined;
    if (operation === undefined) return;
    try {
      recordResponse(operation, event.response);
    } catch (fault) {
      diagnostics.fault('session.take', fault);
    }
    operation.end('completed');
  }

  fail(error: unknown): void {
    this.#current()?.fail(error);
    this.#entry = undefined;
  }

  close(): void {
    this.#current()?.end('early_exit');
    this.#entry = undefined;
  }

  #begin(request: ChatRequest | undefined): void {
    this.close();
    this.#entry = begin(this.copy, chat, this.service, [request, this.options]);
    const operation = this.#current();
    // Nobody may ever read it to its end.
    if (operation !== undefined) operation.streaming = true;
  }

  #current(): Operation | undefined {
    return this.#entry instanceof Operation ? this.#entry : undefined;
  }
}

/** Passes the events of a session on. */
class ObservedEvents implements AsyncIterableIterator<SessionEvent> {
  constructor(
    private readonly inner: Events,
    private readonly session: ChatSession,
  ) {}

  next(...args: [] | [undefined]): Promise<IteratorResult<SessionEvent>> {
    return observe(
      this.inner.next(...args),
      this.inner.next as Method,
      (result) => this.session.take(result as IteratorResult<SessionEvent>),
      (error) => this.session.fail(error),
    ) as Promise<IteratorResult<SessionEvent>>;
  }

  return(value?: unknown): Promise<IteratorResult<SessionEvent>> {
    tell(() => this.session.close(), undefined);
    return (this.inner as Required<Events>).return(value);
  }

  throw(error?: unknown): Promise<IteratorResult<SessionEvent>> {
    tell(() => this.session.close(), undefined);
    return (this.inner as Required<Events>).throw(error);
  }

  [Symbol.asyncIterator](): this {
    return this;
  }
}

/** Puts observers before the methods of the session that Ax gave. */
function observeSession(given: object, session: ChatSession): void {
  const before = (
    name: string,
    call: (method: Method, self: unknown, args: unknown[]) => unknown,
  ) => {
    const method = (given as Record<string, unknown>)[name];
    if (typeof method !== 'function') return;
    Object.defineProperty(given, name, {
      configurable: true,
      writable: true,
      value(this: unknown, ...args: unknown[]) {
        return call(method as Method, this, args);
      },
    });
  };
  before('events', (method, self, args) => {
    const events: unknown = method.apply(self, args);
    const iterable = events as { [Symbol.asyncIterator]?: () => Events };
    const iterator = iterable?.[Symbol.asyncIterator]?.();
    return iterator === undefined ? events : new ObservedEvents(iterator, session);
  });
  before('continue', (method, self, args) => session.ask(method, self, args, () => session.next()));
  before('submitToolResults', (method, self, args) => {
    tell(([results]) => Array.isArray(results) && session.hand(results), args);
    return method.apply(self, args);
  });
  before('steer', (method, self, args) => {
    tell(([content]) => session.hand([{ role: 'user', content }]), args);
    return method.apply(self, args);
  });
  before('close', (method, self, args) => {
    tell(() => session.close(), undefined);
    return method.apply(self, args);
  });
}

const wrapOpen: Wrapper = (original, copy) =>
  function (this: unknown, ...args: unknown[]): unknown {
    if (!copy.recorder.settings.enabled) return original.apply(this, args);
    const request = args[0] as ChatRequest | undefined;
    const session = new ChatSession(copy, this, request, args[1]);
    const opening = session.ask(original, this, args, () => request) as Promise<unknown>;
    return opening.then((given) => {
      try {
        if (typeof given === 'object' && given !== null) observeSession(given, session);
      } catch (fault) {
        diagnostics.fault('session.observe', fault);
      }
      return given;
    });
  };

export const sessionHooks: readonly Hook[] = [
  { target: 'AxAI', method: 'openChatSession', wrap: wrapOpen },
];

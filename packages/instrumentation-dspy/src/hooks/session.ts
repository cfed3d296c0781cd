import { readProperty } from '../capture/read.js';
import type { AxCopy } from '../copy.js';
import { diagnostics } from '../diagnostics.js';
import { type Orphan, unwatch, watch } from '../execution/abandoned.js';
import { begin, type Entry } from '../execution/gate.js';
import type { CallKind } from '../execution/kinds.js';
import { Operation } from '../execution/operation.js';
import { observe, tell } from '../execution/result.js';
import { runIn } from '../execution/run-in.js';
import { viewOf } from '../view.js';
import { Conversation } from './conversation.js';
import { type ChatRequest, recordResponse } from './model.js';
import { nearestRun, type ToolCall } from './run.js';
import type { Hook, Method, Wrapper } from './types.js';

/** What the hooks read of an event of a session. */
interface SessionEvent {
  readonly type?: unknown;
  readonly responseId?: unknown;
  readonly response?: Parameters<typeof recordResponse>[1];
  readonly call?: ToolCall;
}

/** What comes of the model, and belongs to a response. */
const OF_RESPONSES: ReadonlySet<unknown> = new Set(['response', 'tool.call', 'response.completed']);

/** A response that was asked for and has not come to its end. */
interface Awaited {
  readonly entry: Entry;
  /** What it answers to. */
  readonly messages: readonly unknown[];
  readonly signal: AbortSignal | undefined;
}

/** A conversation held open with a provider. Each response in it is one model call, and one span. */
class ChatSession {
  /** In the order in which they were asked for, in which they come. */
  #awaited: Awaited[] = [];
  /** Messages handed over since a response was last asked for: what the next one answers to. */
  #messages: unknown[] = [];
  #given: WeakRef<object> | undefined;
  #lastId: unknown;
  #over = false;
  readonly #conversation = new Conversation();
  readonly #kind: CallKind = this.#conversation.kind();

  constructor(
    private readonly copy: AxCopy,
    private readonly service: unknown,
    private readonly request: ChatRequest | undefined,
    private readonly options: unknown,
  ) {}

  /** Runs the opening of the session, which asks for its first response. */
  open(method: Method, self: unknown, args: unknown[]): unknown {
    return this.#ask(
      () => this.#begin(this.request, []),
      method,
      self,
      args,
      (given) => this.#observe(given),
    );
  }

  /** Runs what asks for a further response. */
  continue(method: Method, self: unknown, args: unknown[]): unknown {
    return this.#ask(
      () => this.#beginNext(),
      method,
      self,
      args,
      () => {},
    );
  }

  hand(messages: readonly unknown[]): void {
    for (const message of messages) this.#messages.push(message);
  }

  take({ done, value: event }: IteratorResult<SessionEvent | undefined>): void {
    if (done === true) this.close();
    if (this.#over || !OF_RESPONSES.has(event?.type)) return;
    // A provider may go on by itself, with what it was steered to.
    if (this.#awaited.length === 0 && event?.responseId !== this.#lastId) this.#beginNext();
    if (event?.type === 'tool.call' && event.call !== undefined) this.#announce(event.call);
    if (event?.type !== 'response.completed') return;
    this.#lastId = event.responseId;
    const operation = operationOf(this.#awaited.shift());
    if (operation === undefined) return;
    try {
      recordResponse(operation, event.response);
    } catch (fault) {
      diagnostics.fault('session.take', fault);
    }
    operation.end('completed');
  }

  fail(error: unknown): void {
    this.#over = true;
    for (const awaited of this.#awaited.splice(0)) failOne(awaited, error);
  }

  close(): void {
    this.#over = true;
    for (const awaited of this.#awaited.splice(0)) operationOf(awaited)?.end('early_exit');
  }

  /** Tools that run in the background are called before the response is complete. */
  #announce(call: ToolCall): void {
    const operation = operationOf(this.#awaited[0]);
    if (operation !== undefined) nearestRun(operation)?.toolCalls.announce(call);
  }

  /** Runs a method in the context of the span of the response that it asks for. */
  #ask(
    start: () => Awaited,
    method: Method,
    self: unknown,
    args: unknown[],
    onValue: (value: unknown) => void,
  ): unknown {
    let awaited: Awaited | undefined;
    try {
      awaited = start();
    } catch (fault) {
      diagnostics.fault('session.begin', fault);
    }
    const entry = awaited?.entry;
    const refused = (error: unknown): void => this.#refused(awaited, error);
    let result: unknown;
    try {
      result = runIn(entry instanceof Operation ? entry.context : entry, method, self, args);
    } catch (error) {
      tell(refused, error);
      throw error;
    }
    return observe(result, method, onValue, refused);
  }

  #beginNext(): Awaited {
    const messages = this.#messages;
    this.#messages = [];
    return this.#begin({ ...this.request, chatPrompt: messages }, messages);
  }

  #begin(request: ChatRequest | undefined, messages: readonly unknown[]): Awaited {
    const args = [request, this.options, this.#model()];
    const entry = begin(this.copy, this.#kind, this.service, args);
    let signal: AbortSignal | undefined;
    if (entry instanceof Operation) {
      // A signal refers to the sessions that listen to it: who waits for the end of one must not.
      ({ signal } = entry);
      entry.signal = undefined;
      // Nobody may ever read it to its end.
      entry.streaming = true;
      const given = this.#given?.deref();
      if (given !== undefined) endWith(given, entry);
    }
    if (!(entry instanceof Operation && entry.recording)) this.#conversation.missed();
    const awaited: Awaited = { entry, messages, signal };
    this.#awaited.push(awaited);
    return awaited;
  }

  /** A request may leave the model to the service. */
  #model(): unknown {
    return this.request?.model ?? readProperty(this.service, 'defaultModel');
  }

  /** The response will not come; those that were asked for before may. */
  #refused(awaited: Awaited | undefined, error: unknown): void {
    if (awaited === undefined) return;
    const index = this.#awaited.indexOf(awaited);
    if (index < 0) return;
    this.#awaited.splice(index, 1);
    this.#messages.unshift(...awaited.messages);
    failOne(awaited, error);
  }

  #observe(given: unknown): void {
    if (typeof given !== 'object' || given === null) return;
    try {
      observeSession(given, this);
      this.#given = new WeakRef(given);
      for (const awaited of this.#awaited) {
        const operation = operationOf(awaited);
        if (operation !== undefined) endWith(given, operation);
      }
    } catch (fault) {
      diagnostics.fault('session.observe', fault);
      this.close();
    }
  }
}

function operationOf(awaited: Awaited | undefined): Operation | undefined {
  return awaited?.entry instanceof Operation ? awaited.entry : undefined;
}

function failOne(awaited: Awaited, error: unknown): void {
  const operation = operationOf(awaited);
  if (operation === undefined) return;
  operation.signal = awaited.signal;
  operation.fail(error);
}

/** Ends the operation when the session is collected, which nobody can read then. */
function endWith(given: object, operation: Operation): void {
  const orphan: Orphan = { orphan: () => operation.end('abandoned') };
  operation.beforeEnd = () => unwatch(orphan);
  watch(given, orphan);
}

/** The events with those who read them observed; all else is their own. */
function observeEvents(events: unknown, session: ChatSession): unknown {
  if (typeof events !== 'object' || events === null) return events;
  const view: object = viewOf(events, (key, method) => {
    switch (key) {
      case Symbol.asyncIterator:
        return () => {
          const iterator: unknown = method.call(events);
          return iterator === events ? view : observeEvents(iterator, session);
        };
      case 'next':
        return (...args: unknown[]) =>
          observe(
            method.apply(events, args),
            method,
            (result) => session.take(result as IteratorResult<SessionEvent>),
            (error) => session.fail(error),
          );
      case 'return':
      case 'throw':
      case Symbol.asyncDispose:
        return (...args: unknown[]) => {
          tell(() => session.close(), undefined);
          return method.apply(events, args);
        };
      default:
        return undefined;
    }
  });
  return view;
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
    try {
      return observeEvents(events, session);
    } catch (fault) {
      diagnostics.fault('session.events', fault);
      return events;
    }
  });
  before('continue', (method, self, args) => session.continue(method, self, args));
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
    let session: ChatSession | undefined;
    try {
      if (copy.recorder.settings.enabled) {
        session = new ChatSession(copy, this, args[0] as ChatRequest | undefined, args[1]);
      }
    } catch (fault) {
      diagnostics.fault('session.open', fault);
    }
    return session === undefined ? original.apply(this, args) : session.open(original, this, args);
  };

export const sessionHooks: readonly Hook[] = [
  { target: 'AxAI', method: 'openChatSession', wrap: wrapOpen },
];

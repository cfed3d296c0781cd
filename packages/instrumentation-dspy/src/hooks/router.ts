import { DSPY_ATTEMPTS, DSPY_OPTIONS, DSPY_ROUTER_SERVICE } from '../attributes/dspy.js';
import { GEN_AI_WORKFLOW_NAME } from '../attributes/gen-ai.js';
import { subjectOf } from '../attributes/subject.js';
import { createStreamAssembler, toOutputMessages } from '../capture/messages.js';
import { readProperty } from '../capture/read.js';
import { safeString } from '../capture/redact.js';
import { typeOf } from '../copy.js';
import { diagnostics } from '../diagnostics.js';
import type { CallKind } from '../execution/kinds.js';
import type { Operation } from '../execution/operation.js';
import { tapStream } from '../execution/readable.js';
import { activeOperation } from './run.js';
import { MAX_NAME_BYTES, nameOfService } from './service.js';
import { type ServiceCall, simpleCall } from './service-call.js';
import { SubjectCache } from './subject-cache.js';
import type { Hook, Wrapper } from './types.js';

/** What the hooks read of a balancer or router: where it keeps the service it has just chosen. */
interface Router {
  readonly currentService?: unknown;
  readonly lastUsedService?: unknown;
}

/** One call of a router, which may reach several services. */
class RouterRun {
  #calls = 0;
  #latest: Operation | undefined;

  constructor(
    readonly router: Router,
    private readonly operation: Operation,
  ) {}

  /** A service is being called. The router sets its field just before, in the same turn. */
  reach(call: Operation): void {
    this.#latest = call;
    this.operation.attributes[DSPY_ATTEMPTS] = ++this.#calls;
    const { router } = this;
    this.name(readProperty(router, 'currentService') ?? readProperty(router, 'lastUsedService'));
  }

  /** The service called last has failed, and the next one is tried. */
  passOver(): void {
    this.operation.attempt(Math.max(0, this.#calls - 1), this.#latest?.failure);
  }

  name(service: unknown): void {
    const name = nameOfService(service);
    if (name === undefined) return;
    this.operation.attributes[DSPY_ROUTER_SERVICE] = safeString(name, MAX_NAME_BYTES);
  }
}

const subjects = new SubjectCache<Router & object>((router, settings) => {
  const name = typeOf(router);
  return subjectOf(settings, {
    name,
    type: 'router',
    operation: 'invoke_workflow',
    kind: 'CHAIN',
    attributes: settings.genAi ? { [GEN_AI_WORKFLOW_NAME]: name } : {},
  });
});

/**
 * A call that a router passes on. Messages, parameters and tokens are on the model call below;
 * only a router that nothing is around says itself what went in and came out.
 */
const routing: CallKind = {
  role: 'step',
  optionsIndex: 1,
  subject: (_copy, self: Router & object, _args, settings) => subjects.of(self, settings),
  input: (_self, args) => args[0],
  recordsInput: false,
  started(operation, self: Router, args) {
    const run = new RouterRun(self, operation);
    operation.state = run;
    operation.onChild = (call) => {
      try {
        run.reach(call);
      } catch (fault) {
        diagnostics.fault('router.reach', fault);
      }
    };
    const [request] = args;
    const model = readProperty(request, 'model') ?? readProperty(request, 'embedModel');
    if (typeof model === 'string') operation.json(DSPY_OPTIONS, { model });
    const { settings } = operation;
    if (operation.parent !== undefined) return;
    const chatPrompt = readProperty(request, 'chatPrompt');
    const texts = readProperty(request, 'texts');
    if (settings.inputMessages && chatPrompt !== undefined) {
      operation.recordInput({ chatPrompt });
    } else if (settings.embeddingText && texts !== undefined) {
      operation.recordInput({ texts });
    }
  },
};

function runOf(operation: Operation): RouterRun | undefined {
  return operation.state instanceof RouterRun ? operation.state : undefined;
}

function recordsReply(operation: Operation): boolean {
  return operation.parent === undefined && operation.recording && operation.settings.outputMessages;
}

function recordReply(operation: Operation, response: unknown): void {
  if (recordsReply(operation)) operation.recordOutput(toOutputMessages(response));
}

function settleChat(operation: Operation, response: unknown): unknown {
  if (operation.ended) return response;
  try {
    if (response instanceof ReadableStream && !response.locked) return tap(operation, response);
    recordReply(operation, response);
  } catch (fault) {
    diagnostics.fault('router.settle', fault);
  }
  operation.end('completed');
  return response;
}

/** The reply is on its way: the router's span is around it to its end. */
function tap(operation: Operation, stream: ReadableStream): ReadableStream {
  const assembler = recordsReply(operation)
    ? createStreamAssembler(operation.settings.serialize.maxBytes)
    : undefined;
  return tapStream(stream, operation, {
    chunk: (value) => assembler?.push(value),
    collected: () => {
      if (assembler !== undefined) recordReply(operation, assembler.response());
    },
  });
}

/** `AxProviderRouter.chat` says how it chose, beside the response. */
function settleProvider(operation: Operation, result: unknown): unknown {
  const routed = result as { readonly response?: unknown } | undefined;
  try {
    runOf(operation)?.name(readProperty(readProperty(routed, 'routing'), 'provider'));
  } catch (fault) {
    diagnostics.fault('router.settle', fault);
  }
  const response = settleChat(operation, routed?.response);
  return routed === undefined || response === routed.response ? result : { ...routed, response };
}

const resolve = (args: readonly unknown[]): unknown[] => [...args];
const chat: ServiceCall = { kind: routing, resolve, settle: settleChat };
const providerChat: ServiceCall = { kind: routing, resolve, settle: settleProvider };
const embed: ServiceCall = {
  kind: routing,
  resolve,
  settle(operation, response) {
    operation.end('completed');
    return response;
  },
};

/** `AxBalancer.handleFailure`: a service has failed and the next one is tried. */
const noteFailure: Wrapper = (original) =>
  function (this: unknown, ...args: unknown[]): unknown {
    try {
      const operation = activeOperation();
      const run = operation === undefined ? undefined : runOf(operation);
      if (run !== undefined && run.router === this) run.passOver();
    } catch (fault) {
      diagnostics.fault('router.failure', fault);
    }
    return original.apply(this, args);
  };

export const routerHooks: readonly Hook[] = [
  { target: 'AxBalancer', method: 'chat', wrap: simpleCall(chat) },
  { target: 'AxBalancer', method: 'embed', wrap: simpleCall(embed) },
  { target: 'AxBalancer', method: 'handleFailure', wrap: noteFailure },
  { target: 'AxMultiServiceRouter', method: 'chat', wrap: simpleCall(chat) },
  { target: 'AxMultiServiceRouter', method: 'embed', wrap: simpleCall(embed) },
  { target: 'AxProviderRouter', method: 'chat', wrap: simpleCall(providerChat) },
];

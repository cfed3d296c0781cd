import { type Context, context } from '@opentelemetry/api';
import { GEN_AI_TOOL_NAME, GEN_AI_TOOL_TYPE } from '../attributes/gen-ai.js';
import { TOOL_NAME } from '../attributes/openinference.js';
import { subjectOf } from '../attributes/subject.js';
import { safeString } from '../capture/redact.js';
import type { AxCopy } from '../copy.js';
import { diagnostics } from '../diagnostics.js';
import { traceFunction } from '../execution/call.js';
import type { CallKind } from '../execution/kinds.js';
import type { Operation } from '../execution/operation.js';
import { runIn } from '../execution/run-in.js';
import { disguise, isPatched } from '../patches.js';
import { viewOf } from '../view.js';
import { AgentRun } from './agent-run.js';
import { activeOperation } from './run.js';
import { traceToolFunction } from './tool.js';
import type { Hook, Method, Wrapper } from './types.js';

/** What the hooks read of a session of a code runtime. */
interface Session {
  execute(code: unknown, ...rest: unknown[]): unknown;
  patchGlobals?(globals: unknown, ...rest: unknown[]): unknown;
}

/** Code that Ax itself runs in the session, to set it up. */
const HOST_SNIPPET = '/* ax:host-snippet */';

/**
 * The host side of a session. Code runs in a worker, whose calls back into the host arrive without
 * any context: what they belong to is kept here.
 */
class Host {
  /** Of the code that runs, or where the session was made between two runs. */
  current: Context;
  /** Of all code that runs, the latest last. */
  readonly #running: Context[] = [];

  constructor(
    readonly copy: AxCopy,
    readonly agent: AgentRun | undefined,
    private readonly home: Context,
  ) {
    this.current = home;
  }

  /** Takes note of code that runs until its operation ends. */
  run(operation: Operation): void {
    const { context: here } = operation;
    if (here === undefined) return;
    operation.state = this;
    this.#running.push(here);
    this.current = here;
    operation.beforeEnd = () => {
      const index = this.#running.indexOf(here);
      if (index >= 0) this.#running.splice(index, 1);
      this.current = this.#running.at(-1) ?? this.home;
    };
  }
}

const wrapCreateSession: Wrapper = (original, copy) =>
  function (this: unknown, ...args: unknown[]): unknown {
    let host: Host | undefined;
    let passed = args;
    try {
      const operation = activeOperation();
      if (operation?.recording === true && operation.childMode === 'nested') {
        host = new Host(copy, nearestAgent(operation), context.active());
        if (args.length > 0) passed = [traceGlobals(host, args[0]), ...args.slice(1)];
      }
    } catch (fault) {
      diagnostics.fault('runtime.createSession', fault);
    }
    const session: unknown = original.apply(this, passed);
    try {
      if (host !== undefined) return viewOfSession(session, host, codeKind(languageOf(this)));
    } catch (fault) {
      diagnostics.fault('runtime.createSession', fault);
    }
    return session;
  };

/** A runtime of the user's own is hooked where its method is: on its class, or on the object itself. */
export function traceCodeRuntime(copy: AxCopy, runtime: unknown): void {
  if (typeof runtime !== 'object' || runtime === null) return;
  for (let owner: object | null = runtime; owner !== null; owner = Object.getPrototypeOf(owner)) {
    const method: unknown = Object.getOwnPropertyDescriptor(owner, 'createSession')?.value;
    if (method === undefined) continue;
    if (!isPatched(method)) copy.patches.replace(owner, 'createSession', wrapCreateSession, copy);
    return;
  }
}

export const codeRuntimeHooks: readonly Hook[] = [
  { target: 'AxJSRuntime', method: 'createSession', wrap: wrapCreateSession },
];

function nearestAgent(operation: Operation): AgentRun | undefined {
  for (let level: Operation | undefined = operation; level !== undefined; level = level.parent) {
    if (level.state instanceof AgentRun) return level.state;
  }
  return undefined;
}

function languageOf(runtime: unknown): string {
  const language = (runtime as { readonly language?: unknown } | undefined)?.language;
  return typeof language === 'string' && language !== ''
    ? safeString(language, 64).toLowerCase()
    : 'javascript';
}

/** Kinds of code execution by language. */
const codeKinds = new Map<string, CallKind>();

function codeKind(language: string): CallKind {
  let kind = codeKinds.get(language);
  if (kind === undefined) {
    kind = {
      role: 'step',
      subject: (_copy, _self, _args, settings) =>
        subjectOf(settings, {
          name: language,
          type: 'code',
          operation: 'execute_tool',
          kind: 'TOOL',
          attributes: settings.genAi
            ? { [GEN_AI_TOOL_NAME]: language, [GEN_AI_TOOL_TYPE]: 'function' }
            : {},
        }),
      input: (_self, args) => args[0],
      started(operation, self: Host, args) {
        const options: { readonly signal?: AbortSignal } | undefined = args[1];
        operation.signal = options?.signal;
        if (operation.settings.openInference) operation.attributes[TOOL_NAME] = language;
        self.run(operation);
      },
      finished: (operation, result) => operation.recordOutput(result),
    };
    codeKinds.set(language, kind);
  }
  return kind;
}

/** The session with `execute` and `patchGlobals` traced; all else is the session's own. */
function viewOfSession(session: unknown, host: Host, kind: CallKind): unknown {
  if (typeof session !== 'object' || session === null) return session;
  return viewOf(session as Session, (key, method) => {
    if (key === 'execute') return executor(session as Session, method, host, kind);
    return key === 'patchGlobals' ? patcher(session as Session, method, host) : undefined;
  });
}

function executor(session: Session, execute: Method, host: Host, kind: CallKind): Method {
  return (...args: unknown[]) => {
    let known = false;
    try {
      known = isReported(args[0]);
    } catch (fault) {
      diagnostics.fault('runtime.execute', fault);
    }
    if (known) return execute.apply(session, args);
    const run = (...passed: unknown[]): unknown => execute.apply(session, passed);
    // The operation's receiver is the host, so that its context is there when the code calls back.
    return traceFunction(host.copy, kind, run, host, args, true);
  };
}

/** `true` for Ax's own code, and for code that a session hands on to the session of another runtime. */
function isReported(code: unknown): boolean {
  if (typeof code === 'string' && code.startsWith(HOST_SNIPPET)) return true;
  return activeOperation()?.state instanceof Host;
}

function patcher(session: Session, patchGlobals: Method, host: Host): Method {
  return (globals: unknown, ...rest: unknown[]) => {
    let passed = globals;
    try {
      passed = traceGlobals(host, globals);
    } catch (fault) {
      diagnostics.fault('runtime.patchGlobals', fault);
    }
    return patchGlobals.call(session, passed, ...rest);
  };
}

const MAX_NAMESPACE_DEPTH = 5;
const MAX_ENTRIES = 2000;

/** Holds what the user put in: values, not functions of the agent. */
const INPUTS = 'inputs';

/**
 * The globals of a session with its functions traced. Functions in a namespace (`kb.lookup`) are the
 * agent's tools; those at the top are Ax's primitives (`final`, `llmQuery`), which are given the
 * context alone. An object without functions stays the object it is.
 */
function traceGlobals(host: Host, globals: unknown): unknown {
  if (!isPlainObject(globals)) return globals;
  const budget = { entries: MAX_ENTRIES };
  const result: Record<string, unknown> = {};
  for (const [name, descriptor] of Object.entries(Object.getOwnPropertyDescriptors(globals))) {
    const { value } = descriptor;
    if (typeof value === 'function') descriptor.value = inHostContext(host, value as Method);
    // Not a getter, which is given no value.
    else if (value !== undefined && name !== INPUTS) {
      descriptor.value = traceNamespace(host, value, name, 1, budget);
    }
    Object.defineProperty(result, name, descriptor);
  }
  return result;
}

function traceNamespace(
  host: Host,
  value: unknown,
  path: string,
  depth: number,
  budget: { entries: number },
): unknown {
  if (!isPlainObject(value) || depth > MAX_NAMESPACE_DEPTH) return value;
  const descriptors = Object.getOwnPropertyDescriptors(value);
  let changed = false;
  for (const [name, descriptor] of Object.entries(descriptors)) {
    if (budget.entries-- <= 0) break;
    const member: unknown = descriptor.value;
    const replacement =
      typeof member === 'function'
        ? toolOf(host, member as Method, `${path}.${name}`)
        : traceNamespace(host, member, `${path}.${name}`, depth + 1, budget);
    if (replacement === member) continue;
    descriptor.value = replacement;
    changed = true;
  }
  return changed ? Object.create(Object.getPrototypeOf(value), descriptors) : value;
}

function toolOf(host: Host, func: Method, qualifiedName: string): Method {
  if (isPatched(func)) return func;
  const known = host.agent?.functionOf(qualifiedName);
  const tool = {
    name: qualifiedName,
    description: known?.description,
    parameters: known?.parameters,
  };
  return inHostContext(host, traceToolFunction(host.copy, tool, func, 'positional'));
}

function inHostContext(host: Host, func: Method): Method {
  return disguise(function (this: unknown, ...args: unknown[]): unknown {
    return runIn(host.current, func, this, args);
  }, func);
}

function isPlainObject(value: unknown): value is Record<string, unknown> {
  if (typeof value !== 'object' || value === null) return false;
  const prototype: unknown = Object.getPrototypeOf(value);
  return prototype === Object.prototype || prototype === null;
}

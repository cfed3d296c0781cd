import type { Context } from '@opentelemetry/api';
import { GEN_AI_CONVERSATION_ID } from '../attributes/gen-ai.js';
import { SESSION_ID, USER_ID } from '../attributes/openinference.js';
import { safeString } from '../capture/redact.js';
import type { CallKind } from './kinds.js';
import type { Inherited } from './operation.js';

/** What is read of the options object that Ax's calls take. */
export interface CallOptions {
  readonly sessionId?: unknown;
  readonly usageContext?: { readonly userId?: unknown } | null;
  readonly traceContext?: Context;
  readonly abortSignal?: AbortSignal;
  readonly abortController?: AbortController;
  readonly tracer?: unknown;
  readonly traceLabel?: unknown;
}

/** The options object among a call's arguments. */
export function optionsOf(kind: CallKind, args: readonly unknown[]): CallOptions | undefined {
  if (kind.optionsIndex === undefined) return undefined;
  const options = args[kind.optionsIndex];
  return typeof options === 'object' && options !== null ? (options as CallOptions) : undefined;
}

/** The caller's context, where it was given instead of made active. */
export function explicitContext(kind: CallKind, args: readonly unknown[]): Context | undefined {
  const given = optionsOf(kind, args)?.traceContext;
  return typeof given?.getValue === 'function' ? given : undefined;
}

/** Best-of-N and refine give each attempt a session of its own, to part its memory: nobody's conversation. */
const SESSION_OF_AX = /^ax-refine-(native|serial)-/;

/** Session and user that the call itself names go before those of the context. */
export function withOwnIdentity(inherited: Inherited, options: CallOptions): Inherited {
  const session = options.sessionId;
  const user = options.usageContext?.userId;
  const ownSession = typeof session === 'string' && session !== '' && !SESSION_OF_AX.test(session);
  const ownUser = typeof user === 'string' && user !== '';
  if (!ownSession && !ownUser) return inherited;
  const identity = { ...inherited.identity };
  if (ownSession) {
    identity[SESSION_ID] = safeString(session);
    identity[GEN_AI_CONVERSATION_ID] = identity[SESSION_ID];
  }
  if (ownUser) identity[USER_ID] = safeString(user);
  return { ...inherited, identity };
}

/** The signal by which the caller ends the call. */
export function signalOf(options: CallOptions): AbortSignal | undefined {
  return options.abortSignal ?? options.abortController?.signal;
}

import { messageOf } from '../errors.js';
import { suggest } from '../suggest.js';
import { MAX_TIMEOUT_S } from './config.js';
import type { ExecutionMode, ExecutionSettings, ProgramLike } from './types.js';

/** A request of any kind, before its inputs are checked. */
export interface AnyRequest extends ExecutionSettings {
  readonly program?: ProgramLike | undefined;
  readonly modelId?: string | undefined;
  readonly inputs: unknown;
}

/** What can be used of a request, and what is wrong with the rest. */
export interface ReadRequest {
  readonly request: AnyRequest;
  readonly problem: string | undefined;
}

const MODES: readonly ExecutionMode[] = ['normal', 'dryRun', 'debug'];
const MEMBERS = [
  'program',
  'modelId',
  'inputs',
  'mode',
  'ai',
  'signal',
  'timeout',
] as const satisfies (keyof AnyRequest)[];

type Member = (typeof MEMBERS)[number];

/** Reads each member once: a request may be an object whose getters throw. Never throws. */
export function readRequest(given: unknown): ReadRequest {
  const request: Partial<Record<Member, unknown>> = {};
  try {
    const source = Object(given) as Record<string, unknown>;
    for (const member of MEMBERS) request[member] = source[member];
    const problem = problemOf(request) ?? unknownMember(Object.keys(source));
    return { request: usable(request), problem };
  } catch (error) {
    return { request: usable(request), problem: `the request cannot be read: ${messageOf(error)}` };
  }
}

function problemOf({ program, modelId, mode, timeout, signal }: Partial<Record<Member, unknown>>) {
  if (mode !== undefined && !isMode(mode)) return `mode must be one of ${MODES.join(', ')}`;
  if (timeout !== undefined && !isTimeout(timeout)) {
    return `timeout must be seconds, above 0 and at most ${MAX_TIMEOUT_S}`;
  }
  if (signal !== undefined && !isSignal(signal)) return 'signal must be an AbortSignal';
  if ((program === undefined) === (modelId === undefined)) return 'give either program or modelId';
  if (modelId !== undefined && typeof modelId !== 'string') return 'modelId must be text';
  return undefined;
}

/** A misspelt `timeout` would be the executor's. */
function unknownMember(names: readonly string[]): string | undefined {
  const name = names.find((one) => !(MEMBERS as readonly string[]).includes(one));
  return name === undefined
    ? undefined
    : `there is no ${name} in a request${suggest(name, MEMBERS)}`;
}

function usable(request: Partial<Record<Member, unknown>>): AnyRequest {
  const { program, modelId, inputs, mode, ai, signal, timeout } = request;
  return {
    program: program as AnyRequest['program'],
    modelId: typeof modelId === 'string' ? modelId : undefined,
    inputs,
    mode: isMode(mode) ? mode : undefined,
    ai: ai as AnyRequest['ai'],
    signal: isSignal(signal) ? signal : undefined,
    timeout: isTimeout(timeout) ? timeout : undefined,
  };
}

const isMode = (value: unknown): value is ExecutionMode =>
  (MODES as readonly unknown[]).includes(value);

function isSignal(value: unknown): value is AbortSignal {
  const { aborted, addEventListener, removeEventListener } = Object(value) as Partial<AbortSignal>;
  return (
    typeof aborted === 'boolean' &&
    typeof addEventListener === 'function' &&
    typeof removeEventListener === 'function'
  );
}

function isTimeout(value: unknown): value is number {
  return typeof value === 'number' && value > 0 && value <= MAX_TIMEOUT_S;
}

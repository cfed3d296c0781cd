import { type Attributes, SpanKind } from '@opentelemetry/api';
import {
  GEN_AI_PROMPT_NAME,
  GEN_AI_TOOL_CALL_ARGUMENTS,
  GEN_AI_TOOL_CALL_RESULT,
  GEN_AI_TOOL_NAME,
  GEN_AI_TOOL_TYPE,
  MCP_METHOD_NAME,
  MCP_PROTOCOL_VERSION,
  MCP_RESOURCE_URI,
  MCP_SESSION_ID,
} from '../attributes/gen-ai.js';
import { TOOL_NAME } from '../attributes/openinference.js';
import { subjectOf } from '../attributes/subject.js';
import { readArray, readProperty, readText } from '../capture/read.js';
import { safeString } from '../capture/redact.js';
import { toText } from '../capture/serialize.js';
import { diagnostics } from '../diagnostics.js';
import { traceFunction } from '../execution/call.js';
import type { CallKind } from '../execution/kinds.js';
import type { Operation } from '../execution/operation.js';
import type { Settings } from '../settings.js';
import { recordDocuments } from './retrieval.js';
import { activeOperation } from './run.js';
import { ToolRun } from './tool.js';
import type { Hook, Wrapper } from './types.js';

/** What the hooks read of an MCP client. */
interface Client {
  readonly negotiatedProtocolVersion?: unknown;
  readonly protocolVersion?: unknown;
  readonly transport?: unknown;
}

/** A request as the protocol names it. */
interface McpCall {
  readonly method: string;
  /** Name of the tool or prompt, URI of the resource. */
  readonly target: string | undefined;
  readonly input: unknown;
}

/** An MCP call under way. The requests it takes are the inside of its span. */
class McpRun {
  constructor(readonly call: McpCall) {}
}

const TOOL_CALL = 'tools/call';
const RESOURCE_READ = 'resources/read';
const PROMPT_GET = 'prompts/get';
const TOOL_LIST = 'tools/list';
const TRACED: ReadonlySet<unknown> = new Set([TOOL_CALL, RESOURCE_READ, PROMPT_GET, TOOL_LIST]);

/** The kind of a client method, given how its arguments say what is asked for. */
function mcpKind(
  read: (args: readonly unknown[]) => McpCall,
  result = (value: unknown) => value,
): CallKind {
  return {
    role: 'step',
    spanKind: SpanKind.CLIENT,
    subject: (_copy, self: Client, args, settings) => describeCall(self, read(args), settings),
    input: (_self, args) => read(args).input,
    recordsInput: false,
    started(operation, self: Client, args) {
      const call = read(args);
      operation.state = new McpRun(call);
      describeClient(operation, self);
      const recorded = operation.recordInput(call.input);
      if (call.method !== TOOL_CALL) return;
      const { settings } = operation;
      if (settings.openInference) operation.set(TOOL_NAME, call.target);
      if (settings.genAi) operation.set(GEN_AI_TOOL_CALL_ARGUMENTS, recorded);
    },
    finished(operation, value, _self, args) {
      recordResult(operation, read(args).method, result(value));
    },
  };
}

function describeCall(client: Client, { method, target }: McpCall, settings: Settings) {
  const name = target === undefined ? method : safeString(target, 128);
  const attributes: Attributes = { [MCP_METHOD_NAME]: method };
  const session =
    readText(client.transport, 'sessionId') ?? readText(client.transport, 'mcpSessionId');
  if (session !== undefined && session !== '')
    attributes[MCP_SESSION_ID] = safeString(session, 256);
  if (method === TOOL_CALL) {
    if (settings.genAi) {
      attributes[GEN_AI_TOOL_NAME] = name;
      attributes[GEN_AI_TOOL_TYPE] = 'function';
    }
    return subjectOf(settings, {
      name,
      type: 'mcp',
      operation: 'execute_tool',
      kind: 'TOOL',
      attributes,
    });
  }
  if (method === RESOURCE_READ) {
    // What is asked for: a file's name, a query. No sanitizer has seen it yet.
    if (settings.inputs && settings.inputSanitizer === undefined) {
      attributes[MCP_RESOURCE_URI] = name;
    }
    // The URI is in an attribute and not in the name, which must take few values.
    return subjectOf(settings, {
      name: method,
      type: 'mcp',
      operation: 'retrieval',
      kind: 'RETRIEVER',
      spanName: method,
      attributes,
    });
  }
  if (method === PROMPT_GET && settings.genAi) attributes[GEN_AI_PROMPT_NAME] = name;
  return subjectOf(settings, {
    name: method === PROMPT_GET ? name : method,
    type: 'mcp',
    operation: 'invoke_workflow',
    kind: 'CHAIN',
    spanName: method === PROMPT_GET ? `${method} ${name}` : method,
    attributes,
  });
}

function describeClient(operation: Operation, client: Client): void {
  const version = client.negotiatedProtocolVersion ?? client.protocolVersion;
  if (typeof version === 'string')
    operation.attributes[MCP_PROTOCOL_VERSION] = safeString(version, 64);
}

function recordResult(operation: Operation, method: string, result: unknown): void {
  if (method === RESOURCE_READ) {
    recordDocuments(operation, result, readProperty(result, 'contents'));
    return;
  }
  const recorded = operation.recordOutput(result);
  if (method !== TOOL_CALL) return;
  if (operation.settings.genAi) operation.set(GEN_AI_TOOL_CALL_RESULT, recorded);
  if (readProperty(result, 'isError') === true) operation.fail(toolError(result));
}

/** A tool that answers with an error has failed, though the request has not. */
function toolError(result: unknown): { name: string; message: string } {
  const texts = readArray(readProperty(result, 'content'))
    .map((part) => readText(part, 'text'))
    .filter((text) => text !== undefined);
  return {
    name: 'tool_error',
    message: toText(texts.join('\n') || 'tool_error', { maxBytes: 4096 }),
  };
}

/**
 * `true` when the call is the inside of a span that is there already: of the client's method that sends it, or of the tool that a
 * model called. The latter gets what the protocol adds, as the MCP conventions ask.
 */
function isInside(client: Client, call: McpCall): boolean {
  const operation = activeOperation();
  const state = operation?.state;
  if (operation === undefined) return false;
  if (state instanceof McpRun) {
    return state.call.method === call.method && state.call.target === call.target;
  }
  if (!(state instanceof ToolRun) || call.method !== TOOL_CALL || !state.isFor(call.target))
    return false;
  operation.attributes[MCP_METHOD_NAME] = call.method;
  describeClient(operation, client);
  return true;
}

function traced(
  read: (args: readonly unknown[]) => McpCall,
  result?: (value: unknown) => unknown,
): Wrapper {
  const kind = mcpKind(read, result);
  return (original, copy) =>
    function (this: Client & object, ...args: unknown[]): unknown {
      let skip = true;
      try {
        const call = read(args);
        skip = !TRACED.has(call.method) || isInside(this, call);
      } catch (fault) {
        diagnostics.fault('mcp', fault);
      }
      return skip
        ? original.apply(this, args)
        : traceFunction(copy, kind, original, this, args, true);
    };
}

function textOf(value: unknown): string | undefined {
  return typeof value === 'string' ? value : undefined;
}

const callTool = traced(([name, args]) => ({
  method: TOOL_CALL,
  target: textOf(name),
  input: args,
}));
const callToolOutcome = traced(
  ([name, args]) => ({ method: TOOL_CALL, target: textOf(name), input: args }),
  (outcome) => readProperty(outcome, 'result') ?? outcome,
);
const readResource = traced(([uri]) => ({
  method: RESOURCE_READ,
  target: textOf(uri),
  input: uri,
}));
const getPrompt = traced(([name, args]) => ({
  method: PROMPT_GET,
  target: textOf(name),
  input: args,
}));
const listTools = traced(() => ({ method: TOOL_LIST, target: undefined, input: undefined }));

/** `sendRequest(method, params)`: what every call comes down to, and all there is before Ax 16. */
const sendRequest = traced(
  ([method, params]) => ({
    method: textOf(method) ?? '',
    target: readText(params, 'name') ?? readText(params, 'uri'),
    input: readProperty(params, 'arguments') ?? readProperty(params, 'uri'),
  }),
  (response) => readProperty(response, 'result'),
);

export const mcpHooks: readonly Hook[] = [
  { target: 'AxMCPClient', method: 'callTool', wrap: callTool },
  { target: 'AxMCPClient', method: 'callToolOutcome', wrap: callToolOutcome },
  { target: 'AxMCPClient', method: 'readResource', wrap: readResource },
  { target: 'AxMCPClient', method: 'getPrompt', wrap: getPrompt },
  { target: 'AxMCPClient', method: 'listTools', wrap: listTools },
  { target: 'AxMCPClient', method: 'sendRequest', wrap: sendRequest },
];

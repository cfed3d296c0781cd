import type { Attributes } from '@opentelemetry/api';
import {
  GEN_AI_TOOL_CALL_ARGUMENTS,
  GEN_AI_TOOL_CALL_ID,
  GEN_AI_TOOL_CALL_RESULT,
  GEN_AI_TOOL_DESCRIPTION,
  GEN_AI_TOOL_NAME,
  GEN_AI_TOOL_TYPE,
} from '../attributes/gen-ai.js';
import { TOOL_DESCRIPTION, TOOL_NAME, TOOL_PARAMETERS } from '../attributes/openinference.js';
import { subjectOf } from '../attributes/subject.js';
import { readProperty } from '../capture/read.js';
import { safeString } from '../capture/redact.js';
import { toJson } from '../capture/serialize.js';
import type { AxCopy } from '../copy.js';
import { diagnostics } from '../diagnostics.js';
import { traceFunction } from '../execution/call.js';
import type { CallKind, Subject } from '../execution/kinds.js';
import { disguise, isPatched } from '../patches.js';
import type { Settings } from '../settings.js';
import { originalOf, viewOf } from '../view.js';
import { nearestRun, plainName } from './run.js';
import type { Method } from './types.js';

/** An Ax function: what a model may call. */
export interface Tool {
  readonly name?: unknown;
  readonly description?: unknown;
  readonly parameters?: unknown;
  readonly func?: unknown;
}

/** Ax's own functions, by which a model returns a structured output: no tools of anybody. */
const RESERVED: ReadonlySet<unknown> = new Set(['__axOutput', '__finalResult']);

/**
 * How a tool is called: with an object of arguments and Ax's options, with the options alone (a tool
 * without parameters), or from code, with whatever the code passes.
 */
export type ToolStyle = 'object' | 'none' | 'positional';

/** One call of a tool. What the tool sends over MCP to be called is the inside of it. */
export class ToolRun {
  constructor(private readonly name: string) {}

  /** `true` for the tool of this name on its server: Ax may put a namespace before it. */
  isFor(remoteName: string | undefined): boolean {
    const remote = plainName(remoteName);
    return remote !== '' && plainName(this.name).endsWith(remote);
  }
}

/** The kind of a tool's calls. */
export function toolKind(tool: Tool, style: ToolStyle): CallKind {
  let known: ToolDescription | undefined;
  const describe = (settings: Settings): ToolDescription => {
    if (
      known === undefined ||
      known.settings !== settings ||
      known.description !== tool.description ||
      known.parameters !== tool.parameters
    ) {
      known = describeTool(tool, settings);
    }
    return known;
  };
  return {
    role: 'step',
    subject: (_copy, _self, _args, settings) => describe(settings).subject,
    input: (_self, args) => argumentsOf(style, args),
    recordsInput: false,
    started(operation, _self, args, subject) {
      operation.state = new ToolRun(subject.name);
      operation.signal = signalOf(style, args);
      const id = nearestRun(operation)?.toolCalls.take(subject.name);
      if (id !== undefined && operation.settings.genAi) {
        operation.set(GEN_AI_TOOL_CALL_ID, id);
      }
      const recorded = operation.recordInput(argumentsOf(style, args));
      if (operation.settings.genAi) operation.set(GEN_AI_TOOL_CALL_ARGUMENTS, recorded);
    },
    finished(operation, result) {
      const recorded = operation.recordOutput(result);
      if (operation.settings.genAi) operation.set(GEN_AI_TOOL_CALL_RESULT, recorded);
    },
  };
}

function argumentsOf(style: ToolStyle, args: readonly unknown[]): unknown {
  if (style === 'none') return undefined;
  return style === 'object' || args.length === 1 ? args[0] : args;
}

function signalOf(style: ToolStyle, args: readonly unknown[]): AbortSignal | undefined {
  if (style === 'positional') return undefined;
  const options = args[style === 'object' ? 1 : 0] as { abortSignal?: AbortSignal } | undefined;
  return options?.abortSignal;
}

interface ToolDescription {
  readonly settings: Settings;
  readonly description: unknown;
  readonly parameters: unknown;
  readonly subject: Subject;
}

function describeTool(tool: Tool, settings: Settings): ToolDescription {
  const name = safeString(tool.name ?? 'function', 128);
  const fixed: Attributes = {};
  const description = typeof tool.description === 'string' ? tool.description : undefined;
  const { serialize } = settings;
  if (settings.openInference) {
    fixed[TOOL_NAME] = name;
    if (settings.toolDefinitions && tool.parameters !== undefined) {
      fixed[TOOL_PARAMETERS] = toJson(tool.parameters, serialize);
    }
  }
  if (description !== undefined && settings.toolDefinitions) {
    const text = safeString(description, 4096);
    if (settings.genAi) fixed[GEN_AI_TOOL_DESCRIPTION] = text;
    if (settings.openInference) fixed[TOOL_DESCRIPTION] = text;
  }
  const subject = subjectOf(settings, {
    name,
    type: 'tool',
    operation: 'execute_tool',
    kind: 'TOOL',
    attributes: settings.genAi ? { [GEN_AI_TOOL_NAME]: name, [GEN_AI_TOOL_TYPE]: 'function' } : {},
    fixed,
  });
  const { parameters } = tool;
  return { settings, description: tool.description, parameters, subject };
}

interface TracedFunction {
  readonly copy: AxCopy;
  readonly tool: object;
  readonly func: Method;
}

const traced = new WeakMap<Method, TracedFunction>();

/**
 * The functions with calls traced. Ax constructs what calls them out of reach, so the list it is
 * given holds views whose `func` is ours; arity and everything else stay.
 */
export function traceTools(copy: AxCopy, tools: readonly unknown[]): unknown[] {
  return tools.map((tool) => traceTool(copy, tool));
}

function traceTool(copy: AxCopy, tool: unknown): unknown {
  if (typeof tool !== 'object' || tool === null) return tool;
  const { func, name } = tool as Tool;
  if (typeof func !== 'function' || isPatched(func) || RESERVED.has(name)) return tool;
  return viewOf(tool as Tool & object, (key, method) =>
    key === 'func'
      ? traceToolFunction(copy, tool, method, (tool as Tool).parameters ? 'object' : 'none')
      : undefined,
  );
}

/** The service that a tool is given is the program's own, and not our view of it. */
function giveServiceBack(args: unknown[], style: ToolStyle): void {
  if (style === 'positional') return;
  const index = style === 'object' ? 1 : 0;
  const extra = args[index];
  const ai = readProperty(extra, 'ai');
  const own = originalOf(ai);
  if (own !== ai) args[index] = { ...(extra as object), ai: own };
}

/** A tool's function with its calls traced. The same function of the same tool gives the same result. */
export function traceToolFunction(
  copy: AxCopy,
  tool: Tool & object,
  func: Method,
  style: ToolStyle,
): Method {
  const known = traced.get(func);
  if (known !== undefined && known.copy === copy && known.tool === tool) return known.func;
  const kind = toolKind(tool, style);
  const replacement = disguise(function (this: unknown, ...args: unknown[]): unknown {
    // A tool that is a method runs on its own object, with the state it keeps there.
    try {
      giveServiceBack(args, style);
    } catch (fault) {
      diagnostics.fault('tool.service', fault);
    }
    // Ax waits for the tools of a generator; code may call one and not look back.
    return traceFunction(copy, kind, func, originalOf(this), args, style === 'positional');
  }, func);
  traced.set(func, { copy, tool, func: replacement });
  return replacement;
}

import type { Attributes } from '@opentelemetry/api';
import { askAx } from '../ask.js';
import {
  GEN_AI_AGENT_DESCRIPTION,
  GEN_AI_AGENT_ID,
  GEN_AI_AGENT_NAME,
} from '../attributes/gen-ai.js';
import { AGENT_NAME, OUTPUT_VALUE } from '../attributes/openinference.js';
import { subjectOf } from '../attributes/subject.js';
import { readProperty, readText } from '../capture/read.js';
import { safeString } from '../capture/redact.js';
import { nameOfAxClass, typeOf } from '../copy.js';
import { tracedCall } from '../execution/call.js';
import { type StreamKind, tracedIterable } from '../execution/iterable.js';
import type { CallKind } from '../execution/kinds.js';
import type { Operation } from '../execution/operation.js';
import { type Agent, AgentRun } from './agent-run.js';
import { traceCodeRuntime } from './code-runtime.js';
import { DeltaCollector } from './deltas.js';
import { describeProgram, nameOfProgram, type Program, recordOptions } from './program.js';
import type { Hook } from './types.js';

type AxAgent = Agent & Program & { readonly program?: Program & object };

const agent: CallKind = {
  role: 'program',
  optionsIndex: 2,
  subject(_copy, self: AxAgent, args, settings) {
    const name = nameOfAgent(self, args[2]);
    const attributes: Attributes = {};
    if (settings.genAi) attributes[GEN_AI_AGENT_NAME] = name;
    return subjectOf(settings, {
      name,
      type: typeOf(self),
      operation: 'invoke_agent',
      kind: 'AGENT',
      attributes,
    });
  },
  input: (_self, args) => args[1],
  started: (operation, self: AxAgent, args) =>
    started(operation, self, args[2], new AgentRun(self)),
  finished: (operation, result) => operation.recordOutput(result),
  failed: recordClarification,
};

const agentStream: StreamKind = {
  ...agent,
  started(operation, self: AxAgent, args) {
    const { outputs, serialize } = operation.settings;
    started(operation, self, args[2], new AgentStream(self, outputs ? serialize.maxBytes : 0));
  },
  chunk: (operation, delta) => streamOf(operation)?.deltas.add(delta),
  collected(operation) {
    const deltas = streamOf(operation)?.deltas;
    if (deltas === undefined) return;
    operation.recordOutput(deltas.value());
    if (deltas.truncated) operation.markTruncated(OUTPUT_VALUE);
  },
};

class AgentStream extends AgentRun {
  readonly deltas: DeltaCollector;

  constructor(self: Agent, maxSize: number) {
    super(self);
    this.deltas = new DeltaCollector(maxSize);
  }
}

function streamOf(operation: Operation): AgentStream | undefined {
  return operation.state instanceof AgentStream ? operation.state : undefined;
}

function nameOfAgent(
  self: AxAgent,
  options: { readonly traceLabel?: unknown } | undefined,
): string {
  const isAxClass = nameOfAxClass(self.constructor) !== undefined;
  const own = readText(readProperty(self, 'func'), 'name') ?? readText(self, 'name');
  if (isAxClass && own !== undefined && own !== '') return safeString(own, 128);
  return nameOfProgram(self, options);
}

function started(
  operation: Operation,
  self: AxAgent,
  options: Record<string, unknown> | undefined,
  run: AgentRun,
): void {
  operation.state = run;
  describeProgram(operation, (readProperty(self, 'program') ?? self) as Program & object);
  recordOptions(operation, self, options);
  const { settings } = operation;
  const description = readText(readProperty(self, 'func'), 'description');
  if (settings.genAi && settings.inputs && description !== undefined) {
    operation.set(GEN_AI_AGENT_DESCRIPTION, safeString(description, 4096));
  }
  const id = askAx(self, 'getId');
  // `root` is what Ax calls every program that was given no id.
  if (settings.genAi && typeof id === 'string' && id !== '' && id !== 'root') {
    operation.set(GEN_AI_AGENT_ID, safeString(id, 128));
  }
  if (settings.openInference) operation.set(AGENT_NAME, nameOfAgent(self, options));
  for (const runtime of run.runtimes()) traceCodeRuntime(operation.copy, runtime);
}

/** An agent that asks back has not failed: the question is what came out. */
function recordClarification(operation: Operation, error: unknown): void {
  if (readProperty(error, 'name') !== 'AxAgentClarificationError') return;
  const asked = readProperty(error, 'clarification') ?? readProperty(error, 'question');
  operation.recordOutput({ clarification: asked });
}

export const agentHooks: readonly Hook[] = [
  { target: 'AxAgent', method: 'forward', wrap: tracedCall(agent) },
  { target: 'AxAgent', method: 'streamingForward', wrap: tracedIterable(agentStream) },
];

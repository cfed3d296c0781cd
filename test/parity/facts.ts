import type { StoredSpan, StoredTrace } from '../support/mlflow-rest.js';
import { camelCase, type GoldenSpan, type GoldenTrace } from './golden.js';

/** What both sides say about a span, in one form. */
export interface SpanFacts {
  type: string;
  status: string;
  inputs: unknown;
  outputs: unknown;
  signature: unknown;
  exception: unknown;
  message: string;
  tokens: unknown;
  model: unknown;
  parameters: unknown;
  tool: unknown;
}

/** What both sides say about a trace, in one form. */
export interface TraceFacts {
  state: string;
  request: unknown;
  response: unknown;
  tokens: unknown;
  cost: unknown;
  session: unknown;
  user: unknown;
  tags: unknown;
  assessments: unknown;
}

export function goldenSpanFacts(span: GoldenSpan): SpanFacts {
  const { attributes = {} } = span;
  const isModel = span.type === 'CHAT_MODEL';
  return {
    type: span.type,
    status: span.status,
    inputs: isModel ? (span.inputs as { messages: string[] }).messages : span.inputs,
    outputs:
      isModel && span.outputs ? (span.outputs as string[]).map(readGoldenReply) : span.outputs,
    signature: span.signature && readSignature(span.signature),
    exception: span.exception?.message,
    message: '',
    tokens: span.tokens,
    model: isModel ? String(attributes.model).split('/') : undefined,
    parameters: isModel
      ? { temperature: attributes.temperature, maxTokens: attributes.max_tokens }
      : undefined,
    tool: span.type === 'TOOL' ? readTool(attributes.name, attributes.args) : undefined,
  };
}

export function ourSpanFacts(span: StoredSpan): SpanFacts {
  const { attributes } = span;
  const isModel = span.type === 'CHAT_MODEL';
  const exception = span.events.find(({ name }) => name === 'exception')?.attributes;
  const usage = attributes['mlflow.chat.tokenUsage'] as Record<string, number> | undefined;
  return {
    type: span.type,
    status: span.status.code,
    inputs: isModel ? (span.inputs as Message[]).map(({ role }) => role) : span.inputs,
    outputs: isModel && span.outputs ? (span.outputs as Message[]).map(readOurReply) : span.outputs,
    signature:
      typeof attributes['dspy.signature'] === 'string'
        ? readSignature(attributes['dspy.signature'])
        : undefined,
    exception: exception?.['exception.message'],
    message: span.status.message,
    tokens: usage && [usage.input_tokens, usage.output_tokens, usage.total_tokens],
    model: isModel
      ? [attributes['mlflow.llm.provider'], attributes['mlflow.llm.model']]
      : undefined,
    parameters: isModel
      ? {
          temperature: attributes['gen_ai.request.temperature'],
          maxTokens: attributes['gen_ai.request.max_tokens'],
        }
      : undefined,
    tool:
      span.type === 'TOOL'
        ? readTool(attributes['gen_ai.tool.name'], propertiesOf(attributes['tool.parameters']))
        : undefined,
  };
}

export function goldenTraceFacts(trace: GoldenTrace): TraceFacts {
  return {
    state: trace.state,
    request: trace.request,
    response: trace.response,
    tokens: trace.tokens,
    cost: undefined,
    session: trace.session,
    user: trace.user,
    tags: trace.tags,
    assessments: trace.assessments?.map(({ name, value, rationale, source }) => ({
      name,
      value,
      rationale,
      source: source.source_type,
    })),
  };
}

export function ourTraceFacts(trace: StoredTrace): TraceFacts {
  const { tokens } = trace;
  const tags = Object.entries(trace.tags).filter(([key]) => !/^(mlflow|service)\./.test(key));
  return {
    state: trace.state,
    request: parse(trace.requestPreview),
    response: parse(trace.responsePreview),
    tokens: tokens && [tokens.input_tokens, tokens.output_tokens, tokens.total_tokens],
    cost: trace.cost?.total_cost,
    session: trace.session,
    user: trace.user,
    tags: tags.length > 0 ? Object.fromEntries(tags) : undefined,
    assessments:
      trace.assessments.length > 0
        ? trace.assessments.map(({ name, value, rationale, source }) => ({
            name,
            value,
            rationale,
            source: source.source_type,
          }))
        : undefined,
  };
}

interface Message {
  role: string;
  parts: { type: string; content?: string; name?: string; arguments?: unknown }[];
}

/** Field names of a signature without types and descriptions: `[[inputs], [outputs]]`. */
function readSignature(signature: string): string[][] {
  return signature
    .replaceAll(/"[^"]*"/g, '')
    .split('->')
    .map((side) =>
      side
        .split(',')
        .map((field) => field.trim().replace(/[?!]?(:.*)?$/, ''))
        .map(camelCase),
    );
}

/** `[[ ## answer ## ]]\n2` → `{ answer: '2' }`. */
function readGoldenReply(reply: string): unknown {
  const fields = [...reply.matchAll(/\[\[ ## (\w+) ## \]\]\n([^\n]+)/g)];
  return Object.fromEntries(
    fields.map(([, name = '', value = '']) => [camelCase(name), parse(value)]),
  );
}

/** `Answer: 2` → `{ answer: '2' }`; a tool call in the golden model's words. */
function readOurReply({ parts }: Message): unknown {
  const call = parts.find(({ type }) => type === 'tool_call');
  if (call) return { nextToolName: call.name, nextToolArgs: parse(call.arguments) };
  const reply = parts.map(({ content = '' }) => content).join('');
  const fields = [...reply.matchAll(/^([A-Z][A-Za-z ]*): (.+)$/gm)];
  return Object.fromEntries(
    fields.map(([, name = '', value = '']) => [camelCase(name), parse(value)]),
  );
}

function readTool(name: unknown, properties: unknown): unknown {
  const types = Object.entries((properties ?? {}) as Record<string, { type: string }>);
  return {
    name,
    properties: Object.fromEntries(
      types.map(([key, { type }]) => [key, type === 'integer' ? 'number' : type]),
    ),
  };
}

function propertiesOf(schema: unknown): unknown {
  return (schema as { properties?: unknown } | undefined)?.properties;
}

function parse(value: unknown): unknown {
  if (typeof value !== 'string' || !/^[[{"]/.test(value)) return value;
  try {
    return JSON.parse(value);
  } catch {
    return value;
  }
}

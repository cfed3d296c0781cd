import { randomBytes } from 'node:crypto';
import { type Attributes, type HrTime, type Link, SpanKind, TraceFlags } from '@opentelemetry/api';
import type { MlflowSpanExporter } from '../../src/exporter.js';
import type { ExportOutcome, SpanLike } from '../../src/types.js';

const hex = (bytes: number): string => randomBytes(bytes).toString('hex');
const newTraceId = (): string => hex(16);
const newSpanId = (): string => hex(8);

const RESOURCE = { attributes: { 'service.name': 'tests' } };
const SCOPE = { name: 'tests', version: '1.0.0' };

export interface SpanOptions {
  traceId?: string;
  spanId?: string;
  parent?: SpanLike | string | undefined;
  /** The parent lives in another process. */
  remote?: boolean;
  name?: string;
  kind?: SpanKind;
  attributes?: Attributes;
  error?: string;
  /** Milliseconds since the epoch. */
  start?: number;
  /** Milliseconds. */
  duration?: number;
  events?: SpanLike['events'];
  links?: Link[];
  resource?: { attributes: Attributes };
}

/** A span as the SDK hands it to an exporter. */
export function makeSpan(options: SpanOptions = {}): SpanLike {
  const { parent, start = Date.now(), duration = 10 } = options;
  const parentId = typeof parent === 'string' ? parent : parent?.spanContext().spanId;
  const inherited = typeof parent === 'object' ? parent.spanContext().traceId : undefined;
  const traceId = options.traceId ?? inherited ?? newTraceId();
  const context = {
    traceId,
    spanId: options.spanId ?? newSpanId(),
    traceFlags: TraceFlags.SAMPLED,
  };
  return {
    name: options.name ?? 'span',
    kind: options.kind ?? SpanKind.INTERNAL,
    spanContext: () => context,
    ...(parentId === undefined
      ? {}
      : {
          parentSpanContext: {
            traceId,
            spanId: parentId,
            traceFlags: TraceFlags.SAMPLED,
            isRemote: options.remote ?? false,
          },
        }),
    startTime: hrTime(start),
    endTime: hrTime(start + duration),
    status: options.error === undefined ? { code: 0 } : { code: 2, message: options.error },
    attributes: options.attributes ?? {},
    links: options.links ?? [],
    events: options.events ?? [],
    resource: options.resource ?? RESOURCE,
    instrumentationScope: SCOPE,
  };
}

export function hrTime(ms: number): HrTime {
  const seconds = Math.floor(ms / 1000);
  return [seconds, Math.round((ms - seconds * 1000) * 1_000_000)];
}

/** A program of ours, with inputs and outputs. */
export function programSpan(name: string, options: SpanOptions = {}): SpanLike {
  return makeSpan({
    name: `invoke_workflow ${name}`,
    ...options,
    attributes: {
      'openinference.span.kind': 'CHAIN',
      'gen_ai.operation.name': 'invoke_workflow',
      'dspy.module.name': name,
      'dspy.module.type': 'AxGen',
      'dspy.signature': 'question -> answer',
      'input.value': '{"question":"q?"}',
      'input.mime_type': 'application/json',
      'output.value': '{"answer":"a!"}',
      'output.mime_type': 'application/json',
      ...options.attributes,
    },
  });
}

/** A model call of ours, with tokens. */
export function chatSpan(parent: SpanLike, options: SpanOptions = {}): SpanLike {
  const input = JSON.stringify([{ role: 'user', parts: [{ type: 'text', content: 'q?' }] }]);
  const output = JSON.stringify([{ role: 'assistant', parts: [{ type: 'text', content: 'a!' }] }]);
  return makeSpan({
    name: 'chat gpt-4o-mini',
    kind: SpanKind.CLIENT,
    parent,
    ...options,
    attributes: {
      'openinference.span.kind': 'LLM',
      'gen_ai.operation.name': 'chat',
      'gen_ai.provider.name': 'openai',
      'gen_ai.request.model': 'gpt-4o-mini',
      'dspy.module.name': 'gpt-4o-mini',
      'dspy.module.type': 'model',
      'input.value': input,
      'input.mime_type': 'application/json',
      'gen_ai.input.messages': input,
      'output.value': output,
      'output.mime_type': 'application/json',
      'gen_ai.output.messages': output,
      'gen_ai.usage.input_tokens': 100,
      'gen_ai.usage.output_tokens': 20,
      'llm.token_count.prompt': 100,
      'llm.token_count.completion': 20,
      'llm.token_count.total': 120,
      ...options.attributes,
    },
  });
}

/** Spans of a small trace, in the order in which they end: model call, program. */
export function smallTrace(name = 'QA', attributes: Attributes = {}): [SpanLike, SpanLike] {
  const program = programSpan(name, { attributes });
  return [chatSpan(program), program];
}

export const traceIdOf = (span: SpanLike): string => `tr-${span.spanContext().traceId}`;

/** Resolves with what the exporter calls back. */
export function exportSpans(
  exporter: MlflowSpanExporter,
  spans: readonly SpanLike[],
): Promise<ExportOutcome> {
  return new Promise((resolve) => exporter.export(spans, resolve));
}

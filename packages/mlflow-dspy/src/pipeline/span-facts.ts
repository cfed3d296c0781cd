import type { SpanLike } from '@hokusai/exporter-mlflow';

// Rough: what a span costs in memory beside its texts (object, ids, times, property slots).
const SPAN_BYTES = 512;
const ATTRIBUTE_BYTES = 48;

/** Attributes of which every span of a program, model, tool or evaluation has at least one. */
const PROGRAM_ATTRIBUTES = ['dspy.module.name', 'openinference.span.kind', 'gen_ai.operation.name'];

/** `true` for a span that makes its trace worth having in MLflow; HTTP and database spans alone do not. */
export function isProgramSpan({ attributes }: SpanLike): boolean {
  return PROGRAM_ATTRIBUTES.some((key) => attributes[key] !== undefined);
}

/** The parent is in another process, or there is none. */
export function isLocalRoot(span: SpanLike): boolean {
  return parentSpanId(span) === undefined || span.parentSpanContext?.isRemote === true;
}

export function parentSpanId(span: SpanLike): string | undefined {
  // `parentSpanId` is the name in SDK 1.x.
  return span.parentSpanContext?.spanId ?? span.parentSpanId;
}

/** Estimated size in memory, in bytes. Reads lengths only. */
export function estimateBytes(span: SpanLike): number {
  let bytes = SPAN_BYTES + attributeBytes(span.attributes);
  for (const event of span.events) bytes += SPAN_BYTES / 4 + attributeBytes(event.attributes);
  return bytes;
}

function attributeBytes(attributes: SpanLike['attributes'] | undefined): number {
  let bytes = 0;
  for (const key in attributes) {
    const value = attributes[key];
    bytes += ATTRIBUTE_BYTES;
    if (typeof value === 'string') bytes += value.length;
    else if (Array.isArray(value)) {
      for (const item of value) bytes += typeof item === 'string' ? item.length + 8 : 8;
    }
  }
  return bytes;
}

import type { Attributes } from '@opentelemetry/api';
import type { SpanLike } from '../types.js';

/** What a span costs beside its texts: the object, its ids, times and the slots of its attributes. */
const SPAN_BYTES = 512;
const ATTRIBUTE_BYTES = 48;

/** Estimated size in memory of spans that are not mapped yet, in bytes. Reads lengths only. */
export function estimateBytes(spans: readonly SpanLike[]): number {
  let bytes = 0;
  for (const span of spans) {
    bytes += SPAN_BYTES;
    try {
      bytes += attributeBytes(span.attributes);
      for (const { attributes } of span.events) bytes += attributeBytes(attributes);
    } catch {
      // A span that cannot be read is given up when it is mapped.
    }
  }
  return bytes;
}

function attributeBytes(attributes: Attributes | undefined): number {
  let bytes = 0;
  for (const key in attributes) {
    const value = attributes[key];
    bytes += ATTRIBUTE_BYTES;
    if (typeof value === 'string' || Array.isArray(value)) bytes += value.length;
  }
  return bytes;
}

import type { AttributeMap, SpanRecord, TraceRecord } from '../internal-types.js';
import { traceIdOf } from './trace-id.js';

const STATUS = ['STATUS_CODE_UNSET', 'STATUS_CODE_OK', 'STATUS_CODE_ERROR'] as const;

/** `traces.json` as MLflow's Python client writes it: ids in base64, every attribute a JSON text. */
export function encodeTraceArtifact(trace: TraceRecord): string {
  return `{"spans":[${trace.spans.map((span) => encodeSpan(span)).join(',')}]}`;
}

function encodeSpan(span: SpanRecord): string {
  const fields: Record<string, string> = {
    trace_id: quote(base64(span.traceId)),
    span_id: quote(base64(span.spanId)),
    parent_span_id: span.parentSpanId ? quote(base64(span.parentSpanId)) : 'null',
    name: quote(span.name),
    // Written by hand: the numbers do not fit JavaScript's.
    start_time_unix_nano: span.startTimeUnixNano.toString(),
    end_time_unix_nano: span.endTimeUnixNano.toString(),
    events: `[${span.events
      .map(
        (event) =>
          `{"name":${quote(event.name)},"time_unix_nano":${event.timeUnixNano},"attributes":${JSON.stringify(event.attributes)}}`,
      )
      .join(',')}]`,
    status: JSON.stringify({ code: STATUS[span.status.code], message: span.status.message ?? '' }),
    attributes: JSON.stringify({
      ...encodeAttributes(span.attributes),
      'mlflow.traceRequestId': quote(traceIdOf(span.traceId)),
    }),
    links: JSON.stringify(
      span.links.map((link) => ({
        trace_id: traceIdOf(link.traceId),
        span_id: link.spanId,
        attributes: link.attributes,
      })),
    ),
  };
  return `{${Object.entries(fields)
    .map(([name, json]) => `${quote(name)}:${json}`)
    .join(',')}}`;
}

/** Text that already is a JSON object or list (inputs, outputs, token usage) is the value itself. */
function encodeAttributes(attributes: AttributeMap): Record<string, string> {
  const encoded: Record<string, string> = {};
  for (const [key, value] of Object.entries(attributes)) {
    if (value === undefined) continue;
    encoded[key] = typeof value === 'string' && isJsonStructure(value) ? value : quote(value);
  }
  return encoded;
}

function isJsonStructure(text: string): boolean {
  if (!/^\s*[[{]/.test(text)) return false;
  try {
    JSON.parse(text);
    return true;
  } catch {
    return false;
  }
}

const quote = (value: unknown): string => JSON.stringify(value);

function base64(hex: string): string {
  return Buffer.from(hex, 'hex').toString('base64');
}

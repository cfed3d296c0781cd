import type { AttributeMap, EventRecord, LinkRecord } from '../internal-types.js';
import type { Connection } from './connection.js';
import { MlflowApiError } from './errors.js';
import { apiError, call, endpointOf, reading } from './rest.js';
import { otelTraceId } from './trace-id.js';
import type { WireTraceInfo } from './traces.js';

/** A span as a server gives it back: attributes decoded, with JSON text already taken apart. */
export interface ReadSpan {
  traceId: string;
  spanId: string;
  parentSpanId?: string;
  name: string;
  startTimeUnixNano: bigint;
  endTimeUnixNano: bigint;
  attributes: Record<string, unknown>;
  events: EventRecord[];
  links: LinkRecord[];
  status: { code: 'OK' | 'ERROR' | 'UNSET'; message?: string };
}

/** Ids in one request: the address stays well below the 8 kB that gateways allow. */
const MAX_IDS = 50;
/** Servers that keep spans as an artifact say so in this tag. */
const SPANS_LOCATION_TAG = 'mlflow.trace.spansLocation';
const IN_DATABASE = 'TRACKING_STORE';

/**
 * Spans of traces by MLflow's id. Those in the server's database come from `traces/batchGet`, which
 * fails as a whole when one of the traces has its spans elsewhere; those are fetched one by one.
 *
 * @param infos from a search or `getTraceInfo`; their tags say where the spans are
 */
export async function getSpans(
  connection: Connection,
  infos: readonly WireTraceInfo[],
): Promise<Map<string, ReadSpan[]>> {
  const spans = new Map<string, ReadSpan[]>();
  const inDatabase: string[] = [];
  for (const { trace_id, tags } of infos) {
    if (tags?.[SPANS_LOCATION_TAG] === IN_DATABASE) inDatabase.push(trace_id);
    else spans.set(trace_id, await getArtifactSpans(connection, trace_id));
  }
  for (let start = 0; start < inDatabase.length; start += MAX_IDS) {
    const batch = await getBatch(connection, inDatabase.slice(start, start + MAX_IDS));
    for (const [id, found] of batch) spans.set(id, found);
  }
  return spans;
}

async function getBatch(
  connection: Connection,
  traceIds: readonly string[],
): Promise<Map<string, ReadSpan[]>> {
  const request = {
    method: 'GET',
    path: '/api/3.0/mlflow/traces/batchGet',
    query: { trace_ids: traceIds },
  } as const;
  try {
    const { traces = [] } = await call<{
      traces?: { trace_info: { trace_id: string }; spans?: WireSpan[] }[];
    }>(connection, request, quoteLongIntegers);
    return reading(
      request,
      () =>
        new Map(
          traces.map(({ trace_info, spans = [] }) => [trace_info.trace_id, spans.map(readSpan)]),
        ),
    );
  } catch (error) {
    // Huge traces: what is too much together may be read in parts.
    if (traceIds.length < 2 || !isTooMuch(error)) throw error;
    const half = Math.ceil(traceIds.length / 2);
    return new Map([
      ...(await getBatch(connection, traceIds.slice(0, half))),
      ...(await getBatch(connection, traceIds.slice(half))),
    ]);
  }
}

function isTooMuch(error: unknown): boolean {
  return (
    error instanceof MlflowApiError &&
    (error.errorCode === 'ANSWER_TOO_LARGE' || error.status === 413 || error.status >= 500)
  );
}

/** `GET /ajax-api/2.0/mlflow/get-trace-artifact`, the page's own way to spans; the artifact path of `api` needs the folder. */
async function getArtifactSpans(connection: Connection, traceId: string): Promise<ReadSpan[]> {
  const request = {
    method: 'GET',
    path: '/ajax-api/2.0/mlflow/get-trace-artifact',
    query: { request_id: traceId },
  } as const;
  const response = await connection.send(request);
  // Begun and never finished: there is no artifact.
  if (response.status === 404) return [];
  if (response.status !== 200) {
    const error = apiError(request, response);
    if (/not found|does not exist|no such/i.test(error.reason)) return [];
    throw error;
  }
  try {
    const { spans } = JSON.parse(quoteLongIntegers(response.text)) as { spans?: ArtifactSpan[] };
    return (spans ?? []).map(readArtifactSpan);
  } catch {
    throw new MlflowApiError(200, endpointOf(request), 'ANSWER_NOT_JSON', 'spans are not JSON');
  }
}

/**
 * Whole numbers that JavaScript cannot hold become text. A quotation mark inside a JSON string is
 * escaped, so the pattern only meets names of members.
 */
export function quoteLongIntegers(json: string): string {
  return json.replace(/("(?:\w*_unix_nano|int_value)"\s*:\s*)(-?\d{16,})(?=\s*[,}\]])/g, '$1"$2"');
}

interface WireKeyValue {
  key: string;
  value?: WireValue;
}

interface WireValue {
  string_value?: string;
  bool_value?: boolean;
  int_value?: number | string;
  double_value?: number | string;
  array_value?: { values?: WireValue[] };
  kvlist_value?: { values?: WireKeyValue[] };
  bytes_value?: string;
}

interface WireSpan {
  trace_id: string;
  span_id: string;
  parent_span_id?: string | null;
  name?: string;
  start_time_unix_nano: number | string;
  end_time_unix_nano?: number | string | null;
  attributes?: WireKeyValue[];
  events?: { name?: string; time_unix_nano: number | string; attributes?: WireKeyValue[] }[];
  links?: { trace_id: string; span_id: string; attributes?: WireKeyValue[] }[];
  status?: { code?: string; message?: string };
}

function readSpan(wire: WireSpan): ReadSpan {
  return {
    ...readHead(wire),
    attributes: readKeyValues(wire.attributes),
    events: (wire.events ?? []).map((event) => ({
      name: event.name ?? '',
      timeUnixNano: BigInt(event.time_unix_nano),
      attributes: readKeyValues(event.attributes) as AttributeMap,
    })),
    links: (wire.links ?? []).map((link) => ({
      traceId: hexOf(link.trace_id),
      spanId: hexOf(link.span_id),
      attributes: readKeyValues(link.attributes) as AttributeMap,
    })),
  };
}

type SpanHead = Omit<ReadSpan, 'attributes' | 'events' | 'links'>;

function readHead(
  wire: Pick<
    WireSpan,
    | 'trace_id'
    | 'span_id'
    | 'parent_span_id'
    | 'name'
    | 'start_time_unix_nano'
    | 'end_time_unix_nano'
    | 'status'
  >,
): SpanHead {
  const start = BigInt(wire.start_time_unix_nano);
  const head: SpanHead = {
    traceId: hexOf(wire.trace_id),
    spanId: hexOf(wire.span_id),
    name: wire.name ?? '',
    startTimeUnixNano: start,
    endTimeUnixNano: BigInt(wire.end_time_unix_nano ?? start),
    status: readStatus(wire.status),
  };
  if (wire.parent_span_id) head.parentSpanId = hexOf(wire.parent_span_id);
  return head;
}

function readStatus(status: WireSpan['status']): ReadSpan['status'] {
  const code = /OK$/.test(status?.code ?? '')
    ? 'OK'
    : /ERROR$/.test(status?.code ?? '')
      ? 'ERROR'
      : 'UNSET';
  return status?.message ? { code, message: status.message } : { code };
}

function readKeyValues(entries: readonly WireKeyValue[] | undefined): Record<string, unknown> {
  return Object.fromEntries((entries ?? []).map(({ key, value }) => [key, readValue(value)]));
}

function readValue(value: WireValue | undefined): unknown {
  if (!value) return null;
  if (value.string_value !== undefined) return value.string_value;
  if (value.bool_value !== undefined) return value.bool_value;
  if (value.int_value !== undefined) return readInteger(value.int_value);
  if (value.double_value !== undefined) return Number(value.double_value);
  if (value.array_value) return (value.array_value.values ?? []).map(readValue);
  if (value.kvlist_value) return readKeyValues(value.kvlist_value.values);
  return value.bytes_value ?? null;
}

/** Beyond 2^53 the text, which is exact. */
function readInteger(value: number | string): number | string {
  const number = Number(value);
  return Number.isSafeInteger(number) ? number : String(value);
}

interface ArtifactSpan extends Omit<WireSpan, 'attributes' | 'events' | 'links'> {
  attributes?: Record<string, string>;
  events?: { name?: string; time_unix_nano?: number | string; attributes?: AttributeMap }[];
  links?: { trace_id: string; span_id: string; attributes?: AttributeMap }[];
}

/** In an artifact every attribute is JSON text, and the ids of links are as the page shows them. */
function readArtifactSpan(wire: ArtifactSpan): ReadSpan {
  return {
    ...readHead(wire),
    attributes: Object.fromEntries(
      Object.entries(wire.attributes ?? {}).map(([key, json]) => [key, parseOr(json)]),
    ),
    events: (wire.events ?? []).map((event) => ({
      name: event.name ?? '',
      timeUnixNano: BigInt(event.time_unix_nano ?? 0),
      attributes: event.attributes ?? {},
    })),
    links: (wire.links ?? []).map((link) => ({
      traceId: otelTraceId(link.trace_id),
      spanId: link.span_id,
      attributes: link.attributes ?? {},
    })),
  };
}

function parseOr(json: string): unknown {
  try {
    return JSON.parse(json);
  } catch {
    return json;
  }
}

/** Ids travel as base64; some releases write hex. */
function hexOf(id: string): string {
  return /^([0-9a-f]{16}|[0-9a-f]{32})$/.test(id) ? id : Buffer.from(id, 'base64').toString('hex');
}

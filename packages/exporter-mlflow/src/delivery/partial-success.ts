import { BinaryReader } from '@bufbuild/protobuf/wire';
import { isObject, parseJson } from '../mapping/read.js';
import type { ServerResponse } from '../server/connection.js';

/** Spans that the server did not take of a request that it accepted. */
export interface PartialSuccess {
  rejectedSpans: number;
  message: string;
}

/**
 * `ExportTraceServiceResponse.partial_success` of an accepted request. MLflow takes all or nothing, but
 * gateways and collectors in front of it may not; what they reject must not be sent again.
 */
export function readPartialSuccess({
  text,
  bytes,
  headers,
}: ServerResponse): PartialSuccess | undefined {
  if (text === '') return undefined;
  try {
    // Some versions label it wrongly; a protobuf message of this kind begins with a line feed.
    if (headers['content-type']?.includes('json') || text.startsWith('{')) return readJson(text);
    return bytes && readProtobuf(bytes);
  } catch {
    return undefined;
  }
}

function readJson(text: string): PartialSuccess | undefined {
  const answer = parseJson(text);
  const partial = isObject(answer) ? answer.partialSuccess : undefined;
  return isObject(partial)
    ? toResult(Number(partial.rejectedSpans ?? 0), String(partial.errorMessage ?? ''))
    : undefined;
}

/** Field 1 is the partial success; in it, field 1 is the count and field 2 the message. */
function readProtobuf(bytes: Uint8Array): PartialSuccess | undefined {
  const outer = new BinaryReader(bytes);
  const [field] = outer.tag();
  if (field !== 1) return undefined;
  const inner = new BinaryReader(outer.bytes());
  let rejectedSpans = 0;
  let message = '';
  while (inner.pos < inner.len) {
    const [number, wireType] = inner.tag();
    if (number === 1) rejectedSpans = Number(inner.int64());
    else if (number === 2) message = inner.string();
    else inner.skip(wireType);
  }
  return toResult(rejectedSpans, message);
}

function toResult(rejectedSpans: number, message: string): PartialSuccess | undefined {
  return rejectedSpans > 0
    ? { rejectedSpans, message: message || 'the server gave no reason' }
    : undefined;
}

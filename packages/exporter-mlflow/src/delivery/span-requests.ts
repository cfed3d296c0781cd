import { promisify } from 'node:util';
import { gzip } from 'node:zlib';
import type { SpanRecord } from '../internal-types.js';
import { encodeTraceRequest } from '../otlp/encode.js';
import type { Connection } from '../server/connection.js';
import type { DeliveryMode } from '../types.js';
import { readPartialSuccess } from './partial-success.js';
import type { ServerProfile } from './server-profile.js';
import { type Verdict, verdictOfError, verdictOfResponse } from './verdict.js';

const gzipped = promisify(gzip);

const MIN_COMPRESSED_BYTES = 1_024;
/** Level 3 halves the client's cost of level 6 for a tenth more bytes. */
const GZIP_LEVEL = 3;
/** A count and a message. */
const MAX_ANSWER_BYTES = 1024 * 1024;

/** Where the traces of one request go. */
export interface Target {
  experimentId: string;
  runId: string | undefined;
  profile: ServerProfile;
}

export interface SpanRequestsContext {
  connection: Connection;
  mode: DeliveryMode;
}

/** `POST /v1/traces`. */
export class SpanRequests {
  readonly #context: SpanRequestsContext;
  readonly #compress: boolean;

  constructor(context: SpanRequestsContext) {
    this.#context = context;
    this.#compress = !isLoopback(context.connection.address);
  }

  /** Never rejects. */
  async post(
    spans: readonly SpanRecord[],
    { experimentId, runId, profile }: Target,
  ): Promise<Verdict> {
    const { connection, mode } = this.#context;
    try {
      const headers: Record<string, string> = {
        'content-type': 'application/x-protobuf',
        'x-mlflow-experiment-id': experimentId,
      };
      if (runId !== undefined) headers['x-mlflow-run-id'] = runId;
      let body = await encodeTraceRequest(spans);
      if (this.#compress && body.byteLength >= MIN_COMPRESSED_BYTES) {
        body = await gzipped(body, { level: GZIP_LEVEL });
        headers['content-encoding'] = 'gzip';
      }
      const response = await connection.send({
        method: 'POST',
        path: '/v1/traces',
        headers,
        body,
        rawAnswerBytes: MAX_ANSWER_BYTES,
        ...(profile.addsUp ? { freshConnection: true } : {}),
      });
      const verdict = verdictOfResponse(response);
      if (verdict.kind === 'unsupported' && mode === 'otlp') {
        const detail = `${connection.address}/v1/traces answered ${verdict.detail}`;
        return { kind: 'refused', detail };
      }
      if (verdict.kind === 'sent') {
        const partial = readPartialSuccess(response);
        if (partial) return { kind: 'sent', partial };
      }
      return verdict;
    } catch (error) {
      return verdictOfError(error);
    }
  }
}

function isLoopback(address: string): boolean {
  const { hostname } = new URL(address);
  return hostname === 'localhost' || hostname === '[::1]' || hostname.startsWith('127.');
}

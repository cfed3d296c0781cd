import { gunzipSync } from 'node:zlib';
import { describe, expect, it } from 'vitest';
import { traceParcel } from '../../src/delivery/parcel.js';
import { profileOf } from '../../src/delivery/server-profile.js';
import { TraceSender } from '../../src/delivery/trace-sender.js';
import { Diagnostics } from '../../src/diagnostics.js';
import type { Connection, ServerRequest } from '../../src/server/connection.js';
import { decodeSpans } from '../support/otlp-decode.js';
import { spanRecord, traceRecord } from '../support/records.js';

/** A connection to a host that is not this machine; keeps what it was given. */
function remote(seen: ServerRequest[]): Connection {
  return {
    address: 'https://mlflow.example/base',
    send: async (request) => {
      seen.push(request);
      return { status: 200, headers: {}, text: '' };
    },
    close: async () => undefined,
  };
}

describe('a server that is not on this machine', () => {
  it.each([
    ['gets compressed spans', 'x'.repeat(5_000), 'gzip'],
    ['gets small requests as they are', 'x', undefined],
  ])('%s', async (_, text, encoding) => {
    const seen: ServerRequest[] = [];
    const sender = new TraceSender({
      connection: remote(seen),
      experiments: { resolve: async () => '1' },
      mode: 'auto',
      diagnostics: new Diagnostics(),
    });
    const record = traceRecord();
    record.spans = [spanRecord(record.info.traceId, { attributes: { text } })];
    const parcel = traceParcel(record, { bytes: 1, deadline: 0, settle: () => undefined });
    const verdicts = await sender.send([parcel], profileOf(undefined));
    expect(verdicts.get(parcel)).toEqual({ kind: 'sent' });
    expect(seen[0]?.headers?.['content-encoding']).toBe(encoding);
    const body = seen[0]?.body as Uint8Array;
    const [span] = decodeSpans(encoding ? gunzipSync(body) : body);
    expect(span?.attributes.text).toBe(text);
  });
});

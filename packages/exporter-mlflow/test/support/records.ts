import { randomBytes } from 'node:crypto';
import type { RunRecord, SpanRecord, TraceRecord } from '../../src/internal-types.js';
import type { StoreRecord } from '../../src/store/records.js';

export const hex = (bytes: number): string => randomBytes(bytes).toString('hex');

const MS = 1_000_000n;

export function spanRecord(traceId: string, over: Partial<SpanRecord> = {}): SpanRecord {
  const start = BigInt(Date.now()) * MS;
  return {
    traceId,
    spanId: hex(8),
    name: 'QA',
    kind: 0,
    startTimeUnixNano: start,
    endTimeUnixNano: start + 500n * MS + 123n,
    attributes: {
      'mlflow.spanType': 'CHAIN',
      'mlflow.spanInputs': '{"question":"one plus one?"}',
      'mlflow.spanOutputs': '{"answer":"2"}',
    },
    events: [],
    links: [],
    status: { code: 1 },
    resource: {},
    scope: { name: 'test' },
    ...over,
  };
}

export function traceRecord(
  over: Partial<TraceRecord['info']> = {},
  spans?: SpanRecord[],
): TraceRecord {
  const traceId = over.traceId ?? hex(16);
  return {
    complete: true,
    spans: spans ?? [spanRecord(traceId)],
    info: {
      traceId,
      experiment: { name: 'store test' },
      name: 'QA',
      requestTimeMs: Date.now(),
      durationMs: 500,
      state: 'OK',
      requestPreview: '{"question":"one plus one?"}',
      responsePreview: '{"answer":"2"}',
      metadata: {},
      tags: {},
      assessments: [],
      ...over,
    },
  };
}

export const stored = (over: Partial<TraceRecord['info']> = {}): StoreRecord => ({
  type: 'trace',
  value: traceRecord(over),
});

export function runRecord(over: Partial<RunRecord> = {}): RunRecord {
  return {
    key: `${hex(16)}:${hex(8)}`,
    experiment: { name: 'runs' },
    name: 'eval',
    startTimeMs: Date.now() - 1000,
    endTimeMs: Date.now(),
    status: 'FINISHED',
    params: {},
    metrics: [],
    tags: {},
    artifacts: {},
    traceIds: [],
    ...over,
  };
}

/** Trace ids of records, in their order. */
export const idsOf = (records: readonly StoreRecord[]): string[] =>
  records.map((record) => (record.type === 'trace' ? record.value.info.traceId : record.type));

import type { Trace, TraceSpan } from '@hokusai/exporter-mlflow';
import { describe, expect, it } from 'vitest';
import { drawTrace } from '../../scripts/lib/trace-tree.mjs';

const span = (
  spanId: string,
  parentId: string | undefined,
  fields: Partial<TraceSpan>,
): TraceSpan => ({
  spanId,
  ...(parentId !== undefined && { parentId }),
  name: spanId,
  type: 'CHAIN',
  status: { code: 'OK' },
  startTimeUnixNano: 0n,
  endTimeUnixNano: 0n,
  durationMs: 12,
  attributes: {},
  events: [],
  links: [],
  ...fields,
});

const trace = (spans: TraceSpan[], fields: Partial<Trace> = {}): Trace => ({
  traceId: 'tr-1',
  name: 'QA',
  state: 'OK',
  experimentId: '1',
  startTime: new Date(0),
  tags: {},
  metadata: {},
  assessments: [],
  spans,
  ...fields,
});

describe('the tree of a trace', () => {
  it('shows nesting, type, duration, tokens and cost', () => {
    const spans = [
      span('root', undefined, { durationMs: 1234 }),
      span('chat', 'root', {
        type: 'CHAT_MODEL',
        attributes: {
          'mlflow.chat.tokenUsage': { input_tokens: 11, output_tokens: 7 },
          'mlflow.llm.cost': { total_cost: 0.00000012 },
        },
      }),
      span('tool', 'root', { type: 'TOOL', durationMs: 0.24 }),
      span('inner', 'tool', {}),
    ];
    const totals = {
      durationMs: 1234,
      tokens: { inputTokens: 11, outputTokens: 7, totalTokens: 18 },
      cost: { totalCost: 1.5 },
    };
    expect(drawTrace(trace(spans, totals))).toEqual([
      'QA  OK  1.23 s  11+7 tokens  $1.50',
      '└─ root         CHAIN       1.23 s',
      '   ├─ chat      CHAT_MODEL  12 ms   11+7 tokens  $0.00000012',
      '   └─ tool      TOOL        0.2 ms',
      '      └─ inner  CHAIN       12 ms',
    ]);
  });

  it('shows the first line of an error, and spans whose parent is elsewhere', () => {
    const failed = span('root', 'in-another-process', {
      status: { code: 'ERROR', message: 'no\nstack' },
    });
    expect(drawTrace(trace([failed], { state: 'ERROR' }))).toEqual([
      'QA  ERROR',
      '└─ root  CHAIN  12 ms  ERROR no',
    ]);
  });
});

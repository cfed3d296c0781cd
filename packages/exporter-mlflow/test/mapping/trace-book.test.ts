import type { Attributes } from '@opentelemetry/api';
import { SpanKind } from '@opentelemetry/api';
import { beforeEach, describe, expect, it } from 'vitest';
import type { TraceRecord } from '../../src/internal-types.js';
import { type MappedSpan, mapSpan } from '../../src/mapping/span.js';
import { TraceBook, type TraceBookOptions } from '../../src/mapping/trace-book.js';
import type { SpanLike } from '../../src/types.js';
import { chatSpan, makeSpan, programSpan, smallTrace } from '../support/spans.js';

let complaints: string[];
let now: number;
beforeEach(() => {
  complaints = [];
  now = 1_000_000;
});

const newBook = (options: Partial<TraceBookOptions> = {}): TraceBook =>
  new TraceBook({
    experiment: { name: 'exp' },
    tags: {},
    metadata: {},
    maxSpansPerTrace: 2_000,
    remoteRootTimeoutMs: 60_000,
    complain: (message) => complaints.push(message),
    ...options,
  });

const mapped = (spans: readonly SpanLike[]): MappedSpan[] =>
  spans.map((span) => mapSpan(span, {}) as MappedSpan);
const add = (book: TraceBook, ...spans: SpanLike[]) => book.add(mapped(spans), now);
const one = (book: TraceBook, ...spans: SpanLike[]): TraceRecord =>
  add(book, ...spans).trace.record;
const spanOf = (record: TraceRecord, span: SpanLike) =>
  record.spans.find(({ spanId }) => spanId === span.spanContext().spanId);
const NAME = 'mlflow.traceTag.mlflow.traceName';

describe('a trace of a program', () => {
  it('has its plain name, times, state, previews, session, user, tags and metadata', () => {
    const [child, root] = smallTrace('QA', {
      'session.id': 'S1',
      'user.id': 'U1',
      'dspy.tag.team': 'ml',
      metadata: '{"git":"abc","n":1,"o":{"a":1}}',
      'dspy.client_request_id': 'req-1',
    });
    const record = one(newBook({ tags: { env: 'prod' }, metadata: { app: 'x' } }), child, root);
    expect(record).toMatchObject({ complete: true });
    expect(record.info).toMatchObject({
      name: 'QA',
      state: 'OK',
      experiment: { name: 'exp' },
      requestPreview: '{"question":"q?"}',
      responsePreview: '{"answer":"a!"}',
      clientRequestId: 'req-1',
      tags: { env: 'prod', team: 'ml' },
      metadata: {
        app: 'x',
        git: 'abc',
        n: '1',
        o: '{"a":1}',
        'mlflow.trace.session': 'S1',
        'mlflow.trace.user': 'U1',
      },
    });
    expect(record.info.durationMs).toBeGreaterThanOrEqual(10);
    expect(spanOf(record, root)?.attributes).toMatchObject({
      [NAME]: 'QA',
      'mlflow.traceTag.env': 'prod',
      'mlflow.traceTag.team': 'ml',
    });
  });

  it('is in error when its root is, whatever its children are', () => {
    const root = programSpan('QA', { error: 'boom' });
    expect(one(newBook(), root).info.state).toBe('ERROR');
    const fine = programSpan('QA');
    const failed = makeSpan({ parent: fine, error: 'boom' });
    expect(one(newBook(), failed, fine).info.state).toBe('OK');
  });

  it('without its root is in progress', () => {
    const [child] = smallTrace();
    expect(one(newBook(), child)).toMatchObject({
      complete: false,
      info: { state: 'IN_PROGRESS' },
    });
  });

  it("takes OpenInference's tags where there are no others", () => {
    const root = programSpan('QA', { attributes: { 'tag.tags': ['env:prod', 'urgent', 'a:b:c'] } });
    expect(one(newBook(), root).info.tags).toEqual({ env: 'prod', urgent: 'true', a: 'b:c' });
  });

  it('mends tags and metadata as the server wants them, and says what it leaves out', () => {
    const root = programSpan('QA', {
      attributes: {
        'dspy.tag.naïve key!': 'v',
        'dspy.tag.long': 'x'.repeat(5_000),
        'dspy.tag.mlflow.trace.spansLocation': 'ARTIFACT_REPO',
        [`dspy.tag.${'k'.repeat(300)}`]: 'v',
        'mlflow.traceTag.mlflow.trace.spansLocation': 'ARTIFACT_REPO',
        metadata: JSON.stringify({
          long: 'x'.repeat(300),
          'mlflow.modelId': 'm-1',
          'mlflow.trace.tokenUsage': '{}',
        }),
      },
    });
    const record = one(newBook(), root);
    expect(record.info.tags['na_ve key_']).toBe('v');
    expect(record.info.tags.long).toHaveLength(4_096);
    expect(record.info.tags['k'.repeat(250)]).toBe('v');
    expect(record.info.metadata).toMatchObject({ long: 'x'.repeat(250), 'mlflow.modelId': 'm-1' });
    const written = Object.keys(spanOf(record, root)?.attributes ?? {});
    expect(written.filter((key) => key.startsWith('mlflow.traceTag.mlflow.'))).toEqual([NAME]);
    // The whole stays on the span.
    expect(spanOf(record, root)?.attributes['dspy.tag.long']).toHaveLength(5_000);
    expect(complaints.join()).toContain('mlflow.trace.spansLocation');
    expect(complaints.join()).toContain('mlflow.trace.tokenUsage');
  });
});

describe('a program below the span of an HTTP server', () => {
  const http = () => makeSpan({ name: 'POST /chat', kind: SpanKind.SERVER, duration: 50 });

  it('gives the trace its name, inputs, outputs, tags and metadata', () => {
    const root = http();
    const program = programSpan('QA', {
      parent: root,
      attributes: { 'dspy.tag.team': 'ml', metadata: '{"git":"abc"}' },
    });
    const record = one(newBook(), chatSpan(program), program, root);
    expect(record.info).toMatchObject({
      name: 'QA',
      requestPreview: '{"question":"q?"}',
      responsePreview: '{"answer":"a!"}',
      tags: { team: 'ml' },
      metadata: { git: 'abc' },
    });
    expect(spanOf(record, root)).toMatchObject({
      name: 'POST /chat',
      attributes: {
        [NAME]: 'QA',
        'mlflow.spanInputs': '{"question":"q?"}',
        'mlflow.spanOutputs': '{"answer":"a!"}',
        'mlflow.traceTag.team': 'ml',
      },
    });
  });

  it('does so when the root comes in a later batch', () => {
    const book = newBook();
    const root = http();
    const program = programSpan('QA', { parent: root });
    expect(one(book, chatSpan(program), program).complete).toBe(false);
    const record = one(book, root);
    expect(record.info).toMatchObject({ name: 'QA', requestPreview: '{"question":"q?"}' });
    expect(spanOf(record, root)?.attributes['mlflow.spanInputs']).toBe('{"question":"q?"}');
  });

  it('does so when it ends after the root: the root is sent once more', () => {
    const book = newBook();
    const root = http();
    const program = programSpan('QA', { parent: root, duration: 500 });
    expect(one(book, root).info).toMatchObject({ name: 'POST /chat', state: 'OK' });
    const record = one(book, program);
    expect(record.complete).toBe(true);
    expect(record.spans).toHaveLength(2);
    expect(spanOf(record, root)?.attributes).toMatchObject({
      [NAME]: 'QA',
      'mlflow.spanInputs': '{"question":"q?"}',
    });
    // Once: what ends later changes nothing of it.
    expect(one(book, makeSpan({ parent: program })).spans).toHaveLength(1);
  });

  it('the outermost and first of several counts, with what the last one answered', () => {
    const root = http();
    const start = Date.now();
    const first = programSpan('Guard', { parent: root, start });
    const inner = programSpan('Inner', { parent: first, start: start + 1, duration: 2 });
    const last = programSpan('Answer', {
      parent: root,
      start: start + 20,
      attributes: { 'output.value': '{"answer":"last"}' },
    });
    const record = one(newBook(), inner, first, last, root);
    expect(record.info).toMatchObject({
      name: 'Guard',
      requestPreview: '{"question":"q?"}',
      responsePreview: '{"answer":"last"}',
    });
  });

  it('a program counts more than a tool or a model call, however early they began', () => {
    const root = http();
    const start = Date.now();
    const tool = makeSpan({
      parent: root,
      start: start - 5,
      attributes: {
        'dspy.module.name': 'search',
        'openinference.span.kind': 'TOOL',
        'input.value': 'x',
      },
    });
    const record = one(newBook(), tool, programSpan('QA', { parent: root, start }), root);
    expect(record.info.name).toBe('QA');
  });

  it('without a program of ours the root keeps its name, and shows what others recorded', () => {
    const root = http();
    const foreign = makeSpan({
      parent: root,
      attributes: {
        'ai.operationId': 'ai.generateText',
        'ai.prompt': '{"prompt":"q?"}',
        'ai.response.text': 'a!',
      },
    });
    expect(one(newBook(), foreign, root).info).toMatchObject({
      name: 'POST /chat',
      requestPreview: '{"prompt":"q?"}',
      responsePreview: 'a!',
    });
  });
});

describe('token counts', () => {
  const usage = (record: TraceRecord, span: SpanLike) =>
    spanOf(record, span)?.attributes['mlflow.chat.tokenUsage'];
  const counts = { 'gen_ai.usage.input_tokens': 100, 'gen_ai.usage.output_tokens': 20 };

  it('of a span that sums up calls below are taken away, also across batches', () => {
    const book = newBook();
    const root = programSpan('QA');
    const agent = makeSpan({ parent: root, attributes: counts });
    const middle = makeSpan({ parent: agent });
    const call = chatSpan(middle);
    const early = one(book, call, middle);
    expect(JSON.parse(String(usage(early, call)))).toMatchObject({ total_tokens: 120 });
    const late = one(book, agent, root);
    expect(usage(late, agent)).toBe('[]');
    expect(spanOf(late, agent)?.attributes).toMatchObject(counts);
  });

  it('that no server would read are simply left out', () => {
    const outer = makeSpan({
      attributes: { 'ai.operationId': 'ai.generateText', 'ai.usage.promptTokens': 11 },
    });
    const inner = makeSpan({ parent: outer, attributes: counts });
    expect(usage(one(newBook(), inner, outer), outer)).toBeUndefined();
  });

  it('of calls side by side all count', () => {
    const root = programSpan('QA');
    const calls = [chatSpan(root), chatSpan(root)];
    const record = one(newBook(), ...calls, root);
    for (const call of calls) expect(usage(record, call)).toContain('"total_tokens":120');
  });
});

describe('where a trace goes', () => {
  it("is the root's word, then a program's, then the option's", () => {
    const root = programSpan('QA', {
      attributes: { 'dspy.experiment': 'tenant', 'dspy.run_id': 'run1' },
    });
    expect(one(newBook({ runId: 'r0' }), root).info).toMatchObject({
      experiment: { name: 'tenant' },
      runId: 'run1',
    });
    const [child, plain] = smallTrace();
    expect(one(newBook({ runId: 'r0' }), child, plain).info).toMatchObject({
      experiment: { name: 'exp' },
      runId: 'r0',
    });
  });

  it('stays what it was for later batches', () => {
    const book = newBook();
    const http = makeSpan({ name: 'POST /' });
    const program = programSpan('QA', {
      parent: http,
      attributes: { 'dspy.experiment': 'tenant' },
    });
    one(book, program);
    expect(one(book, http).info.experiment).toEqual({ name: 'tenant' });
  });

  it('is corrected when the root names another than was written to', () => {
    const book = newBook();
    const root = programSpan('QA', { attributes: { 'dspy.experiment': 'tenant' } });
    one(book, makeSpan({ parent: root }));
    expect(one(book, root)).toMatchObject({
      restates: true,
      info: { experiment: { name: 'tenant' } },
    });
  });
});

describe('scores', () => {
  const score = (parent: SpanLike, attributes: Attributes = {}, error?: string) =>
    makeSpan({
      parent,
      ...(error === undefined ? {} : { error }),
      attributes: {
        'gen_ai.evaluation.name': 'exact',
        'gen_ai.evaluation.explanation': 'why',
        ...attributes,
      },
    });

  it.each([
    ['a number', { 'gen_ai.evaluation.score.value': 0.5 }, { value: 0.5 }],
    ['zero', { 'gen_ai.evaluation.score.value': 0 }, { value: 0 }],
    ['a label', { 'gen_ai.evaluation.score.label': 'good' }, { value: 'good' }],
    [
      'both',
      { 'gen_ai.evaluation.score.value': 1, 'gen_ai.evaluation.score.label': 'good' },
      { value: 1, metadata: { label: 'good' } },
    ],
  ])('%s becomes an assessment of the trace', (_, attributes, expected) => {
    const root = programSpan('QA');
    const record = one(newBook(), score(root, attributes as Attributes), root);
    expect(record.info.assessments).toEqual([
      {
        id: expect.stringMatching(/^a-[0-9a-f]{32}$/),
        name: 'exact',
        kind: 'feedback',
        rationale: 'why',
        source: { type: 'CODE', id: 'exact' },
        ...expected,
      },
    ]);
  });

  it('of a metric that failed is its error', () => {
    const root = programSpan('QA');
    const record = one(newBook(), score(root, { 'error.type': 'TypeError' }, 'boom'), root);
    expect(record.info.assessments[0]).toMatchObject({
      error: { code: 'TypeError', message: 'boom' },
    });
  });

  it('have the same id when the same span comes again, and each its own', () => {
    const root = programSpan('QA');
    const spans = [
      score(root, { 'gen_ai.evaluation.score.value': 1 }),
      score(root, { 'gen_ai.evaluation.score.value': 1 }),
      root,
    ];
    const ids = () => one(newBook(), ...spans).info.assessments.map(({ id }) => id);
    expect(ids()).toEqual(ids());
    expect(new Set(ids()).size).toBe(2);
  });

  it('are read from events as well', () => {
    const root = programSpan('QA', {
      events: [
        {
          name: 'gen_ai.evaluation.result',
          time: [1, 0],
          attributes: { 'gen_ai.evaluation.name': 'fluency', 'gen_ai.evaluation.score.value': 3 },
        },
      ],
    });
    expect(one(newBook(), root).info.assessments).toMatchObject([{ name: 'fluency', value: 3 }]);
  });

  it('wait for the root, and come alone after it', () => {
    const book = newBook();
    const root = programSpan('QA');
    const early = score(root, { 'gen_ai.evaluation.score.value': 1 });
    expect(one(book, early).info.assessments).toEqual([]);
    expect(one(book, root).info.assessments).toHaveLength(1);
    const late = one(book, score(root, { 'gen_ai.evaluation.score.value': 0 }));
    expect(late).toMatchObject({ complete: false, late: true });
    expect(late.info.assessments).toHaveLength(1);
  });
});

describe('runs', () => {
  it('find their parent in another trace where the span names it', () => {
    const parent = { traceId: 'c'.repeat(32), spanId: 'b'.repeat(16) };
    const evaluation = programSpan('Evaluate', {
      attributes: {
        'dspy.run.kind': 'evaluation',
        'dspy.run.parent_span_id': parent.spanId,
        'dspy.run.parent_trace_id': parent.traceId,
      },
    });
    const { runs } = add(newBook(), evaluation);
    expect(runs[0]?.parentKey).toBe(`${parent.traceId}:${parent.spanId}`);
  });

  it('are taken from their span, with what would be stored twice', () => {
    const traceIds = ['a'.repeat(32), 'no hex'];
    const evaluation = programSpan('Evaluate', {
      attributes: {
        'dspy.run.kind': 'evaluation',
        'dspy.run.name': 'eval',
        'dspy.run.parent_span_id': 'b'.repeat(16),
        'dspy.run.parent_start_ms': 1_700_000_000_000,
        'dspy.run.params': '{"n":"3","options":{"a":1}}',
        'dspy.run.metrics': JSON.stringify([
          { key: 'eval', value: 66.67, step: 0, timestamp: 5 },
          { key: 'broken', value: null, step: 0, timestamp: 5 },
        ]),
        'dspy.run.artifacts': '{"result_table.json":"{}"}',
        'dspy.run.trace_ids': traceIds,
        'dspy.experiment': 'tenant',
      },
    });
    const { runs, trace } = add(newBook(), evaluation);
    const { traceId, spanId } = evaluation.spanContext();
    expect(runs).toEqual([
      expect.objectContaining({
        key: `${traceId}:${spanId}`,
        parentKey: `${traceId}:${'b'.repeat(16)}`,
        parentStartTimeMs: 1_700_000_000_000,
        experiment: { name: 'tenant' },
        name: 'eval',
        status: 'FINISHED',
        params: { n: '3', options: '{"a":1}' },
        metrics: [{ key: 'eval', value: 66.67, step: 0, timestampMs: 5 }],
        tags: { 'dspy.run.kind': 'evaluation', 'dspy.skipped_metrics': 'broken' },
        artifacts: { 'result_table.json': '{}' },
        traceIds: ['a'.repeat(32)],
      }),
    ]);
    const attributes = trace.record.spans[0]?.attributes ?? {};
    expect(attributes['dspy.run.artifacts']).toBeUndefined();
    expect(attributes['dspy.run.params']).toBeDefined();
  });

  it('of executions show the first outputs that the span recorded', () => {
    const long = 'x'.repeat(150);
    const outputs = { a: long, b: 2, c: ['d'], e: null, f: true, g: 'g', h: 'left out' };
    const execution = (attributes: Record<string, string>) =>
      add(
        newBook(),
        programSpan('Draft', {
          attributes: {
            'dspy.run.kind': 'execution',
            'dspy.run.params': '{"program_name":"Draft"}',
            ...attributes,
          },
        }),
      ).runs[0]?.params;
    expect(
      execution({
        'output.value': JSON.stringify(outputs),
        'output.mime_type': 'application/json',
      }),
    ).toEqual({
      program_name: 'Draft',
      output_a: 'x'.repeat(100),
      output_b: '2',
      output_c: '["d"]',
      output_f: 'true',
      output_g: 'g',
    });
    expect(execution({ 'output.value': 'text alone' })).toEqual({ program_name: 'Draft' });
  });

  it.each([
    ['error', 'boom', 'FAILED'],
    ['timeout', 'late', 'FAILED'],
    ['aborted', undefined, 'KILLED'],
    ['completed', undefined, 'FINISHED'],
    [undefined, 'boom', 'FAILED'],
  ])('that ended with %s are %s', (outcome, error, status) => {
    const span = programSpan('Evaluate', {
      ...(error === undefined ? {} : { error }),
      attributes: {
        'dspy.run.kind': 'compile',
        ...(outcome === undefined ? {} : { 'dspy.outcome': outcome }),
      },
    });
    expect(add(newBook(), span).runs[0]?.status).toBe(status);
  });
});

describe('a trace whose root lives elsewhere, or never comes', () => {
  const remote = () => programSpan('Search', { parent: 'c'.repeat(16), remote: true });

  it('is closed from here after its time', () => {
    const book = newBook({ remoteRootTimeoutMs: 30_000 });
    const local = remote();
    const record = one(book, local);
    expect(record).toMatchObject({ complete: true, remoteRoot: true });
    expect(record.spans[0]?.attributes[NAME]).toBeUndefined();
    expect(book.close(now + 29_000)).toEqual([]);
    expect(book.close(now + 31_000)).toEqual([
      {
        info: expect.objectContaining({
          traceId: local.spanContext().traceId,
          name: 'Search',
          state: 'OK',
          requestPreview: '{"question":"q?"}',
        }),
        complete: true,
        spans: [],
        closing: true,
      },
    ]);
    expect(book.close(now + 100_000)).toEqual([]);
  });

  it('is closed with the state of its outermost program', () => {
    const book = newBook();
    const lost = programSpan('QA', { parent: 'd'.repeat(16), error: 'boom' });
    one(book, lost);
    expect(book.close(now + 60_000)).toEqual([]);
    expect(book.close(now + 60 * 60_000)).toMatchObject([{ info: { state: 'ERROR', name: 'QA' } }]);
  });

  it('may come here several times: any part fails it, the first names it', () => {
    const book = newBook();
    const first = remote();
    one(book, first);
    const { traceId } = first.spanContext();
    const again = programSpan('Other', {
      traceId,
      parent: 'c'.repeat(16),
      remote: true,
      error: 'boom',
    });
    expect(one(book, again)).toMatchObject({ complete: true, remoteRoot: true });
    expect(book.close(now, true)).toMatchObject([{ info: { name: 'Search', state: 'ERROR' } }]);
  });

  it('comes here again after it was closed: still the state is for the root to tell', () => {
    const book = newBook();
    const first = remote();
    one(book, first);
    now += 61_000;
    expect(book.close(now)).toHaveLength(1);
    const { traceId } = first.spanContext();
    const again = programSpan('Other', { traceId, parent: 'c'.repeat(16), remote: true });
    expect(one(book, again)).toMatchObject({ complete: true, remoteRoot: true });
    expect(book.close(now + 61_000)).toHaveLength(1);
  });

  it('is none when the process called itself: the root is here', () => {
    const book = newBook();
    const root = programSpan('QA');
    const self = programSpan('Self', { parent: root, remote: true });
    one(book, root);
    const late = one(book, self);
    expect(late).toMatchObject({ complete: false, late: true });
    expect(late.info).toMatchObject({ name: 'QA' });
    expect(late.info.requestPreview).toBeUndefined();
    expect(book.close(now, true)).toEqual([]);
  });

  it('tells the server again when the root comes after all', () => {
    const book = newBook();
    const root = makeSpan({ name: 'POST /' });
    one(book, programSpan('QA', { parent: root }));
    book.close(now + 60 * 60_000);
    now += 60 * 60_000 + 1;
    expect(one(book, root)).toMatchObject({ complete: true, restates: true });
  });

  it('is closed when the process ends', () => {
    const book = newBook();
    one(book, remote());
    one(book, ...smallTrace());
    expect(book.close(now, true)).toHaveLength(1);
  });

  it('gives its scores when it is closed', () => {
    const book = newBook();
    const local = remote();
    const score = makeSpan({
      parent: local,
      attributes: { 'gen_ai.evaluation.name': 'm', 'gen_ai.evaluation.score.value': 1 },
    });
    expect(one(book, local, score).info.assessments).toEqual([]);
    expect(book.close(now, true)[0]?.info.assessments).toHaveLength(1);
  });

  it('does not fill the memory', () => {
    const book = newBook();
    for (let count = 0; count < 2_500; count++) {
      now++;
      one(book, programSpan('QA', { parent: 'e'.repeat(16) }));
    }
    expect(book.close(now)).toHaveLength(500);
  });
});

describe('a trace with too many spans', () => {
  const count = (record: TraceRecord) => record.spans.length;

  it('keeps its root, errors, model calls and their ancestors, and counts the rest on their parents', () => {
    const root = programSpan('Big');
    const tools = Array.from({ length: 20 }, (_, index) =>
      makeSpan({
        parent: root,
        name: 'execute_tool look',
        attributes: { 'openinference.span.kind': 'TOOL', index },
      }),
    );
    const noise = tools.flatMap((tool) =>
      Array.from({ length: 10 }, () => makeSpan({ parent: tool, name: 'GET' })),
    );
    const failed = makeSpan({ parent: tools[19] as SpanLike, name: 'GET', error: 'boom' });
    const calls = tools
      .slice(0, 5)
      .map((tool) => chatSpan(makeSpan({ parent: tool, name: 'retry' })));
    const record = one(
      newBook({ maxSpansPerTrace: 50 }),
      ...noise,
      failed,
      ...calls,
      ...tools,
      root,
    );
    expect(count(record)).toBeLessThanOrEqual(51);
    for (const span of [root, failed, ...calls]) expect(spanOf(record, span)).toBeDefined();
    const ids = new Set(record.spans.map(({ spanId }) => spanId));
    const orphans = record.spans.filter(
      ({ parentSpanId, name }) =>
        parentSpanId !== undefined && !ids.has(parentSpanId) && !name.startsWith('chat'),
    );
    expect(orphans).toEqual([]);
    const folded = 200 + 1 + 5 + 20 + 1 - count(record);
    expect(record.info.tags['dspy.folded_spans']).toBe(String(folded));
    expect(spanOf(record, root)?.attributes['mlflow.traceTag.dspy.folded_spans']).toBe(
      String(folded),
    );
    const counted = record.spans.reduce(
      (sum, { attributes }) => sum + Number(attributes['dspy.folded.spans'] ?? 0),
      0,
    );
    expect(counted).toBe(folded);
    const noted = record.spans.find(({ attributes }) => attributes['dspy.folded.names']);
    expect(JSON.parse(String(noted?.attributes['dspy.folded.names']))).toHaveProperty('GET');
  });

  it('leaves room for what comes later when it comes in parts', () => {
    const book = newBook({ maxSpansPerTrace: 100 });
    const root = programSpan('Big');
    let sent = 0;
    for (let batch = 0; batch < 20; batch++) {
      sent += count(
        one(book, ...Array.from({ length: 50 }, () => makeSpan({ parent: root, name: 'GET' }))),
      );
    }
    expect(sent).toBe(60);
    const calls = Array.from({ length: 30 }, () => chatSpan(root));
    const last = one(book, ...calls, root);
    expect(count(last)).toBe(31);
    expect(spanOf(last, root)?.attributes).toMatchObject({
      'dspy.folded.spans': 940,
      'dspy.folded.names': '{"GET":940}',
      'mlflow.traceTag.dspy.folded_spans': '940',
    });
    expect(book.folded).toBe(940);
  });

  it('never folds the parent of a span that is already sent', () => {
    const book = newBook({ maxSpansPerTrace: 20 });
    const root = programSpan('Big');
    const parent = makeSpan({ parent: root, name: 'wrapper' });
    one(book, chatSpan(parent));
    const rest = Array.from({ length: 30 }, () => makeSpan({ parent: root, name: 'GET' }));
    expect(spanOf(one(book, ...rest, parent, root), parent)).toBeDefined();
  });

  it('of 5,000 spans, 1,500 deep, is put together without recursion', () => {
    const spans: SpanLike[] = [];
    let parent = programSpan('Deep');
    const root = parent;
    for (let depth = 0; depth < 1_500; depth++) {
      parent = makeSpan({ parent });
      spans.unshift(parent);
    }
    spans.unshift(...Array.from({ length: 3_500 }, () => makeSpan({ parent, name: 'GET' })));
    expect(count(one(newBook({ maxSpansPerTrace: 1_000 }), ...spans, root))).toBeLessThanOrEqual(
      2_600,
    );
  });
});

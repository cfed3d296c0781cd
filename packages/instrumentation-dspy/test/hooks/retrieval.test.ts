import { SpanKind } from '@opentelemetry/api';
import { expect, it } from 'vitest';
import { AX_MAJORS } from '../support/ax.js';
import { describeMajors } from '../support/majors.js';

const DOCUMENTS = [
  { id: 'd1', text: 'the first', score: 0.9, metadata: { page: 1 } },
  { id: 'd2', text: 'the second', score: 0.5 },
];

describeMajors('AxEmbeddingAdapter', AX_MAJORS, (bench) => {
  const adapter = (func: (embedding: number[]) => unknown) => {
    const { ax, service } = bench();
    return new ax.AxEmbeddingAdapter({
      ai: service(),
      info: { name: 'searchDocs', description: 'searches', argumentDescription: 'what for' },
      func,
    });
  };

  it('is a search: the query, the embedding below, the documents found', async () => {
    const { tracing } = bench();
    const search = adapter(async () => DOCUMENTS).toFunction();
    expect(await search.func({ text: 'needle' })).toEqual(DOCUMENTS);
    expect(tracing.tree()).toMatch(/^retrieval searchDocs\n {2}embeddings /);
    expect(tracing.span('retrieval searchDocs').attributes).toMatchObject({
      'openinference.span.kind': 'RETRIEVER',
      'gen_ai.operation.name': 'retrieval',
      'dspy.module.name': 'searchDocs',
      'dspy.module.type': 'retriever',
      'input.value': 'needle',
      'gen_ai.retrieval.query.text': 'needle',
      'gen_ai.retrieval.documents': '[{"id":"d1","score":0.9},{"id":"d2","score":0.5}]',
      'retrieval.documents.0.document.id': 'd1',
      'retrieval.documents.0.document.content': 'the first',
      'retrieval.documents.0.document.score': 0.9,
      'retrieval.documents.0.document.metadata': '{"page":1}',
      'retrieval.documents.1.document.content': 'the second',
      'output.value': JSON.stringify(DOCUMENTS),
    });
  });

  it('records no secret of the addresses of documents', async () => {
    const { tracing } = bench();
    const id = 'https://u:hun/ter2@app/d#access_token=abcdef123456';
    await adapter(async () => [{ id, text: 't', score: 1 }]).embedAdapter('q');
    const { attributes } = tracing.span('retrieval searchDocs');
    expect(attributes['retrieval.documents.0.document.id']).toBe(
      'https://app/d#access_token=[REDACTED]',
    );
    expect(JSON.stringify(attributes)).not.toMatch(/ter2|abcdef/);
  });

  it('takes texts and any other result', async () => {
    const { tracing } = bench();
    await adapter(async () => ['one', 'two']).embedAdapter('q');
    expect(tracing.span('retrieval searchDocs').attributes).toMatchObject({
      'retrieval.documents.1.document.content': 'two',
      'output.value': '["one","two"]',
    });
    tracing.reset();
    await adapter(async () => 'prose').embedAdapter('q');
    expect(tracing.span('retrieval searchDocs').attributes['output.value']).toBe('prose');
  });

  it('caps the copies, and says so', async () => {
    const { tracing } = bench();
    await adapter(async () =>
      Array.from({ length: 100 }, (_, index) => ({ id: `d${index}`, text: 't', score: 1 })),
    ).embedAdapter('q');
    const { attributes } = tracing.span('retrieval searchDocs');
    expect(Object.keys(attributes).length).toBeLessThan(128);
    expect(attributes['dspy.truncated']).toEqual(['retrieval.documents']);
  });

  it('keeps query and documents to itself when told so', async () => {
    const { tracing, configure } = bench();
    configure({ logInputs: false, logOutputs: false });
    await adapter(async () => DOCUMENTS).embedAdapter('needle');
    const spans = tracing.spans().map(({ attributes }) => attributes);
    expect(JSON.stringify(spans)).not.toMatch(/needle|the first|d1/);
  });

  it('shows neither what a sanitizer takes from the query', async () => {
    const { tracing, configure } = bench();
    configure({ inputSanitizer: () => ({ input: 'hidden' }) });
    await adapter(async (): Promise<unknown> => ({ echo: 'needle in hay' })).embedAdapter(
      'needle in hay',
    );
    expect(JSON.stringify(tracing.spans().map(({ attributes }) => attributes))).not.toContain(
      'needle',
    );
  });
});

describeMajors('AxDBBase', [12, 14, 16, 19], (bench) => {
  it('is a search by vector: what was asked of which table, and the matches', async () => {
    const { ax, tracing } = bench();
    const db = new ax.AxDBMemory();
    await db.upsert({ id: 'd1', table: 'docs', values: [1, 0], metadata: { text: 'the first' } });
    await db.upsert({ id: 'd2', table: 'docs', values: [0, 1], metadata: { text: 'the second' } });
    const { matches } = await db.query({ table: 'docs', values: [1, 0] });
    expect(matches).toHaveLength(2);
    const span = tracing.span(/^retrieval /);
    expect(span.kind).toBe(SpanKind.CLIENT);
    expect(span.attributes).toMatchObject({
      'openinference.span.kind': 'RETRIEVER',
      'gen_ai.data_source.id': 'docs',
      'input.value': '{"table":"docs","dimensions":2}',
      'retrieval.documents.0.document.id': matches[0].id,
      'retrieval.documents.0.document.content': matches[0].metadata.text,
    });
  });

  it('is one span through a database of another name', async () => {
    const { ax, tracing } = bench();
    const db = new ax.AxDB({ name: 'memory' });
    await db.query({ table: 'docs', values: [1] }).catch(() => undefined);
    expect(tracing.spans()).toHaveLength(1);
  });

  it('is below the search of a manager', async () => {
    const { ax, tracing, service } = bench();
    const db = new ax.AxDBMemory();
    const manager = new ax.AxDBManager({ ai: service(), db });
    await manager.query('needle').catch(() => undefined);
    expect(
      tracing.spans().map(({ attributes }) => attributes['openinference.span.kind']),
    ).toContain('EMBEDDING');
  });
});

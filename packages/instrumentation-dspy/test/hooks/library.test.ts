import { afterEach, beforeEach, expect, it, vi } from 'vitest';
import { AX_MAJORS } from '../support/ax.js';
import { describeMajors } from '../support/majors.js';

beforeEach(() => {
  for (const method of ['log', 'warn'] as const)
    vi.spyOn(console, method).mockImplementation(() => {});
});
afterEach(() => vi.restoreAllMocks());

describeMajors('AxSynth', [16, 19, 23, 24], (bench) => {
  it('is one span above its model calls, with the examples it made', async () => {
    const { ax, tracing, service, model } = bench();
    model.play((request) => {
      const text = JSON.stringify(request.messages);
      return /Synthetic|Inputs/i.test(text)
        ? 'Synthetic Inputs: [{"questionText":"why?"}]\nInputs: [{"questionText":"why?"}]\nGenerated Inputs: [{"questionText":"why?"}]'
        : 'Answer Text: because';
    });
    const synth = new ax.AxSynth(new ax.AxSignature('questionText:string -> answerText:string'), {
      teacher: service(),
    });
    const result = await synth.generate(1).catch(() => undefined);
    const root = tracing.span('invoke_workflow AxSynth');
    expect(root.attributes).toMatchObject({
      'dspy.module.type': 'AxSynth',
      'openinference.span.kind': 'CHAIN',
      'input.value': '{"count":1}',
    });
    expect(Number(root.attributes['dspy.usage.model_calls'])).toBeGreaterThanOrEqual(1);
    expect(root.attributes['dspy.outcome']).toBe(result === undefined ? 'error' : 'completed');
  });
});

describeMajors('AxRAG', [12], (bench) => {
  it('is one span above its hops', async () => {
    const { ax, tracing, service, model } = bench();
    model.play((request) =>
      /search query/i.test(JSON.stringify(request.messages))
        ? 'Query: needle'
        : 'Reason: r\nAnswer: found',
    );
    const rag = new ax.AxRAG(async (query: string) => `about ${query}`, { maxHops: 1 });
    const result = await rag.forward(service(), { context: [], question: 'where?' });
    expect(result).toMatchObject({ answer: 'found' });
    const root = tracing.spans().find(({ parentSpanContext }) => parentSpanContext === undefined);
    expect(root?.attributes).toMatchObject({
      'dspy.module.type': 'AxRAG',
      'dspy.usage.model_calls': 2,
    });
    expect(String(root?.attributes['input.value'])).toContain('where?');
    expect(String(root?.attributes['output.value'])).toContain('found');
    expect(
      tracing
        .tree()
        .split('\n')
        .filter((line) => line.includes('chat ')),
    ).toHaveLength(2);
  });
});

describeMajors('AxSimpleClassifier', [12, 14, 16, 19], (bench) => {
  it('is a program above its embedding and its search', async () => {
    const { ax, tracing, service } = bench();
    const classifier = new ax.AxSimpleClassifier(service());
    await classifier.setClasses([new ax.AxSimpleClassifierClass('greeting', ['hello'])]);
    tracing.reset();
    expect(await classifier.forward('hi')).toBe('greeting');
    const root = tracing.span(/AxSimpleClassifier/);
    expect(root.attributes).toMatchObject({
      'dspy.module.type': 'AxSimpleClassifier',
      'input.value': 'hi',
      'output.value': 'greeting',
    });
    expect(tracing.tree()).toMatch(
      /^invoke_workflow AxSimpleClassifier\n {2}embeddings .*\n {2}retrieval /,
    );
  });
});

// The modes of this release that ask a model refuse their own field names, so a comparison has to do.
describeMajors('AxJudge', [16], (bench) => {
  const judge = () => {
    const { ax, service } = bench();
    return new ax.AxJudge(new ax.AxSignature('questionText:string -> answerText:string'), {
      ai: service(),
    });
  };

  it('is a score with its reason', async () => {
    const { tracing } = bench();
    const result = await judge().evaluate(
      { questionText: 'why?' },
      { answerText: 'because' },
      'because',
    );
    expect(tracing.span('evaluate AxJudge').attributes).toMatchObject({
      'openinference.span.kind': 'EVALUATOR',
      'gen_ai.evaluation.name': 'AxJudge',
      'gen_ai.evaluation.score.value': result.score,
      'gen_ai.evaluation.explanation': result.reasoning,
      'input.value': '{"questionText":"why?"}',
    });
  });

  it('fails without a score', async () => {
    const { tracing } = bench();
    await expect(
      judge().evaluate({ questionText: 'why?' }, { answerText: 'because' }),
    ).rejects.toThrow();
    const { attributes } = tracing.span('evaluate AxJudge');
    expect(attributes['dspy.outcome']).toBe('error');
    expect(attributes).not.toHaveProperty('gen_ai.evaluation.score.value');
  });
});

describeMajors('AxAgentContextMap', [23, 24], (bench) => {
  it('is one span above its model calls', async () => {
    const { ax, tracing, service, model } = bench();
    model.play(['Reflection: r\nOperations: []\nSummary: s\nDistilled: d']);
    const map = new ax.AxAgentContextMap({ evolve: true, text: '' });
    await map
      .update(service(), { task: 'find it', trajectory: 'looked around' })
      .catch(() => undefined);
    const root = tracing.span('invoke_workflow AxAgentContextMap');
    expect(root.attributes).toMatchObject({ 'dspy.module.type': 'playbook' });
    expect(JSON.parse(String(root.attributes['input.value']))).toEqual({
      task: 'find it',
      trajectory: 'looked around',
    });
  });
});

describeMajors('a hook whose class is missing', AX_MAJORS, (bench) => {
  it('is left out, and everything else works', async () => {
    const { ax, tracing, service, model } = bench();
    model.play(['Answer Text: because']);
    const program = new ax.AxGen('questionText:string -> answerText:string');
    await program.forward(service(), { questionText: 'why?' });
    expect(tracing.spans()).toHaveLength(2);
  });
});

import { SpanStatusCode } from '@opentelemetry/api';
import { expect, it } from 'vitest';
import { type Bench, describeMajors } from '../support/majors.js';

const QUESTION = { questionText: 'why?' };

function program({ ax }: Bench) {
  return new ax.AxGen('questionText:string -> answerText:string');
}

describeMajors('AxBestOfN and AxRefine', [23, 24], (bench) => {
  it('gives each candidate with its reward, and the best of them', async () => {
    const { ax, tracing, service, model } = bench();
    model.play(['Answer Text: a', 'Answer Text: bbb', 'Answer Text: cc']);
    const best = ax.bestOfN(program(bench()), {
      n: 3,
      strategy: 'serial',
      rewardFn: ({ prediction }: { prediction: { answerText: string } }) =>
        prediction.answerText.length,
    });
    expect(await best.forward(service(), QUESTION)).toMatchObject({ answerText: 'bbb' });
    const root = tracing.span(/AxBestOfN/);
    expect(root.attributes).toMatchObject({
      'dspy.module.type': 'AxBestOfN',
      'openinference.span.kind': 'CHAIN',
      'dspy.samples': 3,
      'dspy.best.reward': 3,
      'dspy.options': '{"n":3,"failCount":3,"strategy":"serial"}',
      'dspy.signature': 'questionText:string -> answerText:string',
      'input.value': '{"questionText":"why?"}',
      'dspy.usage.model_calls': 3,
      'dspy.usage.total_tokens': 54,
    });
    expect(
      root.events.map(({ name, attributes }) => [
        name,
        attributes?.['dspy.attempt.index'],
        attributes?.['dspy.attempt.reward'],
      ]),
    ).toEqual([
      ['dspy.attempt', 0, 1],
      ['dspy.attempt', 1, 3],
      ['dspy.attempt', 2, 2],
    ]);
    expect(
      tracing.spans().filter(({ name }) => name.startsWith('invoke_workflow AxGen')),
    ).toHaveLength(3);
  });

  it('gives the candidates of one call with samples', async () => {
    const { ax, tracing, service } = bench();
    const best = ax.bestOfN(program(bench()), { n: 2, rewardFn: () => 0.5 });
    await best.forward(service(), QUESTION);
    const root = tracing.span(/AxBestOfN/);
    expect(root.attributes).toMatchObject({ 'dspy.best.reward': 0.5, 'dspy.usage.model_calls': 1 });
    expect(root.events.length).toBeGreaterThanOrEqual(1);
  });

  it('gives failed candidates with their errors', async () => {
    const { ax, tracing, service, model } = bench();
    model.play([{ status: 400, message: 'bad' }, 'Answer Text: good']);
    const best = ax.bestOfN(program(bench()), { n: 2, strategy: 'serial', rewardFn: () => 1 });
    await best.forward(service(), QUESTION);
    const root = tracing.span(/AxBestOfN/);
    expect(root.attributes).toMatchObject({
      'dspy.samples': 2,
      'dspy.best.reward': 1,
      'dspy.outcome': 'completed',
    });
    expect(root.events[0]?.attributes).toMatchObject({
      'dspy.attempt.index': 0,
      'error.type': 'AxGenerateError',
    });
    expect(root.status.code).toBe(SpanStatusCode.UNSET);
  });

  it('fails when all candidates do, and lists them', async () => {
    const { ax, tracing, service, model } = bench();
    model.play([{ status: 400, message: 'bad' }]);
    const best = ax.bestOfN(program(bench()), {
      n: 3,
      failCount: 1,
      strategy: 'serial',
      rewardFn: () => 1,
    });
    await expect(best.forward(service(), QUESTION)).rejects.toThrow(/attempt failed/i);
    const root = tracing.span(/AxBestOfN/);
    expect(root.status.code).toBe(SpanStatusCode.ERROR);
    expect(root.events.filter(({ name }) => name === 'dspy.attempt')).toHaveLength(2);
  });

  it('leaves a reward that is no finite number out', async () => {
    const { ax, tracing, service, model } = bench();
    model.play(['Answer Text: a']);
    const rewards = [Number.NaN, 2];
    const best = ax.bestOfN(program(bench()), {
      n: 2,
      strategy: 'serial',
      rewardFn: () => rewards.shift(),
    });
    await best.forward(service(), QUESTION);
    const root = tracing.span(/AxBestOfN/);
    expect(root.events[0]?.attributes).toEqual({ 'dspy.attempt.index': 0 });
    expect(root.attributes['dspy.best.reward']).toBe(2);
  });

  it('keeps two calls of one instance apart', async () => {
    const { ax, tracing, service, model } = bench();
    model.play(['Answer Text: a']);
    const best = ax.bestOfN(program(bench()), {
      n: 1,
      strategy: 'serial',
      rewardFn: ({ input }: { input: { questionText: string } }) => Number(input.questionText),
    });
    await Promise.all([
      best.forward(service(), { questionText: '1' }),
      best.forward(service(), { questionText: '2' }),
    ]);
    const rewards = tracing
      .spans()
      .filter(({ name }) => /AxBestOfN/.test(name))
      .map(({ attributes, events }) => [
        attributes['input.value'],
        attributes['dspy.best.reward'],
        events.length,
      ]);
    expect(rewards.toSorted()).toEqual([
      ['{"questionText":"1"}', 1, 1],
      ['{"questionText":"2"}', 2, 1],
    ]);
  });

  it('traces the rounds of a refinement, with the advice between them', async () => {
    const { ax, tracing, service, model } = bench();
    model.play((request) => {
      const text = JSON.stringify(request.messages);
      return /advice/i.test(text) && !text.includes('because')
        ? 'Advice: {"root": "be longer"}'
        : 'Answer Text: because';
    });
    const refine = ax.refine(program(bench()), {
      rounds: 1,
      samplesPerRound: 2,
      strategy: 'serial',
      threshold: 5,
      rewardFn: () => 0.1,
    });
    await refine.forward(service(), QUESTION);
    const root = tracing.span(/AxRefine/);
    expect(root.attributes).toMatchObject({
      'dspy.module.type': 'AxRefine',
      'dspy.samples': 2,
      'dspy.best.reward': 0.1,
    });
    expect(JSON.parse(String(root.attributes['dspy.options']))).toMatchObject({
      rounds: 1,
      samplesPerRound: 2,
      threshold: 5,
      strategy: 'serial',
    });
  });
});

import { afterEach, beforeEach, expect, it, vi } from 'vitest';
import { type Bench, describeMajors } from '../support/majors.js';

// Ax tells of its progress.
beforeEach(() => void vi.spyOn(console, 'log').mockImplementation(() => {}));
afterEach(() => void vi.restoreAllMocks());

const EXAMPLE = { questionText: 'one plus one?', answerText: '2' };
const INTERACTION = {
  example: EXAMPLE,
  prediction: { answerText: '3' },
  feedback: 'two was wanted',
};
const metric = ({ prediction, example }: { prediction: object; example: object }) =>
  JSON.stringify(prediction) === JSON.stringify(example) ? 1 : 0;

function program({ ax }: Bench) {
  return new ax.AxGen('questionText:string -> answerText:string');
}

function answers({ model }: Bench): void {
  model.play((request) =>
    /insight|curator|operations/i.test(JSON.stringify(request.messages))
      ? 'Reasoning: r\nError Identification: e\nRoot Cause Analysis: c\nCorrect Approach: a\nKey Insight: k\nBullet Tags: []\nOperations: []'
      : 'Answer Text: 2',
  );
}

describeMajors('AxACE.applyOnlineUpdate', [14, 16, 19, 23, 24], (bench) => {
  it('is one span above its reflection', async () => {
    const { ax, tracing, service } = bench();
    answers(bench());
    const optimizer = new ax.AxACE({
      studentAI: service(),
      teacherAI: service(),
      options: { maxEpochs: 1 },
    });
    await optimizer
      .compile(program(bench()), [EXAMPLE, EXAMPLE], metric, { aceOptions: { maxEpochs: 1 } })
      .catch(() => undefined);
    tracing.reset();
    const outcome = await optimizer.applyOnlineUpdate(INTERACTION).then(
      () => 'completed',
      () => 'error',
    );
    const update = tracing.span('invoke_workflow AxACE');
    expect(update.attributes).toMatchObject({
      'dspy.module.type': 'playbook',
      'dspy.outcome': outcome,
      'input.value': JSON.stringify(INTERACTION),
    });
    expect(tracing.tree().split('\n')[0]).toBe('invoke_workflow AxACE');
    expect(update.attributes['dspy.usage.model_calls']).toBeGreaterThan(0);
  });
});

describeMajors('AxLearn.applyUpdate', [19], (bench) => {
  it('is one span', async () => {
    const { ax, tracing, service } = bench();
    answers(bench());
    const learner = new ax.AxLearn(program(bench()), {
      name: 'learner',
      teacher: service(),
      runtimeAI: service(),
      storage: { save: async () => {}, load: async () => [] },
      mode: 'continuous',
      budget: 1,
      metric,
      examples: [EXAMPLE],
    });
    const outcome = await learner.applyUpdate(INTERACTION).then(
      () => 'completed',
      () => 'error',
    );
    expect(tracing.tree().split('\n')[0]).toBe('invoke_workflow AxLearn');
    expect(tracing.span('invoke_workflow AxLearn').attributes).toMatchObject({
      'dspy.module.type': 'playbook',
      'dspy.outcome': outcome,
    });
  });
});

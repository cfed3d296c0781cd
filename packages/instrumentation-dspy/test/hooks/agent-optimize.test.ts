import { afterEach, beforeEach, expect, it, vi } from 'vitest';
import { type Bench, describeMajors } from '../support/majors.js';

beforeEach(() => {
  for (const method of ['log', 'warn', 'error'] as const)
    vi.spyOn(console, method).mockImplementation(() => {});
});
afterEach(() => vi.restoreAllMocks());

const TASKS = [
  { input: { query: 'k1?' }, criteria: 'names the value', expectedOutput: { answer: 'val-k1' } },
  { input: { query: 'k2?' }, criteria: 'names the value', expectedOutput: { answer: 'val-k2' } },
];

/** An agent that runs code; its judge finds everything good. */
function agent({ ax, service, model }: Bench) {
  model.play((request) => {
    const [system = ''] = request.messages.map(({ content }) => String(content));
    const text = JSON.stringify(request.messages);
    if (/judge|evaluat|score/i.test(system) && !/javascript/i.test(system))
      return 'Completion Quality: 1\nReasoning: fine\nQuality: excellent\nScore: 1';
    if (system.includes('Distiller')) return 'Javascript Code: await final("lookup", {})';
    if (/javascript/i.test(system)) return 'Javascript Code: await final("answer", {v:"val-k1"})';
    return text.includes('val-k1') ? 'Answer: val-k1' : 'Answer: val-k1';
  });
  return ax.agent('query:string -> answer:string', {
    ai: service(),
    judgeAI: service(),
    contextFields: [],
    agentIdentity: { name: 'KB Agent', description: 'Answers questions from the knowledge base' },
  });
}

describeMajors('AxAgent.optimize', [19, 23, 24], (bench) => {
  it('is one run with the size of its data set and the sum of its calls', async () => {
    const { tracing, service } = bench();
    const options = {
      studentAI: service(),
      judgeAI: service(),
      teacherAI: service(),
      maxMetricCalls: 4,
      numTrials: 1,
      metric: () => 1,
    };
    const outcome = await agent(bench())
      .optimize({ train: TASKS, validation: TASKS.slice(0, 1) }, options)
      .then(
        () => 'completed',
        () => 'error',
      );
    expect(tracing.spans()).toHaveLength(1);
    const [root] = tracing.spans();
    expect(root?.name).toBe('invoke_workflow AxAgent');
    expect(root?.attributes).toMatchObject({
      'dspy.run.kind': 'compile',
      'dspy.module.type': 'optimizer',
      'dspy.optimizer.examples.count': 2,
      'dspy.optimizer.validation.count': 1,
      'dspy.outcome': outcome,
    });
    expect(Number(root?.attributes['dspy.usage.model_calls'] ?? 0)).toBeGreaterThan(0);
    const artifacts = JSON.parse(String(root?.attributes['dspy.run.artifacts']));
    expect(JSON.parse(artifacts['trainset.json'])).toMatchObject({
      columns: ['input', 'criteria', 'expectedOutput'],
    });
  }, 60_000);
});

describeMajors('AxAgentPlaybook', [24], (bench) => {
  it('is one run when it evolves', async () => {
    const { tracing, service } = bench();
    const subject = agent(bench());
    const book =
      typeof subject.playbook === 'function'
        ? subject.playbook({ studentAI: service(), teacherAI: service(), judgeAI: service() })
        : undefined;
    if (book === undefined) throw new Error('This release has no playbook of an agent.');
    await book
      .evolve(TASKS.slice(0, 1), {
        verify: false,
        studentAI: service(),
        judgeAI: service(),
        teacherAI: service(),
      })
      .catch(() => undefined);
    const [root] = tracing.spans();
    expect(tracing.spans()).toHaveLength(1);
    expect(root?.attributes).toMatchObject({
      'dspy.run.kind': 'compile',
      'dspy.module.name': 'AxAgentPlaybook',
      'dspy.optimizer.examples.count': 1,
    });
  }, 60_000);
});

import type { ReadableSpan } from '@opentelemetry/sdk-trace-base';
import { afterEach, beforeEach, expect, it, vi } from 'vitest';
import { AX_MAJORS } from '../support/ax.js';
import { type Bench, describeMajors } from '../support/majors.js';

const EXAMPLES = [
  { questionText: 'one plus one?', answerText: '2' },
  { questionText: 'two plus two?', answerText: '4' },
];

type Given = { prediction: { answerText: string }; example: { answerText: string } };
const exactMatch = ({ prediction, example }: Given): number =>
  Number(prediction.answerText === example.answerText);

beforeEach(() => {
  for (const method of ['log', 'warn'] as const)
    vi.spyOn(console, method).mockImplementation(() => {});
  vi.spyOn(process.stdout, 'write').mockImplementation(() => true);
});
afterEach(() => vi.restoreAllMocks());

function answers({ model }: Bench): void {
  model.play((request) => {
    const text = String(request.messages.at(-1)?.content);
    if (
      /instruction|feedback|reflect/i.test(JSON.stringify(request.messages[0])) &&
      !/Answer Text/.test(JSON.stringify(request.messages[0]))
    )
      return '```\nAnswer in one word.\n```';
    return `Answer Text: ${text.includes('one plus one') ? '2' : '42'}`;
  });
}

function program({ ax }: Bench) {
  return new ax.AxGen('questionText:string -> answerText:string');
}

/** Compiles by bootstrapping, in the words of the release. */
function bootstrap(
  bench: Bench,
  options: object = {},
  metric: unknown = exactMatch,
  examples: object[] = EXAMPLES,
) {
  const { ax, major, service } = bench;
  answers(bench);
  const optimizer = new ax.AxBootstrapFewShot({
    studentAI: service(),
    examples,
    options: { maxRounds: 1 },
  });
  return major === 12
    ? optimizer.compile(program(bench), metric, options)
    : optimizer.compile(program(bench), examples, metric, options);
}

const metricsOf = (span: ReadableSpan): Record<string, number> =>
  Object.fromEntries(
    JSON.parse(String(span.attributes['dspy.run.metrics'])).map(
      ({ key, value }: { key: string; value: number }) => [key, value],
    ),
  );
const artifactsOf = (span: ReadableSpan): Record<string, string> =>
  JSON.parse(String(span.attributes['dspy.run.artifacts'] ?? '{}'));

describeMajors('AxBootstrapFewShot', AX_MAJORS, (bench) => {
  it('is one span with options, counts, best score and the sum of its calls', async () => {
    const { tracing } = bench();
    const result = await bootstrap(bench());
    expect(result.demos.length).toBeGreaterThan(0);
    expect(tracing.spans()).toHaveLength(1);
    const [root] = tracing.spans();
    expect(root?.name).toBe('invoke_workflow AxBootstrapFewShot');
    expect(root?.attributes).toMatchObject({
      'openinference.span.kind': 'CHAIN',
      'dspy.module.type': 'optimizer',
      'dspy.run.kind': 'compile',
      'dspy.run.name': expect.stringMatching(/^AxBootstrapFewShot AxGen/),
      'dspy.optimizer.examples.count': 2,
      'dspy.optimizer.metric_calls': 2,
      'dspy.optimizer.demos.count': result.demos.length,
      'dspy.usage.model_calls': 2,
      'dspy.usage.total_tokens': 36,
      'dspy.outcome': 'completed',
    });
    if (result.bestScore !== undefined)
      expect(root?.attributes['dspy.optimizer.best_score']).toBe(result.bestScore);
    expect(JSON.parse(String(root?.attributes['dspy.optimizer.options']))).toMatchObject({
      maxRounds: 1,
    });
  });

  it('is a run with params, metrics, data sets and the program that Ax gave back', async () => {
    const { tracing } = bench();
    await bootstrap(bench());
    const root = tracing.span(/AxBootstrapFewShot/);
    expect(JSON.parse(String(root.attributes['dspy.run.params']))).toMatchObject({
      optimizer: 'AxBootstrapFewShot',
      metric: 'exactMatch',
      lm_params: expect.stringContaining('"model":"gpt-4o-mini","provider":"openai"'),
      examples: '2',
      maxRounds: '1',
    });
    expect(metricsOf(root)).toMatchObject({ metric_calls: 2 });
    const artifacts = artifactsOf(root);
    expect(JSON.parse(artifacts['trainset.json'] ?? '')).toEqual({
      columns: ['questionText', 'answerText'],
      data: [
        ['one plus one?', '2'],
        ['two plus two?', '4'],
      ],
    });
    const best = JSON.parse(artifacts['best_model.json'] ?? '');
    expect(best.signature).toBe('questionText:string -> answerText:string');
    expect(JSON.stringify(best.demos)).toContain('one plus one?');
  });

  it('records every inner call when told so, each score below the compile', async () => {
    const { tracing, configure } = bench();
    configure({ recordOptimizerCalls: true });
    await bootstrap(bench());
    const root = tracing.span(/AxBootstrapFewShot/);
    const names = tracing.spans().map(({ name }) => name.split('(')[0]);
    expect(names.filter((name) => name === 'invoke_workflow AxGen')).toHaveLength(2);
    expect(names.filter((name) => name === 'chat gpt-4o-mini')).toHaveLength(2);
    expect(names.filter((name) => name === 'evaluate exactMatch')).toHaveLength(2);
    for (const span of tracing.spans())
      expect(span.spanContext().traceId).toBe(root.spanContext().traceId);
    expect(root.attributes['dspy.usage.model_calls']).toBe(2);
  });

  it('fails as a run when the compile does, with what it had', async () => {
    const { tracing } = bench();
    await expect(bootstrap(bench(), {}, () => 0)).rejects.toThrow(/No demonstrations/);
    const root = tracing.span(/AxBootstrapFewShot/);
    expect(root.attributes).toMatchObject({
      'dspy.outcome': 'error',
      'dspy.run.kind': 'compile',
      'dspy.optimizer.metric_calls': 2,
    });
    expect(artifactsOf(root)['trainset.json']).toBeDefined();
  });

  it('keeps data to itself when told so', async () => {
    const { tracing, configure } = bench();
    configure({ logInputs: false, logOutputs: false });
    await bootstrap(bench());
    const spans = tracing.spans().map(({ attributes, events }) => ({ attributes, events }));
    expect(JSON.stringify(spans)).not.toMatch(/one plus one/);
    expect(spans[0]?.attributes['dspy.run.artifacts']).toBeUndefined();
    expect(spans[0]?.attributes['dspy.optimizer.metric_calls']).toBe(2);
  });

  it('lets sanitizers change the data set, and leaves out what they cannot', async () => {
    const { tracing, configure } = bench();
    configure({ inputSanitizer: (inputs) => ({ ...inputs, questionText: '[question]' }) });
    await bootstrap(bench());
    const artifacts = artifactsOf(tracing.span(/AxBootstrapFewShot/));
    expect(JSON.parse(artifacts['trainset.json'] ?? '').data[0]).toEqual(['[question]', '2']);
    expect(artifacts['best_model.json']).toBeUndefined();
  });

  it('has what a sanitizer removed redacted in what the metric says', async () => {
    const { tracing, configure } = bench();
    configure({
      recordOptimizerCalls: true,
      inputSanitizer: (inputs) => ({ ...inputs, questionText: '[question]' }),
    });
    const failing = ({ example }: { example: { questionText: string } }) => {
      throw new Error(`cannot score ${example.questionText}`);
    };
    const telling = ({ example }: { example: { questionText: string } }) => ({
      score: 1,
      feedback: `about ${example.questionText}`,
    });
    for (const metric of [failing, telling]) {
      await bootstrap(bench(), {}, metric).catch(() => undefined);
      const spans = tracing.spans().filter(({ name }) => name.startsWith('evaluate '));
      expect(spans.length).toBeGreaterThan(0);
      const all = spans.map(({ attributes, events, status }) => [attributes, events, status]);
      expect(JSON.stringify(all)).not.toMatch(/one plus one\?|two plus two\?/);
      tracing.reset();
    }
  });

  it('leaves the data set out where a sanitizer is async, and survives its rejection', async () => {
    const { tracing, configure } = bench();
    configure({
      outputSanitizer: async () => {
        throw new Error('broken');
      },
    });
    await bootstrap(bench());
    // Vitest fails the run where a rejection is nobody's.
    await new Promise((resolve) => setImmediate(resolve));
    expect(artifactsOf(tracing.span(/AxBootstrapFewShot/))).not.toHaveProperty('trainset.json');
  });

  it('keeps two compiles at once apart', async () => {
    const { tracing } = bench();
    await Promise.all([
      bootstrap(bench(), {}, exactMatch, EXAMPLES),
      bootstrap(bench(), {}, exactMatch, EXAMPLES.slice(0, 1)),
    ]);
    const counts = tracing
      .spans()
      .map(({ attributes }) => [
        attributes['dspy.optimizer.examples.count'],
        attributes['dspy.optimizer.metric_calls'],
        attributes['dspy.usage.model_calls'],
      ]);
    expect(counts.toSorted()).toEqual([
      [1, 1, 1],
      [2, 2, 2],
    ]);
  });

  it('calls the metric as Ax does, and passes its errors on', async () => {
    const seen: unknown[][] = [];
    await bootstrap(bench(), {}, function judge(...args: unknown[]) {
      seen.push(args);
      if (seen.length === 1) throw new Error('first');
      return 1;
    }).catch(() => undefined);
    expect(seen.length).toBeGreaterThanOrEqual(1);
    expect(seen[0]?.[0]).toMatchObject({
      prediction: { answerText: expect.any(String) },
      example: expect.objectContaining({ questionText: expect.any(String) }),
    });
  });

  it('is below a program that compiles another one', async () => {
    const { ax, tracing, service } = bench();
    const compiled = bench();
    const outer = new ax.AxGen('questionText:string -> answerText:string', {
      functions: [
        {
          name: 'train',
          description: 'trains',
          parameters: { type: 'object', properties: { x: { type: 'number', description: 'x' } } },
          func: async () => {
            await bootstrap(compiled);
            return 'trained';
          },
        },
      ],
    });
    bench().model.play([{ toolCalls: [{ name: 'train', arguments: { x: 1 } }] }]);
    await outer.forward(service(), { questionText: 'train!' });
    expect(tracing.tree()).toMatch(/execute_tool train\n {4}invoke_workflow AxBootstrapFewShot\n/);
    const root = tracing.span(/^invoke_workflow AxGen/);
    expect(root.attributes['dspy.usage.model_calls']).toBe(4);
  });
});

describeMajors('AxGEPA', [14, 16, 19, 23, 24], (bench) => {
  const compile = async (options: object = {}) => {
    const { ax, service } = bench();
    answers(bench());
    const optimizer = new ax.AxGEPA({
      studentAI: service(),
      teacherAI: service(),
      numTrials: 2,
      minibatch: true,
      minibatchSize: 1,
      seed: 1,
    });
    return optimizer.compile(program(bench()), EXAMPLES, exactMatch, {
      maxMetricCalls: 12,
      validationExamples: EXAMPLES,
      skipPerfectScore: false,
      ...options,
    });
  };

  it('has rounds, candidates, front and scores step by step', async () => {
    const { tracing } = bench();
    const result = await compile();
    expect(tracing.spans()).toHaveLength(1);
    const root = tracing.span('invoke_workflow AxGEPA');
    expect(root.attributes).toMatchObject({
      'dspy.run.kind': 'compile',
      'dspy.optimizer.examples.count': 2,
      'dspy.optimizer.validation.count': 2,
      'dspy.optimizer.best_score': result.bestScore,
    });
    expect(Number(root.attributes['dspy.optimizer.candidates'])).toBeGreaterThanOrEqual(1);
    expect(Number(root.attributes['dspy.optimizer.metric_calls'])).toBeGreaterThanOrEqual(2);
    expect(JSON.parse(String(root.attributes['dspy.optimizer.pareto_front']))).toEqual(
      result.paretoFront.map((point: { scores: object; dominatedSolutions: number }) => ({
        scores: point.scores,
        dominated: point.dominatedSolutions,
      })),
    );
    expect(JSON.parse(String(root.attributes['dspy.optimizer.options']))).toMatchObject({
      numTrials: 2,
      maxMetricCalls: 12,
    });
    const artifacts = artifactsOf(root);
    expect(Object.keys(artifacts).toSorted()).toEqual([
      'best_model.json',
      'trainset.json',
      'valset.json',
    ]);
    expect(JSON.parse(artifacts['best_model.json'] ?? '')).toMatchObject({
      bestScore: result.bestScore,
    });
    expect(metricsOf(root)).toMatchObject({ best_score: result.bestScore });
    const points: { key: string; step: number; timestamp: number }[] = JSON.parse(
      String(root.attributes['dspy.run.metrics']),
    );
    for (const point of points) expect(Math.abs(point.timestamp - Date.now())).toBeLessThan(60_000);
    if (root.attributes['dspy.optimizer.steps'] !== undefined) {
      expect(points.filter(({ key }) => key === 'score')).toHaveLength(
        Number(root.attributes['dspy.optimizer.steps']),
      );
    }
  });

  it('scores objectives by name when inner calls are recorded', async () => {
    const { tracing, configure, ax, service } = bench();
    configure({ recordOptimizerCalls: true });
    answers(bench());
    const optimizer = new ax.AxGEPA({
      studentAI: service(),
      teacherAI: service(),
      numTrials: 1,
      minibatch: true,
      minibatchSize: 1,
    });
    await optimizer.compile(
      program(bench()),
      EXAMPLES,
      function twoWays(given: Given) {
        return { exact: exactMatch(given), brevity: 0.5 };
      },
      { maxMetricCalls: 6, validationExamples: EXAMPLES },
    );
    const [score] = tracing.spans().filter(({ name }) => name === 'evaluate twoWays');
    expect(
      score?.events.map(({ name, attributes }) => [
        name,
        attributes?.['gen_ai.evaluation.name'],
        attributes?.['gen_ai.evaluation.score.value'],
      ]),
    ).toEqual([
      ['gen_ai.evaluation.result', 'twoWays.exact', expect.any(Number)],
      ['gen_ai.evaluation.result', 'twoWays.brevity', 0.5],
    ]);
  });

  it('is one run when it compiles towards a front', async () => {
    const { ax, tracing, service } = bench();
    answers(bench());
    const optimizer = new ax.AxGEPA({
      studentAI: service(),
      teacherAI: service(),
      numTrials: 1,
      minibatch: true,
      minibatchSize: 1,
    });
    await optimizer
      .compilePareto(program(bench()), EXAMPLES, (given: Given) => ({ exact: exactMatch(given) }), {
        maxMetricCalls: 6,
        validationExamples: EXAMPLES,
      })
      .catch(() => undefined);
    expect(tracing.tree()).toBe('invoke_workflow AxGEPA');
  });
});

describeMajors('AxMiPRO', [12, 14, 16, 19], (bench) => {
  it('is one run, whether it gets anywhere or not', async () => {
    const { ax, major, tracing, service } = bench();
    answers(bench());
    const optimizer = new ax.AxMiPRO({
      studentAI: service(),
      examples: EXAMPLES,
      options: {
        numTrials: 1,
        numCandidates: 1,
        maxBootstrappedDemos: 1,
        maxLabeledDemos: 1,
        minibatch: false,
      },
    });
    const compiling =
      major === 12
        ? optimizer.compile(program(bench()), exactMatch)
        : optimizer.compile(program(bench()), EXAMPLES, exactMatch);
    const outcome = await compiling.then(
      () => 'completed',
      () => 'error',
    );
    expect(tracing.tree()).toBe('invoke_workflow AxMiPRO');
    expect(tracing.span('invoke_workflow AxMiPRO').attributes).toMatchObject({
      'dspy.run.kind': 'compile',
      'dspy.optimizer.examples.count': 2,
      'dspy.outcome': outcome,
    });
  });
});

describeMajors('AxGEPAFlow', [14, 16], (bench) => {
  it('is one run over a flow', async () => {
    const { ax, tracing, service } = bench();
    answers(bench());
    const flow = ax
      .flow()
      .n('answer', 'questionText:string -> answerText:string')
      .e('answer', (state: { questionText: string }) => ({ questionText: state.questionText }))
      .r((state: { answerResult: { answerText: string } }) => ({
        answerText: state.answerResult.answerText,
      }));
    const optimizer = new ax.AxGEPAFlow({
      studentAI: service(),
      teacherAI: service(),
      numTrials: 1,
      minibatch: true,
      minibatchSize: 1,
    });
    const outcome = await optimizer
      .compile(flow, EXAMPLES, exactMatch, { maxMetricCalls: 6, validationExamples: EXAMPLES })
      .then(
        () => 'completed',
        () => 'error',
      );
    expect(tracing.tree()).toBe('invoke_workflow AxGEPAFlow');
    expect(tracing.span('invoke_workflow AxGEPAFlow').attributes['dspy.outcome']).toBe(outcome);
  });
});

describeMajors('AxLearn', [16, 19], (bench) => {
  it('is one run above what it compiles with', async () => {
    const { ax, tracing, service } = bench();
    answers(bench());
    const storage = { save: async () => {}, load: async () => [] };
    const learner = new ax.AxLearn(program(bench()), {
      name: 'learner',
      teacher: service(),
      runtimeAI: service(),
      storage,
      budget: 1,
      metric: exactMatch,
      examples: EXAMPLES,
    });
    const outcome = await learner.optimize({ metric: exactMatch, examples: EXAMPLES }).then(
      () => 'completed',
      () => 'error',
    );
    expect(tracing.tree()).toBe('invoke_workflow AxLearn');
    expect(tracing.span('invoke_workflow AxLearn').attributes).toMatchObject({
      'dspy.run.kind': 'compile',
      'dspy.optimizer.examples.count': 2,
      'dspy.outcome': outcome,
    });
  });
});

describeMajors('AxACE', [14, 16, 19, 23, 24], (bench) => {
  it('is one run, also where a playbook is compiled', async () => {
    const { ax, tracing, service } = bench();
    answers(bench());
    const optimizer = new ax.AxACE({
      studentAI: service(),
      teacherAI: service(),
      options: { maxEpochs: 1 },
    });
    const outcome = await optimizer
      .compile(program(bench()), EXAMPLES, exactMatch, { aceOptions: { maxEpochs: 1 } })
      .then(
        () => 'completed',
        () => 'error',
      );
    expect(tracing.tree()).toBe('invoke_workflow AxACE');
    expect(tracing.span('invoke_workflow AxACE').attributes).toMatchObject({
      'dspy.optimizer.metric_calls': 2,
      'dspy.outcome': outcome,
    });
  });
});

describeMajors('AxACE and playbooks', [23, 24], (bench) => {
  const reflections = () => {
    const { model } = bench();
    model.play((request) => {
      const text = JSON.stringify(request.messages);
      if (/keyInsight|Key Insight|curator|Operations/i.test(text))
        return 'Key Insight: be brief\nOperations: []\nReasoning: none\nError Identification: none\nRoot Cause Analysis: none\nCorrect Approach: none\nBullet Tags: []';
      return 'Answer Text: 2';
    });
  };

  it('is one run when a playbook evolves', async () => {
    const { ax, tracing, service } = bench();
    reflections();
    const book = ax.playbook(program(bench()), { studentAI: service(), teacherAI: service() });
    await book.evolve(EXAMPLES, exactMatch, { maxEpochs: 1 }).catch(() => undefined);
    expect(tracing.tree()).toBe('invoke_workflow AxPlaybook');
    expect(tracing.span(/AxPlaybook/).attributes).toMatchObject({
      'dspy.run.kind': 'compile',
      'dspy.module.type': 'optimizer',
      'dspy.optimizer.examples.count': 2,
    });
  });

  it('is one span above its model calls when a playbook is updated', async () => {
    const { ax, tracing, service } = bench();
    reflections();
    const book = ax.playbook(program(bench()), { studentAI: service(), teacherAI: service() });
    await book
      .update({ example: EXAMPLES[0], prediction: { answerText: '3' }, feedback: 'wrong' })
      .catch(() => undefined);
    const root = tracing.span(/AxPlaybook/);
    expect(root.attributes).toMatchObject({
      'dspy.module.type': 'playbook',
      'openinference.span.kind': 'CHAIN',
    });
    expect(String(root.attributes['input.value'])).toContain('wrong');
    expect(tracing.spans().filter(({ name }) => name === 'invoke_workflow AxACE')).toHaveLength(0);
    expect(Number(root.attributes['dspy.usage.model_calls'])).toBeGreaterThanOrEqual(1);
  });
});

describeMajors('optimize()', [23, 24], (bench) => {
  it('traces both of its compiles, the second linked to the first', async () => {
    const { ax, tracing, service } = bench();
    answers(bench());
    await ax.optimize(program(bench()), EXAMPLES, exactMatch, {
      studentAI: service(),
      teacherAI: service(),
      maxMetricCalls: 8,
      numTrials: 1,
    });
    const first = tracing.span('invoke_workflow AxBootstrapFewShot');
    const second = tracing.span('invoke_workflow AxGEPA');
    expect(tracing.spans()).toHaveLength(2);
    expect(second.links.map(({ context }) => context)).toEqual([first.spanContext()]);
    expect(first.links).toEqual([]);
  });
});

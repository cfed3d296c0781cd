import type { ReadableSpan } from '@opentelemetry/sdk-trace-base';
import { afterEach, beforeEach, expect, it, vi } from 'vitest';
import { AX_MAJORS } from '../support/ax.js';
import { type Bench, describeMajors } from '../support/majors.js';

const EXAMPLES = [
  { questionText: 'one plus one?', answerText: '2' },
  { questionText: 'two plus two?', answerText: '4' },
  { questionText: 'hm?', answerText: '7' },
];

type Given = { prediction: { answerText: string }; example: { answerText: string } };

const exactMatch = ({ prediction, example }: Given): number =>
  Number(prediction.answerText === example.answerText);

/** Releases up to 16 report progress on the console. */
beforeEach(() => {
  for (const method of ['log', 'warn'] as const)
    vi.spyOn(console, method).mockImplementation(() => {});
  vi.spyOn(process.stdout, 'write').mockImplementation(() => true);
});
afterEach(() => vi.restoreAllMocks());

function script({ model }: Bench): void {
  model.play((request) => {
    const text = JSON.stringify(request.messages);
    return `Answer Text: ${text.includes('one plus one') ? '2' : text.includes('two plus two') ? '4' : '42'}`;
  });
}

function evaluation(bench: Bench, examples: object[] = EXAMPLES, program?: object) {
  const { ax, service } = bench;
  script(bench);
  return new ax.AxTestPrompt({
    ai: service(),
    program: program ?? new ax.AxGen('questionText:string -> answerText:string'),
    examples,
  });
}

const isRoot = (span: ReadableSpan): boolean => span.parentSpanContext === undefined;
const metricsOf = (span: ReadableSpan): Record<string, number> =>
  Object.fromEntries(
    JSON.parse(String(span.attributes['dspy.run.metrics'])).map(
      ({ key, value }: { key: string; value: number }) => [key, value],
    ),
  );
const artifactsOf = (span: ReadableSpan): Record<string, string> =>
  JSON.parse(String(span.attributes['dspy.run.artifacts'] ?? '{}'));

describeMajors('AxTestPrompt', AX_MAJORS, (bench) => {
  it('names the evaluation around it as its parent, and when that began', async () => {
    const { tracing } = bench();
    const inner = evaluation(bench(), EXAMPLES.slice(0, 1));
    const outer = evaluation(bench(), EXAMPLES.slice(0, 1));
    await outer.run(async () => {
      await inner.run(exactMatch);
      return 1;
    });
    const evaluations = tracing.spans().filter(({ name }) => name.startsWith('evaluation '));
    const [around, ...others] = evaluations.filter(isRoot) as [ReadableSpan];
    const [within] = evaluations.filter((span) => !isRoot(span)) as [ReadableSpan];
    expect(others).toEqual([]);
    const { traceId, spanId } = around.spanContext();
    // Made by the metric, so in the trace of the example that is scored.
    expect(within.spanContext().traceId).not.toBe(traceId);
    const [seconds, nanos] = around.startTime;
    expect(within.attributes).toMatchObject({
      'dspy.run.parent_span_id': spanId,
      'dspy.run.parent_trace_id': traceId,
      'dspy.run.parent_start_ms': seconds * 1_000 + Math.floor(nanos / 1e6),
    });
    expect(around.attributes).not.toHaveProperty('dspy.run.parent_span_id');
  });

  it('is a trace for each example, linked to the evaluation, with the score below the program', async () => {
    const { tracing } = bench();
    await evaluation(bench()).run(exactMatch);
    const root = tracing.span(/^evaluation /);
    const evaluationId = root.spanContext().spanId;
    const traces = tracing.spans().filter((span) => isRoot(span) && span !== root);
    expect(traces).toHaveLength(3);
    for (const example of traces) {
      expect(example.name).toMatch(/^invoke_workflow AxGen/);
      expect(example.spanContext().traceId).not.toBe(root.spanContext().traceId);
      expect(example.links.map(({ context }) => context.spanId)).toEqual([evaluationId]);
      expect(example.attributes['dspy.evaluation.id']).toBe(evaluationId);
    }
    const scores = tracing.spans().filter(({ name }) => name === 'evaluate exactMatch');
    expect(scores.map(({ attributes }) => attributes['gen_ai.evaluation.score.value'])).toEqual([
      1, 1, 0,
    ]);
    for (const [index, score] of scores.entries()) {
      expect(score.parentSpanContext?.spanId).toBe(traces[index]?.spanContext().spanId);
      expect(score.attributes).toMatchObject({
        'openinference.span.kind': 'EVALUATOR',
        'gen_ai.evaluation.name': 'exactMatch',
        'dspy.module.type': 'metric',
        'dspy.outcome': 'completed',
      });
    }
    expect(JSON.parse(String(scores[0]?.attributes['input.value']))).toEqual({
      example: EXAMPLES[0],
      prediction: { answerText: '2' },
    });
  });

  it('is a run with the mean, the scores and what was scored', async () => {
    const { tracing } = bench();
    await evaluation(bench()).run(exactMatch);
    const root = tracing.span(/^evaluation /);
    expect(root.attributes).toMatchObject({
      'dspy.run.kind': 'evaluation',
      'dspy.run.name': expect.stringMatching(/^exactMatch of AxGen/),
      'dspy.module.type': 'evaluation',
      'openinference.span.kind': 'EVALUATOR',
      'dspy.usage.model_calls': 3,
      'dspy.usage.total_tokens': 54,
    });
    expect(metricsOf(root)).toEqual({ eval: 2 / 3, examples: 3, failed: 0 });
    expect(JSON.parse(String(root.attributes['dspy.run.params']))).toMatchObject({
      metric: 'exactMatch',
      lm_params: expect.stringContaining('"model":"gpt-4o-mini","provider":"openai"'),
      examples: '3',
    });
    const artifacts = artifactsOf(root);
    expect(JSON.parse(artifacts['result_table.json'] ?? '')).toEqual({
      columns: ['score', 'example_questionText', 'example_answerText', 'pred_answerText'],
      data: [
        [1, 'one plus one?', '2', '2'],
        [1, 'two plus two?', '4', '4'],
        [0, 'hm?', '7', '42'],
      ],
    });
    expect(JSON.parse(artifacts['model.json'] ?? '')).toMatchObject({
      signature: 'questionText:string -> answerText:string',
    });
    const traceIds = tracing
      .spans()
      .filter((span) => isRoot(span) && span !== root)
      .map((span) => span.spanContext().traceId);
    expect(root.attributes['dspy.run.trace_ids']).toEqual(traceIds);
  });

  it('gives back what Ax does, and calls the metric as Ax does', async () => {
    const seen: unknown[][] = [];
    const result = await evaluation(bench()).run(async function counted(...args: unknown[]) {
      seen.push(args);
      return 1;
    });
    expect(result).toBeUndefined();
    expect(seen).toHaveLength(3);
    expect(seen[0]).toEqual([{ prediction: { answerText: '2' }, example: EXAMPLES[0] }]);
  });

  it('counts the model calls of a metric, below its score', async () => {
    const { ax, tracing, service } = bench();
    const judge = new ax.AxGen('answerText:string -> verdictText:string');
    const run = evaluation(bench(), EXAMPLES.slice(0, 1));
    await run.run(async function judged({ prediction }: Given) {
      await judge.forward(service(), { answerText: prediction.answerText }).catch(() => undefined);
      return 0.5;
    });
    const score = tracing.span('evaluate judged');
    const below = tracing
      .spans()
      .filter((span) => span.parentSpanContext?.spanId === score.spanContext().spanId);
    expect(below).toHaveLength(1);
    expect(
      Number(tracing.span(/^evaluation /).attributes['dspy.usage.model_calls']),
    ).toBeGreaterThanOrEqual(2);
  });

  it('names scores that are no finite number, and keeps them out of the mean', async () => {
    const { tracing } = bench();
    const scores = [Number.NaN, 1, 0];
    await evaluation(bench()).run(() => scores.shift());
    const [first] = tracing.spans().filter(({ name }) => name === 'evaluate metric');
    expect(first?.attributes['gen_ai.evaluation.score.label']).toBe('NaN');
    expect(first?.attributes).not.toHaveProperty('gen_ai.evaluation.score.value');
    expect(metricsOf(tracing.span(/^evaluation /))).toMatchObject({ eval: 1 / 3 });
  });

  it('keeps content to itself when told so, and still scores', async () => {
    const { tracing, configure } = bench();
    configure({ logInputs: false, logOutputs: false });
    await evaluation(bench()).run(exactMatch);
    const spans = tracing
      .spans()
      .map(({ name, attributes, events }) => ({ name, attributes, events }));
    expect(JSON.stringify(spans)).not.toMatch(/one plus one|two plus two|"42"/);
    const root = tracing.span(/^evaluation /);
    expect(JSON.parse(artifactsOf(root)['result_table.json'] ?? '')).toEqual({
      columns: ['score'],
      data: [[1], [1], [0]],
    });
  });

  it('lets sanitizers change what is recorded, and the examples themselves stay', async () => {
    const { tracing, configure } = bench();
    configure({
      inputSanitizer: (inputs) => ({ ...inputs, questionText: '[question]' }),
      outputSanitizer: (outputs) => ({ ...(outputs as object), answerText: '[answer]' }),
    });
    const examples = structuredClone(EXAMPLES);
    await evaluation(bench(), examples).run(exactMatch);
    expect(examples).toEqual(EXAMPLES);
    const root = tracing.span(/^evaluation /);
    expect(JSON.parse(artifactsOf(root)['result_table.json'] ?? '').data[0]).toEqual([
      1,
      '[question]',
      '[answer]',
      '[answer]',
    ]);
    expect(JSON.stringify(tracing.spans().map(({ attributes }) => attributes))).not.toMatch(
      /one plus one/,
    );
  });

  it('records scores alone when a sanitizer throws', async () => {
    const { tracing, configure } = bench();
    configure({
      inputSanitizer: () => {
        throw new Error('broken');
      },
    });
    await evaluation(bench()).run(exactMatch);
    expect(
      JSON.parse(artifactsOf(tracing.span(/^evaluation /))['result_table.json'] ?? ''),
    ).toEqual({ columns: ['score'], data: [[1], [1], [0]] });
    expect(JSON.stringify(tracing.spans().map(({ attributes }) => attributes))).not.toMatch(
      /one plus one/,
    );
  });

  it('records scores alone when a sanitizer is async, and survives its rejection', async () => {
    const { tracing, configure } = bench();
    const reject = async () => {
      throw new Error('broken');
    };
    for (const config of [{ outputSanitizer: reject }, { inputSanitizer: reject }]) {
      configure(config);
      await evaluation(bench()).run(exactMatch);
      // Vitest fails the run where a rejection is nobody's.
      await new Promise((resolve) => setImmediate(resolve));
      const root = tracing.span(/^evaluation /);
      expect(JSON.parse(artifactsOf(root)['result_table.json'] ?? '')).toEqual({
        columns: ['score'],
        data: [[1], [1], [0]],
      });
      const scores = tracing.spans().filter(({ name }) => name === 'evaluate exactMatch');
      expect(JSON.stringify(scores.map(({ attributes }) => attributes))).not.toMatch(/plus|"42"/);
      tracing.reset();
    }
  });

  it('keeps two evaluations at once apart', async () => {
    const { tracing } = bench();
    const first = evaluation(bench(), EXAMPLES.slice(0, 2));
    const second = evaluation(bench(), EXAMPLES.slice(2));
    await Promise.all([
      first.run(function alpha() {
        return 1;
      }),
      second.run(function beta() {
        return 0.5;
      }),
    ]);
    const runs = tracing.spans().filter(({ name }) => name.startsWith('evaluation '));
    expect(runs).toHaveLength(2);
    for (const run of runs) {
      const id = run.spanContext().spanId;
      const traces = tracing
        .spans()
        .filter((span) => isRoot(span) && span.attributes['dspy.evaluation.id'] === id);
      const isFirst = String(run.attributes['dspy.run.name']).startsWith('alpha');
      expect(traces).toHaveLength(isFirst ? 2 : 1);
      expect(metricsOf(run).eval).toBe(isFirst ? 1 : 0.5);
      expect(run.attributes['dspy.run.trace_ids']).toEqual(
        traces.map((span) => span.spanContext().traceId),
      );
    }
  });

  it('keeps the table within its budget, and says that it was cut', async () => {
    const { tracing, configure } = bench();
    configure({ maxAttributeBytes: 256 });
    const big = { questionText: `one plus one? ${'x'.repeat(3000)}`, answerText: '2' };
    await evaluation(bench(), [big, big, big]).run(exactMatch);
    const root = tracing.span(/^evaluation /);
    expect(String(root.attributes['dspy.run.artifacts']).length).toBeLessThan(256 * 16 + 100);
    const table = JSON.parse(artifactsOf(root)['result_table.json'] ?? '{"data":[]}');
    expect(table.data.length).toBeLessThan(3);
    expect(root.attributes['dspy.truncated']).toContain('dspy.run.artifacts');
  });
});

const CANARY = 'CANARY-4711';
const PRIVATE = [{ questionText: `one plus one? ${CANARY}`, answerText: '2' }];

/** Everything that left the process. */
const everything = (spans: readonly ReadableSpan[]): string =>
  JSON.stringify(
    spans.map(({ name, attributes, events, status }) => [name, attributes, events, status]),
  );

const masking = (inputs: Record<string, unknown>) => ({
  ...inputs,
  questionText: '[question]',
});

describeMajors('what a metric says in words', [12, 24], (bench) => {
  const said = {
    'a text': () => `wrong for ${CANARY}`,
    'a score with feedback': () => ({ score: 0.5, feedback: `wrong for ${CANARY}` }),
    'objectives by name': () => ({ [`about ${CANARY}`]: 0.5, brevity: 1 }),
    'an error': () => {
      throw new Error(`cannot score ${CANARY}`);
    },
  };
  const metrics = Object.entries(said);

  it.each(metrics)('%s: has what the inputSanitizer removed redacted', async (_, metric) => {
    const { tracing, configure } = bench();
    configure({ inputSanitizer: masking });
    await evaluation(bench(), PRIVATE)
      .run(metric)
      .catch(() => undefined);
    expect(everything(tracing.spans())).not.toContain(CANARY);
    expect(tracing.span(/^evaluate /).attributes['input.value']).toContain('[question]');
  });

  it.each(metrics)('%s: is not recorded where an outputSanitizer is set', async (_, metric) => {
    const { tracing, configure } = bench();
    // The metric quotes an output here: what a sanitizer removes of outputs is not looked for.
    configure({ outputSanitizer: () => ({ answerText: '***' }), inputSanitizer: () => ({}) });
    await evaluation(bench(), PRIVATE)
      .run(metric)
      .catch(() => undefined);
    expect(everything(tracing.spans())).not.toContain(CANARY);
  });

  it.each(metrics)('%s: is not recorded where outputs are not', async (_, metric) => {
    const { tracing, configure } = bench();
    configure({ logOutputs: false, logInputs: false });
    await evaluation(bench(), PRIVATE)
      .run(metric)
      .catch(() => undefined);
    expect(everything(tracing.spans())).not.toContain(CANARY);
  });

  it.each(metrics)('%s: is not recorded where a sanitizer throws', async (_, metric) => {
    const { tracing, configure } = bench();
    configure({
      inputSanitizer: () => {
        throw new Error('broken');
      },
    });
    await evaluation(bench(), PRIVATE)
      .run(metric)
      .catch(() => undefined);
    expect(everything(tracing.spans())).not.toContain(CANARY);
  });

  it.each(metrics)('%s: is not recorded in the table without a span', async (_, metric) => {
    const { tracing, configure } = bench();
    configure({ logIntermediateSteps: false, inputSanitizer: masking });
    await evaluation(bench(), PRIVATE)
      .run(metric)
      .catch(() => undefined);
    expect(everything(tracing.spans())).not.toContain(CANARY);
  });

  it('is recorded by default', async () => {
    const { tracing } = bench();
    const results = [
      said['a text'](),
      said['a score with feedback'](),
      said['objectives by name'](),
    ];
    await evaluation(bench(), [...PRIVATE, ...PRIVATE, ...PRIVATE]).run(function told() {
      return results.shift();
    });
    const [text, feedback, objectives] = tracing
      .spans()
      .filter(({ name }) => name === 'evaluate told');
    expect(text?.attributes['gen_ai.evaluation.score.label']).toBe(`wrong for ${CANARY}`);
    expect(feedback?.attributes).toMatchObject({
      'gen_ai.evaluation.score.value': 0.5,
      'gen_ai.evaluation.explanation': `wrong for ${CANARY}`,
    });
    expect(
      objectives?.events.map(({ attributes }) => attributes?.['gen_ai.evaluation.name']),
    ).toEqual([`told.about ${CANARY}`, 'told.brevity']);
    const root = tracing.span(/^evaluation /);
    const { data } = JSON.parse(artifactsOf(root)['result_table.json'] ?? '');
    expect(data.map(([score]: unknown[]) => score)).toEqual([
      `wrong for ${CANARY}`,
      0.5,
      { [`about ${CANARY}`]: 0.5, brevity: 1 },
    ]);
  });

  it('has its objectives and flags kept: these are names and no content', async () => {
    const { tracing, configure } = bench();
    configure({ logOutputs: false });
    const results = [{ brevity: 1, [`about ${CANARY}`]: 0.5 }, true, Number.NaN];
    await evaluation(bench(), [...PRIVATE, ...PRIVATE, ...PRIVATE]).run(function told() {
      return results.shift();
    });
    const [objectives, flag, nothing] = tracing
      .spans()
      .filter(({ name }) => name === 'evaluate told');
    expect(
      objectives?.events.map(({ attributes }) => attributes?.['gen_ai.evaluation.name']),
    ).toEqual(['told.brevity']);
    expect(flag?.attributes['gen_ai.evaluation.score.label']).toBe('true');
    expect(nothing?.attributes['gen_ai.evaluation.score.label']).toBe('NaN');
    const root = tracing.span(/^evaluation /);
    expect(JSON.parse(artifactsOf(root)['result_table.json'] ?? '').data).toEqual([
      [{ brevity: 1 }],
      [1],
      ['NaN'],
    ]);
  });

  it('quotes no inputs below either, whatever the metric asks a model', async () => {
    const { tracing, configure, service } = bench();
    configure({ inputSanitizer: masking });
    const judge = service();
    await evaluation(bench(), PRIVATE).run(
      async ({ example }: { example: { questionText?: string } }) => {
        await judge.chat({
          chatPrompt: [{ role: 'user', content: `judge ${example.questionText}` }],
        });
        return 1;
      },
    );
    expect(everything(tracing.spans())).not.toContain(CANARY);
  });
});

describeMajors('AxTestPrompt with a failing example', [19, 23, 24], (bench) => {
  it('counts it and goes on, as Ax does', async () => {
    const { tracing, model } = bench();
    const run = evaluation(bench(), EXAMPLES.slice(0, 2));
    model.play([{ status: 400, message: 'no' }, 'Answer Text: 4']);
    await run.run(exactMatch);
    const root = tracing.span(/^evaluation /);
    expect(metricsOf(root)).toEqual({ eval: 0.5, examples: 2, failed: 1 });
    expect(root.attributes['dspy.outcome']).toBe('completed');
    expect(root.attributes['dspy.run.trace_ids']).toHaveLength(2);
    expect(tracing.spans().filter(({ name }) => name === 'evaluate exactMatch')).toHaveLength(1);
  });
});

describeMajors('AxTestPrompt with a failing example', [12, 14, 16], (bench) => {
  it('ends with it, or goes on, as the release does', async () => {
    const { tracing, model } = bench();
    const run = evaluation(bench(), EXAMPLES.slice(0, 2));
    model.play([{ status: 400, message: 'no' }, 'Answer Text: 4']);
    const ended = await run.run(exactMatch).then(
      () => 'completed',
      () => 'error',
    );
    const root = tracing.span(/^evaluation /);
    expect(root.attributes['dspy.outcome']).toBe(ended);
    expect(metricsOf(root).failed).toBe(ended === 'completed' ? 1 : 2);
  });
});

import {
  type AxAIService,
  AxBootstrapFewShot,
  AxEmbeddingAdapter,
  type AxFunction,
  AxFunctionError,
  type AxGen,
  type AxMetricFn,
  AxTestPrompt,
  ai,
  ax,
  bestOfN,
  flow,
} from '@ax-llm/ax';
import { traceCall, withTraceContext } from '@hokusai/instrumentation-dspy';
import type { MockModel, ModelRequest, Reply, Script } from '../support/mock-model.js';

/** What a scenario may need beside its model. */
export interface Surroundings extends Pick<MockModel, 'apiURL' | 'exactURL'> {
  /** Starts an MLflow run in the scenario's experiment; resolves with its id. */
  startRun(name: string): Promise<string>;
}

/** The Ax program that does what one golden scenario's DSPy program does, with the same values. */
export interface Scenario {
  /** File below `golden`. */
  name: string;
  script: Script;
  /** Golden field names that Ax refuses as too short or too general, and ours. */
  rename?: Record<string, string>;
  /** Traces that it leaves. */
  traces: number;
  run(llm: AxAIService, at: Surroundings): Promise<unknown>;
}

/** A model with the parameters of the golden traces. */
export function connect(
  apiURL: string,
  parameters: { temperature?: number; maxTokens?: number } = { temperature: 0.5, maxTokens: 200 },
): AxAIService {
  const config = { model: 'gpt-4o-mini' as never, stream: false, ...parameters };
  return ai({ name: 'openai', apiKey: 'none', apiURL, config });
}

/** What every golden model call reports. */
const usage = { prompt_tokens: 100, completion_tokens: 20 };
const text = (content: string): Reply => ({ text: content, usage });

/** The golden model: answers by the question, and reasons where the program asks for reasoning. */
function arithmetic({ messages }: ModelRequest): Reply {
  const prompt = messages.map(({ content }) => String(content)).join('\n');
  const question = String(messages.at(-1)?.content);
  const answer = question.includes('one plus one')
    ? '2'
    : question.includes('two plus two')
      ? '4'
      : '42';
  const fields = [
    prompt.includes('`Reasoning`') && 'Reasoning: Because of arithmetic.',
    prompt.includes('`Search Query`') && 'Search Query: value of search_query',
    prompt.includes('`Answer`') && `Answer: ${answer}`,
  ];
  return text(fields.filter(Boolean).join('\n'));
}

const predict = () => ax('question:string -> answer:string');
const chainOfThought = () => ax('question:string -> reasoning:string, answer:string');

const two = () =>
  flow<{ question: string }>()
    .node('a', 'question:string -> reasoning:string, searchQuery:string')
    .node('b', 'context:string[], question:string -> answer:string')
    .execute('a', ({ question }) => ({ question }))
    .execute('b', ({ question, aResult }) => ({
      context: [aResult.searchQuery],
      question,
    }))
    .returns(({ bResult }) => ({ answer: bResult.answer }));

function tool(
  name: string,
  parameters: Record<string, string>,
  func: (args: never) => unknown,
): AxFunction {
  const properties = Object.entries(parameters).map(([key, type]) => [
    key,
    { type, description: key },
  ]);
  return {
    name,
    description: `The tool ${name}`,
    parameters: {
      type: 'object',
      properties: Object.fromEntries(properties),
      required: Object.keys(parameters),
    },
    func: func as NonNullable<AxFunction['func']>,
  };
}

const react = (lookup: (args: { city: string }) => string) =>
  ax('question:string -> reasoning:string, answer:string', {
    functions: [
      tool('add', { a: 'number', b: 'number' }, ({ a, b }: { a: number; b: number }) => a + b),
      tool('lookup', { city: 'string' }, lookup),
    ],
  });
const reactScript: Script = [
  { toolCalls: [{ name: 'add', arguments: { a: 1, b: 2 } }], usage },
  { toolCalls: [{ name: 'lookup', arguments: { city: 'Paris' } }], usage },
  text('Reasoning: Because of arithmetic.\nAnswer: 42'),
];

const one = { question: 'one plus one?' };
const both = [one, { question: 'two plus two?' }];

const EXAMPLES = [
  { question: 'one plus one?', answer: '2' },
  { question: 'two plus two?', answer: '4' },
  { question: 'hm?', answer: '7' },
];

function exact({ prediction, example }: Parameters<AxMetricFn>[0]): number {
  const answerOf = (value: unknown) => (value as { answer: string }).answer;
  return answerOf(prediction) === answerOf(example) ? 1 : 0;
}

export const SCENARIOS: readonly Scenario[] = [
  { name: 'predict', script: arithmetic, traces: 1, run: (llm) => predict().forward(llm, one) },
  {
    name: 'chain_of_thought',
    script: arithmetic,
    traces: 1,
    run: (llm) => chainOfThought().forward(llm, one),
  },
  {
    name: 'react',
    script: reactScript,
    traces: 1,
    run: (llm) => react(({ city }) => `${city} is big`).forward(llm, { question: 'what?' }),
  },
  {
    name: 'tool_error',
    script: reactScript,
    traces: 1,
    run: (llm) => {
      const program = react(() => {
        throw new AxFunctionError([{ field: 'city', message: 'tool exploded' }]);
      });
      return program.forward(llm, { question: 'what?' });
    },
  },
  {
    name: 'nested',
    script: arithmetic,
    traces: 1,
    run: (llm) => two().forward(llm, { question: 'two plus two?' }),
  },
  {
    name: 'program_error',
    script: arithmetic,
    traces: 1,
    run: (llm) =>
      flow<{ question: string }>()
        .node('p', 'question:string -> answer:string')
        .execute('p', ({ question }) => ({ question }))
        .map(() => {
          throw new TypeError('program failed');
        })
        .forward(llm, { question: 'q' }),
  },
  {
    name: 'parallel',
    script: arithmetic,
    traces: 2,
    run: (llm) => Promise.all(both.map((inputs) => predict().forward(llm, inputs))),
  },
  {
    name: 'async_gather',
    script: arithmetic,
    traces: 2,
    run: (llm) => Promise.all(both.map((inputs) => chainOfThought().forward(llm, inputs))),
  },
  {
    name: 'nested_parallel',
    script: arithmetic,
    traces: 1,
    run: (llm) =>
      flow<{ question: string }>()
        .node('first', 'question:string -> answer:string')
        .node('second', 'question:string -> answer:string')
        .execute('first', () => ({ question: 'one plus one?' }))
        .execute('second', () => ({ question: 'two plus two?' }))
        .returns(({ firstResult, secondResult }) => ({
          answers: [firstResult.answer, secondResult.answer],
        }))
        .forward(llm, { question: 'x' }),
  },
  {
    name: 'stream',
    script: arithmetic,
    traces: 1,
    async run(llm) {
      for await (const _ of predict().streamingForward(llm, one));
    },
  },
  {
    name: 'n2_completions',
    script: arithmetic,
    traces: 1,
    run: (_, { exactURL }) =>
      predict().forward(connect(exactURL), one, {
        sampleCount: 2,
        resultPicker: async () => 0,
        stream: false,
      }),
  },
  {
    name: 'cache_hit',
    script: arithmetic,
    traces: 2,
    async run(_, { apiURL }) {
      const cache = new Map<string, never>();
      const cachingFunction = async (key: string, value?: unknown) => {
        if (value !== undefined) cache.set(key, value as never);
        return cache.get(key);
      };
      const plain = connect(apiURL, {});
      for (let call = 0; call < 2; call++) await predict().forward(plain, one, { cachingFunction });
    },
  },
  {
    name: 'lm_error',
    script: [{ status: 400, message: 'bad request boom' }],
    traces: 1,
    run: (llm) => predict().forward(llm, { question: 'boom' }),
  },
  {
    name: 'parse_error',
    rename: { n: 'count' },
    script: [text('Count: value of n')],
    traces: 1,
    run: (llm) =>
      ax('question:string -> count:number').forward(llm, { question: 'q' }, { maxRetries: 1 }),
  },
  {
    name: 'typed_inputs_history',
    rename: { item: 'stockItem' },
    script: arithmetic,
    traces: 1,
    run: (llm) =>
      ax('stockItem:json, history:json -> answer:string').forward(llm, {
        stockItem: { name: 'x', qty: 1 },
        history: { messages: [{ item: 'a', answer: 'b' }] },
      }),
  },
  {
    name: 'best_of_n',
    script: arithmetic,
    traces: 1,
    run: (llm) =>
      bestOfN(predict(), { n: 2, rewardFn: () => 1, strategy: 'serial' }).forward(llm, one),
  },
  {
    name: 'embedder_rag',
    script: arithmetic,
    traces: 1,
    run: (llm) => retrievalAugmented(llm, ['cccc', 'bbb']).forward(llm, one),
  },
  {
    name: 'retrieve',
    script: arithmetic,
    traces: 1,
    run: (llm) => retrievalAugmented(llm, ['p1', 'p2']).forward(llm, one),
  },
  {
    name: 'evaluate',
    script: arithmetic,
    traces: 4,
    run: (llm) => evaluate(llm, chainOfThought(), EXAMPLES, exact),
  },
  {
    name: 'evaluate_log_evals',
    script: arithmetic,
    traces: 4,
    run: (llm) => evaluate(llm, chainOfThought(), EXAMPLES, exact),
  },
  {
    name: 'evaluate_feedback_metric',
    script: arithmetic,
    traces: 2,
    run: (llm) => {
      // Ax adds the value up and asks no more of it than to be a number; a reason comes beside it.
      const fb = () => Object.assign(Object(0.5), { score: 0.5, feedback: 'so-so' }) as number;
      return evaluate(llm, predict(), EXAMPLES.slice(0, 1), fb);
    },
  },
  {
    name: 'compile_bootstrap',
    script: arithmetic,
    traces: 1,
    run: (llm) => {
      const options = { maxRounds: 1 };
      const examples = EXAMPLES.slice(0, 2);
      return new AxBootstrapFewShot({ studentAI: llm, options }).compile(
        predict(),
        examples,
        exact,
      );
    },
  },
  {
    name: 'in_run_session',
    script: arithmetic,
    traces: 1,
    run: async (llm, { startRun }) =>
      withTraceContext(
        { runId: await startRun('outer'), sessionId: 'sess', userId: 'u', tags: { t: 'v' } },
        () =>
          traceCall({ name: 'app', type: 'function', inputs: { q: one.question } }, async () => {
            const { answer } = await predict().forward(llm, one);
            return answer;
          }),
      ),
  },
];

/** A flow that asks a retriever for passages, then answers with them. */
function retrievalAugmented(llm: AxAIService, passages: string[]) {
  const retriever = new AxEmbeddingAdapter({
    ai: llm,
    info: { name: 'corpus', description: 'Finds passages', argumentDescription: 'a question' },
    func: async (_vector) => ({ passages }),
  }).toFunction();
  return flow<{ question: string }>()
    .node('p', 'context:string[], question:string -> answer:string')
    .map(async (state) => ({ ...state, found: await retriever.func?.({ text: state.question }) }))
    .execute('p', ({ question, found }) => ({
      context: (found as { passages: string[] }).passages,
      question,
    }))
    .returns(({ pResult }) => ({ answer: pResult.answer }));
}

function evaluate(
  llm: AxAIService,
  program: AxGen<{ question: string }, { answer: string }>,
  examples: typeof EXAMPLES,
  metric: AxMetricFn,
): Promise<void> {
  return new AxTestPrompt({ ai: llm, program, examples }).run(metric);
}

/** Golden files without a scenario, with the reason. */
export const NO_SCENARIO: Readonly<Record<string, string>> = {
  compile_random_search: 'Ax has no random search; its evaluations inside a compile are GEPA’s.',
  tool_direct:
    'A tool called outside of any program: in Ax it is a plain function of the user, with nothing of Ax around it. `traced()` makes it a span where that is wanted.',
};

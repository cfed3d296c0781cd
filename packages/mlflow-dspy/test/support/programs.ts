import { type AxAIService, AxMockAIService, ax, flow } from '@ax-llm/ax';

const USAGE = { promptTokens: 11, completionTokens: 7, totalTokens: 18 };

/** A model that answers at once, in this process: what is tested here is what goes on around it. */
export function mockModel(content = 'Answer: four', latencyMs = 0): AxAIService {
  const service = new AxMockAIService({
    features: { functions: false, streaming: false },
    latencyMs,
    chatResponse: {
      results: [{ index: 0, content, finishReason: 'stop' }],
      modelUsage: { ai: 'mock', model: 'mock', tokens: USAGE },
    },
  });
  // Ax's own declarations disagree under `exactOptionalPropertyTypes`.
  return service as unknown as AxAIService;
}

export const question = () => ax('question:string -> answer:string');

/** A flow of two steps: five spans, two of them model calls. */
export const twoSteps = () =>
  flow<{ question: string }>()
    .n('one', 'question:string -> answer:string')
    .n('two', 'question:string -> answer:string')
    .e('one', (state) => ({ question: state.question }))
    .e('two', (state) => ({ question: state.oneResult.answer }))
    .r((state) => ({ answer: state.twoResult.answer }));

export const TWO_STEPS_SPANS = 5;

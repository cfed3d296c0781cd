// The work that is measured. Ax keeps per-call state in services and generators and slows down
// over thousands of calls, so every block gets fresh ones.

export const CALLS_PER_BLOCK = 20;

/** A generator on Ax's mock service: no latency, about 50 µs of Ax's own work a call. */
export function mockProgram(ax) {
  const ai = new ax.AxMockAIService({
    features: { functions: false, streaming: false },
    chatResponse: async () => ({
      results: [{ index: 0, content: 'Answer: four', finishReason: 'stop' }],
      modelUsage: {
        ai: 'mock',
        model: 'mock-model',
        tokens: { promptTokens: 11, completionTokens: 7, totalTokens: 18 },
      },
    }),
  });
  return { ai, gen: ax.ax('question:string -> answer:string') };
}

/** The same generator, its model call over real HTTP to `url`. */
export function httpProgram(ax, url) {
  const ai = ax.ai({ name: 'openai', apiKey: 'none', apiURL: url, config: { stream: false } });
  return { ai, gen: ax.ax('question:string -> answer:string') };
}

/** A flow without a model call: all of its time is Ax's own and the tracer's. */
export function flowProgram(ax) {
  return ax
    .flow()
    .map((state) => ({ ...state, size: 1 }))
    .returns((state) => ({ size: state.size }));
}

/** One plain call. */
export const call = ({ ai, gen }) => gen.forward(ai, { question: 'two and two?' });

/** Runs one block of calls, one after the other. */
export async function runCalls(block, callOne = call) {
  for (let i = 0; i < CALLS_PER_BLOCK; i++) await callOne(block);
}

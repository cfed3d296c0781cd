export interface MockServiceOptions {
  /** Awaited within the model call. */
  before?: () => Promise<unknown>;
  /** Text of the reply. */
  reply?: string;
  // biome-ignore lint/suspicious/noExplicitAny: further fields of an Ax response
  response?: Record<string, any>;
}

/** Ax's own mock service, for tests to which HTTP adds nothing. */
// biome-ignore lint/suspicious/noExplicitAny: the types of Ax differ from major to major
export function mockService(ax: any, options: MockServiceOptions = {}): any {
  const { before, reply = 'Answer: four', response = {} } = options;
  return new ax.AxMockAIService({
    features: { functions: false, streaming: false },
    chatResponse: async () => {
      await before?.();
      return {
        results: [{ index: 0, content: reply, finishReason: 'stop' }],
        modelUsage: {
          ai: 'mock',
          model: 'mock-model',
          tokens: { promptTokens: 11, completionTokens: 7, totalTokens: 18 },
        },
        ...response,
      };
    },
  });
}

const USAGE = { promptTokens: 11, completionTokens: 7, totalTokens: 18 };

/** A model of Ax's own that answers at once. */
exports.model = ({ AxMockAIService }) =>
  new AxMockAIService({
    features: { functions: false, streaming: false },
    chatResponse: {
      results: [{ index: 0, content: 'Answer: four', finishReason: 'stop' }],
      modelUsage: { ai: 'mock', model: 'mock', tokens: USAGE },
    },
  });

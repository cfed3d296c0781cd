import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createStreamAssembler, toOutputMessages } from '../../src/capture/messages.js';
import { normalizeUsage, type TokenUsage } from '../../src/capture/usage.js';
import { AX_MAJORS, loadAx } from '../support/ax.js';
import { ANSWER, type ProviderServer, startProviderServer } from '../support/provider-server.js';

const tokens = (counts: object): unknown => ({ ai: 'x', model: 'm', tokens: counts });

describe('normalizeUsage', () => {
  it.each<[string, object, TokenUsage | undefined]>([
    [
      'inclusive counts',
      { promptTokens: 11, completionTokens: 7, totalTokens: 18 },
      { inputTokens: 11, outputTokens: 7, totalTokens: 18 },
    ],
    [
      'prompt without the cached tokens',
      {
        promptTokens: 5,
        completionTokens: 7,
        totalTokens: 18,
        cacheReadTokens: 4,
        cacheCreationTokens: 2,
      },
      {
        inputTokens: 11,
        outputTokens: 7,
        totalTokens: 18,
        cacheReadTokens: 4,
        cacheWriteTokens: 2,
      },
    ],
    [
      'prompt with the cached tokens',
      { promptTokens: 11, completionTokens: 7, totalTokens: 18, cacheReadTokens: 4 },
      { inputTokens: 11, outputTokens: 7, totalTokens: 18, cacheReadTokens: 4 },
    ],
    [
      'mostly cached',
      {
        promptTokens: 5,
        completionTokens: 20,
        totalTokens: 130_233,
        cacheReadTokens: 128_955,
        cacheCreationTokens: 1_253,
      },
      {
        inputTokens: 130_213,
        outputTokens: 20,
        totalTokens: 130_233,
        cacheReadTokens: 128_955,
        cacheWriteTokens: 1_253,
      },
    ],
    [
      'no total',
      { promptTokens: 5, completionTokens: 7, cacheReadTokens: 4 },
      { inputTokens: 9, outputTokens: 7, totalTokens: 16, cacheReadTokens: 4 },
    ],
    [
      'thoughts beside the answer',
      { promptTokens: 11, completionTokens: 4, thoughtsTokens: 3, totalTokens: 18 },
      { inputTokens: 11, outputTokens: 7, totalTokens: 18, reasoningTokens: 3 },
    ],
    [
      'thoughts in the answer',
      { promptTokens: 11, completionTokens: 7, thoughtsTokens: 3, totalTokens: 18 },
      { inputTokens: 11, outputTokens: 7, totalTokens: 18, reasoningTokens: 3 },
    ],
    [
      'thoughts alone',
      { promptTokens: 11, thoughtsTokens: 3, totalTokens: 14 },
      { inputTokens: 11, outputTokens: 3, totalTokens: 14, reasoningTokens: 3 },
    ],
    [
      'reasoning in the answer',
      { promptTokens: 11, completionTokens: 7, reasoningTokens: 3, totalTokens: 18 },
      { inputTokens: 11, outputTokens: 7, totalTokens: 18, reasoningTokens: 3 },
    ],
    [
      'reasoning beside the answer',
      { promptTokens: 11, completionTokens: 4, reasoningTokens: 3, totalTokens: 18 },
      { inputTokens: 11, outputTokens: 7, totalTokens: 18, reasoningTokens: 3 },
    ],
    [
      'output and total',
      { completionTokens: 7, totalTokens: 18 },
      { inputTokens: 11, outputTokens: 7, totalTokens: 18 },
    ],
    [
      'input and total',
      { promptTokens: 11, totalTokens: 18 },
      { inputTokens: 11, outputTokens: 7, totalTokens: 18 },
    ],
    ['the total alone', { totalTokens: 18 }, { totalTokens: 18 }],
    [
      'a zero for what is not said',
      { promptTokens: 0, completionTokens: 7, totalTokens: 7 },
      { outputTokens: 7 },
    ],
    [
      'NaN',
      { promptTokens: Number.NaN, completionTokens: 7, totalTokens: 18 },
      { inputTokens: 11, outputTokens: 7, totalTokens: 18 },
    ],
    ['all zero', { promptTokens: 0, completionTokens: 0, totalTokens: 0 }, undefined],
    [
      'all NaN',
      { promptTokens: Number.NaN, completionTokens: Number.NaN, totalTokens: Number.NaN },
      undefined,
    ],
    ['odd values', { promptTokens: '11', completionTokens: -1, totalTokens: Infinity }, undefined],
    ['nothing', {}, undefined],
    [
      'tool prompts that only the total has',
      { promptTokens: 11, completionTokens: 7, totalTokens: 20 },
      { inputTokens: 11, outputTokens: 7, totalTokens: 20 },
    ],
  ])('reads %s', (_name, counts, expected) => {
    expect(normalizeUsage(tokens(counts), { hasOutput: true })).toEqual(expected);
  });

  it('knows an answer without output from an unknown one', () => {
    const counts = tokens({ promptTokens: 11, completionTokens: 0, totalTokens: 11 });
    expect(normalizeUsage(counts, { hasOutput: false })).toEqual({
      inputTokens: 11,
      outputTokens: 0,
      totalTokens: 11,
    });
    expect(normalizeUsage(counts, { hasOutput: true })).toEqual({ inputTokens: 11 });
  });

  it.each([undefined, null, 'usage', {}, { tokens: null }, { tokens: 5 }])(
    'knows nothing from %j',
    (usage) => {
      expect(normalizeUsage(usage)).toBeUndefined();
    },
  );

  it('knows nothing from a getter that throws', () => {
    const usage = {
      get tokens() {
        throw new Error('no');
      },
    };
    expect(normalizeUsage(usage)).toBeUndefined();
  });
});

describe.each(AX_MAJORS)('usage that Ax %i reports over HTTP', (major) => {
  let server: ProviderServer;
  beforeAll(async () => {
    server = await startProviderServer();
  });
  afterAll(() => server.stop());

  const cached = { cacheReadTokens: 4, cacheWriteTokens: 2 };
  const whole = { inputTokens: 11, outputTokens: 7, totalTokens: 18 };
  /** What a release does not pass on, nobody can know. */
  const expected: Record<
    string,
    { plain: TokenUsage | undefined; streamed: TokenUsage | undefined }
  > = {
    AxAIOpenAI: {
      plain: major >= 23 ? { ...whole, ...cached, reasoningTokens: 3 } : whole,
      streamed:
        major >= 23 ? { ...whole, ...cached, reasoningTokens: 3 } : major >= 19 ? whole : undefined,
    },
    AxAIOpenAIResponses: {
      plain:
        major >= 23
          ? { ...whole, ...cached, reasoningTokens: 3 }
          : major >= 14
            ? whole
            : { totalTokens: 18 },
      streamed:
        major >= 23 ? { ...whole, ...cached, reasoningTokens: 3 } : major >= 19 ? whole : undefined,
    },
    AxAIAnthropic: {
      plain:
        major >= 14
          ? { ...whole, ...cached }
          : { inputTokens: 5, outputTokens: 7, totalTokens: 12 },
      streamed:
        major >= 14
          ? { ...whole, ...cached }
          : { inputTokens: 5, outputTokens: 7, totalTokens: 12 },
    },
    AxAIGoogleGemini: {
      plain: { ...whole, reasoningTokens: 3, ...(major >= 16 ? { cacheReadTokens: 4 } : {}) },
      streamed: { ...whole, reasoningTokens: 3, ...(major >= 16 ? { cacheReadTokens: 4 } : {}) },
    },
  };

  const models: Record<string, string> = {
    AxAIOpenAI: 'gpt-4o-mini',
    AxAIOpenAIResponses: 'gpt-4o-mini',
    AxAIAnthropic: 'claude-3-5-haiku-latest',
    AxAIGoogleGemini: 'gemini-2.5-flash',
  };

  it.each(Object.keys(models))('%s, plain and streamed', async (provider) => {
    const ax = await loadAx(major);
    for (const stream of [false, true]) {
      const service = new ax[provider]({
        apiKey: 'k',
        config: { model: models[provider] },
        options: { fetch: server.fetch },
      });
      const answer = await service.chat(
        { chatPrompt: [{ role: 'user', content: 'two and two?' }], modelConfig: { stream } },
        { stream },
      );
      const assembler = createStreamAssembler();
      if (stream) for await (const chunk of answer) assembler.push(chunk);
      else assembler.push(answer);
      const response = assembler.response();
      expect(toOutputMessages(response)[0]?.parts).toEqual([{ type: 'text', content: ANSWER }]);
      expect(normalizeUsage(response.modelUsage, { hasOutput: assembler.started })).toEqual(
        stream ? expected[provider]?.streamed : expected[provider]?.plain,
      );
    }
  });
});

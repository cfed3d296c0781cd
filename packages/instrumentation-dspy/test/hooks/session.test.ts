import { SpanStatusCode } from '@opentelemetry/api';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { describeMajors } from '../support/majors.js';
import { type ProviderServer, startProviderServer } from '../support/provider-server.js';

let server: ProviderServer;
beforeAll(async () => {
  server = await startProviderServer();
});
afterAll(() => server.stop());

describeMajors('AxAI.openChatSession', [24], (bench) => {
  const open = (options: object = {}) => {
    const { ax } = bench();
    const ai = ax.ai({
      name: 'openai-responses',
      apiKey: 'k',
      config: { model: 'gpt-6-astra' },
      options: { fetch: server.fetch },
    });
    return ai.openChatSession(
      { model: 'gpt-6-astra', chatPrompt: [{ role: 'user', content: 'two and two?' }] },
      options,
    );
  };

  it('is a model call for each response, with what each answers to', async () => {
    const { tracing } = bench();
    const session = await open({ sessionId: 's-1' });
    let responses = 0;
    for await (const event of session.events()) {
      if (event.type !== 'response.completed') continue;
      responses++;
      if (responses === 2) break;
      await session.submitToolResults([
        { role: 'function', functionId: 'c1', result: '4', index: 0 },
      ]);
      await session.continue();
    }
    session.close();
    const [first, second] = tracing.spans();
    expect(tracing.spans().map(({ name }) => name)).toEqual([
      'chat gpt-6-astra',
      'chat gpt-6-astra',
    ]);
    for (const span of [first, second]) {
      expect(span?.attributes).toMatchObject({
        'openinference.span.kind': 'LLM',
        'gen_ai.request.model': 'gpt-6-astra',
        'gen_ai.usage.input_tokens': 11,
        'gen_ai.usage.output_tokens': 7,
        'gen_ai.conversation.id': 's-1',
        'dspy.outcome': 'completed',
      });
      expect(String(span?.attributes['gen_ai.output.messages'])).toContain('Answer: four');
    }
    expect(String(first?.attributes['gen_ai.input.messages'])).toContain('two and two?');
    expect(JSON.parse(String(second?.attributes['gen_ai.input.messages']))).toEqual([
      { role: 'tool', parts: [{ type: 'tool_call_response', id: 'c1', response: '4' }] },
    ]);
  });

  it('ends early with the session', async () => {
    const { tracing } = bench();
    const session = await open();
    session.close();
    expect(tracing.span('chat gpt-6-astra').attributes['dspy.outcome']).toBe('early_exit');
  });

  it('ends with a consumer that stops reading', async () => {
    const { tracing } = bench();
    const session = await open();
    for await (const _event of session.events()) break;
    expect(tracing.span('chat gpt-6-astra').attributes['dspy.outcome']).toMatch(
      /early_exit|completed/,
    );
    session.close();
    expect(tracing.spans()).toHaveLength(1);
  });

  it('fails when the session cannot be opened', async () => {
    const { ax, tracing } = bench();
    const ai = ax.ai({ name: 'openai', apiKey: 'k', config: { model: 'gpt-4o-mini' } });
    await expect(
      ai.openChatSession({ model: 'gpt-4o-mini', chatPrompt: [{ role: 'user', content: 'x' }] }),
    ).rejects.toThrow(/chat sessions/);
    expect(tracing.span('chat gpt-4o-mini').status.code).toBe(SpanStatusCode.ERROR);
  });

  it('is left alone when tracing is off', async () => {
    const { tracing, configure } = bench();
    configure({ enabled: false });
    const session = await open();
    session.close();
    expect(tracing.spans()).toHaveLength(0);
  });
});

import { expect, it } from 'vitest';
import { AX_MAJORS } from '../support/ax.js';
import { describeMajors } from '../support/majors.js';

const whole = {
  'gen_ai.usage.input_tokens': 11,
  'gen_ai.usage.output_tokens': 7,
  'llm.token_count.total': 18,
};

describeMajors('streamed usage', AX_MAJORS, (bench) => {
  const ask = async (text: string) => {
    const { ax, service } = bench();
    const program = new ax.AxGen('questionText:string -> answerText:string');
    for await (const _chunk of program.streamingForward(service({ stream: true }), {
      questionText: text,
    })) {
      // Read to its end.
    }
  };

  it('is known for OpenAI on every release', async () => {
    const { tracing, model } = bench();
    model.play(['Answer Text: because it is so']);
    await ask('why?');
    expect(tracing.span(/^chat/).attributes).toMatchObject(whole);
    expect(tracing.span(/AxGen/).attributes).toMatchObject({
      'dspy.usage.total_tokens': 18,
      'dspy.usage.model_calls': 1,
    });
  });

  it('is known with content off', async () => {
    const { tracing, model, configure } = bench();
    configure({ logInputs: false, logOutputs: false });
    model.play(['Answer Text: because it is so']);
    await ask('why?');
    expect(tracing.span(/^chat/).attributes).toMatchObject(whole);
  });

  it('is not that of another call of the same service', async () => {
    const { ax, tracing, service, model } = bench();
    model.play((request) => {
      const size = Number(/size (\d+)/.exec(JSON.stringify(request.messages))?.[1]);
      return {
        text: 'Answer Text: because it is so',
        usage: { prompt_tokens: size, completion_tokens: size },
      };
    });
    const shared = service({ stream: true });
    await Promise.all(
      [3, 5, 8, 13, 21].map(async (size) => {
        const stream = await shared.chat(
          { chatPrompt: [{ role: 'user', content: `size ${size}` }] },
          { stream: true },
        );
        for await (const _chunk of stream) await new Promise(setImmediate);
      }),
    );
    const seen = tracing
      .spans()
      .map(({ attributes }) => [
        /size (\d+)/.exec(String(attributes['input.value']))?.[1],
        attributes['gen_ai.usage.input_tokens'],
        attributes['gen_ai.usage.output_tokens'],
      ]);
    expect(seen).toHaveLength(5);
    for (const [size, input, output] of seen)
      expect([input, output]).toEqual([Number(size), Number(size)]);
    expect(ax).toBeDefined();
  });
});

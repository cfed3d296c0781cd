import { SpanKind, SpanStatusCode } from '@opentelemetry/api';
import { expect, it } from 'vitest';
import { describeMajors } from '../support/majors.js';

describeMajors('speech', [23, 24], (bench) => {
  const mock = (config: object = {}) => {
    const { ax } = bench();
    return new ax.AxMockAIService({ name: 'mock', ...config });
  };

  it('traces what is heard', async () => {
    const { tracing } = bench();
    const audio = { data: 'aGVs'.repeat(100), format: 'wav' };
    const { text } = await mock().transcribe({ audio, model: 'whisper-1', language: 'en' });
    const span = tracing.span('generate_content whisper-1');
    expect(span.kind).toBe(SpanKind.CLIENT);
    expect(span.attributes).toMatchObject({
      'openinference.span.kind': 'LLM',
      'gen_ai.operation.name': 'generate_content',
      'gen_ai.request.model': 'whisper-1',
      'llm.model_name': 'whisper-1',
      'dspy.module.type': 'transcription',
      'dspy.options': '{"language":"en"}',
      'input.value': '{"audio":{"data":"<audio/wav 300 bytes>","format":"wav"}}',
      'output.value': text,
    });
  });

  it('traces what is said', async () => {
    const { tracing } = bench();
    await mock().speak({ text: 'hello', voice: 'alloy', format: 'mp3' });
    const span = tracing.span(/^generate_content/);
    expect(span.attributes).toMatchObject({
      'dspy.module.type': 'speech',
      'input.value': 'hello',
      'dspy.options': '{"format":"mp3","voice":"alloy"}',
      'output.mime_type': 'application/json',
    });
  });

  it('is one span through the wrapper and a provider, over HTTP', async () => {
    const { ax, tracing, model } = bench();
    const ai = ax.ai({ name: 'openai', apiKey: 'k', apiURL: model.apiURL });
    await ai.speak({ text: 'hello', model: 'tts-1', format: 'mp3' }).catch(() => undefined);
    expect(tracing.spans()).toHaveLength(1);
    expect(tracing.span('generate_content tts-1').attributes).toMatchObject({
      'gen_ai.provider.name': 'openai',
      'input.value': 'hello',
    });
  });

  it('fails with the provider', async () => {
    const { ax, tracing } = bench();
    const ai = ax.ai({ name: 'openai', apiKey: 'k', apiURL: 'http://127.0.0.1:1/v1' });
    await expect(ai.speak({ text: 'private', model: 'tts-1' })).rejects.toThrow();
    const span = tracing.span('generate_content tts-1');
    expect(span.status.code).toBe(SpanStatusCode.ERROR);
    expect(span.attributes['dspy.outcome']).toBe('error');
  });

  it('keeps content to itself when told so', async () => {
    const { tracing, configure } = bench();
    configure({ logInputs: false, logOutputs: false });
    await mock().speak({ text: 'canary' });
    await mock().transcribe({ audio: { data: 'canary', format: 'wav' }, prompt: 'canary' });
    const spans = tracing.spans();
    expect(spans).toHaveLength(2);
    for (const { attributes } of spans) {
      expect(attributes['input.value']).toBeUndefined();
      expect(attributes['output.value']).toBeUndefined();
    }
  });
});

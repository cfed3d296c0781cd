import * as ax from '@ax-llm/ax';
import type { ReadableSpan } from '@opentelemetry/sdk-trace-base';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it, vi } from 'vitest';
import { type MockModel, startMockModel } from '../../../../test/support/mock-model.js';
import { diagnostics } from '../../src/diagnostics.js';
import type { DspyInstrumentationConfig } from '../../src/index.js';
import { openAI } from '../support/service.js';
import { startTracing, type Tracing } from '../support/tracing.js';

let tracing: Tracing;
let model: MockModel;
beforeAll(async () => {
  model = await startMockModel();
  tracing = startTracing([ax]);
});
beforeEach(() => diagnostics.reset());
afterEach(() => {
  vi.unstubAllEnvs();
  tracing.instrumentation.setConfig({});
  tracing.reset();
  expect(diagnostics.count()).toBe(0);
});
afterAll(async () => {
  await tracing.stop();
  await model.stop();
});

const SECRET_IN = 'CANARY-INPUT-4711';
const SECRET_OUT = 'CANARY-OUTPUT-0815';
const SECRET_TOOL = 'CANARY-TOOL-1234';

const lookUp = {
  name: 'lookUp',
  description: 'Looks up a value by its key',
  parameters: {
    type: 'object' as const,
    properties: { key: { type: 'string' as const, description: 'the key' } },
  },
  func: async () => SECRET_TOOL,
};

/** A program whose inputs, prompts, tool calls, tool results and outputs hold canaries. */
async function run(config: DspyInstrumentationConfig = {}, stream = false): Promise<string> {
  tracing.instrumentation.setConfig(config);
  model.play((_request, index) =>
    index === 0
      ? { toolCalls: [{ name: 'lookUp', arguments: { key: SECRET_IN } }] }
      : `Answer Text: ${SECRET_OUT}`,
  );
  const gen = new ax.AxGen('"Answers questions" questionText:string -> answerText:string', {
    functions: [lookUp],
  });
  const service = openAI(ax, model.apiURL, { stream });
  const values = { questionText: `about ${SECRET_IN}` };
  if (stream) for await (const _ of gen.streamingForward(service, values)) void _;
  else await gen.forward(service, values);
  return everythingIn(tracing.spans());
}

/** A program that fails with its prompt and reply in the message and the stack. */
async function fail(config: DspyInstrumentationConfig = {}): Promise<string> {
  tracing.instrumentation.setConfig(config);
  model.play([{ status: 400, message: `you said ${SECRET_IN}` }]);
  const gen = new ax.AxGen('questionText:string -> answerText:string');
  const values = { questionText: `about ${SECRET_IN}` };
  await expect(gen.forward(openAI(ax, model.apiURL), values)).rejects.toThrow();
  return everythingIn(tracing.spans());
}

function everythingIn(spans: readonly ReadableSpan[]): string {
  return JSON.stringify(
    spans.map(({ name, attributes, events, status, links }) => [
      name,
      attributes,
      events,
      status,
      links,
    ]),
  );
}

describe('by default', () => {
  it('content is recorded', async () => {
    const all = await run();
    for (const canary of [SECRET_IN, SECRET_OUT, SECRET_TOOL]) expect(all).toContain(canary);
  });
});

describe.each([
  ['plain', false],
  ['streamed', true],
])('%s', (_name, stream) => {
  it('logInputs: false records no input anywhere', async () => {
    const all = await run({ logInputs: false }, stream);
    expect(all).not.toContain(SECRET_IN);
    expect(all).not.toContain('Answers questions');
    expect(all).toContain(SECRET_OUT);
    expect(all).toContain('questionText');
  });

  it('logOutputs: false records no output anywhere', async () => {
    const all = await run({ logOutputs: false }, stream);
    expect(all).not.toContain(SECRET_OUT);
    expect(all).not.toContain(SECRET_TOOL);
    expect(all).toContain(`about ${SECRET_IN}`);
  });

  it.each(['false', 'FALSE', ' no ', 'NO_CONTENT', 'event_only', 'maybe'])(
    'OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT=%s records no content at all',
    async (value) => {
      vi.stubEnv('OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT', value);
      expect(await run({}, stream)).not.toMatch(/CANARY/);
    },
  );
});

describe('a correction', () => {
  const correct = async (config: DspyInstrumentationConfig): Promise<string> => {
    tracing.instrumentation.setConfig(config);
    model.play([`Answer Number: ${SECRET_OUT}`, 'Answer Number: 4']);
    const gen = new ax.AxGen('questionText:string -> answerNumber:number');
    await gen.forward(openAI(ax, model.apiURL), { questionText: `about ${SECRET_IN}` });
    expect(JSON.stringify(model.requests.at(-1))).toMatch(
      new RegExp(`${SECRET_OUT}.*${SECRET_OUT}`),
    );
    return everythingIn(tracing.spans());
  };

  it('quotes the reply that it is about', async () => {
    expect(await correct({})).toContain(SECRET_OUT);
  });

  it('with logOutputs: false is withheld with the reply, and the question stays', async () => {
    const all = await correct({ logOutputs: false });
    expect(all).not.toContain(SECRET_OUT);
    const [, second] = tracing.spans().filter(({ name }) => name.startsWith('chat'));
    expect(second?.attributes['gen_ai.input.messages']).toMatch(
      new RegExp(`about ${SECRET_IN}.*\\[withheld\\].*\\[withheld\\]`),
    );
  });
});

describe('environment', () => {
  it.each(['true', 'SPAN_ONLY', 'span_and_event', ''])('%s records content', async (value) => {
    vi.stubEnv('OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT', value);
    expect(await run()).toContain(SECRET_IN);
  });

  it.each([
    ['OPENINFERENCE_HIDE_INPUTS', SECRET_IN],
    ['OPENINFERENCE_HIDE_OUTPUTS', SECRET_OUT],
  ])('%s=true hides what it says', async (name, hidden) => {
    vi.stubEnv(name, 'true');
    expect(await run()).not.toContain(hidden);
  });

  it('OPENINFERENCE_HIDE_INPUT_MESSAGES hides prompts and leaves inputs', async () => {
    vi.stubEnv('OPENINFERENCE_HIDE_INPUT_MESSAGES', 'true');
    await run();
    const [call] = tracing.spans().filter(({ name }) => name.startsWith('chat'));
    expect(Object.keys(call?.attributes ?? {}).join()).not.toMatch(
      /input\.(value|messages)|input_messages/,
    );
    expect(tracing.span(/^invoke/).attributes['input.value']).toContain(SECRET_IN);
  });

  it('OPENINFERENCE_HIDE_OUTPUT_MESSAGES hides replies and leaves outputs', async () => {
    vi.stubEnv('OPENINFERENCE_HIDE_OUTPUT_MESSAGES', 'true');
    await run();
    const [call] = tracing.spans().filter(({ name }) => name.startsWith('chat'));
    expect(call?.attributes['gen_ai.output.messages']).toBeUndefined();
    expect(call?.attributes['output.value']).toBeUndefined();
    expect(tracing.span(/^invoke/).attributes['output.value']).toContain(SECRET_OUT);
  });

  it('OPENINFERENCE_HIDE_LLM_TOOLS and _INVOCATION_PARAMETERS hide those', async () => {
    vi.stubEnv('OPENINFERENCE_HIDE_LLM_TOOLS', 'true');
    vi.stubEnv('OPENINFERENCE_HIDE_LLM_INVOCATION_PARAMETERS', 'true');
    const all = await run();
    expect(all).not.toMatch(/tool\.definitions|json_schema|invocation_parameters/);
    expect(all).toContain(SECRET_IN);
  });

  it.each([
    ['OPENINFERENCE_HIDE_INPUT', 'true'],
    ['OPENINFERENCE_HIDE_INPUTS', 'ture'],
  ])('%s=%s is misread to the private side, with one warning', async (name, value) => {
    vi.stubEnv(name, value);
    const warn = vi.spyOn(diagnostics, 'warnOnce');
    expect(await run()).not.toContain(SECRET_IN);
    expect(warn.mock.calls.map(([key]) => key)).toContain(name);
  });

  it('OPENINFERENCE_HIDE_INPUTS=false hides nothing', async () => {
    vi.stubEnv('OPENINFERENCE_HIDE_INPUTS', 'False');
    expect(await run()).toContain(SECRET_IN);
  });
});

describe('a failure', () => {
  it('by default says what the provider said', async () => {
    expect(await fail()).toContain(SECRET_IN);
  });

  it.each([{ logInputs: false }, { logOutputs: false }])(
    'with %j holds no content in messages, stacks and status',
    async (config) => {
      const all = await fail(config);
      const errors = JSON.stringify(tracing.spans().map(({ events, status }) => [events, status]));
      expect(errors).not.toContain(SECRET_IN);
      expect(all).toContain('exception.type');
    },
  );
});

describe('inputSanitizer', () => {
  const withoutText = ({ questionText: _, ...rest }: Record<string, unknown>) => rest;

  it('sees the values first, and what it removed comes back nowhere', async () => {
    const all = await run({ inputSanitizer: withoutText });
    expect(all).not.toContain(SECRET_IN);
    expect(all).toContain(SECRET_OUT);
    expect(tracing.span(/^invoke/).attributes['input.value']).toBe('{}');
    const [call] = tracing.spans().filter(({ name }) => name.startsWith('chat'));
    expect(call?.attributes['gen_ai.input.messages']).toContain('[REDACTED]');
  });

  it.each<DspyInstrumentationConfig>([
    { logIntermediateSteps: false },
    { moduleFilter: (_name, type) => type !== 'AxGen' },
  ])('sees the inputs of steps that make no span: %j', async (config) => {
    const clean = ({ noteText: _, ...rest }: Record<string, unknown>) => rest;
    tracing.instrumentation.setConfig({ inputSanitizer: clean, ...config });
    model.play(['Answer Text: ok']);
    const flow = ax
      .flow<{ questionText: string }>()
      .node('step', 'questionText:string, noteText:string -> answerText:string')
      .execute('step', ({ questionText }) => ({ questionText, noteText: SECRET_IN }))
      .returns(({ stepResult }) => ({ answerText: stepResult.answerText }));
    await flow.forward(openAI(ax, model.apiURL), { questionText: 'why?' });
    expect(tracing.spans().map(({ name }) => name.split(' ')[0])).toEqual([
      'invoke_workflow',
      'chat',
    ]);
    const call = tracing.span(/^chat/);
    expect(call.attributes['gen_ai.input.messages']).toMatch(/why\?.*\[REDACTED\]/);
    expect(everythingIn(tracing.spans())).not.toContain(SECRET_IN);
  });

  it('that saw no inputs because their span is not recorded withholds prompts', async () => {
    const dropPrograms = {
      shouldSample: (_c: unknown, _t: string, name: string) => ({
        decision: name.startsWith('chat') ? 2 : 0,
      }),
      toString: () => 'drop programs',
    };
    await tracing.stop();
    tracing = startTracing([ax], { inputSanitizer: withoutText }, { sampler: dropPrograms });
    model.play(['Answer Text: ok']);
    await new ax.AxGen('questionText:string -> answerText:string').forward(
      openAI(ax, model.apiURL),
      { questionText: SECRET_IN },
    );
    expect(tracing.spans()).toHaveLength(1);
    expect(everythingIn(tracing.spans())).not.toContain(SECRET_IN);
    await tracing.stop();
    tracing = startTracing([ax]);
  });

  it('withholds prompts where what it removed cannot be found in them', async () => {
    tracing.instrumentation.setConfig({ inputSanitizer: () => ({}) });
    model.play(['Answer Text: ok']);
    const gen = new ax.AxGen('someRecord:json -> answerText:string');
    // More values than are looked for.
    const someRecord = Array.from({ length: 500 }, (_, index) => `secret number ${index}`);
    await gen.forward(openAI(ax, model.apiURL), { someRecord });
    const call = tracing.span(/^chat/);
    expect(Object.keys(call.attributes).join()).not.toMatch(/messages|input\.value/);
    expect(call.attributes['gen_ai.usage.input_tokens']).toBe(11);
  });

  it('holds for failures too', async () => {
    expect(await fail({ inputSanitizer: withoutText })).not.toContain(SECRET_IN);
  });

  it('does not change the values of the program', async () => {
    tracing.instrumentation.setConfig({
      inputSanitizer: (inputs) => {
        delete inputs.questionText;
        return inputs;
      },
    });
    model.play(['Answer Text: ok']);
    const values = { questionText: SECRET_IN };
    await new ax.AxGen('questionText:string -> answerText:string').forward(
      openAI(ax, model.apiURL),
      values,
    );
    expect(values).toEqual({ questionText: SECRET_IN });
    expect(everythingIn(tracing.spans())).not.toContain(SECRET_IN);
  });

  it('that throws drops the content, from there on down', async () => {
    const all = await run({
      inputSanitizer: () => {
        throw new Error(SECRET_IN);
      },
    });
    expect(all).not.toMatch(/CANARY/);
    expect(tracing.span(/^invoke/).attributes['dspy.outcome']).toBe('completed');
  });

  it('sees the prompt of a model call that no program is around', async () => {
    tracing.instrumentation.setConfig({
      inputSanitizer: () => ({ chatPrompt: [{ role: 'user', content: 'clean' }] }),
    });
    model.play(['Answer Text: ok']);
    await openAI(ax, model.apiURL).chat({ chatPrompt: [{ role: 'user', content: SECRET_IN }] });
    const call = tracing.span(/^chat/);
    expect(call.attributes['gen_ai.input.messages']).toContain('clean');
    expect(everythingIn([call])).not.toContain(SECRET_IN);
  });

  it('sees such a prompt where it is not recorded: the reply may quote it', async () => {
    tracing.instrumentation.setConfig({
      logInputs: false,
      inputSanitizer: () => ({ chatPrompt: [{ role: 'user', content: 'clean' }] }),
    });
    model.play([`Answer Text: ${SECRET_IN} and so on`]);
    await openAI(ax, model.apiURL).chat({ chatPrompt: [{ role: 'user', content: SECRET_IN }] });
    const [call] = tracing.spans();
    expect(call?.attributes['gen_ai.output.messages']).toContain('[REDACTED] and so on');
    expect(everythingIn(tracing.spans())).not.toContain(SECRET_IN);
  });
});

describe('an execution that the SDK does not sample', () => {
  it('is neither sanitized nor serialised', async () => {
    const sanitizer = vi.fn((value: unknown) => value);
    await tracing.stop();
    tracing = startTracing(
      [ax],
      { inputSanitizer: sanitizer, outputSanitizer: sanitizer },
      { sampler: { shouldSample: () => ({ decision: 0 }), toString: () => 'drop' } },
    );
    model.play(['Answer Text: ok']);
    await new ax.AxGen('questionText:string -> answerText:string').forward(
      openAI(ax, model.apiURL),
      { questionText: 'why?' },
    );
    expect(tracing.spans()).toEqual([]);
    expect(sanitizer).not.toHaveBeenCalled();
    await tracing.stop();
    tracing = startTracing([ax]);
  });
});

describe('outputSanitizer', () => {
  it('sees outputs first; replies, which hold them raw, are withheld', async () => {
    const all = await run({ outputSanitizer: () => ({ answerText: 'clean' }) });
    expect(all).not.toContain(SECRET_OUT);
    expect(all).not.toContain(SECRET_TOOL);
    expect(tracing.span(/^invoke/).attributes['output.value']).toBe('{"answerText":"clean"}');
    expect(all).toContain(`about ${SECRET_IN}`);
  });

  it('that throws drops the outputs', async () => {
    const all = await run({
      outputSanitizer: () => {
        throw new Error('no');
      },
    });
    expect(all).not.toContain(SECRET_OUT);
    expect(all).not.toContain(SECRET_TOOL);
  });
});

describe('redactKeys', () => {
  it('and names of credentials are redacted at any depth', async () => {
    tracing.instrumentation.setConfig({ redactKeys: ['patientId'] });
    model.play(['Answer Text: ok']);
    const gen = new ax.AxGen('someRecord:json -> answerText:string');
    const someRecord = { keywords: 'stays', a: { apiKey: 'sk-123', patient_id: 'P-1' } };
    await gen.forward(openAI(ax, model.apiURL), { someRecord });
    const input = tracing.span(/^invoke/).attributes['input.value'];
    expect(input).toContain('stays');
    expect(input).not.toMatch(/sk-123|P-1/);
  });
});

describe('logSignatures: false', () => {
  it('records neither signature nor instruction', async () => {
    const all = await run({ logSignatures: false });
    expect(all).not.toMatch(/dspy\.signature|dspy\.instruction/);
  });
});

describe('conventions', () => {
  it('gen_ai alone has no OpenInference model attributes', async () => {
    await run({ conventions: ['gen_ai'] });
    const keys = tracing.spans().flatMap(({ attributes }) => Object.keys(attributes));
    expect(keys.filter((key) => /^(llm|openinference|tool|embedding)\./.test(key))).toEqual([]);
    expect(keys).toContain('gen_ai.usage.input_tokens');
    expect(keys).toContain('input.value');
  });

  it('openinference alone has no gen_ai attributes but the operation', async () => {
    await run({ conventions: ['openinference'] });
    const keys = tracing.spans().flatMap(({ attributes }) => Object.keys(attributes));
    expect(new Set(keys.filter((key) => key.startsWith('gen_ai.')))).toEqual(
      new Set(['gen_ai.operation.name']),
    );
    expect(keys).toContain('llm.token_count.prompt');
  });
});

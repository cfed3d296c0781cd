import * as ax from '@ax-llm/ax';
import type { ReadableSpan } from '@opentelemetry/sdk-trace-base';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { diagnostics } from '../../src/diagnostics.js';
import { type DspyInstrumentationConfig, traceCall } from '../../src/index.js';
import { startTracing, type Tracing } from '../support/tracing.js';

let tracing: Tracing;
const rejections: unknown[] = [];
const noteRejection = (reason: unknown): void => void rejections.push(reason);
beforeAll(() => {
  tracing = startTracing([ax]);
  process.on('unhandledRejection', noteRejection);
});
afterEach(async () => {
  tracing.instrumentation.setConfig({});
  tracing.reset();
  await new Promise((resolve) => setImmediate(resolve));
  expect(rejections.splice(0)).toEqual([]);
  expect(diagnostics.count()).toBe(0);
});
afterAll(async () => {
  process.off('unhandledRejection', noteRejection);
  await tracing.stop();
});

/** A call with the inputs that gives the output, as it was recorded. */
async function recorded(
  config: DspyInstrumentationConfig,
  inputs: unknown,
  output: unknown = 'done',
): Promise<ReadableSpan['attributes']> {
  tracing.instrumentation.setConfig(config);
  const call = { name: 'call', type: 'own', inputs };
  expect(await traceCall(call, async () => output)).toBe(output);
  return tracing.span('invoke_workflow call').attributes;
}

const onInput = (inputSanitizer: (inputs: never) => unknown): DspyInstrumentationConfig => ({
  inputSanitizer: inputSanitizer as DspyInstrumentationConfig['inputSanitizer'] & object,
});
const onOutput = (outputSanitizer: (output: never) => unknown): DspyInstrumentationConfig => ({
  outputSanitizer: outputSanitizer as DspyInstrumentationConfig['outputSanitizer'] & object,
});

class Masked {
  readonly raw = 'CANARY';
  readonly #own = 'own';
  toJSON(): string {
    return `masked ${this.#own}`;
  }
}

describe('a sanitizer that changes what it is given', () => {
  it('changes no input, however deep', async () => {
    const inputs = { user: { ssn: 'CANARY', tags: ['a', 'b'] }, note: 'of CANARY' };
    const before = structuredClone(inputs);
    const mutate = (given: typeof inputs) => {
      given.user.ssn = '***';
      given.user.tags.length = 0;
      return given;
    };
    const attributes = await recorded(onInput(mutate), inputs);
    expect(inputs).toEqual(before);
    expect(attributes['input.value']).toBe('{"user":{"ssn":"***","tags":[]},"note":"of CANARY"}');
  });

  it('has what it removed deep within redacted in what the call makes of it', async () => {
    const mutate = (given: { user: { ssn: string } }) => {
      given.user.ssn = '***';
      return given;
    };
    const inputs = { user: { ssn: 'CANARY-1' } };
    const attributes = await recorded(onInput(mutate), inputs, 'it is CANARY-1');
    expect(attributes['output.value']).toBe('it is [REDACTED]');
  });

  it.each<[string, unknown, (output: never) => unknown, unknown]>([
    [
      'an object',
      { answer: { x: 1 } },
      (output: { answer: { x: unknown } }) => {
        output.answer.x = '***';
        return output;
      },
      '{"answer":{"x":"***"}}',
    ],
    [
      'a list',
      [1, 2],
      (output: number[]) => {
        output.length = 0;
        return output;
      },
      '[]',
    ],
    [
      'a map',
      new Map([['k', { v: 1 }]]),
      (output: Map<string, unknown>) => {
        output.clear();
        return output;
      },
      '[]',
    ],
    [
      'a set',
      new Set([1]),
      (output: Set<unknown>) => {
        output.clear();
        return output;
      },
      '[]',
    ],
    [
      'a date',
      new Date(0),
      (output: Date) => {
        output.setTime(1000);
        return output;
      },
      '"1970-01-01T00:00:01.000Z"',
    ],
  ])('changes no output: %s', async (_, output, mutate, expected) => {
    const before = structuredClone(output);
    const attributes = await recorded(onOutput(mutate), {}, output);
    expect(output).toEqual(before);
    expect(attributes['output.value']).toBe(expected);
  });

  it('changes no list that is the only argument', async () => {
    const list = ['a', 'b'];
    const mutate = (given: { input: unknown[] }) => {
      given.input.length = 0;
      return given;
    };
    const attributes = await recorded(onInput(mutate), list);
    expect(list).toEqual(['a', 'b']);
    expect(attributes['input.value']).toBe('[]');
  });
});

describe('a sanitizer that changes nothing', () => {
  const same = (value: unknown): unknown => value;

  it('leaves what a class says of its instances', async () => {
    const attributes = await recorded(onOutput(same), {}, new Masked());
    expect(attributes['output.value']).toBe('"masked own"');
    tracing.reset();
    const within = await recorded(onInput(same), {
      item: new Masked(),
      error: new TypeError('no'),
    });
    expect(within['input.value']).toMatch(/^\{"item":"masked own","error":\{"name":"TypeError"/);
  });

  it('leaves lists, maps, sets, dates, errors and bytes what they are', async () => {
    const inputs = {
      list: [1, [2]],
      map: new Map([['k', new Set(['v'])]]),
      date: new Date(0),
      bytes: Buffer.from('abc'),
    };
    const attributes = await recorded(onInput(same), inputs, 'v and 1970');
    expect(attributes['input.value']).toBe(
      '{"list":[1,[2]],"map":[["k",["v"]]],"date":"1970-01-01T00:00:00.000Z","bytes":"<Buffer 3 bytes>"}',
    );
    // Nothing was removed, so nothing is redacted.
    expect(attributes['output.value']).toBe('v and 1970');
  });

  it('is given cycles as they are', async () => {
    const inputs: Record<string, unknown> = { name: 'loop' };
    inputs.self = inputs;
    const attributes = await recorded(onInput(same), inputs);
    expect(attributes['input.value']).toBe('{"name":"loop","self":"[Circular]"}');
  });
});

describe('content that a sanitizer cannot be given', () => {
  const same = (value: unknown): unknown => value;
  const throwing = {
    deep: {
      get x(): string {
        throw new Error('CANARY');
      },
    },
  };
  const { proxy: revoked, revoke } = Proxy.revocable({}, {});
  revoke();

  it.each<[string, unknown]>([
    ['a getter that throws', throwing],
    ['a revoked proxy within', { deep: [revoked] }],
    ['more than can be copied in time', { list: new Array(200_000).fill('CANARY') }],
  ])('is withheld: %s', async (_, value) => {
    const config = { inputSanitizer: same, outputSanitizer: same };
    const attributes = await recorded(config, value, value);
    expect(attributes).not.toHaveProperty('input.value');
    expect(attributes).not.toHaveProperty('output.value');
    tracing.reset();
    const output = await recorded(onOutput(same), {}, value);
    expect(output).not.toHaveProperty('output.value');
  });

  it('is withheld where the sanitizer follows it deeper than the stack', async () => {
    let deep: unknown[] = [];
    for (let depth = 0; depth < 50_000; depth++) deep = [deep];
    const walk = (value: unknown): unknown => (Array.isArray(value) ? value.map(walk) : value);
    const attributes = await recorded(onOutput(walk), {}, deep);
    expect(attributes).not.toHaveProperty('output.value');
  });

  it('is withheld where the sanitizer is async, and its rejection is nobody’s trouble', async () => {
    const reject = async () => {
      throw new Error('CANARY');
    };
    const config = { inputSanitizer: reject, outputSanitizer: reject };
    const attributes = await recorded(config, { a: 1 }, { b: 1 });
    expect(Object.keys(attributes).join()).not.toMatch(/input\.value|output\.value/);
  });
});

describe('examples of a program', () => {
  const ask = async (config: DspyInstrumentationConfig): Promise<string> => {
    tracing.instrumentation.setConfig(config);
    const program = new ax.AxGen<{ user: string; about: string }, { answer: string }>(
      'user:string, about:string -> answer:string',
    );
    program.setExamples([{ user: 'CANARY-1', about: 'weather', answer: 'CANARY-2 degrees' }]);
    program.setDemos([
      {
        programId: program.getId(),
        traces: [{ user: 'CANARY-3', about: 'sports', answer: 'CANARY-4 goals' }],
      },
    ]);
    const results = [{ index: 0, content: 'Answer: four', finishReason: 'stop' as const }];
    const service = new ax.AxMockAIService<string>({
      features: { functions: false, streaming: false },
      chatResponse: { results },
    });
    const around = { name: 'around', type: 'own', inputs: {} };
    const run = () => program.forward(service, { user: 'bob', about: 'food' });
    expect(await traceCall(around, run)).toEqual({ answer: 'four' });
    return JSON.stringify(tracing.spans().map(({ attributes }) => attributes));
  };
  const withoutUser = ({ user: _, ...rest }: Record<string, unknown>) => rest;
  const masked = () => ({ answer: '***' });

  it('are in a prompt as they are where nothing sanitizes', async () => {
    const recorded = await ask({});
    for (const n of [1, 2, 3, 4]) expect(recorded).toContain(`CANARY-${n}`);
  });

  it.each([{}, { logIntermediateSteps: false }])(
    'are in a prompt as the sanitizer of inputs leaves them: %j',
    async (config) => {
      const recorded = await ask({ ...config, inputSanitizer: withoutUser });
      expect(recorded).not.toMatch(/CANARY-[13]/);
      expect(recorded).toContain('weather');
      expect(recorded).toContain('CANARY-2 degrees');
    },
  );

  it('are in a prompt as the sanitizer of outputs leaves them', async () => {
    const recorded = await ask({ outputSanitizer: masked });
    expect(recorded).not.toMatch(/CANARY-[24]/);
    expect(recorded).toContain('CANARY-1');
    expect(recorded).toContain('sports');
  });

  it('keep the prompt back where a sanitizer fails on them, and nothing else', async () => {
    const recorded = await ask({
      inputSanitizer: (inputs: Record<string, unknown>) => {
        if (inputs.about === 'sports') throw new Error('of sports');
        return inputs;
      },
    });
    expect(recorded).not.toMatch(/CANARY/);
    expect(recorded).toContain('food');
  });
});

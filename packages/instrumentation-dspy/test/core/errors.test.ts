import { SpanStatusCode } from '@opentelemetry/api';
import { expect, it } from 'vitest';
import type { Script } from '../../../../test/support/mock-model.js';
import { AX_MAJORS } from '../support/ax.js';
import { type Bench, describeMajors } from '../support/majors.js';

const QUESTION = { questionText: 'two and two?' };

function generator({ ax }: Bench, options: object = {}) {
  return new ax.AxGen('questionText:string -> answerText:string', options);
}

const exceptionsOf = (span: { events: readonly { name: string; attributes?: object }[] }) =>
  span.events.filter(({ name }) => name === 'exception').map(({ attributes }) => attributes);

/** Answers once as asked for, then well. */
const onceThenGood =
  (first: string): Script =>
  (_request, index) =>
    index === 0 ? first : 'Answer Text: good';

describeMajors('failed attempts', AX_MAJORS, (bench) => {
  it('of an assertion are events; the program has its final outcome', async () => {
    const { model, service, tracing } = bench();
    model.play(onceThenGood('Answer Text: bad'));
    const gen = generator(bench());
    gen.addAssert(
      ({ answerText }: { answerText: string }) => answerText === 'good',
      'must be good',
    );
    expect(await gen.forward(service(), QUESTION)).toEqual({ answerText: 'good' });
    const program = tracing.span(/^invoke_workflow/);
    expect(program.attributes).toMatchObject({
      'dspy.attempts': 2,
      'dspy.asserts.count': 1,
      'dspy.outcome': 'completed',
      'dspy.usage.model_calls': 2,
    });
    expect(program.status.code).toBe(SpanStatusCode.UNSET);
    expect(program.events).toMatchObject([
      {
        name: 'dspy.attempt',
        attributes: {
          'dspy.attempt.index': 0,
          'dspy.attempt.error': expect.stringContaining('must be good'),
          'error.type': 'AxAssertionError',
        },
      },
    ]);
    const calls = tracing.spans().filter(({ name }) => name.startsWith('chat'));
    expect(calls.map(({ status }) => status.code)).toEqual([0, 0]);
  });

  it('that exhaust their retries are all there, and the program failed', async () => {
    const { model, service, tracing } = bench();
    model.play(['Answer Text: bad']);
    const gen = generator(bench());
    gen.addAssert(() => false, 'never good');
    await expect(gen.forward(service(), QUESTION, { maxRetries: 2 })).rejects.toThrow();
    const program = tracing.span(/^invoke_workflow/);
    const attempts = program.events.filter(({ name }) => name === 'dspy.attempt');
    expect(attempts.map(({ attributes }) => attributes?.['dspy.attempt.index'])).toEqual(
      Array.from({ length: Number(program.attributes['dspy.attempts']) }, (_, index) => index),
    );
    expect(program.status.code).toBe(SpanStatusCode.ERROR);
    expect(exceptionsOf(program)).toHaveLength(1);
  });
});

describeMajors('a failed model call', AX_MAJORS, (bench) => {
  it('has the status of the provider, and its program fails with the chain of causes', async () => {
    const { model, service, tracing } = bench();
    model.play([{ status: 400, message: 'bad request', type: 'invalid_request_error' }]);
    await expect(generator(bench()).forward(service(), QUESTION)).rejects.toThrow();
    const call = tracing.span(/^chat/);
    expect(call.status.code).toBe(SpanStatusCode.ERROR);
    expect(call.attributes).toMatchObject({
      'dspy.outcome': 'error',
      'error.type': expect.stringMatching(/^(400|invalid_request_error)$/),
      'http.response.status_code': 400,
      'gen_ai.request.model': 'gpt-4o-mini',
    });
    expect(exceptionsOf(call)).toMatchObject([
      { 'exception.type': expect.stringMatching(/^AxAIService\w*Error$/) },
    ]);
    const program = tracing.span(/^invoke_workflow/);
    expect(program.status.code).toBe(SpanStatusCode.ERROR);
    expect(program.attributes['dspy.outcome']).toBe('error');
    expect(program.attributes['http.response.status_code']).toBeUndefined();
    expect(exceptionsOf(program)).toMatchObject([
      {
        'exception.type': 'AxGenerateError',
        'exception.stacktrace': expect.stringMatching(/Caused by|cause/i),
      },
    ]);
    // Unknown is absent, never 0.
    expect(Object.keys(call.attributes).join()).not.toMatch(/gen_ai\.usage|token_count/);
  });

  it('that Ax refuses itself is a span too', async () => {
    const { service, tracing } = bench();
    const llm = service();
    await expect(llm.chat({ chatPrompt: [{ role: 'user' }], functions: [] })).rejects.toThrow();
    const call = tracing.span(/^chat/);
    expect(call.attributes['dspy.outcome']).toBe('error');
    expect(call.status.code).toBe(SpanStatusCode.ERROR);
  });
});

describeMajors('an abort', AX_MAJORS, (bench) => {
  it('before the first request is aborted, and no error', async () => {
    const { ax, service, tracing } = bench();
    const controller = new AbortController();
    controller.abort(new Error('changed my mind'));
    const options = { abortSignal: controller.signal };
    await expect(generator(bench()).forward(service(), QUESTION, options)).rejects.toThrow();
    const program = tracing.span(/^invoke_workflow/);
    expect(program.attributes['dspy.outcome']).toBe('aborted');
    expect(program.status.code).toBe(SpanStatusCode.UNSET);
    expect(program.events).toEqual([]);
    expect(ax.AxGen).toBeDefined();
  });

  it('by a deadline is a timeout, and an error', async () => {
    const { service, tracing } = bench();
    const options = { abortSignal: AbortSignal.timeout(1) };
    await new Promise((resolve) => setTimeout(resolve, 20));
    await expect(generator(bench()).forward(service(), QUESTION, options)).rejects.toThrow();
    const program = tracing.span(/^invoke_workflow/);
    expect(program.attributes).toMatchObject({
      'dspy.outcome': 'timeout',
      'error.type': 'timeout',
    });
    expect(program.status.code).toBe(SpanStatusCode.ERROR);
  });
});

const callTool: Script = (request, index) =>
  index === 0
    ? { toolCalls: [{ name: String(request.tools?.[0]?.function.name), arguments: { key: 'k' } }] }
    : 'Answer Text: done';

describeMajors('a failed tool', AX_MAJORS, (bench) => {
  const tool = (func: () => unknown) => ({
    name: 'getAge',
    description: 'Looks up the age of a thing by its key',
    parameters: {
      type: 'object',
      properties: { key: { type: 'string', description: 'the key' } },
    },
    func,
  });
  const run = (func: () => unknown) => {
    const { model, service } = bench();
    model.play(callTool);
    return generator(bench(), { functions: [tool(func)] }).forward(service(), QUESTION);
  };
  const span = () => bench().tracing.span('execute_tool getAge');

  it('is an error of the tool also when Ax makes a message for the model of it', async () => {
    const { ax } = bench();
    const result = await run(() => {
      throw new ax.AxFunctionError([{ field: 'key', message: 'no such key' }]);
    });
    expect(result).toEqual({ answerText: 'done' });
    expect(span().status.code).toBe(SpanStatusCode.ERROR);
    expect(span().attributes).toMatchObject({
      'dspy.outcome': 'error',
      'error.type': 'AxFunctionError',
    });
    expect(bench().tracing.span(/^invoke_workflow/).status.code).toBe(SpanStatusCode.UNSET);
  });

  it.each([
    ['a string', () => 'just text'],
    ['nothing', () => undefined],
    ['an object without a prototype', () => Object.create(null)],
    ['a symbol', () => Symbol('no')],
    [
      'an object that throws when read',
      () =>
        new Proxy(
          {},
          {
            get() {
              throw new TypeError('no reading');
            },
          },
        ),
    ],
  ])('that throws %s fails as it would untraced', async (_name, make) => {
    const thrown = make();
    const failure = await run(() => {
      throw thrown;
    }).then(
      () => 'resolved',
      () => 'rejected',
    );
    expect(failure).toBe('rejected');
    expect(span().status.code).toBe(SpanStatusCode.ERROR);
    expect(exceptionsOf(span())).toHaveLength(1);
  });
});

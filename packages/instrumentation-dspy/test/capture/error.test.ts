import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { describeError } from '../../src/capture/error.js';
import { createKeyMatcher } from '../../src/capture/redact.js';
import { AX_MAJORS, loadAx } from '../support/ax.js';

const CANARY = 'canary-4711';

class PaymentDeclined extends Error {}

function fromGetter(): Error {
  const throwing = (): never => {
    throw new Error('from a getter');
  };
  const error = new Error('x');
  for (const key of ['stack', 'message', 'name'])
    Object.defineProperty(error, key, { get: throwing });
  return error;
}

/** The address of a server that was. */
async function closedUrl(): Promise<string> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  await new Promise((resolve) => server.close(resolve));
  return `http://127.0.0.1:${port}`;
}

function cyclic(): Error {
  const outer = new Error('outer');
  const inner = new Error('inner', { cause: outer });
  outer.cause = inner;
  return outer;
}

describe('a key that a service refused and repeated', () => {
  const KEY = 'zq9x8c7v6b5n4m3a2s1d';
  const body = { error: { message: `Incorrect API key: ${KEY}`, code: 'invalid_api_key' } };
  const failed = (more: object) =>
    Object.assign(new Error(`Request failed (${KEY})`), { responseBody: body, ...more });

  it.each([
    ['401', failed({ status: 401 })],
    ['403', failed({ statusCode: 403 })],
    ['an error named so', failed({ name: 'AxAIServiceAuthenticationError' })],
    ['a cause', new Error(`Generate failed (${KEY})`, { cause: failed({ status: 401 }) })],
    ['a member', new AggregateError([failed({ status: 401 })], 'all failed')],
  ])('is not recorded: %s', (_name, error) => {
    const described = describeError(error);
    expect(JSON.stringify(described)).not.toContain(KEY);
    expect(described.stack).toMatch(/Incorrect API key: \[REDACTED\].*\n?/);
    expect(described.stack).toMatch(/error\.test\.ts:\d+/);
  });

  it('other words of such size stay where nobody was refused', () => {
    expect(describeError(failed({ status: 400 })).message).toContain(KEY);
  });
});

describe('describeError', () => {
  it.each<[string, unknown, { type: string; message: string }]>([
    ['an error', new TypeError('no'), { type: 'TypeError', message: 'no' }],
    ['a subclass', new PaymentDeclined('card'), { type: 'PaymentDeclined', message: 'card' }],
    [
      'a named error',
      Object.assign(new Error('x'), { name: 'AxThing' }),
      { type: 'AxThing', message: 'x' },
    ],
    ['an error without a message', new RangeError(), { type: 'RangeError', message: 'RangeError' }],
    ['a string', 'str', { type: 'string', message: 'str' }],
    ['undefined', undefined, { type: 'undefined', message: 'null' }],
    ['null', null, { type: 'null', message: 'null' }],
    ['a number', 42, { type: 'number', message: '42' }],
    ['a symbol', Symbol('s'), { type: 'symbol', message: '"Symbol(s)"' }],
    ['a function', () => 1, { type: 'function', message: '"[Function]"' }],
    [
      'an object',
      { code: 'E_X', detail: 1 },
      { type: 'Object', message: '{"code":"E_X","detail":1}' },
    ],
    ['a null prototype', Object.create(null), { type: 'object', message: '{}' }],
    [
      'an object with a message',
      { message: 'from afar' },
      { type: 'Object', message: 'from afar' },
    ],
    ['an abort', new DOMException('stop', 'AbortError'), { type: 'AbortError', message: 'stop' }],
    ['a frozen error', Object.freeze(new Error('cold')), { type: 'Error', message: 'cold' }],
    [
      'odd parts',
      Object.assign(new Error('x'), { message: 5, stack: {} }),
      { type: 'Error', message: 'Error' },
    ],
    [
      'a text for a name',
      Object.assign(new Error('x'), { name: 'two\nlines' }),
      { type: 'Error', message: 'x' },
    ],
  ])('names %s', (_name, error, expected) => {
    expect(describeError(error)).toMatchObject(expected);
  });

  it('names errors whose properties throw', () => {
    expect(describeError(fromGetter())).toMatchObject({ type: 'Error' });
    const proxy = new Proxy(new Error('x'), {
      get: () => {
        throw new Error('get');
      },
    });
    expect(describeError(proxy)).toMatchObject({
      type: expect.any(String),
      message: expect.any(String),
    });
    const revoked = Proxy.revocable(new Error('x'), {});
    revoked.revoke();
    expect(describeError(revoked.proxy)).toMatchObject({ message: expect.any(String) });
  });

  it('does not take a minified class name for a name', () => {
    const ii = class ii extends Error {};
    expect(describeError(new ii('x')).type).toBe('Error');
  });

  it('writes the causes and the members', () => {
    const error = new Error('top', {
      cause: new AggregateError([new Error('one'), 'two'], 'both', {
        cause: 'why',
      } as ErrorOptions),
    });
    const { stack } = describeError(error);
    expect(stack).toMatch(/^Error: top\n {4}at .*error\.test\.ts/);
    expect(stack).toContain('Caused by: AggregateError: both');
    expect(stack).toContain('Error 1 of 2: Error: one');
    expect(stack).toContain('Error 2 of 2: string: two');
    expect(stack).toContain('Caused by: string: why');
  });

  it('ends on cycles, long chains and many members', () => {
    expect(describeError(cyclic()).stack).toContain('Caused by: [circular]');
    let chain = new Error('bottom');
    for (let depth = 0; depth < 1000; depth++)
      chain = new Error(`level ${depth}`, { cause: chain });
    expect(describeError(chain).stack?.match(/Caused by/g)).toHaveLength(8);
    const many = new AggregateError(
      Array.from({ length: 1000 }, (_, index) => new Error(`member ${index}`)),
    );
    expect(describeError(many).stack?.match(/Error \d+ of 1000/g)).toHaveLength(10);
  });

  it('stays within its budget', () => {
    const { message, stack } = describeError(new Error('m'.repeat(5e6)));
    expect(Buffer.byteLength(message)).toBeLessThanOrEqual(4096);
    expect(Buffer.byteLength(stack ?? '')).toBeLessThanOrEqual(16_384);
    expect(describeError(new Error('a\u0000\ud800')).message).toBe('a\ufffd\ufffd');
  });

  it('tells the code of the provider or the system', () => {
    expect(describeError(Object.assign(new Error('x'), { code: 'ECONNREFUSED' })).code).toBe(
      'ECONNREFUSED',
    );
    expect(describeError(Object.assign(new Error('x'), { code: -32601 })).code).toBe('-32601');
    expect(describeError(Object.assign(new Error('x'), { code: 'a private sentence' })).code).toBe(
      'Error',
    );
    expect(describeError(new DOMException('x', 'AbortError')).code).toBe('AbortError');
    expect(describeError(Object.assign(new Error('x'), { status: 503 }))).toMatchObject({
      code: '503',
      status: 503,
    });
  });

  it('leaves no credential and nothing that a sanitizer took', () => {
    const error = new Error(
      `GET https://h/v1?key=AIzaSyA0123456789 failed for Ann {"ssn": "123"}`,
      {
        cause: new Error('Authorization: Bearer abc.def.123, Ann'),
      },
    );
    const { message, stack } = describeError(error, {
      redactText: (text) => text.replaceAll('Ann', '[name]'),
      isSensitiveKey: createKeyMatcher(['ssn']),
    });
    expect(message).toBe('GET https://h/v1?key=[REDACTED] failed for [name] {"ssn": "[REDACTED]"}');
    expect(stack).not.toMatch(/AIza|abc\.def|Ann|"123"/);
  });

  it('keeps names that were given as private out of whatever it is made of', () => {
    const isSensitiveKey = createKeyMatcher(['ssn']);
    for (const error of [
      new Error('bad record {"ssn":"hunter2"} ssn=hunter2'),
      { ssn: 'hunter2' },
      Object.assign(new Error('HTTP 500'), { url: 'http://h', responseBody: { ssn: 'hunter2' } }),
    ]) {
      const { message, stack } = describeError(error, { isSensitiveKey });
      expect(`${message} ${stack}`).toContain('[REDACTED]');
      expect(`${message} ${stack}`).not.toContain('hunter2');
    }
  });

  it('has the frames where the name holds the message', () => {
    class TimeoutError extends Error {
      override name = 'TimeoutError';
    }
    for (const error of [new Error('Error'), new TypeError('Type'), new TimeoutError('Timeout')]) {
      expect(describeError(error).stack).toMatch(/error\.test\.ts:\d+/);
    }
  });

  it('says nothing when the redactor throws', () => {
    expect(
      describeError(new Error(CANARY), {
        redactText: () => {
          throw new Error('broken');
        },
      }),
    ).toEqual({ type: 'Error', code: 'Error', message: '[unreadable error]' });
  });

  describe('with content off', () => {
    it('takes a sentence for no name', () => {
      const error = Object.assign(new Error('x'), { name: `Bad question ${CANARY}` });
      const described = describeError(error, { content: false });
      expect(JSON.stringify(described)).not.toContain(CANARY);
    });

    const forged = `${CANARY}\n    at ${CANARY} (file:///x.js:1:1)\n    at y (file:///y.js:1:1)`;

    it.each<[string, unknown]>([
      ['a message', new Error(CANARY)],
      ['a message that looks like frames', new Error(forged)],
      ['a message changed later', Object.assign(new Error(forged), { message: 'other' })],
      ['a stack of its own', Object.assign(new Error('x'), { stack: `x\n${forged}` })],
      ['a cause', new Error('x', { cause: new Error(CANARY) })],
      ['a cause that is text', new Error('x', { cause: CANARY })],
      ['members', new AggregateError([new Error(CANARY), CANARY], CANARY)],
      ['text', CANARY],
      ['an object', { message: CANARY, [CANARY]: CANARY }],
      ['a name', Object.assign(new Error('x'), { name: `n ${CANARY}!\n` })],
      ['a code', Object.assign(new Error('x'), { code: `code ${CANARY}` })],
      [
        'a provider answer',
        Object.assign(new Error('x'), {
          url: `https://h/${CANARY}`,
          responseBody: { error: { message: CANARY } },
        }),
      ],
    ])('holds nothing of %s', (_name, error) => {
      expect(JSON.stringify(describeError(error, { content: false }))).not.toContain(CANARY);
    });

    it('still says what failed and where', () => {
      const { type, message, stack } = describeError(new TypeError(CANARY), { content: false });
      expect({ type, message }).toEqual({ type: 'TypeError', message: 'TypeError' });
      expect(stack).toMatch(/^TypeError\n {4}at .*error\.test\.ts:\d+:\d+/);
    });
  });
});

describe('the words of the provider', () => {
  const refused = Object.assign(new Error('HTTP 404 - Not Found'), {
    name: 'AxAIServiceStatusError',
    status: 404,
    responseBody: { error: { message: 'The model gpt-0 does not exist' } },
  });
  const outer = new Error('Generate failed: HTTP 404 - Not Found', { cause: refused });

  it('are part of the message, of the error around it too', () => {
    const reason = 'HTTP 404 - Not Found: The model gpt-0 does not exist';
    expect(describeError(refused).message).toBe(reason);
    expect(describeError(outer).message).toBe(`Generate failed: ${reason}`);
  });

  it('are not where content is switched off', () => {
    expect(JSON.stringify(describeError(outer, { content: false }))).not.toContain('gpt-0');
  });
});

describe.each(AX_MAJORS)('errors of Ax %i over HTTP', (major) => {
  let server: Server;
  let url: string;
  let status = 400;
  beforeAll(async () => {
    server = createServer((request, response) => {
      request.resume().on('end', () => {
        response.writeHead(status, { 'content-type': 'application/json' });
        response.end(
          JSON.stringify({
            error: {
              message: 'The model is overloaded',
              type: 'invalid_request_error',
              code: 'model_overloaded',
            },
            request_id: 'req_011',
          }),
        );
      });
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/v1?key=sk-canary-key-0123456789`;
  });
  afterAll(() => new Promise((resolve) => server.close(resolve)));

  async function failure(): Promise<unknown> {
    const ax = await loadAx(major);
    const service = new ax.AxAIOpenAI({
      apiKey: 'sk-canary-key-0123456789',
      apiURL: url,
      config: { model: 'gpt-4o-mini', stream: false },
      options: {
        retry: { maxRetries: 0 },
        fetch: (_input: unknown, init: RequestInit) => fetch(url, init),
      },
    });
    const program = new ax.AxGen('questionText:string -> answerText:string');
    try {
      await program.forward(service, { questionText: CANARY }, { maxRetries: 1 });
    } catch (error) {
      return error;
    }
    throw new Error('The call did not fail.');
  }

  it('has class, status, code and request id, and neither key nor prompt', async () => {
    status = 400;
    const error = await failure();
    const full = describeError(error);
    expect(full.status).toBe(400);
    expect(full.type).toMatch(/^Ax/);
    expect(JSON.stringify(full)).not.toContain('sk-canary');
    expect(full.stack).toContain('AxAIServiceStatusError');
    const cause = (error as Error).cause ?? error;
    // Ax 16 and 19 lose the body of a 400.
    const hasBody = major !== 16 && major !== 19;
    const code = hasBody ? 'model_overloaded' : '400';
    expect(describeError(cause)).toMatchObject({ type: 'AxAIServiceStatusError', code });
    if (hasBody) {
      expect(full.requestId).toBe('req_011');
      expect(full.stack).toContain('The model is overloaded');
    }
    const hidden = JSON.stringify(describeError(error, { content: false }));
    expect(hidden).not.toContain(CANARY);
    expect(hidden).toContain(`AxAIServiceStatusError (${code})`);
  });

  it('tells a refused connection by its code', async () => {
    const closed = await closedUrl();
    const ax = await loadAx(major);
    const service = new ax.AxAIOpenAI({
      apiKey: 'k',
      config: { model: 'gpt-4o-mini', stream: false },
      options: { retry: { maxRetries: 0 }, fetch: () => fetch(closed) },
    });
    const error = await service
      .chat({ chatPrompt: [{ role: 'user', content: CANARY }] }, { stream: false })
      .catch((reason: unknown) => reason);
    expect(describeError(error)).toMatchObject({
      type: major >= 16 ? 'AxAIServiceNetworkError' : 'TypeError',
      code: 'ECONNREFUSED',
    });
    expect(JSON.stringify(describeError(error, { content: false }))).not.toContain(CANARY);
  });
});

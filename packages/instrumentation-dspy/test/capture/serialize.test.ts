import { Agent } from 'node:http';
import { runInNewContext } from 'node:vm';
import { describe, expect, it } from 'vitest';
import { createKeyMatcher } from '../../src/capture/redact.js';
import { serialize, serializeText, toJson, toText } from '../../src/capture/serialize.js';

const parsed = (value: unknown, options?: Parameters<typeof serialize>[1]): unknown =>
  JSON.parse(toJson(value, options));

function cyclicArray(): unknown[] {
  const list: unknown[] = [];
  list.push(list);
  return list;
}

function nested(depth: number): unknown {
  let value: unknown = 'bottom';
  for (let level = 0; level < depth; level++) value = { a: value };
  return value;
}

function proxyOfProxies(): object {
  return new Proxy({ a: 1, b: 2 }, { get: () => proxyOfProxies() });
}

function revoked(): object {
  const { proxy, revoke } = Proxy.revocable({}, {});
  revoke();
  return proxy;
}

function frozenError(): Error {
  return Object.freeze(new Error('frozen'));
}

function errorWithOddParts(): Error {
  return Object.assign(new Error('x'), { message: 5, stack: { odd: true } });
}

function errorWithCyclicCause(): Error {
  const error = new Error('again');
  error.cause = error;
  return error;
}

const shared = { v: 1 };

/** Every input of the list of values that broke other tracers, with what it is recorded as. */
const INPUTS: readonly (readonly [name: string, value: unknown, expected: unknown])[] = [
  ['bigint', 10n, '10'],
  ['bigint beyond 2^53', { id: 9007199254740993n }, { id: '9007199254740993' }],
  ['absurd bigint', 2n ** 10_000n, '[bigint over 4096 bits]'],
  ['NaN', Number.NaN, 'NaN'],
  ['-0', -0, 0],
  ['Infinity', { a: Infinity, b: -Infinity }, { a: 'Infinity', b: '-Infinity' }],
  ['symbol', Symbol('q'), 'Symbol(q)'],
  ['null prototype', Object.assign(Object.create(null), { a: 1 }), { a: 1 }],
  ['invalid date', new Date(Number.NaN), 'Invalid Date'],
  ['date', new Date(0), '1970-01-01T00:00:00.000Z'],
  ['map', new Map([[{ k: 1 }, 2]]), [[{ k: 1 }, 2]]],
  ['set', new Set([1]), [1]],
  ['weak map', new WeakMap(), '[WeakMap]'],
  ['weak set', new WeakSet(), '[WeakSet]'],
  ['buffer', Buffer.alloc(1e6), '<Buffer 1.0 MB>'],
  ['bytes', new Uint8Array(1e6), '<Uint8Array 1.0 MB>'],
  ['floats', new Float32Array(4), '<Float32Array 16 bytes>'],
  ['array buffer', new ArrayBuffer(8), '<ArrayBuffer 8 bytes>'],
  ['shared array buffer', new SharedArrayBuffer(8), '<SharedArrayBuffer 8 bytes>'],
  ['data view', new DataView(new ArrayBuffer(1)), '<DataView 1 byte>'],
  ['blob', new Blob(['x']), '<Blob 1 byte>'],
  ['typed blob', new Blob(['xy'], { type: 'image/png' }), '<image/png 2 bytes>'],
  ['file', new File(['xy'], 'a.txt', { type: 'text/plain' }), 'a.txt <text/plain 2 bytes>'],
  [
    'headers',
    new Headers({ authorization: 'Bearer z', accept: 'text/html', 'x-api-key': 'k' }),
    { accept: 'text/html', authorization: '[REDACTED]', 'x-api-key': '[REDACTED]' },
  ],
  ['search params', new URLSearchParams('a=1&token=x'), { a: '1', token: '[REDACTED]' }],
  [
    'search params of one name',
    new URLSearchParams('a=1&b=2&a=3&token=x&token=y'),
    { a: ['1', '3'], b: '2', token: '[REDACTED]' },
  ],
  ['url', new URL('http://u:p@h/x'), 'http://h/x'],
  [
    'class with private fields and a throwing getter',
    new (class Vault {
      #p = 1;
      get z(): number {
        throw this.#p;
      }
    })(),
    '[Vault]',
  ],
  [
    'throwing getter',
    {
      get x() {
        throw 1;
      },
      y: 2,
    },
    { x: '[threw]', y: 2 },
  ],
  [
    'throwing toJSON beside a good value',
    {
      ok: 1,
      bad: {
        toJSON() {
          throw new TypeError('no');
        },
      },
    },
    { ok: 1, bad: '[threw: no]' },
  ],
  [
    'toJSON that gives itself',
    {
      a: 1,
      toJSON() {
        return this;
      },
    },
    { a: 1, toJSON: '[Function: toJSON]' },
  ],
  [
    'class with toJSON',
    new (class Money {
      constructor(readonly cents = 5) {}
      toJSON() {
        return { amount: this.cents };
      }
    })(),
    { amount: 5 },
  ],
  [
    'throwing toJSON and toString',
    {
      toJSON() {
        throw new Error('a');
      },
      toString() {
        throw new Error('b');
      },
    },
    '[threw: a]',
  ],
  [
    'proxy with throwing get',
    new Proxy(
      { a: 1 },
      {
        get() {
          throw new Error('g');
        },
      },
    ),
    { a: '[threw: g]' },
  ],
  [
    'proxy with throwing ownKeys',
    new Proxy(
      { a: 1 },
      {
        ownKeys() {
          throw new Error('k');
        },
      },
    ),
    '[threw: k]',
  ],
  ['proxy of an array', new Proxy([1, 2], {}), [1, 2]],
  ['cyclic array', cyclicArray(), ['[Circular]']],
  ['shared references', [shared, shared], [{ v: 1 }, { v: 1 }]],
  ['emoji', '😀'.repeat(900), '😀'.repeat(900)],
  ['lone surrogate', 'a\ud83d', 'a\ufffd'],
  ['NUL', 'a\u0000b', 'a\ufffdb'],
  ['line separator', '\u2028', '\u2028'],
  ['control characters', '\u0001\n\t"\\', '\u0001\n\t"\\'],
  ['generator', (function* () {})(), '[Generator]'],
  ['async generator', (async function* () {})(), '[Generator]'],
  ['promise', { p: Promise.resolve(1) }, { p: '[Promise]' }],
  ['function', function named() {}, '[Function: named]'],
  ['list of absent values', [undefined, () => 1], [null, '[Function]']],
  ['undefined property', { a: undefined, b: 1 }, { b: 1 }],
  ['sparse array', Object.assign([1], { 2: 3 }), [1, null, 3]],
  ['boxed string', Object('s'), 's'],
  [
    'boxed values',
    [Object(1), Object(true), Object(1n), Object(Symbol('b'))],
    [1, true, '1', 'Symbol(b)'],
  ],
  ['regular expression', /a"b/gi, '/a"b/gi'],
  ['global object', globalThis, '[globalThis]'],
  ['http agent', { agent: new Agent() }, { agent: '[Agent]' }],
  ['process', process, '[process]'],
  ['abort signal', new AbortController().signal, '[AbortSignal]'],
  ['stream', new ReadableStream(), '[ReadableStream]'],
  [
    'plain object of another realm',
    runInNewContext('({ a: [1], d: new Date(0) })'),
    { a: [1], d: '1970-01-01T00:00:00.000Z' },
  ],
  [
    'class instance',
    new (class Order {
      id = 7;
      total = () => 1;
    })(),
    { id: 7 },
  ],
  ['undefined', undefined, null],
  ['null', null, null],
];

describe('serialize', () => {
  it.each(INPUTS)('records %s', (_name, value, expected) => {
    expect(parsed(value)).toEqual(expected);
  });

  it('keeps every own key, also those that are names of prototype members', () => {
    const value = JSON.parse(
      '{"__proto__":1,"":2,"a.b":3,"constructor":4,"toString":5,"a\\u0000":6,"\\ud800":7}',
    );
    expect(toJson(value)).toBe(
      '{"__proto__":1,"":2,"a.b":3,"constructor":4,"toString":5,"a\ufffd":6,"\ufffd":7}',
    );
  });

  it('records errors with cause and members', () => {
    expect(parsed(errorWithCyclicCause())).toMatchObject({
      name: 'Error',
      message: 'again',
      cause: '[Circular]',
    });
    const members = Array.from({ length: 1000 }, (_, index) => new Error(`e${index}`));
    const json = toJson(new AggregateError(members, 'many'));
    expect(JSON.parse(json)).toMatchObject({
      message: 'many',
      errors: expect.arrayContaining([expect.objectContaining({ message: 'e0' })]),
    });
    expect(Buffer.byteLength(json)).toBeLessThanOrEqual(65_536);
    expect(parsed(frozenError())).toMatchObject({ message: 'frozen' });
    expect(parsed(errorWithOddParts())).toMatchObject({ name: 'Error', message: 5 });
  });

  it('ends on proxies that make proxies', () => {
    expect(toJson(proxyOfProxies())).toContain('[Proxy]');
    expect(toJson(revoked())).toContain('[threw');
  });

  it.each([1000, 20_000])('ends on values nested %i deep', (depth) => {
    const { json, truncated } = serialize(nested(depth));
    expect(truncated).toBe(true);
    expect(json).toContain('[too deep]');
    expect(() => JSON.parse(json)).not.toThrow();
  });

  it('says what it cut', () => {
    const { json, truncated } = serialize(new Array(1e6).fill(1), { maxBytes: 1000 });
    const list = JSON.parse(json) as unknown[];
    expect(truncated).toBe(true);
    expect(list.at(-1)).toBe(`[+${1e6 - (list.length - 1)} items]`);
    expect(JSON.parse(toJson({ a: 1, b: 2, c: 3 }, { maxItems: 2 }))).toEqual({
      a: 1,
      b: 2,
      '[truncated]': '+1 keys',
    });
  });

  it('cuts inside strings, by whole characters, and says by how much', () => {
    const { json, truncated } = serialize('x'.repeat(50_000_000));
    expect(truncated).toBe(true);
    const text = JSON.parse(json) as string;
    const kept = text.indexOf('...');
    expect(text).toBe(`${'x'.repeat(kept)}...[+${50_000_000 - kept} chars]`);
    expect(Buffer.byteLength(json)).toBeGreaterThan(65_000);
    for (const maxBytes of [97, 98, 99, 100, 101]) {
      const emoji = JSON.parse(toJson('😀'.repeat(900), { maxBytes })) as string;
      expect(emoji).toMatch(/^(?:😀)+\.\.\.\[\+\d+ chars\]$/u);
    }
  });

  it('leaves room for the fields after a large one', () => {
    const value = parsed({ document: 'd'.repeat(1e6), question: 'why?', tags: ['a'] }) as Record<
      string,
      unknown
    >;
    expect(value).toMatchObject({ question: 'why?', tags: ['a'] });
  });

  it('is not cut by a limit that the whole value fits', () => {
    const value = { text: 'ü'.repeat(1000), list: [1, 2, 3] };
    const whole = JSON.stringify(value);
    const { json, truncated } = serialize(value, { maxBytes: Buffer.byteLength(whole) + 400 });
    expect({ json, truncated }).toEqual({ json: whole, truncated: false });
  });

  it('counts a budget too small for anything as the smallest', () => {
    for (const maxBytes of [0, -1, 1, Number.NaN]) {
      expect(toJson({ a: 'long enough to be cut' }, { maxBytes })).toBe('"[truncated]"');
    }
  });

  it('reads no more of a value than its budget asks for', () => {
    let reads = 0;
    const counting = new Proxy(new Array(1e6).fill('item'), {
      get(target, key, receiver) {
        reads++;
        return Reflect.get(target, key, receiver);
      },
    });
    serialize(counting, { maxBytes: 1000 });
    expect(reads).toBeLessThan(300);
    reads = 0;
    const hollow = new Proxy(
      {},
      {
        ownKeys: () => Array.from({ length: 5000 }, (_, index) => `k${index}`),
        getOwnPropertyDescriptor: () => ({
          enumerable: true,
          configurable: true,
          value: undefined,
        }),
        get: () => {
          reads++;
          return undefined;
        },
      },
    );
    serialize(hollow, { maxBytes: 1000 });
    expect(reads).toBeLessThanOrEqual(1000);
  });

  it('does not run the iterators that a subclass of Map or Set brings', () => {
    class Endless extends Map<unknown, unknown> {
      override *[Symbol.iterator](): MapIterator<[unknown, unknown]> {
        for (;;) yield [1, 1];
      }
      override entries(): MapIterator<[unknown, unknown]> {
        return this[Symbol.iterator]();
      }
      override get size(): number {
        return 1e9;
      }
    }
    expect(parsed(new Endless([['a', 1]]))).toEqual([['a', 1]]);
  });

  it('handles the promises that getters and toJSON make, and leaves the others alone', async () => {
    const unhandled: unknown[] = [];
    const listener = (reason: unknown): void => void unhandled.push(reason);
    process.on('unhandledRejection', listener);
    try {
      toJson({
        get made() {
          return Promise.reject(new Error('getter'));
        },
        async toJSON() {
          throw new Error('toJSON');
        },
      });
      toJson(
        new (class Row {
          async toJSON() {
            throw new Error('class');
          }
        })(),
      );
      const kept = Promise.reject(new Error('kept'));
      toJson({ kept });
      await new Promise((resolve) => setImmediate(resolve));
      expect(unhandled).toEqual([expect.objectContaining({ message: 'kept' })]);
    } finally {
      process.off('unhandledRejection', listener);
    }
  });

  it('serialises from inside a getter', () => {
    const value = {
      get inner() {
        return toJson({ a: [1] });
      },
      after: 'b',
    };
    expect(parsed(value)).toEqual({ inner: '{"a":[1]}', after: 'b' });
  });

  describe('media', () => {
    const png = `iVBORw0KGgo${'A1b+'.repeat(1000)}`;

    it.each([
      ['a data URI', `data:image/png;base64,${png}`, '<image/png 3.0 kB>'],
      ['a data URI of text', `data:text/plain,${'hello '.repeat(20)}`, '<text/plain 120 bytes>'],
      [
        'an image field',
        { mimeType: 'image/jpeg', data: 'Zm9v'.repeat(50) },
        { mimeType: 'image/jpeg', data: '<image/jpeg 150 bytes>' },
      ],
      [
        'an image part',
        { type: 'image', mimeType: 'image/webp', image: 'aGVs'.repeat(50) },
        { type: 'image', mimeType: 'image/webp', image: '<image/webp 150 bytes>' },
      ],
      [
        'an audio part',
        { type: 'audio', format: 'wav', data: 'aGVs'.repeat(50) },
        { type: 'audio', format: 'wav', data: '<audio/wav 150 bytes>' },
      ],
      ['a known format under any name', { picture: png }, { picture: '<image/png 3.0 kB>' }],
      ['OpenAI image answers', { b64_json: 'aB3/'.repeat(50) }, { b64_json: '<base64 150 bytes>' }],
      [
        'padded base64',
        { mimeType: 'image/gif', data: `${'Zm9v'.repeat(50)}Zg==` },
        { mimeType: 'image/gif', data: '<image/gif 151 bytes>' },
      ],
    ])('describes %s', (_name, value, expected) => {
      expect(parsed(value)).toEqual(expected);
    });

    it('describes media inside text', () => {
      expect(toText(`See ![chart](data:image/png;base64,${'aGVs'.repeat(40)}) above`)).toBe(
        'See ![chart](<image/png 120 bytes>) above',
      );
    });

    it.each([
      [
        'text under a media name',
        { mimeType: 'text/plain', data: 'A plain sentence with spaces. '.repeat(10) },
      ],
      ['filler', 'x'.repeat(5000)],
      ['filler under a media name', { data: 'a'.repeat(5000) }],
      ['a hash', { bytes: 'd'.repeat(128) }],
      ['a short data URI', 'data:,hi'],
    ])('leaves %s', (_name, value) => {
      expect(parsed(value)).toEqual(value);
    });

    it('keeps media that fits on request', () => {
      const value = { mimeType: 'image/png', data: png };
      expect(parsed(value, { keepMedia: true })).toEqual(value);
      expect(parsed(value, { keepMedia: true, maxBytes: 1000 })).toEqual({
        mimeType: 'image/png',
        data: '<image/png 3.0 kB>',
      });
    });

    it('is looked for once in a text that begins many and ends none', () => {
      // A pattern for the whole took minutes.
      for (const piece of ['data:;a=', 'data:a/a;b=', ';base64,', 'data:;base64,', 'data:']) {
        const text = `;base64,${piece.repeat(100_000)}`;
        expect(toText(text, { maxBytes: 2_000_000 })).toBe(text);
      }
      const uri = `data:text/plain;charset=utf-8;base64,${'QUJD'.repeat(8)}`;
      expect(toText(`see ${uri} and ${uri}, data:;base64,${'QUJD'.repeat(8)}.`)).toBe(
        'see <text/plain 24 bytes> and <text/plain 24 bytes>, <binary 24 bytes>.',
      );
    });

    it('costs the same whatever its size', () => {
      const data = 'iVBORw0KGgoAB1+'.repeat(1_000_000);
      expect(parsed({ data, mimeType: 'image/png' })).toEqual({
        data: '<image/png 11.3 MB>',
        mimeType: 'image/png',
      });
    });
  });

  describe('redaction', () => {
    const isSensitiveKey = createKeyMatcher();

    it('replaces the values of credential names at any depth', () => {
      const value = {
        apiKey: 'sk-1',
        nested: [{ headers: { Authorization: 'Bearer x', accept: '*' } }],
        map: new Map<unknown, unknown>([
          ['password', 'p'],
          ['keywords', 'k'],
        ]),
        secret: { any: 'thing' },
        pin: 1,
        maxTokens: 5,
        keywords: ['a'],
        password: '',
        token: null,
        secretEnabled: true,
        otp: 123456,
      };
      expect(parsed(value, { isSensitiveKey })).toEqual({
        apiKey: '[REDACTED]',
        nested: [{ headers: { Authorization: '[REDACTED]', accept: '*' } }],
        map: [
          ['password', '[REDACTED]'],
          ['keywords', 'k'],
        ],
        secret: '[REDACTED]',
        pin: 1,
        maxTokens: 5,
        keywords: ['a'],
        password: '',
        token: null,
        secretEnabled: true,
        otp: '[REDACTED]',
      });
    });

    it('replaces them in JSON within other text, and in JSON within JSON', () => {
      const answer = 'Answer Text: {"apiKey": "sk-1", "keywords": "k"} and "token: none"';
      expect(toText(answer, { isSensitiveKey })).toBe(
        'Answer Text: {"apiKey": "[REDACTED]", "keywords": "k"} and "token: none"',
      );
      let nested = JSON.stringify({ apiKey: 'sk-1', keywords: 'k' });
      for (let depth = 0; depth < 4; depth++) {
        nested = JSON.stringify({ keywords: 'outer', nested });
        for (const text of [nested, `Record: ${nested}`]) {
          expect(toText(text, { isSensitiveKey })).not.toContain('sk-1');
          expect(toText(text, { isSensitiveKey }).match(/keywords/g)).toHaveLength(depth + 2);
        }
      }
    });

    it.each([
      ['nested', 'Result: {"credentials": {"db": {"user":"u","pw":"hunter2"}}} "k": 1'],
      ['in lists of lists', 'Result: {"secrets": [["hunter2"], "x]"], "k": 1}'],
      ['as Jackson prints it', 'Result:\n{\n  "password" : "hunter2",\n  "k" : 1\n}'],
      ['after a blank', ' {"password" : "hunter2", "k": 1}'],
      ['within JSON', '{"a":"{\\"password\\" : \\"hunter2\\", \\"k\\": 1}"}'],
      ['nested within JSON', '{"a":"{\\"secrets\\":[\\"]\\\\\\"hunter2\\"], \\"k\\": 1}"}'],
      ['as Python prints it', "Result: {'password': 'hunter2', 'k': 1}"],
      ['named twice', '{"password":"hunter2","password":null,"k":1}'],
      ['not closed', 'k: {"credentials": {"db": {"user":"u","pw":"hunter2'],
    ])('replaces them in JSON %s', (_, text) => {
      for (const value of [text, { text }, [text]]) {
        const json = toJson(value, { isSensitiveKey });
        expect(json).not.toContain('hunter2');
        expect(json).toMatch(/k\W/);
        expect(json).toContain('[REDACTED]');
      }
    });

    it('leaves absence and flags in JSON within text', () => {
      const text = 'Read: {"password": null, "token": true, "secret": false, "auth": ""}';
      expect(toText(text, { isSensitiveKey })).toBe(text);
    });

    it('replaces an Authorization header in a short text, and in names', () => {
      const value = {
        note: 'Bearer tok1234567890abc',
        tabbed: 'Authorization: Bearer\ttok1234567890abc',
        headers: new Headers([['x-custom', 'Basic hunter2123456']]),
        'https://user:hunter2@host/': 1,
        'Basic hunter2123456': 2,
        plain: 'a basic number of a bearer or a music 12345678',
      };
      expect(parsed(value, { isSensitiveKey })).toEqual({
        note: 'Bearer [REDACTED]',
        tabbed: 'Authorization: Bearer [REDACTED]',
        headers: { 'x-custom': 'Basic [REDACTED]' },
        'https://host/': 1,
        'Basic [REDACTED]': 2,
        plain: 'a basic number of a bearer or a music 12345678',
      });
    });

    it('takes credentials out of what a value throws, and of names of functions and symbols', () => {
      const value = {
        get x() {
          throw new Error('bad apiKey=hunter2hunter2 at https://u:hunter2@h/');
        },
        y: Symbol('password=hunter2'),
      };
      expect(parsed(value, { isSensitiveKey })).toEqual({
        x: '[threw: bad apiKey=[REDACTED] at https://h/]',
        y: 'Symbol(password=[REDACTED])',
      });
    });

    it('leaves the types in the definition of a tool', () => {
      const parameters = {
        type: 'object',
        properties: {
          password: { type: 'string', description: 'of the user' },
          apiKey: { type: 'string', default: 'sk-1' },
        },
      };
      expect(parsed(parameters, { isSensitiveKey })).toEqual({
        type: 'object',
        properties: {
          password: { type: 'string', description: 'of the user' },
          apiKey: '[REDACTED]',
        },
      });
    });

    it('takes names that were given as private out of errors, whatever their class', () => {
      const matches = createKeyMatcher(['ssn']);
      for (const error of [
        new Error('ssn=hunter2'),
        new DOMException('ssn=hunter2', 'AbortError'),
      ]) {
        const json = toJson({ error }, { isSensitiveKey: matches });
        expect(json).toContain(`"name":"${error.name}","message":"ssn=[REDACTED]"`);
        expect(json).not.toContain('hunter2');
      }
    });

    it('applies the redactor to numbers and names', () => {
      const redactText = (text: string): string => text.replaceAll('123456789', '[ssn]');
      expect(
        parsed({ n: 123456789, 'id 123456789': [7, 123456789], m: 12 }, { redactText }),
      ).toEqual({ n: '[ssn]', 'id [ssn]': [7, '[ssn]'], m: 12 });
    });

    it('gives the values that it left out for their names', () => {
      const { secrets } = serialize(
        { apiKey: 'sk-1', list: [{ otp: 12 }], keywords: 'k' },
        { isSensitiveKey },
      );
      expect(secrets).toEqual(['sk-1', 12]);
      expect(serialize({ a: 1 }, { isSensitiveKey }).secrets).toBeUndefined();
    });

    it('replaces the value of an Authorization header in any text', () => {
      expect(toText('curl -H "Authorization: Bearer abc123def456" x')).toBe(
        'curl -H "Authorization: Bearer [REDACTED]" x',
      );
      // RFC 9110, 11.1: the name of a scheme in any case.
      for (const scheme of ['Bearer', 'bearer', 'BEARER', 'Basic', 'basic', 'BASIC']) {
        expect(toText(`-H "authorization: ${scheme} YWJjOmRlZg=="`)).toBe(
          `-H "authorization: ${scheme} [REDACTED]"`,
        );
      }
      expect(toText('Bearer authentication')).toBe('Bearer authentication');
    });

    it('replaces them in JSON text, whole or cut', () => {
      const args = '{"api_key": "sk-1", "credentials": {"user": "u"}, "keywords": "k"}';
      expect(toText(args, { isSensitiveKey })).toBe(
        '{"api_key":"[REDACTED]","credentials":"[REDACTED]","keywords":"k"}',
      );
      expect(toText('{"keywords": "k", "monkey": 1}', { isSensitiveKey })).toBe(
        '{"keywords": "k", "monkey": 1}',
      );
      expect(toText(`{"password": "hunter2${'x'.repeat(500)}`, { isSensitiveKey })).toBe(
        '{"password": "[REDACTED]"',
      );
      expect(
        toText(`[{"api_key": "sk-secret", "text": "${'x'.repeat(500)}"}]`, {
          isSensitiveKey,
          maxBytes: 200,
        }),
      ).not.toContain('sk-secret');
    });

    it('takes user info and secret parameters out of URLs', () => {
      expect(parsed({ u: 'see https://user:p@ss@host/x?a=1&api_key=k#f, ftp://x@y' })).toEqual({
        u: 'see https://host/x?a=1&api_key=[REDACTED]#f, ftp://y',
      });
      expect(parsed({ mail: 'mailto me@x.org', at: 'a://b c@d' })).toEqual({
        mail: 'mailto me@x.org',
        at: 'a://b c@d',
      });
    });

    it('applies the redactor to every string, and leaves no half of a secret at a cut', () => {
      const secret = '4111-1111-1111-1111';
      const redactText = (text: string): string => text.replaceAll(secret, '[card]');
      expect(
        parsed({ a: secret, b: [`x ${secret}`], c: new Set([secret]) }, { redactText }),
      ).toEqual({ a: '[card]', b: ['x [card]'], c: ['[card]'] });
      for (let pad = 60; pad < 140; pad++) {
        const { json } = serialize(`${'p'.repeat(pad)}${secret}${'q'.repeat(5000)}`, {
          redactText,
          maxBytes: 128,
        });
        expect(json).not.toContain('4111');
        const { text } = serializeText(`${'p'.repeat(pad)}${secret}${'q'.repeat(5000)}`, {
          redactText,
          maxBytes: 128,
        });
        expect(text).not.toContain('4111');
      }
    });

    it('does not record what was thrown by a value of which the redactor knows the text', () => {
      const value = {
        get x() {
          throw new Error('patient Smith');
        },
      };
      expect(toJson(value, { redactText: (text) => text.replaceAll('Smith', '…') })).toBe(
        '{"x":"[threw: patient …]"}',
      );
    });

    it('records nothing when the redactor throws', () => {
      const redactText = (): string => {
        throw new Error('broken');
      };
      expect(serialize({ a: 'private' }, { redactText })).toEqual({
        json: '"[unserializable]"',
        truncated: false,
      });
      expect(toText('private', { redactText })).toBe('[unserializable]');
    });
  });
});

describe('serializeText', () => {
  it('gives strings as they are and other values as JSON', () => {
    expect(toText('a "b"\n')).toBe('a "b"\n');
    expect([toText(42), toText(true), toText(['a']), toText(undefined)]).toEqual([
      '42',
      'true',
      '["a"]',
      'null',
    ]);
  });

  it('replaces NUL and lone surrogates', () => {
    expect(toText('a\u0000b\udc00')).toBe('a\ufffdb\ufffd');
  });

  it('cuts to the budget by whole characters', () => {
    const { text, truncated } = serializeText('é'.repeat(100), { maxBytes: 60 });
    expect(truncated).toBe(true);
    expect(text).toMatch(/^é+\.\.\.\[\+\d+ chars\]$/);
    expect(Buffer.byteLength(text)).toBeLessThanOrEqual(60);
    expect(serializeText('é'.repeat(30), { maxBytes: 60 })).toEqual({
      text: 'é'.repeat(30),
      truncated: false,
    });
  });
});

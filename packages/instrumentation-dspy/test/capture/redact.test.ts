import { describe, expect, it } from 'vitest';
import { redactOpaque } from '../../src/capture/credentials.js';
import {
  createKeyMatcher,
  createValueRedactor,
  redactCredentials,
  safeString,
} from '../../src/capture/redact.js';

describe('createKeyMatcher', () => {
  const matches = createKeyMatcher();

  it.each([
    'api_key',
    'apiKey',
    'API_KEY',
    'x-api-key',
    'OPENAI_API_KEY',
    'apikey',
    'openaiApikey',
    'apiKeys',
    'authorization',
    'Authorization',
    'Proxy-Authorization',
    'proxyAuth',
    'auth',
    'password',
    'userPassword',
    'dbpassword',
    'PASSWD',
    'pwd',
    'passphrase',
    'passwordHash',
    'passcode',
    'secret',
    'clientSecret',
    'client_secret',
    'clientsecret',
    'SECRET_KEY',
    'AWS_SECRET_ACCESS_KEY',
    'secrets',
    'token',
    'accessToken',
    'refresh_token',
    'id-token',
    'GITHUB_TOKEN',
    'accesstoken',
    'csrfToken',
    'X-XSRF-TOKEN',
    'cookie',
    'Set-Cookie',
    'cookies',
    'credentials',
    'credential',
    'privateKey',
    'private_key',
    'PRIVATE-KEY',
    'bearer',
    'bearerToken',
    'jwt',
    'otp',
    'signingKey',
    'encryption_key',
    'sshKey',
    'connectionString',
    'DB_PASS',
    'smtpPass',
    'accessTokens',
    'refresh_tokens',
    'token2',
    'apiKey2',
    'API_KEY_2',
    'authHeader',
    'access_token_value',
    'lastPassword',
    'endUserPassword',
  ])('takes %s for a credential', (name) => {
    expect(matches(name)).toBe(true);
  });

  it.each([
    'keywords',
    'key',
    'keys',
    'primaryKey',
    'pass',
    'bypass',
    'eosToken',
    'pad_token',
    'stopToken',
    'jwtIssuer',
    'passcodeHint',
    'authorizationStatus',
    'value2',
    'header',
    'publicKey',
    'sortKey',
    'monkey',
    'keyboard',
    'keyPoints',
    'maxTokens',
    'max_tokens',
    'tokens',
    'tokenCount',
    'promptTokens',
    'totalTokens',
    'tokenUsage',
    'tokenizer',
    'maxToken',
    'nextPageToken',
    'pageToken',
    'author',
    'authors',
    'authority',
    'authenticated',
    'authorName',
    'tokenType',
    'token_limit',
    'secretary',
    'secretName',
    'passwordPolicy',
    'hasPassword',
    'password_required',
    'cookieUrl',
    'passage',
    'compass',
    'credit',
    'answer',
    'signature',
    '',
    '-',
    'authorizationUrl',
    'bearing',
    'passport',
    'tokenExpiresAt',
  ])('leaves %s', (name) => {
    expect(matches(name)).toBe(false);
  });

  it('takes names of the user, whatever their case and separators', () => {
    const withExtra = createKeyMatcher(['ssn', 'dateOfBirth']);
    expect(['ssn', 'SSN', 'date_of_birth', 'Date-Of-Birth', 'password'].map(withExtra)).toEqual([
      true,
      true,
      true,
      true,
      true,
    ]);
    expect(['ssnCount', 'lesson', 'dob', ''].map(withExtra)).toEqual([false, false, false, false]);
    expect(createKeyMatcher(['', ' ', '--'])('')).toBe(false);
  });

  it('judges very long names by their ends, and remembers a bounded number', () => {
    expect(matches(`${'x'.repeat(1e6)}Password`)).toBe(true);
    for (let index = 0; index < 5000; index++) expect(matches(`name${index}`)).toBe(false);
    expect(matches('password')).toBe(true);
  });

  it('says when a text needs no search', () => {
    expect(matches.mayOccurIn('{"question":"why"}')).toBe(false);
    expect(matches.mayOccurIn('{"Api-Key":1}')).toBe(true);
    expect(createKeyMatcher(['ssn']).mayOccurIn('anything')).toBe(true);
  });
});

describe('redactCredentials', () => {
  it.each([
    ['https://user:p@ss@host/x?key=AIzaSyA-1234&alt=sse', 'https://host/x?key=[REDACTED]&alt=sse'],
    ['Authorization: Bearer abc123def456', 'Authorization: [REDACTED]'],
    ['Error: password=hunter2', 'Error: password=[REDACTED]'],
    ['note: apiKey: hunter2, x: y', 'note: apiKey: [REDACTED], x: y'],
    ['config: {password: hunter2}', 'config: {password: [REDACTED]}'],
    ['headers: Authorization: Bearer hunter2', 'headers: Authorization: [REDACTED]'],
    ['passed=true password: none', 'passed=true password: [REDACTED]'],
    ['got Bearer eyJ0eXAi.x1 here', 'got Bearer [REDACTED] here'],
    [
      'Incorrect API key provided: sk-proj-abcdefgh12345678.',
      'Incorrect API key provided: [REDACTED].',
    ],
    ['{"apiKey":"s\\"ecret","model":"m"}', '{"apiKey":"[REDACTED]","model":"m"}'],
    ['{\\"api_key\\":\\"sk\\",\\"a\\":1}', '{\\"api_key\\":\\"[REDACTED]\\",\\"a\\":1}'],
    ['password=hunter2&user=me', 'password=[REDACTED]&user=me'],
    ["{ password: 'hun ter2', max_tokens: 5 }", "{ password: '[REDACTED]', max_tokens: 5 }"],
    ['x-api-key: k1', 'x-api-key: [REDACTED]'],
    [
      '"a":"{\\"b\\":\\"{}\\",\\"apiKey\\":\\"x\\"}"',
      '"a":"{\\"b\\":\\"{}\\",\\"apiKey\\":\\"[REDACTED]\\"}"',
    ],
    [
      'AKIAABCDEFGHIJKLMNOP and ghp_abcdefghijklmnopqrstuvwxyz0123456789',
      '[REDACTED] and [REDACTED]',
    ],
    ['Bearer authentication and Basic information', 'Bearer authentication and Basic information'],
    ['password: null, token: undefined', 'password: null, token: undefined'],
    ['at Object.token (file:///app/token.js:3:1)', 'at Object.token (file:///app/token.js:3:1)'],
    ['no secrets, maxTokens: 100, keywords: a', 'no secrets, maxTokens: 100, keywords: a'],
  ])('%s', (text, expected) => {
    expect(redactCredentials(text)).toBe(expected);
  });

  it.each([
    ['letters', 'a'.repeat(60_000)],
    ['quotes', '"a": "'.repeat(10_000)],
    ['escapes', '\\"'.repeat(30_000)],
    ['spaces', `password${' '.repeat(60_000)}`],
    ['names', 'a.'.repeat(30_000)],
    ['schemes', 'http://'.repeat(8_000)],
    ['open value', `token="${'\\'.repeat(60_000)}`],
    ['backslashes', `"key":${'\\'.repeat(60_000)}`],
    ['beginnings of tokens', 'key eyJ-'.repeat(7_500)],
    ['beginnings in one word', 'eyJ-'.repeat(15_000)],
  ])('is done with 60 kB of %s in no time', (_name, text) => {
    const start = performance.now();
    redactCredentials(text);
    expect(performance.now() - start).toBeLessThan(500);
  });
});

describe('redactOpaque', () => {
  it.each([
    ['Incorrect API key: zq9x8c7v6b5n4m3a', 'Incorrect API key: [REDACTED]'],
    ['key "zq9x8c-7v6b5n4m3a2s1d" was', 'key "[REDACTED]" was'],
    ['masked: abcd1***********wxyz.', 'masked: [REDACTED]'],
    ['model gpt-4o-mini-2024-07-18 needs a plan', 'model gpt-4o-mini-2024-07-18 needs a plan'],
    ['claude-sonnet-4-20250514 at 2026-01-01', 'claude-sonnet-4-20250514 at 2026-01-01'],
    ['invalid_api_key (invalid_request_error)', 'invalid_api_key (invalid_request_error)'],
    ['http://127.0.0.1:4010/v1/chat/completions', 'http://127.0.0.1:4010/v1/chat/completions'],
    [
      'see https://host1234567890ab/docs/a1b2c3d4e5f6a7',
      'see https://host1234567890ab/docs/a1b2c3d4e5f6a7',
    ],
  ])('%s', (text, expected) => {
    expect(redactOpaque(text)).toBe(expected);
  });

  it('is done with 60 kB in no time', () => {
    const start = performance.now();
    for (const unit of ['a', 'a1', 'a*', '.', 'a.', '*'])
      redactOpaque(unit.repeat(60_000 / unit.length));
    expect(performance.now() - start).toBeLessThan(500);
  });
});

describe('createValueRedactor', () => {
  it('is nothing when nothing was removed', () => {
    const inputs = { a: 'one', b: ['two'] };
    expect(createValueRedactor(inputs, inputs)).toBeUndefined();
    expect(createValueRedactor(inputs, structuredClone(inputs))).toBeUndefined();
    expect(createValueRedactor({ a: 'one' }, { wrapped: 'it is one' })).toBeUndefined();
    expect(createValueRedactor({ flag: true, none: null, empty: '' }, {})).toBeUndefined();
  });

  it('replaces what was removed, longest first, in every spelling', () => {
    const original = {
      name: 'Ann "A" Lee',
      note: 'Ann "A" Lee called\ntwice',
      keep: 'the weather',
    };
    const redactor = createValueRedactor(original, { keep: 'the weather' });
    const { redact } = redactor ?? { redact: String };
    expect(redact('Note: Ann "A" Lee called\ntwice. By Ann "A" Lee.')).toBe(
      'Note: [REDACTED]. By [REDACTED].',
    );
    expect(redact(JSON.stringify(original))).not.toMatch(/Lee|called/);
    expect(redact(JSON.stringify({ args: JSON.stringify(original) }))).not.toMatch(/Lee|called/);
    expect(redact(`https://h/?q=${encodeURIComponent(original.name)}`)).toBe(
      'https://h/?q=[REDACTED]',
    );
    expect(redact('the weather')).toBe('the weather');
    expect(redactor?.uncertain).toBe(false);
  });

  it('replaces the changed stretch of a value, and its names and numbers', () => {
    const { redact } = createValueRedactor(
      { text: 'My card is 4111-2222 and I am Ann Lee, aged 42.' },
      { text: 'My card is *** and I am ***, aged ***.' },
    ) ?? { redact: String };
    expect(redact('Hi Ann, card 4111-2222 charged')).toBe('Hi [REDACTED], card [REDACTED] charged');
    expect(redact('My card is safe')).toBe('My card is safe');
  });

  it('replaces short values only where they stand alone', () => {
    const { redact } = createValueRedactor({ age: 42, sex: 'F', id: 7n }, {}) ?? { redact: String };
    expect(redact('age 42, sex F, 142 Fish, id 7')).toBe(
      'age [REDACTED], sex [REDACTED], 142 Fish, id [REDACTED]',
    );
  });

  it('finds values in lists, maps, sets and dates', () => {
    const { redact } = createValueRedactor(
      {
        list: [['alpha-1']],
        map: new Map([['k', 'beta-22']]),
        set: new Set(['gamma-333']),
        when: new Date(0),
      },
      {},
    ) ?? { redact: String };
    expect(redact('alpha-1 beta-22 gamma-333 1970-01-01T00:00:00.000Z')).toBe(
      '[REDACTED] [REDACTED] [REDACTED] [REDACTED]',
    );
  });

  it('takes a long value out from its beginning to its end', () => {
    const document = 'Confidential report. '.repeat(2_000);
    const { redact } = createValueRedactor({ document }, {}) ?? { redact: String };
    expect(redact(`Document: ${document.trim()}\nQuestion: why?`)).toBe(
      'Document: [REDACTED]\nQuestion: why?',
    );
    expect(redact(`Document: ${document.slice(0, 5000)}`)).toBe('Document: [REDACTED]');
  });

  it.each([
    ['too many values', Array.from({ length: 300 }, (_, index) => `value-${index}`), []],
    ['too large a value to walk', Array.from({ length: 20_000 }, () => 1), []],
    ['binary', { data: new Uint8Array(4) }, {}],
    [
      'a getter that throws',
      {
        get x() {
          throw new Error('no');
        },
      },
      {},
    ],
    [
      'nesting without end',
      (() => {
        const a: unknown[] = ['deep-value'];
        a.push(a);
        return a;
      })(),
      [],
    ],
  ])('withholds everything with %s', (_name, original, sanitized) => {
    const redactor = createValueRedactor(original, sanitized);
    expect(redactor?.uncertain).toBe(true);
    expect(redactor?.redact('any text')).toBe('[REDACTED]');
  });

  it('keeps its cost within bounds', () => {
    const original = {
      a: Array.from({ length: 200 }, (_, index) => `secret value ${index} `.repeat(1000)),
    };
    const start = performance.now();
    const redactor = createValueRedactor(original, {});
    redactor?.redact('x'.repeat(65_536));
    expect(performance.now() - start).toBeLessThan(2000);
  });
});

describe('safeString', () => {
  it('gives primitives as clean, short text and says what else it is', () => {
    expect(safeString('a\u0000\ud800')).toBe('a\ufffd\ufffd');
    expect([
      safeString(1n),
      safeString(null),
      safeString(undefined),
      safeString(Symbol('s')),
    ]).toEqual(['1', 'null', 'undefined', 'Symbol(s)']);
    expect(safeString({ toString: () => 'user code' })).toBe('[object]');
    expect(safeString(() => 1)).toBe('[function]');
    expect(safeString('postgres://u:p@db/x')).toBe('postgres://db/x');
    expect(Buffer.byteLength(safeString('é'.repeat(1e6), 100))).toBeLessThanOrEqual(100);
  });
});

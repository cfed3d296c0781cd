import { describe, expect, it } from 'vitest';
import { safeString } from '../../src/capture/redact.js';
import { toJson, toText } from '../../src/capture/serialize.js';
import { redactCutUrls, redactUrls } from '../../src/capture/urls.js';

const LONG = 'Long-Secret1'.repeat(50);

describe('redactUrls takes out', () => {
  it.each([
    ['https://app/cb#access_token=abcdef123456', 'https://app/cb#access_token=[REDACTED]'],
    ['https://app/#/access_token=abc&state=x', 'https://app/#/access_token=[REDACTED]&state=x'],
    ['https://h/x?private_token=abc', 'https://h/x?private_token=[REDACTED]'],
    ['https://h/x?a=1&auth_token=abc', 'https://h/x?a=1&auth_token=[REDACTED]'],
    ['https://h/x?session_token=abc', 'https://h/x?session_token=[REDACTED]'],
    ['https://h/x?subscription-key=abc', 'https://h/x?subscription-key=[REDACTED]'],
    ['https://h/x?X-Amz-Credential=a/b', 'https://h/x?X-Amz-Credential=[REDACTED]'],
    [
      'https://h/x?X-Amz-Signature=abc&X-Amz-Date=1',
      'https://h/x?X-Amz-Signature=[REDACTED]&X-Amz-Date=1',
    ],
    ['https://h/x?X-Goog-Signature=abc', 'https://h/x?X-Goog-Signature=[REDACTED]'],
    ['https://app/cb?code=4/0Abc&state=x', 'https://app/cb?code=[REDACTED]&state=x'],
    ['https://h/x?key=AIza&sig=b&signature=c', /^https:..h.x.key=\[REDACTED\]&sig=\[R.*=\[R/],
    ['https://h/x?a=1&amp;token=abc&amp;b=2', 'https://h/x?a=1&amp;token=[REDACTED]&amp;b=2'],
    ['https://h/x;token=abc', 'https://h/x;token=[REDACTED]'],
    ['https://h/x?user[password]=abc&a=1', 'https://h/x?user[password]=[REDACTED]&a=1'],
    ['https://h/x?access%5Ftoken=abc&a=1', 'https://h/x?access%5Ftoken=[REDACTED]&a=1'],
    ['https://h/x?%zztoken%=abc&token=abc', 'https://h/x?%zztoken%=abc&token=[REDACTED]'],
    [
      'https://h/?next=https%3A%2F%2Fi%2F%3Ftoken%3Dabc&a=1',
      'https://h/?next=https%3A%2F%2Fi%2F%3Ftoken%3D[REDACTED]&a=1',
    ],
    ['https://h/?next=https://i/?token=abc', 'https://h/?next=https://i/?token=[REDACTED]'],
    // As Go and Gson write JSON.
    ['"https://h/?a=1\\u0026token\\u003dabc"', '"https://h/?a=1\\u0026token\\u003d[REDACTED]"'],
    ['https://h/?token=abc\\u0026a=1', 'https://h/?token=[REDACTED]\\u0026a=1'],
    ['{\\"u\\":\\"https://h/?token=abc\\"}', '{\\"u\\":\\"https://h/?token=[REDACTED]\\"}'],
    ['"https:\\/\\/h\\/?token=ab\\/cd"', '"https:\\/\\/h\\/?token=[REDACTED]"'],
    ["'https://h/?token=hun'ter2', 'b'", "'https://h/?token=[REDACTED]', 'b'"],
    ['GET /v1?token=abc of https://h', 'GET /v1?token=[REDACTED] of https://h'],
  ])('the secret parameters of %s', (text, expected) => {
    if (typeof expected === 'string') expect(redactUrls(text)).toBe(expected);
    else expect(redactUrls(text)).toMatch(expected);
    expect(redactUrls(redactUrls(text))).toBe(redactUrls(text));
  });

  it.each([
    ['https://user:hunter2@h/x', 'https://h/x'],
    ['ssh://git@h/x', 'ssh://h/x'],
    [`https://oauth2:${LONG}@gitlab.com/x`, 'https://gitlab.com/x'],
    ["postgres://user:hun'ter2@h", 'postgres://h'],
    ["postgres://user:hun',ter2@h", 'postgres://h'],
    ["at 'postgres://user:hun'ter2@h', or", "at 'postgres://h', or"],
    ['postgres://user:hun/ter2@h/db', 'postgres://h/db'],
    ['postgres://user:hun?ter2@h/db', 'postgres://h/db'],
    ['postgres://user:hun#ter2@h/db', 'postgres://h/db'],
    ['postgres://user:p@hunter2@h/db', 'postgres://h/db'],
    ['postgres://user:p@hun/ter2@h/db', 'postgres://h/db'],
    ['postgres://ann@example.com:hun/ter2@h/db', 'postgres://h/db'],
    ['redis://:hunter2@h:6379', 'redis://h:6379'],
    ['redis://:12/34@h:6379', 'redis://h:6379'],
    ['https://user:123456/7@h', 'https://h'],
    ['https://[::1]:hunter2@h', 'https://h'],
    ['https:\\/\\/user:hunter2@host\\/x', 'https:\\/\\/host\\/x'],
    ['https:\\/\\/user:hun\\/ter2@host\\/x', 'https:\\/\\/host\\/x'],
    ['https:\\\\/\\\\/user:hunter2@host\\\\/x', 'https:\\\\/\\\\/host\\\\/x'],
    ["'https://a:b@c'", "'https://c'"],
    ["'https://a:b@c','d@e'", "'https://c','d@e'"],
    ['<https://a:b@c> and `https://d:e@f`, g@h', '<https://c> and `https://f`, g@h'],
    ['https://a.b/c|https://u:hunter2@h', 'https://a.b/c|https://h'],
    ['https://u:p@h/?token=abc@hunter2', 'https://[REDACTED]'],
    ['https://u:p?token=a@h/?token=hunter2', 'https://[REDACTED]'],
    ['https://u:p?token=a&b@h/?token=c', 'https://h/?token=[REDACTED]'],
    ['jdbc:sqlserver://h:1433;user=sa;password=hun@ter2', 'jdbc:sqlserver://[REDACTED]'],
  ])('the user info of %s', (text, expected) => {
    expect(redactUrls(text)).toBe(expected);
    expect(redactUrls(`"${text}"`)).toBe(`"${expected}"`);
    expect(redactUrls(expected)).toBe(expected);
  });
});

describe('redactUrls leaves', () => {
  it.each([
    'https://h/x?page=2&q=keywords&maxTokens=5&tokenCount=3',
    'https://h/x?token=&a=1#top',
    'https://h/x#readme',
    'https://medium.com/@ann/post',
    'http://localhost:4873/@scope/name/-/name@1.0.0.tgz',
    'http://[::1]:4873/@scope/name',
    'http:\\/\\/localhost:4873\\/@scope\\/name',
    'https://x.y/path?mail=ann@example.com',
    'https://x.y?mail=ann@example.com',
    'https://github.com/a/b/blob/main/x@1.2.3',
    'https://github.com/a/b#c:d@e',
    'https://unpkg.com/react@18.0.0/index.js',
    'https://web.archive.org/web/2020/https://medium.com/@ann/post',
    'https://host/a, b@c.d',
    "'https://host', 'b@c.d'",
    "'https://host','b@c.d'",
    'see http://host:port and mail ann@example.com',
    'file:///home/a:b/c@d',
    'no address: a@b, ?token=abc',
    'a://b c@d',
    '<?xml version="1.0"?> xmlns="http://www.w3.org/2000/svg"',
    '"http:\\/\\/" and \\/\\/',
  ])('%s', (text) => {
    expect(redactUrls(text)).toBe(text);
  });
});

describe('text that was cut', () => {
  it.each([
    ['at postgres://admin:SuperSecretPasswor', 'at postgres://'],
    ['at postgres://admin:12', 'at postgres://'],
    ['at https://ghp_SuperSecretPasswor', 'at https://'],
    ['at postgres://admin:Super/SecretPasswor', 'at postgres://'],
    ['at postgres://admin:Super@Secret/Passwor', 'at postgres://'],
    ['at https://h/x?token=abc', 'at https://h/x?token=[REDACTED]'],
    ['at https://token@h/x@1', 'at https://h/x@1'],
    ['at https://h:80/x, and', 'at https://h:80/x, and'],
    ['at https://h:port and', 'at https://h:port and'],
    ['nothing', 'nothing'],
  ])('%s ends without an unfinished user info', (text, expected) => {
    expect(redactCutUrls(text)).toBe(expected);
  });
});

describe('no half of a user info is recorded', () => {
  const secret = 'S3cr3t/'.repeat(400);
  const url = `postgres://admin:${secret}@h/db`;

  it('of text that is cut to a budget', () => {
    for (const pad of [0, 60, 90, 110]) {
      const text = `${'p'.repeat(pad)} ${url} ${'q'.repeat(5000)}`;
      expect(toText(text, { maxBytes: 128 })).not.toContain('S3c');
      expect(toJson({ text }, { maxBytes: 256 })).not.toContain('S3c');
      expect(toJson({ [text]: 1 }, { maxBytes: 4096 })).not.toContain('S3c');
    }
  });

  it('of a name', () => {
    expect(safeString(url, 128)).toBe('postgres://');
    expect(safeString('https://app/cb#access_token=abcdef123456', 128)).toBe(
      'https://app/cb#access_token=[REDACTED]',
    );
  });

  it('of an error in a value', () => {
    for (const pad of [0, 4060, 4096]) {
      const error = new Error(`${'p'.repeat(pad)} ${url}`);
      expect(toJson({ error })).not.toContain('S3c');
    }
    expect(toJson({ error: new Error(`${'p'.repeat(16_370)} ${url}`) })).not.toContain('S3c');
    expect(toJson({ error: new Error(`${'p'.repeat(9000)}`) })).not.toContain('p'.repeat(4097));
  });

  it('of what a value threw', () => {
    const throwing = {
      get a() {
        throw new Error(`${'p'.repeat(150)} ${url}`);
      },
    };
    expect(toJson(throwing)).toContain('postgres://');
    expect(toJson(throwing)).not.toContain('S3c');
  });
});

describe('a URL object', () => {
  it.each([
    ["https://u:hun'ter2@h/@ann?mail=a@b.c", 'https://h/@ann?mail=a@b.c'],
    ['https://u@h:8080/x', 'https://h:8080/x'],
    ['https://app/cb#access_token=abcdef123456', 'https://app/cb#access_token=[REDACTED]'],
    ['blob:https://u:hunter2@h/x', 'blob:https://h/x'],
    ['mailto:ann@example.com', 'mailto:ann@example.com'],
  ])('%s is recorded without its secrets', (address, expected) => {
    const url = new URL(address);
    expect(toJson({ url })).toBe(JSON.stringify({ url: expected }));
    expect(url.href).toBe(new URL(address).href);
  });
});

describe('the cost grows with the text and not with its square', () => {
  const SIZE = 65_536;
  const fill = (unit: string): string => unit.repeat(Math.ceil(SIZE / unit.length));

  /** The least of a few runs: what else the machine does comes on top. */
  function spent(text: string): number {
    const runs = [redactUrls, redactCutUrls, redactUrls, redactCutUrls].map((redact) => {
      const start = performance.now();
      redact(text);
      return performance.now() - start;
    });
    return Math.min(...runs);
  }

  it('and no length is too much for the stack', () => {
    const value = "a'b\\/".repeat(2_000_000);
    expect(redactUrls(`a://b?token=${value} c`)).toBe('a://b?token=[REDACTED] c');
  });

  const prose = spent(fill('As https://example.com/a?page=2 of ann@example.com says. '));

  it.each([
    ['schemes', fill('https://')],
    ['schemes before an at sign', `${fill('https://')}@`],
    ['schemes and spaces', fill('https:// ')],
    ['paths before an at sign', `${fill('https://x/')}@`],
    ['paths and at signs', fill('https://x/@')],
    ['passwords', fill('a://b:')],
    ['passwords before an at sign', `${fill('a://b:')}@`],
    ['passwords and at signs', fill('a://b:c@')],
    ['passwords in many texts', `@ ${fill('a://b:c ')}`],
    ['open quotes', fill("'a://b")],
    ['open quotes and at signs', fill("'a://b@")],
    ['one long authority', `a://${fill('b:')}`],
    ['parameters', `a://${fill('?a=')}`],
    ['secret parameters', `a://${fill('?token=')}`],
    ['different parameters', `a://${Array.from({ length: 9000 }, (_, at) => `?t${at}=`).join('')}`],
    ['letters', `a://?${fill('a')}`],
    ['question marks', `a://${fill('?')}`],
    ['percent signs', `a://?${fill('%26')}`],
    ['backslashes', `a://?token=${fill('\\')}`],
    ['backslashes and colons', `a://${fill(':\\')}`],
    ['backslashes before nothing', `:\\/\\/${fill('\\')}:${fill('\\')}`],
    ['colons', `a://${fill(':')}@`],
    ['single quotes', `'a://?token=${fill("'")}`],
    ['at signs', `a://b:${fill('@')}`],
  ])('of %s', (_name, text) => {
    expect(spent(text)).toBeLessThan(prose * 100 + 10);
  });
});

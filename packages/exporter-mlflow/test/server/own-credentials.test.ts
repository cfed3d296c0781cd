import { expect, it } from 'vitest';
import { withoutOwnCredentials } from '../../src/server/own-credentials.js';

const basic = (pair: string) => `Basic ${Buffer.from(pair).toString('base64')}`;

it.each<[string, string, string | undefined, Record<string, string>, string]>([
  ['a token', 'no: Bearer abc123 (abc123)', 'Bearer abc123', {}, 'no: Bearer [hidden] ([hidden])'],
  [
    'basic authentication',
    `${basic('ann:pa:ss')} is ann:pa:ss, pa:ss`,
    basic('ann:pa:ss'),
    {},
    'Basic [hidden] is [hidden], [hidden]',
  ],
  ['JSON', '{"m":"p\\"q\\\\r"}', basic('ann:p"q\\r'), {}, '{"m":"[hidden]"}'],
  ['a URL', 'see /x?p=a%26b%2Fc', basic('ann:a&b/c'), {}, 'see /x?p=[hidden]'],
  [
    'a header',
    'key 0123456789!',
    undefined,
    { 'x-key': '0123456789', 'x-on': 'true' },
    'key [hidden]!',
  ],
  [
    'an Authorization header',
    'got abc123',
    undefined,
    { Authorization: 'Token abc123' },
    'got [hidden]',
  ],
  ['nothing', 'true, ann', basic('ann:x'), { 'x-on': 'true' }, 'true, ann'],
])(
  'an answer is read without what it repeats: %s',
  (_name, text, authorization, headers, expected) => {
    expect(withoutOwnCredentials(text, authorization, headers)).toBe(expected);
  },
);

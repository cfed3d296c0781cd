import { deflateSync, gzipSync } from 'node:zlib';
import { describe, expect, it } from 'vitest';
import { canary, placeOf } from './places.js';
import { placesIn, textsIn } from './scan.js';

const word = canary('an answer');
const text = `{"a":"it is ${word}, they say"}`;
const utf16be = () => Buffer.from(text, 'utf16le').swap16();
const escaped = (prefix: string) =>
  Buffer.from(
    [...Buffer.from(text)].map((byte) => prefix + byte.toString(16).padStart(2, '0')).join(''),
  );

const ENCODINGS: Readonly<Record<string, () => Buffer>> = {
  'plain text': () => Buffer.from(text),
  'JSON in JSON': () => Buffer.from(JSON.stringify(JSON.stringify(text))),
  'UTF-16, little end first': () => Buffer.from(text, 'utf16le'),
  'UTF-16, big end first': utf16be,
  'percent escapes of each byte': () => escaped('%'),
  'JSON escapes of each byte': () => escaped('\\u00'),
  'escapes of each byte': () => escaped('\\x'),
  base64: () => Buffer.from(`a=${Buffer.from(text).toString('base64')}`),
  'base64, shifted by one': () => Buffer.from(Buffer.from(`x${text}`).toString('base64')),
  'base64, shifted by two': () => Buffer.from(Buffer.from(`xy${text}`).toString('base64')),
  'base64 behind other text': () => Buffer.from(`abc${Buffer.from(text).toString('base64')}`),
  base64url: () => Buffer.from(Buffer.from(text).toString('base64url')),
  hex: () => Buffer.from(`a${Buffer.from(text).toString('hex')}`),
  gzip: () => gzipSync(text),
  'gzip behind a head': () => Buffer.concat([Buffer.from('POST / \n'), gzipSync(text)]),
  deflate: () => deflateSync(text),
  'base64 of gzip': () => Buffer.from(gzipSync(text).toString('base64')),
  'base64 of UTF-16': () => Buffer.from(Buffer.from(text, 'utf16le').toString('base64')),
};

describe('a word is found', () => {
  it.each(Object.entries(ENCODINGS))('in %s', (_name, encode) => {
    expect([...placesIn(encode())]).toEqual(['an answer']);
    expect(textsIn(encode(), ['nothing', word])).toEqual([word]);
  });
});

it('no word is found where there is none', () => {
  expect(placesIn(Buffer.from('zq7x, k9wv, zq7x12k9wv')).size).toBe(0);
  expect(textsIn(Buffer.from(text), ['other', 'it.is'])).toEqual([]);
});

it('every place has a word of its own', () => {
  expect(placeOf(canary('the error of a metric'))).toBe('the error of a metric');
  expect(placeOf(canary('the bytes of a voice'))).toBe('the bytes of a voice');
});

import { describe, expect, it } from 'vitest';
import { parseRetryAfter, verdictOfError, verdictOfResponse } from '../../src/delivery/verdict.js';
import { ConnectionError } from '../../src/server/connection.js';
import { MlflowApiError } from '../../src/server/errors.js';

const NOW = Date.parse('2026-11-25T10:00:00Z');

describe('Retry-After', () => {
  it.each([
    ['120', 120_000],
    ['0', 0],
    ['1.5', 1_500],
    ['Wed, 25 Nov 2026 10:00:30 GMT', 30_000],
    ['Wed, 25 Nov 2026 09:00:00 GMT', 0],
    ['soon', undefined],
    ['-5', undefined],
    ['', undefined],
    [undefined, undefined],
  ])('%s', (header, expected) => {
    expect(parseRetryAfter(header, NOW)).toBe(expected);
  });
});

describe('an answer to spans', () => {
  const response = (status: number, text = '', headers: Record<string, string> = {}) =>
    verdictOfResponse({ status, text, headers });

  it.each([
    [200, 'sent'],
    [302, 'retry'],
    [400, 'refused'],
    [401, 'retry'],
    [403, 'retry'],
    [404, 'unsupported'],
    [405, 'unsupported'],
    [408, 'retry'],
    [413, 'too_large'],
    [422, 'refused'],
    [425, 'retry'],
    [429, 'retry'],
    [500, 'failing'],
    [501, 'unsupported'],
    [502, 'retry'],
    [503, 'retry'],
    [504, 'retry'],
  ])('%i is %s', (status, kind) => {
    expect(response(status).kind).toBe(kind);
  });

  it('of any body is a success, but not a page', () => {
    expect(
      response(200, '{"partialSuccess":{}}', { 'content-type': 'application/x-protobuf' }).kind,
    ).toBe('sent');
    expect(response(200, '<html>', { 'content-type': 'text/html; charset=utf-8' })).toMatchObject({
      kind: 'retry',
      state: 'misdirected',
    });
  });

  it('tells an unknown experiment from a missing endpoint', () => {
    const text =
      '{"error_code":"RESOURCE_DOES_NOT_EXIST","message":"No Experiment with id=9 exists"}';
    expect(response(404, text).kind).toBe('no_experiment');
  });

  it.each([
    ['UNIQUE constraint failed: trace_info.request_id', 400],
    ['(psycopg2.errors.UniqueViolation) duplicate key value', 400],
    ['deadlock detected', 500],
    ['database is locked', 500],
  ])('of a conflict, "%s", is worth another try', (message, status) => {
    expect(response(status, JSON.stringify({ error_code: 'BAD_REQUEST', message })).kind).toBe(
      'retry',
    );
  });

  it("gives the server's own words", () => {
    expect(
      response(400, '{"error_code":"INVALID_PARAMETER_VALUE","message":"too long"}'),
    ).toMatchObject({
      detail: '400 INVALID_PARAMETER_VALUE: too long',
    });
    expect(response(502, '<html><head><title>Bad Gateway</title></head></html>')).toMatchObject({
      detail: '502: Bad Gateway',
    });
  });
});

describe('an error', () => {
  it.each([
    ['ECONNREFUSED', false],
    ['ENOTFOUND', false],
    ['UND_ERR_CONNECT_TIMEOUT', false],
    ['ECONNRESET', true],
    ['ETIMEDOUT', true],
    [undefined, true],
  ])('%s: the server may have the request: %s', (code, uncertain) => {
    expect(verdictOfError(new ConnectionError('no', code))).toMatchObject({
      kind: 'retry',
      state: 'unreachable',
      uncertain,
    });
  });

  it.each([
    [
      'a missing endpoint',
      new MlflowApiError(404, 'GET /x', undefined, 'Not Found'),
      'misdirected',
    ],
    [
      'a page instead of JSON',
      new MlflowApiError(200, 'GET /x', 'ANSWER_NOT_JSON', '<html>'),
      'misdirected',
    ],
    ['401', new MlflowApiError(401, 'GET /x', undefined, 'no'), 'unauthorized'],
  ])('of %s is a state of the server', (_, error, state) => {
    expect(verdictOfError(error)).toMatchObject({ kind: 'retry', state });
  });

  it('of a request that could not be made says nothing of the server', () => {
    expect(verdictOfError(new ConnectionError('a header', 'ERR_INVALID_REQUEST'))).toEqual({
      kind: 'refused',
      detail: 'a header',
    });
  });

  it('that nobody expected is final', () => {
    expect(verdictOfError(new TypeError('x is not a function'))).toEqual({
      kind: 'refused',
      detail: 'TypeError: x is not a function',
    });
    expect(verdictOfError(Object.create(null)).kind).toBe('refused');
  });
});

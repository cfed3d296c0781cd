import { describe, expect, it, vi } from 'vitest';
import type { Connection, ServerRequest, ServerResponse } from '../../src/server/connection.js';
import { MlflowApiError } from '../../src/server/errors.js';
import { createExperimentResolver } from '../../src/server/experiments.js';
import { call, describeAnswer } from '../../src/server/rest.js';
import { quoteLongIntegers } from '../../src/server/trace-spans.js';
import { fetchServerVersion, isAtLeast, parseServerVersion } from '../../src/server/version.js';

type Answer = Partial<ServerResponse> | ((request: ServerRequest) => Partial<ServerResponse>);

/** A connection that answers as told, one answer after the other. */
function answering(...answers: Answer[]): Connection & { send: ReturnType<typeof vi.fn> } {
  const send = vi.fn(async (request: ServerRequest) => {
    const answer = answers.length > 1 ? answers.shift() : answers[0];
    const given = typeof answer === 'function' ? answer(request) : answer;
    return { status: 200, headers: {}, text: '', ...given };
  });
  return { address: 'http://h', send, close: async () => undefined };
}
const GET: ServerRequest = { method: 'GET', path: '/api/x', query: { secret: 's' } };

describe('answers', () => {
  it.each<[Partial<ServerResponse>, string | undefined, string]>([
    [
      { status: 404, text: '{"error_code":"RESOURCE_DOES_NOT_EXIST","message":"none"}' },
      'RESOURCE_DOES_NOT_EXIST',
      'none',
    ],
    [
      { status: 422, text: '{"detail":[{"type":"missing","loc":["header"]}]}' },
      undefined,
      '[{"type":"missing","loc":["header"]}]',
    ],
    [
      { status: 502, text: '<html><head><title>Bad\n Gateway</title></head></html>' },
      undefined,
      'Bad Gateway',
    ],
    [
      { status: 500, text: '<h1>Oops</h1><script>x()</script> <p>sorry</p>' },
      undefined,
      'Oops sorry',
    ],
    [{ status: 401, text: '' }, undefined, 'unauthorized'],
    [{ status: 503, text: '' }, undefined, 'no reason given'],
    [{ status: 500, text: 'x'.repeat(9_000) }, undefined, `${'x'.repeat(500)}…`],
    [
      { status: 302, headers: { location: 'https://u:p@sso/login?token=t#x' }, text: '' },
      undefined,
      'redirects to https://sso/login; set the tracking URI to the address it redirects to',
    ],
    [
      { status: 302, headers: { location: 'https://u:p/w@sso/login?token=t#x' }, text: '' },
      undefined,
      'redirects to https://sso/login; set the tracking URI to the address it redirects to',
    ],
    [
      { status: 302, headers: { location: '/@me/login?token=t' }, text: '' },
      undefined,
      'redirects to /@me/login; set the tracking URI to the address it redirects to',
    ],
  ])('%j have a reason', (answer, errorCode, reason) => {
    const found = describeAnswer({ status: 0, headers: {}, text: '', ...answer });
    expect([found.errorCode, found.reason]).toEqual([errorCode, reason]);
  });

  it('of errors are MlflowApiError, with what decides about a retry and without the query', async () => {
    const connection = answering({
      status: 429,
      headers: { 'retry-after': '5' },
      text: 'slow down',
    });
    const error = await call(connection, GET).catch((caught: unknown) => caught);
    expect(error).toBeInstanceOf(MlflowApiError);
    expect(error).toMatchObject({
      status: 429,
      endpoint: 'GET /api/x',
      retryAfter: '5',
      message: 'GET /api/x answered 429: slow down',
    });
  });

  it('of success are JSON or nothing', async () => {
    expect(await call(answering({ text: '{"a":1}' }), GET)).toEqual({ a: 1 });
    expect(await call(answering({ text: '' }), GET)).toEqual({});
    await expect(call(answering({ text: '<html>sign in' }), GET)).rejects.toThrow(
      /not JSON; is this an MLflow server\? It begins "<html>sign in"/,
    );
    await expect(call(answering({ text: '{"a', truncated: true }), GET)).rejects.toMatchObject({
      errorCode: 'ANSWER_TOO_LARGE',
    });
  });
});

describe('version', () => {
  it.each([
    ['3.17.2', [3, 17, 2]],
    ['3.18.0.dev0\n', [3, 18, 0]],
    ['"3.8.1"', [3, 8, 1]],
    ['2.9', [2, 9, 0]],
  ])('%j is read', (text, [major, minor, patch]) => {
    expect(parseServerVersion(text)).toMatchObject({ major, minor, patch });
  });

  it.each(['', '<html>', '3', 'v3.1.2', '{"version":"3.1.2"}'])('%j is none', (text) => {
    expect(parseServerVersion(text)).toBeUndefined();
  });

  it('is compared by number', () => {
    const version = parseServerVersion('3.9.1');
    expect(
      version && [isAtLeast(version, 3, 9), isAtLeast(version, 3, 10), isAtLeast(version, 2, 99)],
    ).toEqual([true, false, true]);
  });
});

describe('experiment resolver', () => {
  const none = { status: 404, text: '{"error_code":"RESOURCE_DOES_NOT_EXIST","message":"x"}' };
  const found = (id: string, stage = 'active') => ({
    text: JSON.stringify({ experiment: { experiment_id: id, name: 'n', lifecycle_stage: stage } }),
  });
  const exists = { status: 400, text: '{"error_code":"RESOURCE_ALREADY_EXISTS","message":"x"}' };

  it('asks once for concurrent and later questions, and again after it is told to forget', async () => {
    const connection = answering(found('7'));
    const resolver = createExperimentResolver(connection);
    const ids = await Promise.all([1, 2, 3].map(() => resolver.resolve({ name: 'n' })));
    expect([...ids, await resolver.resolve({ name: 'n' })]).toEqual(['7', '7', '7', '7']);
    expect(connection.send).toHaveBeenCalledTimes(1);
    resolver.forget({ name: 'n' });
    await resolver.resolve({ name: 'n' });
    expect(connection.send).toHaveBeenCalledTimes(2);
  });

  it('takes the one that another made in between', async () => {
    const resolver = createExperimentResolver(answering(none, exists, found('9')));
    expect(await resolver.resolve({ name: 'n' })).toBe('9');
  });

  it('never falls to another experiment when it cannot create its own', async () => {
    const denied = { status: 403, text: '{"error_code":"PERMISSION_DENIED","message":"no"}' };
    const resolver = createExperimentResolver(answering(none, denied));
    await expect(resolver.resolve({ name: 'n' })).rejects.toMatchObject({ status: 403 });
  });

  it('asks again after a failure, and keeps a refusal for a while', async () => {
    const connection = answering({ status: 503, text: '' }, found('1'), found('2', 'deleted'));
    const resolver = createExperimentResolver(connection);
    await expect(resolver.resolve({ id: '1' })).rejects.toMatchObject({ status: 503 });
    expect(await resolver.resolve({ id: '1' })).toBe('1');
    for (let i = 0; i < 3; i++) {
      await expect(resolver.resolve({ id: '2' })).rejects.toThrow(/is deleted; restore it/);
    }
    expect(connection.send).toHaveBeenCalledTimes(3);
  });
});

describe('whole numbers beyond 2^53', () => {
  it('become text where they are, and nowhere else', () => {
    const json =
      '{"start_time_unix_nano": 1795569213293168114,"time_unix_nano":1795569213293168999}, {"int_value":-9223372036854775808}, {"int_value":42,"text":"a \\"int_value\\": 1795569213293168114 b","int_value": 1795569213293168114}';
    expect(quoteLongIntegers(json)).toBe(
      '{"start_time_unix_nano": "1795569213293168114","time_unix_nano":"1795569213293168999"}, {"int_value":"-9223372036854775808"}, {"int_value":42,"text":"a \\"int_value\\": 1795569213293168114 b","int_value": "1795569213293168114"}',
    );
  });
});

describe('an answer of somebody else at the address', () => {
  it.each(['{}', '{"error":"no"}', '[]', '5', 'null', '{"experiment":null}'])(
    '%s: counts as no JSON of MLflow',
    async (text) => {
      const experiments = createExperimentResolver(answering({ text }));
      await expect(experiments.resolve({ name: 'mine' })).rejects.toMatchObject({
        errorCode: 'ANSWER_NOT_JSON',
        message: expect.stringContaining('is this an MLflow server?'),
      });
    },
  );
});

describe('the version', () => {
  it.each([408, 429, 500, 503])('is asked again after %i', async (status) => {
    await expect(fetchServerVersion(answering({ status }))).rejects.toMatchObject({ status });
  });

  it.each([401, 403, 404, 405])('is not told where the answer is %i', async (status) => {
    expect(await fetchServerVersion(answering({ status }))).toBeUndefined();
  });
});

import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import {
  type Credentials,
  createAuthenticator,
  readCredentialsFile,
  resolveCredentials,
} from '../../src/server/auth.js';

let file: string;
beforeAll(() => {
  file = join(mkdtempSync(join(tmpdir(), 'auth-')), 'credentials');
});
afterAll(() => rmSync(join(file, '..'), { recursive: true }));

describe('~/.mlflow/credentials', () => {
  it.each([
    ['[mlflow]\nmlflow_tracking_username = u\nmlflow_tracking_password = p\n', 'u', 'p'],
    ['\uFEFF[mlflow]\r\nMLFLOW_TRACKING_USERNAME=u\r\nmlflow_tracking_password: p\r\n', 'u', 'p'],
    [
      '[mlflow]\n# a comment\n; another\nmlflow_tracking_password = a#b;c=d "e"\n',
      undefined,
      'a#b;c=d "e"',
    ],
    ['[mlflow]\nmlflow_tracking_password = 100%%\n', undefined, '100%'],
    ['[other]\nmlflow_tracking_username = u\n', undefined, undefined],
    ['[mlflow]\nmlflow_tracking_username\n', undefined, undefined],
  ])('%j is read as Python reads it', (text, username, password) => {
    writeFileSync(file, text);
    expect(readCredentialsFile(file)).toEqual({ username, password });
  });

  it('gives nothing when it is not there', () => {
    expect(readCredentialsFile('/nowhere/credentials')).toEqual({});
  });

  it('comes last, and completes a username of the environment', () => {
    const fromFile = { username: 'f', password: 'fp' };
    expect(resolveCredentials({}, {}, fromFile)).toMatchObject({ username: 'f', password: 'fp' });
    expect(resolveCredentials({}, { MLFLOW_TRACKING_USERNAME: 'e' }, fromFile)).toMatchObject({
      username: 'e',
      password: 'fp',
    });
    expect(resolveCredentials({}, { MLFLOW_TRACKING_TOKEN: 't' }, fromFile)).toEqual({
      kind: 'bearer',
      token: 't',
    });
  });
});

describe('authenticator', () => {
  const none: Credentials = { kind: 'none' };

  it('writes basic credentials in UTF-8', async () => {
    const auth = createAuthenticator({ kind: 'basic', username: 'ü', password: 'p:w' }, () => none);
    expect(await auth.authorization()).toBe(`Basic ${Buffer.from('ü:p:w').toString('base64')}`);
  });

  it('asks a token function for every request', async () => {
    let n = 0;
    const auth = createAuthenticator(
      { kind: 'bearer', token: async () => `t${++n}\n` },
      () => none,
    );
    expect([await auth.authorization(), await auth.authorization()]).toEqual([
      'Bearer t1',
      'Bearer t2',
    ]);
  });

  it('looks again after a refusal, and gives up when nothing changed', async () => {
    const current = vi.fn((): Credentials => ({ kind: 'bearer', token: 'old' }));
    const auth = createAuthenticator({ kind: 'bearer', token: 'old' }, current);
    expect(await auth.renewed('Bearer old')).toBeUndefined();
    current.mockReturnValue({ kind: 'bearer', token: 'new' });
    expect(await auth.renewed('Bearer old')).toBe('Bearer new');
    expect(await auth.authorization()).toBe('Bearer new');
  });

  it('keeps what it had when the new settings are wrong', async () => {
    const auth = createAuthenticator({ kind: 'bearer', token: 'old' }, () => ({
      setting: 'x',
      message: 'y',
    }));
    expect(await auth.renewed('Bearer old')).toBeUndefined();
    expect(await auth.authorization()).toBe('Bearer old');
  });

  it.each([
    [
      'throws',
      () => {
        throw new Error('secret-1');
      },
      /`token` function threw Error$/,
    ],
    ['rejects', () => Promise.reject(new TypeError('secret-1')), /threw TypeError$/],
    ['gives nothing', () => undefined as never, /gave no token \(undefined\)$/],
    ['gives a line break inside', () => 'secret-1\nx', /space, a line break/],
  ])('says that the token function %s, without what it holds', async (_, token, message) => {
    const auth = createAuthenticator({ kind: 'bearer', token }, () => none);
    await expect(auth.authorization()).rejects.toThrow(message);
    await expect(auth.authorization()).rejects.not.toThrow(/secret-1/);
  });
});

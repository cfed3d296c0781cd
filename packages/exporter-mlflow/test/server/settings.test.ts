import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import {
  type ConnectionSettings,
  DEFAULT_REQUEST_TIMEOUT_MS,
  describeProblems,
  type ResolvedSettings,
  resolveSettings,
  type ServerOptions,
} from '../../src/server/settings.js';

let folder: string;
const pem = (kind: string) => `-----BEGIN ${kind}-----\nMIIB\n-----END ${kind}-----\n`;
const home = process.env.HOME;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'settings-'));
  // No credentials file of whoever runs the tests.
  process.env.HOME = folder;
  writeFileSync(join(folder, 'ca.pem'), pem('CERTIFICATE'));
  writeFileSync(join(folder, 'key.pem'), pem('EC PRIVATE KEY'));
  writeFileSync(join(folder, 'both.pem'), pem('PRIVATE KEY') + pem('CERTIFICATE'));
});
afterAll(() => {
  if (home === undefined) delete process.env.HOME;
  else process.env.HOME = home;
  rmSync(folder, { recursive: true });
});

type Env = Record<string, string>;

function good(options: ServerOptions, env: Env = {}): ResolvedSettings & { warnings: string[] } {
  const result = resolveSettings(options, env);
  if (!result.ok) throw new Error(describeProblems(result.problems));
  return { ...result.settings, warnings: result.warnings };
}
function server(options: ServerOptions, env: Env = {}): ConnectionSettings {
  const { destination } = good({ trackingUri: 'http://h', ...options }, env);
  if (destination.kind !== 'server') throw new Error('a local store');
  return destination.connection;
}
function bad(options: ServerOptions, env: Env = {}): string {
  const result = resolveSettings(options, env);
  if (result.ok) throw new Error(`accepted: ${JSON.stringify(result.settings)}`);
  return describeProblems(result.problems);
}

describe('trackingUri', () => {
  it.each([
    ['http://localhost:5000', 'http://localhost:5000'],
    ['https://h/mlflow/', 'https://h/mlflow'],
    ['https://h/a/b', 'https://h/a/b'],
    [' https://H:443/ ', 'https://h'],
    ['http://[::1]:5000/', 'http://[::1]:5000'],
  ])('%s is the server at %s', (trackingUri, baseUrl) => {
    expect(server({ trackingUri }).baseUrl).toBe(baseUrl);
  });

  it('keeps query and fragment out, and says so', () => {
    const { destination, warnings } = good({ trackingUri: 'http://h:5000/m/?a=1#/experiments/1' });
    expect(destination).toMatchObject({ connection: { baseUrl: 'http://h:5000/m' } });
    expect(warnings).toEqual([expect.stringContaining('is ignored')]);
  });

  it.each([
    ['file:./traces', resolve('traces')],
    ['file:traces', resolve('traces')],
    ['file:///var/traces', '/var/traces'],
    ['file:/var/tr%20aces', '/var/tr aces'],
  ])('%s is the local store in %s', (trackingUri, directory) => {
    expect(good({ trackingUri }).destination).toEqual({ kind: 'local', directory });
  });

  it('is a local store by default', () => {
    const { destination, source } = good({});
    expect([destination, source]).toEqual([
      { kind: 'local', directory: resolve('traces') },
      'default',
    ]);
  });

  it('comes from the option, then from the environment', () => {
    const env = { MLFLOW_TRACKING_URI: 'http://from-env' };
    expect(good({}, env)).toMatchObject({
      source: 'environment',
      destination: { connection: { baseUrl: 'http://from-env' } },
    });
    expect(good({ trackingUri: 'http://own' }, env).source).toBe('option');
    expect(good({}, { MLFLOW_TRACKING_URI: ' ' }).source).toBe('default');
  });

  it.each([
    [
      'localhost:5000',
      /trackingUri: "localhost:5000" has no scheme; write http:\/\/localhost:5000/,
    ],
    ['mlflow.example.com:5000/x', /write http:\/\/mlflow/],
    ['mlflow.example.com', /has no scheme; write http:\/\/mlflow.example.com/],
    ['', /is empty; set http/],
    ['databricks', /Databricks and Unity Catalog are not supported/],
    ['databricks://profile', /not supported/],
    ['uc://catalog.schema', /not supported/],
    ['sqlite:///m.db', /is a database; .*mlflow server --backend-store-uri/],
    ['postgresql+psycopg2://u:secret@h/db', /postgresql\+psycopg2:\/\/\*\*\*@h\/db is a database/],
    ['C:\\mlruns', /Windows path; .* file:\/\/\/C:\/mlruns/],
    ['~/mlruns', /"~\/mlruns": ~ is the home folder for a shell alone; write file:\/\/\/absolute/],
    ['file:~/mlruns', /~ is the home folder for a shell alone/],
    ['./mlruns', /is a path; for the local store write file:\.\/mlruns/],
    ['http://h:99999', /not a valid address \(host, or a port outside 1-65535\)/],
    ['http://h:0', /port 0/],
    ['http://', /not a valid address/],
    ['ftp://h', /scheme "ftp:", which is not supported; use http:, https: or file:/],
    ['file:', /names no folder/],
    ['file://host/share', /not a local folder/],
  ])('%j is refused with what to do', (trackingUri, message) => {
    expect(bad({ trackingUri })).toMatch(message);
  });

  it('names the variable when the value came from there, and shows no password', () => {
    const text = bad({}, { MLFLOW_TRACKING_URI: 'sqlite+x://user:hunter2@h' });
    expect(text).toMatch(/^MLFLOW_TRACKING_URI: /);
    expect(bad({ trackingUri: 'http://u:hunter2@h:99999' })).not.toContain('hunter2');
    expect(text).not.toContain('hunter2');
  });

  it.each([
    ['http://user:hun/ter2@host:5000', '"http://***@host:5000" is not a valid address'],
    ['http://user:hun?ter2@host:5000', '"http://***" is not a valid address'],
    ['http://user:hun#ter2@host:5000', '"http://***" is not a valid address'],
    ['postgresql://user:hun/ter2@host/db', 'postgresql://***@host/db is a database'],
    ['s3://AKIA:hun/ter2@bucket', 's3://***@bucket has the scheme "s3:"'],
    ['http://host:99999/?token=hunter2', '"http://host:99999/" is not a valid address'],
    ['ftp://host/?token=hunter2', 'ftp://host/ has the scheme "ftp:"'],
    ['ftp://host/#token=hun@ter2', 'ftp://*** has the scheme "ftp:"'],
    ['http://host:0?token=hunter2', '"http://host:0" has the port 0'],
    ['uc://user:hun/ter2@catalog', '"uc://***@catalog": Databricks'],
    ['file://user:hun/ter2@host/share', '"file://***@host/share" is not a local folder'],
    ['user:hun/ter2@host:5000', '"***@host:5000" has no scheme; write http://***@host:5000'],
    ['user:123/hunter2@host:5000', '"***@host:5000" has no scheme; write http://***@host:5000'],
    ['//user:hun/ter2@host', '"***@host" has no scheme; write http://***@host'],
    ['host:5000/?token=hunter2', '"host:5000/" has no scheme; write http://host:5000/'],
    ['host/?token=hunter2', '"host/" has no scheme; write http://host/'],
    ['./me@work/mlruns', '"./me@work/mlruns" is a path; for the local store write file:./me@work'],
  ])('%s is refused without what may be secret', (trackingUri, message) => {
    const text = bad({ trackingUri });
    expect(text).toContain(message);
    expect(text).not.toMatch(/hun|ter2/);
  });
});

describe('other settings', () => {
  it('take an option before its variable, and a default last', () => {
    const env = {
      MLFLOW_WORKSPACE: 'team-b',
      MLFLOW_HTTP_REQUEST_TIMEOUT: '1.5',
      MLFLOW_EXPERIMENT_ID: '7',
      MLFLOW_RUN_ID: 'abc',
    };
    expect(server({}, env)).toMatchObject({ workspace: 'team-b', requestTimeoutMs: 1_500 });
    expect(good({}, env)).toMatchObject({ experiment: { id: '7' }, runId: 'abc' });
    expect(
      server({ workspace: 'own', requestTimeoutMs: 9, headers: { 'X-Team': 'a' } }, env),
    ).toMatchObject({ workspace: 'own', requestTimeoutMs: 9, headers: { 'x-team': 'a' } });
    expect(good({ experimentName: 'mine', runId: 'own' }, env)).toMatchObject({
      experiment: { name: 'mine' },
      runId: 'own',
    });
    expect(server({})).toMatchObject({
      requestTimeoutMs: DEFAULT_REQUEST_TIMEOUT_MS,
      credentials: { kind: 'none' },
      tls: { rejectUnauthorized: true },
    });
    expect(good({}).experiment).toEqual({});
  });

  it('say when two of one source disagree', () => {
    const { warnings, experiment } = good({ experimentId: '1', experimentName: 'x' });
    expect(experiment).toEqual({ id: '1' });
    expect(warnings).toEqual(['experimentId wins over experimentName; both are set']);
  });

  it.each<[ServerOptions, Env, RegExp]>([
    [{ requestTimeoutMs: 0 }, {}, /requestTimeoutMs: 0 is not a number of milliseconds above 0/],
    [{ requestTimeoutMs: Number.NaN }, {}, /NaN is not/],
    [{ requestTimeoutMs: '5' as never }, {}, /"5" is not/],
    [
      {},
      { MLFLOW_HTTP_REQUEST_TIMEOUT: '30s' },
      /MLFLOW_HTTP_REQUEST_TIMEOUT: "30s" is not a number/,
    ],
    [{ requestTimeoutMs: Object.create(null) }, {}, /requestTimeoutMs: the value is not a number/],
    [{ insecureTls: Object.create(null) }, {}, /insecureTls: the value is not true or false/],
    [{ experimentId: 'my experiment' }, {}, /not an experiment id; for a name set experimentName/],
    [{ experimentId: 5 as never }, {}, /experimentId: must be text, not number/],
    [{ runId: 'a b' }, {}, /runId: "a b" is not a run id/],
    [{ workspace: 'a\nb' }, {}, /workspace: must be plain ASCII/],
    [{ headers: { 'bad name': 'x' } }, {}, /headers: "bad name" is not a header name/],
    [{ headers: { good: 'a\r\nb' } }, {}, /headers: the value of good must be/],
    [{ headers: 'x-key: canary' as never }, {}, /headers: must be an object of texts/],
    [{ headers: new Headers({ 'x-key': 'v' }) as never }, {}, /headers: must be an object/],
    [{ headers: new Map([['x-key', 'v']]) as never }, {}, /headers: must be an object/],
    [{ headers: ['x-key', 'v'] as never }, {}, /headers: must be an object/],
    [{ headers: null as never }, {}, /headers: must be an object/],
    [{ headers: { 'Content-Length': '5' } }, {}, /headers: Content-Length belongs to the body/],
    [{ headers: { 'transfer-encoding': 'chunked' } }, {}, /headers: transfer-encoding belongs/],
    [{}, { MLFLOW_TRACKING_INSECURE_TLS: 'maybe' }, /"maybe" is not true or false/],
    [{ insecureTls: 'false' as never }, {}, /insecureTls: "false" is not true or false/],
    [{ serverCertPath: '/nowhere.pem' }, {}, /cannot read "\/nowhere.pem" \(ENOENT\)/],
    [{ clientKeyPath: 'x' }, {}, /clientKeyPath: needs clientCertPath/],
    [
      {},
      { HTTP_PROXY: 'ftp://proxy:8080' },
      /HTTP_PROXY: is not the address of a proxy; write http:/,
    ],
  ])('%j %j is refused with what to do', (options, env, message) => {
    expect(bad({ trackingUri: 'http://h', ...options }, env)).toMatch(message);
  });

  it('name a proxy with or without its scheme', () => {
    expect(server({}, { HTTP_PROXY: 'proxy:8080' }).proxy).toBe('http://proxy:8080/');
    expect(server({}, { HTTPS_PROXY: 'ftp://proxy' }).proxy).toBeUndefined();
  });

  it('say when credentials win over an Authorization header', () => {
    const headers = { Authorization: 'Basic canary' };
    const env = { MLFLOW_TRACKING_TOKEN: 'token' };
    expect(good({ trackingUri: 'http://h', headers }, env).warnings).toEqual([
      expect.stringMatching(/^headers: the Authorization header is not sent.*MLFLOW_TRACKING_/),
    ]);
    expect(good({ trackingUri: 'http://h', headers }, {}).warnings).toEqual([]);
  });

  it('report every problem at once', () => {
    expect(bad({ trackingUri: 'x', requestTimeoutMs: -1, runId: '!' })).toMatch(
      /trackingUri.*runId/,
    );
  });

  it.each(['1', 'TRUE', ' yes '])(
    'MLFLOW_TRACKING_INSECURE_TLS=%j switches checking off',
    (word) => {
      const env = { MLFLOW_TRACKING_INSECURE_TLS: word };
      expect(server({}, env).tls.rejectUnauthorized).toBe(false);
      expect(good({ trackingUri: 'https://h' }, env).warnings).toEqual([
        expect.stringContaining('not checked'),
      ]);
    },
  );
});

describe('TLS files', () => {
  const file = (name: string) => join(folder, name);

  it('are read: authority, client certificate and key, in one file or two', () => {
    expect(server({ serverCertPath: file('ca.pem') }).tls.ca).toContain('CERTIFICATE');
    const both = server({}, { MLFLOW_TRACKING_CLIENT_CERT_PATH: file('both.pem') }).tls;
    expect(both).toMatchObject({ cert: both.key, rejectUnauthorized: true });
    const two = server({ clientCertPath: file('ca.pem'), clientKeyPath: file('key.pem') }).tls;
    expect(two.key).toContain('EC PRIVATE KEY');
  });

  it('must hold what they are for', () => {
    expect(bad({ trackingUri: 'https://h', serverCertPath: file('key.pem') })).toMatch(
      /serverCertPath: .* holds no PEM block "CERTIFICATE"/,
    );
    expect(bad({ trackingUri: 'https://h', clientCertPath: file('ca.pem') })).toMatch(
      /clientCertPath: .* holds no PEM block "PRIVATE KEY"/,
    );
    expect(bad({ trackingUri: 'https://h', serverCertPath: folder })).toMatch(/EISDIR/);
  });

  it('and insecure mode exclude each other', () => {
    const options = { trackingUri: 'https://h', serverCertPath: file('ca.pem'), insecureTls: true };
    expect(bad(options)).toMatch(/set one of the two/);
  });
});

describe('credentials', () => {
  it.each<[string, ServerOptions, Env, object]>([
    ['nothing', {}, {}, { kind: 'none' }],
    [
      'options',
      { username: 'u', password: 'p' },
      { MLFLOW_TRACKING_TOKEN: 't' },
      { kind: 'basic', username: 'u', password: 'p' },
    ],
    [
      'a token option before a username of the environment',
      { token: 'own' },
      { MLFLOW_TRACKING_USERNAME: 'u', MLFLOW_TRACKING_PASSWORD: 'p' },
      { kind: 'bearer', token: 'own' },
    ],
    [
      'username and password before a token of the same source',
      {},
      {
        MLFLOW_TRACKING_USERNAME: 'u',
        MLFLOW_TRACKING_PASSWORD: 'p:ä',
        MLFLOW_TRACKING_TOKEN: 't',
      },
      { kind: 'basic', username: 'u', password: 'p:ä' },
    ],
    [
      'a token where the password is empty',
      {},
      {
        MLFLOW_TRACKING_USERNAME: 'u',
        MLFLOW_TRACKING_PASSWORD: '',
        MLFLOW_TRACKING_TOKEN: 't',
      },
      { kind: 'bearer', token: 't' },
    ],
    [
      'user info in the address',
      { trackingUri: 'http://u:p%40ss@h/x' },
      { MLFLOW_TRACKING_TOKEN: 't' },
      { kind: 'basic', username: 'u', password: 'p@ss' },
    ],
    [
      'a username of one source with a password of another',
      { username: 'u' },
      { MLFLOW_TRACKING_PASSWORD: 'p' },
      { kind: 'basic', username: 'u', password: 'p' },
    ],
  ])('come from %s', (_, options, env, expected) => {
    const connection = server(options, env);
    expect(connection.credentials).toEqual(expected);
    expect(connection.baseUrl).not.toContain('@');
  });

  it.each<[ServerOptions, RegExp]>([
    [{ username: 'u' }, /username: a username is set but no password/],
    [{ password: 'p' }, /password: a password is set but no username/],
    [{ username: 'a:b', password: 'p' }, /username must not contain ":"/],
    [{ token: 'two words' }, /token holds a space/],
  ])('%j are refused without showing a secret', (options, message) => {
    const text = bad({ trackingUri: 'http://h', ...options });
    expect(text).toMatch(message);
    expect(text).not.toContain('two words');
  });

  it('come from ~/.mlflow/credentials last', () => {
    mkdirSync(join(folder, '.mlflow'));
    writeFileSync(
      join(folder, '.mlflow', 'credentials'),
      '[mlflow]\nmlflow_tracking_username = f\nmlflow_tracking_password = fp\n',
    );
    expect(server({}).credentials).toEqual({ kind: 'basic', username: 'f', password: 'fp' });
    expect(server({ token: 't' }).credentials).toEqual({ kind: 'bearer', token: 't' });
  });

  it('outside ASCII are named in a warning, not shown', () => {
    const { warnings } = good({ trackingUri: 'http://h', username: 'u', password: 'gehäim' });
    expect(warnings).toEqual([expect.stringMatching(/outside ASCII.*401/)]);
    expect(warnings[0]).not.toContain('gehäim');
  });

  it('of kinds that are not supported are named in a warning', () => {
    const { warnings } = good(
      { trackingUri: 'http://h' },
      { MLFLOW_TRACKING_AWS_SIGV4: 'true', MLFLOW_TRACKING_AUTH: 'plugin' },
    );
    expect(warnings).toHaveLength(2);
  });
});

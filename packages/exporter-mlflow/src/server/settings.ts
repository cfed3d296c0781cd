import type { ExperimentRef } from '../internal-types.js';
import { isRunId } from '../mapping/run-id.js';
import { isPlainObject } from '../plain-object.js';
import {
  type Credentials,
  type Environment,
  readCredentialsFile,
  resolveCredentials,
  type TokenSource,
} from './auth.js';
import { readBoolean } from './boolean.js';
import { routeTo } from './proxy.js';
import { type SettingProblem, SettingReader, show } from './setting-reader.js';
import { parseTrackingUri, type TrackingLocation } from './tracking-uri.js';

/**
 * Where MLflow is and how to get in. An option wins over its environment variable, which wins over
 * the default. An empty string counts as not set, except for `trackingUri`, where it is an error.
 */
export interface ServerOptions {
  /**
   * `http(s)://host[:port][/path]`, or `file:<folder>` for the local store (`file:./traces` is
   * relative to the working directory). `MLFLOW_TRACKING_URI`; default `file:./traces`.
   */
  trackingUri?: string | undefined;
  /** HTTP basic authentication. `MLFLOW_TRACKING_USERNAME`, then `~/.mlflow/credentials`. */
  username?: string | undefined;
  /** HTTP basic authentication. `MLFLOW_TRACKING_PASSWORD`, then `~/.mlflow/credentials`. */
  password?: string | undefined;
  /**
   * Bearer token, or a function that gives the current one, called for every request.
   * `MLFLOW_TRACKING_TOKEN`.
   */
  token?: TokenSource | undefined;
  /** PEM file of the authority behind the server's certificate. `MLFLOW_TRACKING_SERVER_CERT_PATH`. */
  serverCertPath?: string | undefined;
  /** PEM file with the client's certificate, and its key unless `clientKeyPath` names it. `MLFLOW_TRACKING_CLIENT_CERT_PATH`. */
  clientCertPath?: string | undefined;
  /** PEM file with the client's key. */
  clientKeyPath?: string | undefined;
  /** Accept any certificate. `MLFLOW_TRACKING_INSECURE_TLS`; default false. */
  insecureTls?: boolean | undefined;
  /** Workspace, sent as `X-MLFLOW-WORKSPACE`. `MLFLOW_WORKSPACE`. */
  workspace?: string | undefined;
  /** Milliseconds for one request, its answer included. `MLFLOW_HTTP_REQUEST_TIMEOUT` (seconds); default 30 000. */
  requestTimeoutMs?: number | undefined;
  /** Headers for every request, for a gateway in front of the server. */
  headers?: Record<string, string> | undefined;
  /** Experiment id. `MLFLOW_EXPERIMENT_ID`. Wins over a name from the same source. */
  experimentId?: string | undefined;
  /** Experiment name; created when absent. `MLFLOW_EXPERIMENT_NAME`. */
  experimentName?: string | undefined;
  /** Run that traces belong to unless a span names another. `MLFLOW_RUN_ID`. */
  runId?: string | undefined;
}

/** What a connection to a server needs; everything checked. */
export interface ConnectionSettings {
  /** Origin and path, no user info, query or slash at the end. */
  baseUrl: string;
  credentials: Credentials;
  /** Options that `credentials` came from, to look them up again after a 401. */
  credentialOptions: { username?: string; password?: string; token?: TokenSource };
  tls: { ca?: string; cert?: string; key?: string; rejectUnauthorized: boolean };
  /** Address of the proxy that the server is reached through. */
  proxy?: string;
  headers: Record<string, string>;
  workspace?: string;
  requestTimeoutMs: number;
}

type Destination =
  | { kind: 'server'; connection: ConnectionSettings }
  | { kind: 'local'; directory: string };

export interface ResolvedSettings {
  destination: Destination;
  /** Where the tracking URI came from. */
  source: 'option' | 'environment' | 'default';
  /** Empty when neither option nor environment names one. */
  experiment: ExperimentRef;
  runId?: string;
}

export type SettingsResult =
  | { ok: true; settings: ResolvedSettings; warnings: string[] }
  | { ok: false; problems: SettingProblem[] };

const DEFAULT_TRACKING_URI = 'file:./traces';
export const DEFAULT_REQUEST_TIMEOUT_MS = 30_000;
const LONGEST_TIMEOUT_MS = 24 * 60 * 60 * 1000;

/** Reads all settings of {@link ServerOptions}. Never throws; reports every problem at once. */
export function resolveSettings(
  options: ServerOptions = {},
  env: Environment = process.env,
): SettingsResult {
  const reader = new SettingReader(env);
  const chosen = reader.text('trackingUri', options.trackingUri, 'MLFLOW_TRACKING_URI', true);
  const location = reader.check(
    chosen?.setting ?? 'trackingUri',
    parseTrackingUri(chosen?.value ?? DEFAULT_TRACKING_URI),
  );
  const settings: Partial<ResolvedSettings> = {
    source: chosen?.source ?? 'default',
    experiment: readExperiment(reader, options),
  };
  const runId = readRunId(reader, options);
  if (runId) settings.runId = runId;
  if (location?.kind === 'local') {
    settings.destination = { kind: 'local', directory: location.directory };
  } else if (location) {
    reader.warnings.push(...location.warnings);
    settings.destination = {
      kind: 'server',
      connection: readConnection(reader, options, location),
    };
  }
  if (reader.problems.length > 0) return { ok: false, problems: reader.problems };
  return { ok: true, settings: settings as ResolvedSettings, warnings: reader.warnings };
}

/** One readable line for a list of problems. */
export function describeProblems(problems: readonly SettingProblem[]): string {
  return problems.map(({ setting, message }) => `${setting}: ${message}`).join('; ');
}

function readConnection(
  reader: SettingReader,
  options: ServerOptions,
  location: Extract<TrackingLocation, { kind: 'server' }>,
): ConnectionSettings {
  const credentialOptions: ConnectionSettings['credentialOptions'] = {};
  const username = reader.own('username', options.username) ?? location.username;
  const password = reader.own('password', options.password) ?? location.password;
  if (username) credentialOptions.username = username;
  if (password) credentialOptions.password = password;
  if (typeof options.token === 'function') credentialOptions.token = options.token;
  else {
    const token = reader.own('token', options.token);
    if (token) credentialOptions.token = token;
  }
  const credentials = resolveCredentials(credentialOptions, reader.env, readCredentialsFile());
  if (!('kind' in credentials)) reader.problems.push(credentials);
  else if (credentials.kind === 'basic' && !isAscii(credentials)) {
    reader.warnings.push(
      'username or password holds characters outside ASCII: MLflow (3.17 and before) answers 401 to them where spans go, /v1/traces; use ASCII ones',
    );
  }
  for (const name of ['MLFLOW_TRACKING_AWS_SIGV4', 'MLFLOW_TRACKING_AUTH']) {
    const value = reader.env[name];
    if (value && readBoolean(value) !== false) {
      reader.warnings.push(
        `${name} is not supported and has no effect; use \`token\` or \`headers\``,
      );
    }
  }

  const connection: ConnectionSettings = {
    baseUrl: location.baseUrl,
    credentials: 'kind' in credentials ? credentials : { kind: 'none' },
    credentialOptions,
    tls: readTls(reader, options),
    headers: readHeaders(reader, options.headers),
    requestTimeoutMs: readTimeout(reader, options),
  };
  if (connection.credentials.kind !== 'none' && connection.headers.authorization !== undefined) {
    reader.warnings.push(
      'headers: the Authorization header is not sent, for there are credentials as well (options, MLFLOW_TRACKING_*, or ~/.mlflow/credentials); remove one of the two',
    );
  }
  const route = routeTo(new URL(location.baseUrl), reader.env);
  if ('problem' in route) reader.problems.push(route.problem);
  else if (route.proxy !== undefined) connection.proxy = route.proxy;
  const workspace = reader.text('workspace', options.workspace, 'MLFLOW_WORKSPACE');
  if (workspace) {
    if (isHeaderValue(workspace.value)) connection.workspace = workspace.value;
    else reader.problem(workspace.setting, 'must be plain ASCII text without line breaks');
  }
  return connection;
}

function readTls(reader: SettingReader, options: ServerOptions): ConnectionSettings['tls'] {
  const insecure = reader.boolean(
    'insecureTls',
    options.insecureTls,
    'MLFLOW_TRACKING_INSECURE_TLS',
  );
  const server = reader.text(
    'serverCertPath',
    options.serverCertPath,
    'MLFLOW_TRACKING_SERVER_CERT_PATH',
  );
  const client = reader.text(
    'clientCertPath',
    options.clientCertPath,
    'MLFLOW_TRACKING_CLIENT_CERT_PATH',
  );
  const key = reader.own('clientKeyPath', options.clientKeyPath);
  if (insecure) reader.warnings.push('insecureTls: the certificate of the server is not checked');
  if (insecure && server) {
    reader.problem(
      server.setting,
      'is set together with insecureTls; the certificate would not be checked, so set one of the two',
    );
  }
  if (key && !client) reader.problem('clientKeyPath', 'needs clientCertPath as well');
  const tls: ConnectionSettings['tls'] = { rejectUnauthorized: !insecure };
  if (server) {
    const ca = reader.pem(server.setting, server.value, 'CERTIFICATE');
    if (ca) tls.ca = ca;
  }
  if (client) {
    const cert = reader.pem(client.setting, client.value, 'CERTIFICATE');
    const pem = key
      ? reader.pem('clientKeyPath', key, 'PRIVATE KEY')
      : cert && reader.pem(client.setting, client.value, 'PRIVATE KEY');
    if (cert) tls.cert = cert;
    if (pem) tls.key = pem;
  }
  return tls;
}

/** They are those of the body, and a wrong one breaks every request. */
const OF_THE_BODY = /^(content-length|transfer-encoding)$/i;

function readHeaders(reader: SettingReader, headers: unknown): Record<string, string> {
  const result: Record<string, string> = {};
  if (headers === undefined) return result;
  if (!isPlainObject(headers)) {
    reader.problem('headers', 'must be an object of texts, such as { "x-key": "value" }');
    return result;
  }
  for (const [name, value] of Object.entries(headers)) {
    if (value === undefined) continue;
    // RFC 9110 §5.6.2 for the name. The value may be a secret and is not shown.
    if (!/^[!#$%&'*+.^_`|~\w-]+$/.test(name)) {
      reader.problem('headers', `${JSON.stringify(name)} is not a header name`);
    } else if (OF_THE_BODY.test(name)) {
      reader.problem('headers', `${name} belongs to the body and cannot be set`);
    } else if (typeof value !== 'string' || !isHeaderValue(value)) {
      reader.problem('headers', `the value of ${name} must be ASCII text without line breaks`);
    } else result[name.toLowerCase()] = value;
  }
  return result;
}

function readTimeout(reader: SettingReader, options: ServerOptions): number {
  const option = options.requestTimeoutMs;
  if (option !== undefined) {
    if (isTimeout(option)) return option;
    reader.problem(
      'requestTimeoutMs',
      `${show(option)} is not a number of milliseconds above 0 and at most ${LONGEST_TIMEOUT_MS}`,
    );
    return DEFAULT_REQUEST_TIMEOUT_MS;
  }
  const seconds = reader.env.MLFLOW_HTTP_REQUEST_TIMEOUT?.trim();
  if (!seconds) return DEFAULT_REQUEST_TIMEOUT_MS;
  const ms = Number(seconds) * 1000;
  if (isTimeout(ms)) return ms;
  reader.problem(
    'MLFLOW_HTTP_REQUEST_TIMEOUT',
    `${show(seconds)} is not a number of seconds above 0 and at most ${LONGEST_TIMEOUT_MS / 1000}`,
  );
  return DEFAULT_REQUEST_TIMEOUT_MS;
}

const isTimeout = (ms: unknown): ms is number =>
  typeof ms === 'number' && ms > 0 && ms <= LONGEST_TIMEOUT_MS;

function readExperiment(reader: SettingReader, options: ServerOptions): ExperimentRef {
  const pairs = [
    {
      id: reader.own('experimentId', options.experimentId),
      name: reader.own('experimentName', options.experimentName),
      settings: ['experimentId', 'experimentName'] as const,
    },
    {
      id: reader.env.MLFLOW_EXPERIMENT_ID?.trim(),
      name: reader.env.MLFLOW_EXPERIMENT_NAME?.trim(),
      settings: ['MLFLOW_EXPERIMENT_ID', 'MLFLOW_EXPERIMENT_NAME'] as const,
    },
  ];
  for (const { id, name, settings } of pairs) {
    if (id) {
      // MLflow's own rule (mlflow/utils/validation.py); most servers have digits alone.
      if (!/^[a-zA-Z0-9][\w-]{0,63}$/.test(id)) {
        reader.problem(
          settings[0],
          `${show(id)} is not an experiment id; for a name set ${settings[1]}`,
        );
      }
      if (name) reader.warnings.push(`${settings[0]} wins over ${settings[1]}; both are set`);
      return { id };
    }
    if (name) return { name };
  }
  return {};
}

function readRunId(reader: SettingReader, options: ServerOptions): string | undefined {
  const run = reader.text('runId', options.runId, 'MLFLOW_RUN_ID');
  if (run && !isRunId(run.value)) {
    reader.problem(run.setting, `${show(run.value)} is not a run id`);
    return undefined;
  }
  return run?.value;
}

const isAscii = ({ username, password }: { username: string; password: string }): boolean =>
  isHeaderValue(username + password);

const isHeaderValue = (value: string): boolean => /^[\x20-\x7e\t]*$/.test(value);

import { readFileSync } from 'node:fs';
import { homedir } from 'node:os';
import { join } from 'node:path';

/** A bearer token, or a function that gives the current one. */
export type TokenSource = string | (() => string | Promise<string>);

export type Credentials =
  | { kind: 'none' }
  | { kind: 'basic'; username: string; password: string }
  | { kind: 'bearer'; token: TokenSource };

export interface CredentialInput {
  username?: string | undefined;
  password?: string | undefined;
  token?: TokenSource | undefined;
}

export type Environment = Readonly<Record<string, string | undefined>>;

export interface CredentialProblem {
  setting: string;
  message: string;
}

/** Where credentials can come from, strongest first. */
const OPTION = 3;
const ENVIRONMENT = 2;
const FILE = 1;

interface Ranked<T> {
  value: T;
  rank: number;
  setting: string;
}

/**
 * Credentials by rank: options (and user info in the tracking URI), then `MLFLOW_TRACKING_*`, then
 * `~/.mlflow/credentials`. Username and password are looked up one by one, as Python does. Within a
 * rank a complete username and password win over a token, Python's rule too.
 */
export function resolveCredentials(
  options: CredentialInput,
  env: Environment,
  file: CredentialInput,
): Credentials | CredentialProblem {
  const username =
    ranked(options.username, OPTION, 'username') ??
    ranked(env.MLFLOW_TRACKING_USERNAME, ENVIRONMENT, 'MLFLOW_TRACKING_USERNAME') ??
    ranked(file.username, FILE, 'mlflow_tracking_username in ~/.mlflow/credentials');
  const password =
    ranked(options.password, OPTION, 'password') ??
    ranked(env.MLFLOW_TRACKING_PASSWORD, ENVIRONMENT, 'MLFLOW_TRACKING_PASSWORD') ??
    ranked(file.password, FILE, 'mlflow_tracking_password in ~/.mlflow/credentials');
  const token =
    ranked(options.token, OPTION, 'token') ??
    ranked(env.MLFLOW_TRACKING_TOKEN, ENVIRONMENT, 'MLFLOW_TRACKING_TOKEN');

  if (username && password) {
    const rank = Math.max(username.rank, password.rank);
    if (!token || rank >= token.rank) return checkBasic(username, password);
  }
  if (token) {
    const problem = typeof token.value === 'string' ? tokenProblem(token.value) : undefined;
    if (problem) return { setting: token.setting, message: problem };
    return { kind: 'bearer', token: token.value };
  }
  if (username) {
    return {
      setting: username.setting,
      message:
        'a username is set but no password; set `password` or MLFLOW_TRACKING_PASSWORD as well',
    };
  }
  if (password) {
    return {
      setting: password.setting,
      message:
        'a password is set but no username; set `username` or MLFLOW_TRACKING_USERNAME as well',
    };
  }
  return { kind: 'none' };
}

function ranked<T extends TokenSource>(
  value: T | undefined,
  rank: number,
  setting: string,
): Ranked<T> | undefined {
  return value === undefined || value === '' ? undefined : { value, rank, setting };
}

function checkBasic(
  username: Ranked<string>,
  password: Ranked<string>,
): Credentials | CredentialProblem {
  // RFC 7617: the user-id ends at the first colon.
  if (username.value.includes(':')) {
    return {
      setting: username.setting,
      message: 'a username must not contain ":"; basic authentication cannot carry it',
    };
  }
  return { kind: 'basic', username: username.value, password: password.value };
}

/** RFC 6750 allows no space or control character; a token with one was most often read with its line break. */
function tokenProblem(token: string): string | undefined {
  return /^[\x21-\x7e]+$/.test(token.trim())
    ? undefined
    : 'the token holds a space, a line break or a character outside ASCII; give the bare token';
}

/**
 * The `[mlflow]` section of `~/.mlflow/credentials`, read as Python's `configparser` reads it: `=` or
 * `:` separates, `#` and `;` begin a comment only at the start of a line, `%%` is `%`. (INI libraries
 * cut a password at `#`.) A file that is not there or cannot be read gives nothing.
 */
export function readCredentialsFile(path?: string): CredentialInput {
  let text: string;
  try {
    // A user without a home (a container's bare uid) makes `homedir` throw.
    text = readFileSync(path ?? join(homedir(), '.mlflow', 'credentials'), 'utf8');
  } catch {
    return {};
  }
  const values = new Map<string, string>();
  let section = '';
  for (const line of text.replace(/^\uFEFF/, '').split(/\r?\n/)) {
    const trimmed = line.trim();
    if (trimmed === '' || trimmed.startsWith('#') || trimmed.startsWith(';')) continue;
    const header = /^\[(.+)\]$/.exec(trimmed);
    if (header) {
      section = header[1] as string;
      continue;
    }
    const entry = /^([^=:]+?)\s*[=:]\s*(.*)$/.exec(trimmed);
    if (section === 'mlflow' && entry) {
      values.set((entry[1] as string).toLowerCase(), (entry[2] as string).replaceAll('%%', '%'));
    }
  }
  return {
    username: values.get('mlflow_tracking_username'),
    password: values.get('mlflow_tracking_password'),
  };
}

export interface Authenticator {
  /** Value of the `Authorization` header for a request about to be sent. Rejects with {@link TokenError}. */
  authorization(): Promise<string | undefined>;
  /** After a 401 for `refused`: the header to try once more with, when the credentials have changed. */
  renewed(refused: string | undefined): Promise<string | undefined>;
}

/** The program's token function threw or gave no usable token. Holds no part of the token. */
export class TokenError extends Error {
  override readonly name = 'TokenError';
}

/**
 * @param current looks the credentials up anew: in the environment and the credentials file as they
 *   are now. Used after a 401, so that a rotated secret is picked up without a restart.
 */
export function createAuthenticator(
  initial: Credentials,
  current: () => Credentials | CredentialProblem,
): Authenticator {
  let credentials = initial;
  return {
    authorization: () => headerOf(credentials),
    async renewed(refused) {
      const found = current();
      if ('kind' in found) credentials = found;
      const header = await headerOf(credentials);
      return header === refused ? undefined : header;
    },
  };
}

async function headerOf(credentials: Credentials): Promise<string | undefined> {
  switch (credentials.kind) {
    case 'none':
      return undefined;
    case 'basic': {
      const pair = `${credentials.username}:${credentials.password}`;
      return `Basic ${Buffer.from(pair, 'utf8').toString('base64')}`;
    }
    case 'bearer':
      return `Bearer ${await currentToken(credentials.token)}`;
  }
}

async function currentToken(source: TokenSource): Promise<string> {
  if (typeof source === 'string') return source.trim();
  let token: unknown;
  try {
    token = await source();
  } catch (error) {
    throw new TokenError(
      `the \`token\` function threw ${error instanceof Error ? error.name : typeof error}`,
    );
  }
  if (typeof token !== 'string' || token.trim() === '') {
    throw new TokenError(`the \`token\` function gave no token (${typeof token})`);
  }
  const problem = tokenProblem(token);
  if (problem) throw new TokenError(`the \`token\` function: ${problem}`);
  return token.trim();
}

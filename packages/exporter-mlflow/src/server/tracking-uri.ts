import { isAbsolute, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { hideSecrets } from './address.js';

export type TrackingLocation =
  | {
      kind: 'server';
      /** Origin and path, without user info, query, fragment or slash at the end. */
      baseUrl: string;
      username?: string;
      password?: string;
      warnings: string[];
    }
  | { kind: 'local'; directory: string };

const DATABASES = /^(sqlite|postgresql|postgres|mysql|mssql|oracle)(\+\w+)?$/;
const CLOUD = /^(databricks|databricks-uc|uc)$/;

/** Reads a tracking URI, or says in one line what is wrong with it and what to write instead. */
export function parseTrackingUri(uri: string): TrackingLocation | { error: string } {
  const text = uri.trim();
  if (text === '') {
    return { error: 'is empty; set http://host:port, or file:./traces for the local store' };
  }
  if (text === 'databricks') return databricks(text);
  if (/^[a-zA-Z]:[\\/]/.test(text)) {
    return {
      error: `${JSON.stringify(text)} is a Windows path; for the local store write file:///${text.replaceAll('\\', '/')}`,
    };
  }
  const scheme = /^([a-zA-Z][\w+.-]*):/.exec(text)?.[1]?.toLowerCase();
  if (scheme === undefined) return withoutScheme(text);
  if (scheme === 'file') return parseFile(text);
  if (scheme === 'http' || scheme === 'https') return parseHttp(text);
  if (CLOUD.test(scheme)) return databricks(redact(text));
  if (DATABASES.test(scheme)) {
    return {
      error: `${redact(text)} is a database; only an MLflow server writes to one: run \`mlflow server --backend-store-uri …\` and give its http address`,
    };
  }
  // `localhost:5000` parses as the scheme "localhost:".
  if (/^[\w.-]+:\d+(\/|$)/.test(text)) {
    const shown = redact(text);
    return { error: `${JSON.stringify(shown)} has no scheme; write http://${shown}` };
  }
  // Nor is the user in `user:password@host` one.
  if (text.includes('@') && !text.includes('://')) return withoutScheme(text);
  return {
    error: `${redact(text)} has the scheme "${scheme}:", which is not supported; use http:, https: or file:`,
  };
}

function databricks(text: string): { error: string } {
  return {
    error: `${JSON.stringify(text)}: Databricks and Unity Catalog are not supported; give the http address of an MLflow server`,
  };
}

function withoutScheme(text: string): { error: string } {
  const shown = redact(text);
  const quoted = JSON.stringify(shown);
  if (text.startsWith('~')) return withTilde(shown);
  if (/^(\.|\/(?!\/))/.test(text)) {
    return { error: `${quoted} is a path; for the local store write file:${shown}` };
  }
  return { error: `${quoted} has no scheme; write http://${shown}, or file:./traces` };
}

/** It would become a folder named `~`. */
function withTilde(shown: string): { error: string } {
  return {
    error: `${JSON.stringify(shown)}: ~ is the home folder for a shell alone; write file:///absolute/path`,
  };
}

function parseFile(text: string): TrackingLocation | { error: string } {
  const path = text.slice('file:'.length);
  if (/^~(\/|$)/.test(path)) return withTilde(redact(text));
  if (path === '' || path === '//') {
    return { error: `${JSON.stringify(text)} names no folder; write file:./traces` };
  }
  try {
    if (path.startsWith('//') || isAbsolute(path)) {
      return { kind: 'local', directory: fileURLToPath(text) };
    }
    return { kind: 'local', directory: resolve(decodeURIComponent(path)) };
  } catch {
    return {
      error: `${JSON.stringify(redact(text))} is not a local folder; write file:./traces or file:///absolute/path`,
    };
  }
}

function parseHttp(text: string): TrackingLocation | { error: string } {
  let url: URL;
  try {
    url = new URL(text);
  } catch {
    return {
      error: `${JSON.stringify(redact(text))} is not a valid address (host, or a port outside 1-65535); write http://host:port`,
    };
  }
  if (url.port === '0') return { error: `${JSON.stringify(redact(text))} has the port 0` };
  const warnings: string[] = [];
  if (url.search || url.hash) {
    warnings.push(
      `trackingUri: the part from "${url.search ? '?' : '#'}" on is ignored; the address is ${url.origin}${url.pathname}`,
    );
  }
  const location: TrackingLocation = {
    kind: 'server',
    baseUrl: `${url.origin}${url.pathname}`.replace(/\/+$/, ''),
    warnings,
  };
  if (url.username) location.username = decodeUserInfo(url.username);
  if (url.password) location.password = decodeUserInfo(url.password);
  return location;
}

function decodeUserInfo(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}

/** The text for a message. */
function redact(text: string): string {
  return hideSecrets(text, '***@');
}

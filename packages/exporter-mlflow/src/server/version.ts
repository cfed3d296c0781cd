import type { Connection } from './connection.js';
import { apiError } from './rest.js';

export interface ServerVersion {
  major: number;
  minor: number;
  patch: number;
  /** As the server wrote it, such as `3.17.2` or `3.18.0.dev0`. */
  text: string;
}

/**
 * `GET /version`. `undefined` where the server does not tell (401 or 404 behind some gateways, or a
 * page that is not a version). Rejects with `ConnectionError` when no answer came, and with `MlflowApiError`
 * for an answer that will be another one later: what it says of the version is nothing.
 */
export async function fetchServerVersion(
  connection: Connection,
): Promise<ServerVersion | undefined> {
  const request = { method: 'GET', path: '/version' } as const;
  const response = await connection.send(request);
  if (isPassing(response.status)) throw apiError(request, response);
  return response.status === 200 ? parseServerVersion(response.text) : undefined;
}

function isPassing(status: number): boolean {
  return status === 408 || status === 429 || status >= 500;
}

export function parseServerVersion(text: string): ServerVersion | undefined {
  const line = text.trim().replace(/^"(.*)"$/, '$1');
  const match = /^(\d+)\.(\d+)(?:\.(\d+))?([-+.\w]*)$/.exec(line);
  if (!match) return undefined;
  return {
    major: Number(match[1]),
    minor: Number(match[2]),
    patch: Number(match[3] ?? 0),
    text: line,
  };
}

/** Whether the version is `major.minor` or later; development builds count as their release. */
export function isAtLeast(version: ServerVersion, major: number, minor: number): boolean {
  return version.major > major || (version.major === major && version.minor >= minor);
}

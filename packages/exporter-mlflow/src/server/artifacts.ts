import type { TraceRecord } from '../internal-types.js';
import type { Connection } from './connection.js';
import { apiError, call, pathPart } from './rest.js';
import { encodeTraceArtifact } from './trace-artifact.js';
import type { WireTraceInfo } from './traces.js';

/** Artifacts of a run or a trace live where this server cannot take them over HTTP. */
export class ArtifactLocationError extends Error {
  override readonly name = 'ArtifactLocationError';
}

/** Path below `/api/2.0/mlflow-artifacts/artifacts/` of an artifact URI; undefined when the server does not proxy it. */
function artifactPath(artifactUri: string): string | undefined {
  const match = /^mlflow-artifacts:(?:\/\/[^/]*)?\/+(.*)$/.exec(artifactUri);
  return match?.[1]?.replace(/\/+$/, '');
}

function pathOf(folder: string, name: string): string {
  const names = name.split('/').map((part) => pathPart('the name of an artifact', part));
  return [...folder.split('/').map(encodeURIComponent), ...names].join('/');
}

/** `s3:`, `file:`, … */
function storageOf(artifactUri: string): string {
  return /^[a-z][\w+.-]*:/i.exec(artifactUri)?.[0] ?? 'a folder';
}

/** `PUT /api/2.0/mlflow-artifacts/artifacts/…`. Replaces what is there. */
export async function putArtifact(
  connection: Connection,
  artifactUri: string,
  name: string,
  content: string | Uint8Array,
  contentType = 'application/json',
): Promise<void> {
  const folder = artifactPath(artifactUri);
  if (folder === undefined) {
    throw new ArtifactLocationError(
      `artifacts go to ${storageOf(artifactUri)} without the server; start the server with --artifacts-destination to let it store ${name}`,
    );
  }
  const path = `/api/2.0/mlflow-artifacts/artifacts/${pathOf(folder, name)}`;
  await call(connection, {
    method: 'PUT',
    path,
    headers: { 'content-type': contentType },
    body: content,
  });
}

/** Text of an artifact of a run; undefined when there is none. */
export async function getArtifact(
  connection: Connection,
  artifactUri: string,
  name: string,
): Promise<string | undefined> {
  const folder = artifactPath(artifactUri);
  if (folder === undefined) return undefined;
  const request = {
    method: 'GET',
    path: `/api/2.0/mlflow-artifacts/artifacts/${pathOf(folder, name)}`,
  } as const;
  const response = await connection.send(request);
  if (response.status === 200) return response.text;
  const error = apiError(request, response);
  // Older releases answer 500 with what their file system said.
  if (error.status === 404 || /no such file|nosuchkey/i.test(error.reason)) return undefined;
  throw error;
}

/**
 * The fallback where the server stores no spans (`/v1/traces` answers 404, 405 or 501): `traces.json`
 * beside the trace that StartTraceV3 made. Such a trace opens in the UI and in Python, but spans
 * cannot be searched.
 *
 * @param info the answer of StartTraceV3, which says where the artifact goes
 */
export async function putTraceArtifact(
  connection: Connection,
  info: WireTraceInfo,
  trace: TraceRecord,
): Promise<void> {
  const location = info.tags?.['mlflow.artifactLocation'];
  if (!location) {
    throw new ArtifactLocationError('the server named no place for the artifact of the trace');
  }
  await putArtifact(connection, location, 'traces.json', encodeTraceArtifact(trace));
}

import type { Connection } from '../server/connection.js';
import { fetchServerVersion, isAtLeast, type ServerVersion } from '../server/version.js';

/** What a server can do, from its version (read from the sources of 3.8.1 to 3.17.2, and tried on 3.8.1, 3.12.0, 3.17.2). */
export interface ServerProfile {
  /** `undefined` where the server does not tell; it is then taken for a recent one. */
  version: string | undefined;
  /**
   * OTLP alone gives the complete record in any order of batches, and a resend counts tokens once
   * (3.15 and newer). 3.14 understands the attributes too but adds the tokens of every request.
   */
  otlpAlone: boolean;
  /** A resend adds its tokens to the trace's again, even after StartTraceV3 (before 3.12). */
  addsUp: boolean;
  /** `/v1/traces` is there and its store takes spans; found out by trying. */
  storesSpans: boolean;
}

export async function probeServer(connection: Connection): Promise<ServerProfile> {
  return profileOf(await fetchServerVersion(connection));
}

export function profileOf(version: ServerVersion | undefined): ServerProfile {
  return {
    version: version?.text,
    otlpAlone: version === undefined || isAtLeast(version, 3, 15),
    addsUp: version !== undefined && !isAtLeast(version, 3, 12),
    // MLflow 3.6 is the first with `/v1/traces`; asking costs nothing, so only the answer counts.
    storesSpans: true,
  };
}

/** Whether a trace must be whole before it is sent. */
export function needsWholeTrace(profile: ServerProfile): boolean {
  return !profile.otlpAlone || !profile.storesSpans;
}

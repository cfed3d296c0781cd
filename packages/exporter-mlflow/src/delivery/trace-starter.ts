import { type Diagnostics, describe } from '../diagnostics.js';
import type { Connection } from '../server/connection.js';
import { MlflowApiError } from '../server/errors.js';
import { getTraceInfo, startTrace } from '../server/traces.js';
import type { DeliveryMode } from '../types.js';
import { closeTrace } from './closing.js';
import { forEachLimited } from './limited.js';
import type { TraceParcel } from './parcel.js';
import { needsWholeTrace, type ServerProfile } from './server-profile.js';
import { isSourceKey } from './source-metadata.js';
import type { Target } from './span-requests.js';
import { isMissingEndpoint, type Verdict, verdictOfError } from './verdict.js';

/** For each of two requests in flight; a Start costs the server more than a batched trace. */
export const STARTS_AT_ONCE = 2;

/** Metadata keys that the server reads from span attributes itself. */
const FROM_SPANS: ReadonlySet<string> = new Set(['mlflow.trace.session', 'mlflow.trace.user']);

export interface TraceStarterContext {
  connection: Connection;
  mode: DeliveryMode;
  diagnostics: Diagnostics;
}

/** StartTraceV3: what OTLP cannot carry. */
export class TraceStarter {
  readonly #context: TraceStarterContext;

  constructor(context: TraceStarterContext) {
    this.#context = context;
  }

  /**
   * Whether the record of the trace is incomplete, or the server does not take it, without. Not for the
   * trace's source alone, which its tags name too: a start costs the server more than the trace does, and
   * tokens of spans that come after it are not counted.
   */
  needs({ started, record }: TraceParcel, profile: ServerProfile): boolean {
    const { mode } = this.#context;
    if (started || mode === 'otlp' || !record.complete) return false;
    if (needsWholeTrace(profile)) return true;
    // The state of the trace is the root's to tell; what is known here is added when the trace is closed.
    if (record.remoteRoot) return false;
    const { info } = record;
    return (
      mode === 'start+otlp' ||
      record.restates === true ||
      info.clientRequestId !== undefined ||
      info.assessments.length > 0 ||
      Object.keys(info.metadata).some((key) => !FROM_SPANS.has(key) && !isSourceKey(key))
    );
  }

  /** Starts traces; the verdicts of those that have to be tried again. */
  async start(
    parcels: readonly TraceParcel[],
    target: Target,
    verdicts: Map<TraceParcel, Verdict>,
  ): Promise<void> {
    await forEachLimited(parcels, STARTS_AT_ONCE, async (parcel) => {
      const failure = await this.#start(parcel, target);
      if (failure) verdicts.set(parcel, failure);
    });
  }

  /** The failure, or nothing when the trace is started or goes without. */
  async #start(
    parcel: TraceParcel,
    { profile, experimentId }: Target,
  ): Promise<Verdict | undefined> {
    const { info, remoteRoot } = parcel.record;
    try {
      if (remoteRoot && (await this.#joinStarted(parcel, profile, experimentId))) return undefined;
      await startTrace(this.#context.connection, info, experimentId);
      parcel.started = true;
      return undefined;
    } catch (error) {
      if (isStartedElsewhere(error)) return undefined;
      const verdict = verdictOfError(error);
      if (verdict.kind !== 'refused' && !isMissingEndpoint(error)) return verdict;
      // The spans alone still make a readable trace.
      this.#context.diagnostics.warnOnce(
        `MLflow at ${this.#context.connection.address} refused the metadata of a trace (tr-${info.traceId}: ${describe(error)}); its spans are stored without`,
      );
      return undefined;
    }
  }

  /**
   * A trace whose root another process sent first is that process's to start; servers that give an
   * error for a second start (before 3.12) are left with what they have.
   */
  async #joinStarted(
    parcel: TraceParcel,
    profile: ServerProfile,
    experimentId: string,
  ): Promise<boolean> {
    const { connection } = this.#context;
    const known = await getTraceInfo(connection, parcel.lane).catch(ifAbsent);
    if (known === undefined) return false;
    if (!profile.addsUp) await closeTrace(connection, parcel.record.info, known, experimentId);
    parcel.started = true;
    return true;
  }
}

/** For a trace that the server does not have. */
export function ifAbsent(error: unknown): undefined {
  if (error instanceof MlflowApiError && error.errorCode === 'RESOURCE_DOES_NOT_EXIST') return;
  throw error;
}

/** How servers before 3.12 take a start of a trace that another process has sent spans of. */
function isStartedElsewhere(error: unknown): boolean {
  return error instanceof MlflowApiError && /blank-out primary key/.test(error.reason);
}

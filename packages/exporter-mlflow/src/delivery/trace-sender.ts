import { type Diagnostics, describe } from '../diagnostics.js';
import { putTraceArtifact } from '../server/artifacts.js';
import { createAssessment } from '../server/assessments.js';
import type { Connection } from '../server/connection.js';
import { MlflowApiError } from '../server/errors.js';
import type { ExperimentResolver } from '../server/experiments.js';
import { getTraceInfo, linkPrompts, startTrace } from '../server/traces.js';
import type { DeliveryMode } from '../types.js';
import { closeTraces } from './closing.js';
import { forEachLimited } from './limited.js';
import { shareLoss, type TraceParcel } from './parcel.js';
import type { ServerProfile } from './server-profile.js';
import { SpanRequests, type Target } from './span-requests.js';
import { ifAbsent, STARTS_AT_ONCE, TraceStarter } from './trace-starter.js';
import { isMissingEndpoint, SENT, type Verdict, verdictOfError } from './verdict.js';

/** A bigger trace goes in pieces, so that no request keeps a worker of the server for over a second. */
const MAX_SPANS_PER_REQUEST = 1_000;
const SPANS_PER_CHUNK = 500;

export interface TraceSenderContext {
  connection: Connection;
  experiments: Pick<ExperimentResolver, 'resolve'>;
  mode: DeliveryMode;
  diagnostics: Diagnostics;
}

/**
 * Delivers traces of one destination to an MLflow server. The protocol: one OTLP request for all, then
 * StartTraceV3 where a trace has what OTLP cannot carry, late assessments and links to prompts. Servers
 * before 3.15 take StartTraceV3 first only; newer ones count no tokens of spans that come after it to a
 * trace that has some already. Never throws; says for each what became of it.
 */
export class TraceSender {
  readonly #context: TraceSenderContext;
  readonly #requests: SpanRequests;
  readonly #starter: TraceStarter;

  constructor(context: TraceSenderContext) {
    this.#context = context;
    this.#requests = new SpanRequests(context);
    this.#starter = new TraceStarter(context);
  }

  /** @param parcels of the same experiment and run */
  async send(
    parcels: readonly TraceParcel[],
    profile: ServerProfile,
  ): Promise<Map<TraceParcel, Verdict>> {
    const verdicts = new Map<TraceParcel, Verdict>();
    const first = parcels[0];
    if (first === undefined) return verdicts;
    const { experiment, runId } = first.record.info;
    try {
      const experimentId = await this.#context.experiments.resolve(experiment);
      await this.#sendTo(parcels, { experimentId, runId, profile }, verdicts);
    } catch (error) {
      const verdict = verdictOfError(error);
      for (const parcel of parcels) if (!verdicts.has(parcel)) verdicts.set(parcel, verdict);
    }
    return verdicts;
  }

  async #sendTo(
    parcels: readonly TraceParcel[],
    target: Target,
    verdicts: Map<TraceParcel, Verdict>,
  ): Promise<void> {
    const isClosing = ({ record }: TraceParcel) => record.spans.length === 0;
    await this.#sendSpans(
      parcels.filter((parcel) => !isClosing(parcel)),
      target,
      verdicts,
    );
    // After the spans of their trace, which may be in the same request; not when those failed.
    const failed = new Set<string>();
    for (const [{ lane }, { kind }] of verdicts) if (kind !== 'sent') failed.add(lane);
    const ready: TraceParcel[] = [];
    for (const parcel of parcels.filter(isClosing)) {
      if (this.#context.mode === 'otlp') verdicts.set(parcel, SENT);
      else if (!failed.has(parcel.lane)) ready.push(parcel);
    }
    if (ready.length > 0) {
      await closeTraces(this.#context.connection, ready, target.experimentId, verdicts);
    }
    const failure = [...verdicts.values()].find(({ kind }) => kind !== 'sent');
    for (const parcel of parcels) {
      if (!verdicts.has(parcel)) verdicts.set(parcel, failure ?? SENT);
    }
  }

  async #sendSpans(
    parcels: readonly TraceParcel[],
    target: Target,
    verdicts: Map<TraceParcel, Verdict>,
  ): Promise<void> {
    const { profile, experimentId } = target;
    const rest = profile.addsUp ? await this.#withoutArrived(parcels, verdicts) : [...parcels];
    if (!profile.storesSpans) {
      await forEachLimited(rest, STARTS_AT_ONCE, async (parcel) => {
        verdicts.set(parcel, await this.#storeAsArtifact(parcel, experimentId));
      });
      return;
    }
    const starting = rest.filter((parcel) => this.#starter.needs(parcel, profile));
    if (!profile.otlpAlone) await this.#starter.start(starting, target, verdicts);
    const open = rest.filter((parcel) => !verdicts.has(parcel));
    const unsent = open.filter(({ spansSent }) => !spansSent);
    const verdict = await this.#postSpans(unsent, target);
    for (const parcel of unsent) parcel.spansSent = verdict.kind === 'sent';
    for (const parcel of open) verdicts.set(parcel, parcel.spansSent ? SENT : verdict);
    const stored = open.filter(({ spansSent }) => spansSent);
    if (profile.otlpAlone) {
      const stillStarting = starting.filter(({ spansSent }) => spansSent);
      await this.#starter.start(stillStarting, target, verdicts);
    }
    const incomplete = stored.filter(
      (parcel) => verdicts.get(parcel) === SENT && asksForMore(parcel),
    );
    await forEachLimited(incomplete, STARTS_AT_ONCE, async (parcel) => {
      verdicts.set(parcel, await this.#complete(parcel));
    });
  }

  /** On servers that add a resend's tokens up again, what has arrived must not be sent twice. */
  async #withoutArrived(
    parcels: readonly TraceParcel[],
    verdicts: Map<TraceParcel, Verdict>,
  ): Promise<TraceParcel[]> {
    const rest: TraceParcel[] = [];
    for (const parcel of parcels) {
      if (parcel.uncertain && !parcel.spansSent) {
        const info = await getTraceInfo(this.#context.connection, parcel.lane).catch(ifAbsent);
        parcel.spansSent = info?.tags?.['mlflow.trace.spansLocation'] === 'TRACKING_STORE';
      }
      if (parcel.spansSent) verdicts.set(parcel, await this.#complete(parcel));
      else rest.push(parcel);
    }
    return rest;
  }

  async #postSpans(parcels: readonly TraceParcel[], target: Target): Promise<Verdict> {
    // In order of trace ids: concurrent requests that lock new traces in different order deadlock Postgres.
    const spans = parcels
      .toSorted((a, b) => (a.lane < b.lane ? -1 : 1))
      .flatMap(({ record }) => record.spans);
    if (spans.length === 0) return SENT;
    const single = parcels.length === 1 && spans.length > MAX_SPANS_PER_REQUEST;
    // Servers that add tokens up take a trace in one request, whatever its size.
    const size = single && target.profile.otlpAlone ? SPANS_PER_CHUNK : spans.length;
    let rejected = 0;
    let detail = '';
    for (let start = 0; start < spans.length; start += size) {
      const sent = spans.slice(start, start + size);
      const verdict = await this.#requests.post(sent, target);
      if (verdict.kind !== 'sent') return verdict;
      if (verdict.partial === undefined) continue;
      rejected += Math.min(verdict.partial.rejectedSpans, sent.length);
      detail ||= verdict.partial.message;
    }
    // Not before all are sent: a request that is repeated is answered for anew.
    if (rejected > 0) {
      const loss = { kind: 'dropped', reason: 'rejected', detail, spans: rejected } as const;
      for (const [parcel, share] of shareLoss(parcels, loss)) parcel.rejected = share;
    }
    return SENT;
  }

  async #storeAsArtifact(parcel: TraceParcel, experimentId: string): Promise<Verdict> {
    // The file of a trace is written whole: a later part would take the place of the rest.
    if (parcel.record.late) {
      return {
        kind: 'refused',
        detail: 'the trace is stored as an artifact and cannot be added to',
      };
    }
    try {
      const { connection } = this.#context;
      const started = await startTrace(connection, parcel.record.info, experimentId);
      parcel.started = true;
      await putTraceArtifact(connection, started, parcel.record);
      parcel.spansSent = true;
      return SENT;
    } catch (error) {
      return verdictOfError(error);
    }
  }

  /** What a trace can be given once the server has it. */
  async #complete(parcel: TraceParcel): Promise<Verdict> {
    const verdict = await this.#assess(parcel);
    return verdict.kind === 'sent' ? this.#linkPrompts(parcel) : verdict;
  }

  /** Linking twice is linking once. A prompt that the server does not take costs the trace nothing: its tag names it. */
  async #linkPrompts({ record }: TraceParcel): Promise<Verdict> {
    const { traceId, prompts = [] } = record.info;
    if (prompts.length === 0 || this.#context.mode === 'otlp') return SENT;
    const { connection, diagnostics } = this.#context;
    try {
      await linkPrompts(connection, traceId, prompts);
    } catch (error) {
      const verdict = verdictOfError(error);
      if (verdict.kind !== 'refused' && !isMissingEndpoint(error)) return verdict;
      const names = prompts.map(({ name, version }) => `${name}/${version}`).join(', ');
      diagnostics.warnOnce(
        `MLflow at ${connection.address} did not link the prompts ${names} (dspy.prompts): ${describe(error)}; the trace is stored`,
      );
    }
    return SENT;
  }

  /** Scores that came after StartTraceV3, or without one. */
  async #assess({ record, started, uncertain }: TraceParcel): Promise<Verdict> {
    const { info } = record;
    if (started || info.assessments.length === 0 || this.#context.mode === 'otlp') return SENT;
    const { connection } = this.#context;
    try {
      const present = uncertain
        ? new Set(
            (await getTraceInfo(connection, info.traceId)).assessments?.map(
              ({ assessment_id }) => assessment_id,
            ),
          )
        : new Set();
      for (const assessment of info.assessments) {
        if (present.has(assessment.id)) continue;
        await createAssessment(connection, info.traceId, assessment).catch(ifPresent);
      }
      return SENT;
    } catch (error) {
      return verdictOfError(error);
    }
  }
}

/** Assessments and prompts follow the spans. */
function asksForMore({ record: { info } }: TraceParcel): boolean {
  return info.assessments.length > 0 || (info.prompts?.length ?? 0) > 0;
}

/** The server's answer to an assessment id that it has already. */
function ifPresent(error: unknown): undefined {
  if (error instanceof MlflowApiError && /constraint violation/i.test(error.reason)) return;
  throw error;
}

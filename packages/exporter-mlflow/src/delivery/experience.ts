import type { Diagnostics } from '../diagnostics.js';
import type { ExperimentRef } from '../internal-types.js';
import type { Parcel } from './parcel.js';
import type { RequestLimits } from './send-queue.js';
import type { ServerState } from './server-state.js';
import type { Verdict } from './verdict.js';

/** Measured on one MLflow worker: beyond these a request only takes longer. */
const REQUEST_LIMITS: RequestLimits = { traces: 50, spans: 500, bytes: 1024 * 1024 };
const MIN_REQUEST_BYTES = 16 * 1024;

export interface ExperienceOptions {
  address: string;
  diagnostics: Diagnostics;
  forgetExperiment(experiment: ExperimentRef): void;
}

/** What failed tries teach about the server and about the parcels that were in them. */
export class Experience {
  readonly #server: ServerState;
  readonly #options: ExperienceOptions;
  readonly #firstFailureAt = new WeakMap<Parcel, number>();
  #limits = REQUEST_LIMITS;

  constructor(server: ServerState, options: ExperienceOptions) {
    this.#server = server;
    this.#options = options;
  }

  /** What one request may hold. */
  limits(now: number): RequestLimits {
    // Such servers store the traces of a request one by one: what was stored before an error stays.
    return this.#server.profile(now)?.addsUp ? { ...this.#limits, traces: 1 } : this.#limits;
  }

  /** Says whether the server took anything since these parcels failed first. */
  add(
    verdict: Exclude<Verdict, { kind: 'sent' }>,
    parcels: readonly Parcel[],
    now: number,
  ): boolean {
    switch (verdict.kind) {
      case 'retry':
        this.#server.failed(verdict, now);
        for (const parcel of parcels) parcel.uncertain ||= verdict.uncertain;
        return false;
      case 'failing':
        return this.#addFailure(verdict.detail, parcels, now);
      case 'too_large':
        this.#learnSize(parcels, verdict.detail);
        return false;
      case 'unsupported':
        this.#server.storesNoSpans(verdict.detail);
        return false;
      case 'no_experiment':
        for (const { record } of parcels) {
          const { experiment } = 'info' in record ? record.info : record;
          this.#options.forgetExperiment(experiment);
        }
        return false;
      default:
        return false;
    }
  }

  #addFailure(detail: string, parcels: readonly Parcel[], now: number): boolean {
    let first = now;
    for (const parcel of parcels) {
      parcel.uncertain = true;
      const at = this.#firstFailureAt.get(parcel);
      if (at === undefined) this.#firstFailureAt.set(parcel, now);
      else first = Math.min(first, at);
    }
    const othersSucceed = this.#server.lastSuccessAt >= first;
    if (!othersSucceed) this.#server.failing(detail, now);
    return othersSucceed;
  }

  #learnSize(parcels: readonly Parcel[], detail: string): void {
    const size = parcels.reduce((sum, { bytes }) => sum + bytes, 0);
    const bytes = Math.max(MIN_REQUEST_BYTES, Math.floor(Math.min(this.#limits.bytes, size) / 2));
    this.#limits = { ...this.#limits, bytes };
    this.#options.diagnostics.warnOnce(
      `MLflow at ${this.#options.address}, or a proxy before it, finds requests too large (${detail}); traces are sent in smaller parts, and long texts are cut where that is not enough`,
    );
  }
}

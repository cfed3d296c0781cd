import type { Diagnostics } from '../diagnostics.js';
import type { DropReason } from '../types.js';
import { Gate } from './gate.js';
import { profileOf, type ServerProfile } from './server-profile.js';
import type { ServerTrouble, Verdict } from './verdict.js';

/** A server that had no place for spans, or was of another version, is asked again after this. */
const PROFILE_KEPT_MS = 5 * 60_000;

export interface ServerStateOptions {
  address: string;
  diagnostics: Diagnostics;
  /** Taken for granted, never asked: for OTLP alone, which a collector takes as well. */
  profile?: ServerProfile | undefined;
  onRecovered?: (() => void) | undefined;
  random?: (() => number) | undefined;
}

/** What is known of the server: whether it may be asked now, what it can do, what the last trouble was. */
export class ServerState {
  readonly gate: Gate;
  readonly #options: ServerStateOptions;
  #profile: ServerProfile | undefined;
  #profileAt = 0;
  #lastSuccessAt = 0;
  #wasReached = false;
  #trouble: { reason: DropReason; detail: string } = {
    reason: 'retries_exhausted',
    detail: 'it gave no answer in time',
  };

  constructor(options: ServerStateOptions) {
    this.#options = options;
    this.gate = new Gate(options.random);
    this.#profile = options.profile;
  }

  get address(): string {
    return this.#options.address;
  }

  /** A request has got through to it, whatever the answer. */
  get wasReached(): boolean {
    return this.#wasReached;
  }

  /** Milliseconds since the epoch of the last delivery. */
  get lastSuccessAt(): number {
    return this.#lastSuccessAt;
  }

  get trouble(): { reason: DropReason; detail: string } {
    return this.#trouble;
  }

  /** What the server can do; `undefined` when it has to be asked. */
  profile(now: number): ServerProfile | undefined {
    if (this.#options.profile) return this.#profile;
    if (now - this.#profileAt > PROFILE_KEPT_MS) this.#profile = undefined;
    return this.#profile;
  }

  /** Of a server that answers; whether it takes traces again, only a delivery tells. */
  learned(profile: ServerProfile, now: number): void {
    this.#profile = profile;
    this.#profileAt = now;
    this.#wasReached = true;
    const version = profile.version ?? 'of unknown version';
    this.#options.diagnostics.debug(`MLflow ${version} at ${this.address}`);
  }

  /** `/version` is not answered as by MLflow: a gateway in front, and a recent server behind it most likely. */
  couldNotLearn(now: number): void {
    this.#profile = profileOf(undefined);
    this.#profileAt = now;
  }

  storesNoSpans(detail: string): void {
    if (this.#profile) this.#profile = { ...this.#profile, storesSpans: false };
    this.#options.diagnostics.warnOnce(
      `${this.address}/v1/traces stores no spans (${detail}); traces are stored as artifacts instead, which open in MLflow but cannot be searched by span`,
    );
  }

  delivered(now: number): void {
    this.#lastSuccessAt = now;
    this.#wasReached = true;
    const wasDown = this.gate.isProbing;
    this.gate.succeeded();
    this.#options.diagnostics.serverState(
      'ok',
      () => `MLflow at ${this.address} takes traces again`,
    );
    if (wasDown) this.#options.onRecovered?.();
  }

  failed(verdict: Extract<Verdict, { kind: 'retry' }>, now: number): void {
    this.gate.failed(now, verdict.retryAfterMs);
    this.#trouble = { reason: verdict.reason, detail: verdict.detail };
    // Nobody listens: what comes back may be another version.
    const isDown = verdict.state === 'unreachable' && !verdict.uncertain;
    this.#wasReached ||= !isDown;
    if (isDown && !this.#options.profile) this.#profile = undefined;
    this.#tell(verdict.state, verdict.detail);
  }

  /** A 500, and nothing else gets through either. */
  failing(detail: string, now: number): void {
    this.gate.failed(now);
    this.#trouble = { reason: 'retries_exhausted', detail };
    this.#tell('failing', detail);
  }

  #tell(state: ServerTrouble, detail: string): void {
    this.#options.diagnostics.serverState(state, () => {
      const what = detail.includes(this.address)
        ? detail
        : `MLflow at ${this.address} answered ${detail}`;
      return `${what}; ${WHAT_TO_DO[state]}`;
    });
  }
}

const WHAT_TO_DO: Readonly<Record<ServerTrouble, string>> = {
  unreachable:
    'start it, or set MLFLOW_TRACKING_URI (trackingUri) to where it is; the program is not affected',
  throttled: 'it asks for fewer requests; traces wait',
  unavailable: 'traces wait',
  failing: 'traces wait',
  unauthorized:
    'set MLFLOW_TRACKING_USERNAME and MLFLOW_TRACKING_PASSWORD, or MLFLOW_TRACKING_TOKEN',
  forbidden: 'the account needs EDIT permission on the experiment',
  misdirected:
    'that is not an answer of MLflow: set MLFLOW_TRACKING_URI (trackingUri) to the address of a server, with its path',
};

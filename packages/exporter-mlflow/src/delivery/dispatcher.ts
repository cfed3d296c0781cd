import { type Diagnostics, describe } from '../diagnostics.js';
import type { ExperimentRef } from '../internal-types.js';
import type { RunRecorder } from '../server/runs.js';
import type { DeliveryMode, DropReason } from '../types.js';
import { Holding } from './holding.js';
import { nextStep } from './next-step.js';
import type { Parcel, TraceParcel } from './parcel.js';
import { type RequestLimits, SendQueue, type Unit, unitOf } from './send-queue.js';
import { needsWholeTrace, profileOf, type ServerProfile } from './server-profile.js';
import { ServerState } from './server-state.js';
import type { TraceSender } from './trace-sender.js';
import { SENT, type Verdict, verdictOfError } from './verdict.js';

const REQUESTS_IN_FLIGHT = 2;
/** Measured on one MLflow worker: beyond these a request only takes longer. */
const REQUEST_LIMITS: RequestLimits = { traces: 50, spans: 500, bytes: 1024 * 1024 };
const MIN_REQUEST_BYTES = 16 * 1024;
/** Traces whose parts are in the spool, waiting for the whole. */
const MAX_SPOOLED_LANES = 10_000;

export interface DispatcherOptions {
  address: string;
  sender: Pick<TraceSender, 'send'>;
  runs: Pick<RunRecorder, 'record'>;
  forgetExperiment(experiment: ExperimentRef): void;
  probe(): Promise<ServerProfile>;
  mode: DeliveryMode;
  diagnostics: Diagnostics;
  /** Estimated bytes that may wait in memory. */
  maxQueueBytes: number;
  /** Puts parcels into safe storage and settles them; absent: they are dropped. */
  spool?: ((parcels: Parcel[]) => void) | undefined;
  /** A request repeats an earlier one. */
  onRetry(): void;
  /** The server takes requests again. */
  onRecovered?: (() => void) | undefined;
  random?: (() => number) | undefined;
}

/**
 * Brings parcels to one server: batches them, keeps the order within a trace, retries, finds the one
 * that spoils a request, and settles each exactly once.
 */
export class Dispatcher {
  readonly #options: DispatcherOptions;
  readonly #server: ServerState;
  readonly #queue = new SendQueue();
  readonly #holding = new Holding();
  readonly #inFlight = new Map<string, Parcel>();
  /** Parcels answered for: queued, in flight, held, or on their way into the spool. */
  readonly #owned = new Set<Parcel>();
  /** Somebody else answers for them, whatever becomes of the request they are in. */
  readonly #handedBack = new WeakSet<Parcel>();
  readonly #firstFailureAt = new WeakMap<Parcel, number>();
  readonly #spooledLanes = new Set<string>();
  readonly #random: () => number;
  #limits = REQUEST_LIMITS;
  #active = 0;
  #bytes = 0;
  #timer: NodeJS.Timeout | undefined;
  #endsAt = Number.POSITIVE_INFINITY;
  #isStopped = false;
  #onIdle: (() => void)[] = [];

  constructor(options: DispatcherOptions) {
    this.#options = options;
    this.#random = options.random ?? Math.random;
    this.#server = new ServerState({
      address: options.address,
      diagnostics: options.diagnostics,
      profile: options.mode === 'otlp' ? profileOf(undefined) : undefined,
      onRecovered: options.onRecovered,
      random: this.#random,
    });
  }

  /** Estimated bytes waiting, in flight and held. */
  get bytes(): number {
    return this.#bytes;
  }

  /** Milliseconds until the server may be asked. */
  get wait(): number {
    return this.#server.gate.wait(Date.now());
  }

  /** Takes responsibility for a parcel. */
  accept(parcel: Parcel): void {
    if (this.#isStopped) {
      this.#giveUp([parcel], 'shutdown', 'the exporter was shut down');
      return;
    }
    const { maxQueueBytes, address } = this.#options;
    if (this.#bytes > 0 && this.#bytes + parcel.bytes > maxQueueBytes) {
      // Held traces make room: the oldest goes as it is.
      const oldest = this.#holding.releaseOldest();
      if (oldest) this.#queue.push(unitOf([oldest]));
      const detail = `more than ${maxQueueBytes} bytes (maxQueueBytes) wait for ${address}`;
      this.#giveUp([parcel], 'queue_full', detail);
    } else {
      this.#own(parcel);
      this.#queue.push(unitOf([parcel]));
    }
    this.#schedule(0);
  }

  /** Resolves when nothing waits or travels; held traces do not count. */
  idle(): Promise<void> {
    if (this.#isIdle()) return Promise.resolve();
    return new Promise((resolve) => this.#onIdle.push(resolve));
  }

  /**
   * Delivers what waits, held traces included, for so many milliseconds; what is left then goes to the
   * spool or is dropped. Never rejects.
   *
   * @param abort ends all requests in flight
   */
  async end(timeoutMs: number, abort: () => void): Promise<void> {
    this.#endsAt = Date.now() + timeoutMs;
    // First what completes a held trace, then what nothing will complete any more.
    this.#sortOut();
    for (const parcel of this.#holding.release(Date.now(), true)) {
      this.#queue.push(unitOf([parcel]));
    }
    this.#server.gate.openNow();
    this.#queue.hurry();
    this.#schedule(0);
    // Not unref'd: who awaits the end of the program's last export keeps the process for it.
    const timer = setTimeout(() => this.#stop(abort), timeoutMs);
    await this.idle();
    clearTimeout(timer);
    this.#stop(abort);
    await this.idle();
  }

  /** Hands back everything not settled: the process ends, and only synchronous work is done any more. */
  takeUnsettled(): Parcel[] {
    this.#queue.clear();
    this.#holding.release(Date.now(), true);
    const unsettled = [...this.#owned];
    for (const parcel of unsettled) this.#handedBack.add(parcel);
    return unsettled;
  }

  #stop(abort: () => void): void {
    if (this.#isStopped) return;
    this.#isStopped = true;
    clearTimeout(this.#timer);
    abort();
    const left = this.#queue.clear().flatMap(({ parcels }) => parcels);
    if (left.length > 0) this.#giveUp(left, 'shutdown', this.#server.trouble.detail);
    this.#announceIdle();
  }

  #own(parcel: Parcel): void {
    this.#owned.add(parcel);
    this.#bytes += parcel.bytes;
    parcel.whenSettled(() => {
      this.#owned.delete(parcel);
      this.#bytes -= parcel.bytes;
    });
  }

  #schedule(ms: number): void {
    if (this.#isStopped) return;
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => this.#pump(), ms);
    // Waiting for a server must not keep the program alive; flush and shutdown hold it themselves.
    if (ms > 0) this.#timer.unref();
  }

  #pump(): void {
    this.#sortOut();
    while (!this.#isStopped && !this.#queue.isEmpty) {
      const now = Date.now();
      const limit = this.#server.gate.isProbing ? 1 : REQUESTS_IN_FLIGHT;
      if (this.#active >= limit) break;
      const wait = this.#server.gate.wait(now);
      if (wait > 0) {
        this.#expire(now);
        const deadline = this.#queue.nextDeadline(now, (parcel) => this.#deadlineOf(parcel));
        this.#schedule(Math.max(1, Math.min(wait, deadline)));
        break;
      }
      if (!this.#server.profile(now)) {
        // The answer decides how traces are put together, so nothing else goes before it.
        if (this.#active === 0) this.#start(() => this.#probe());
        break;
      }
      const unit = this.#queue.takeRequest(this.#lanesInFlight(), this.#requestLimits(now), now);
      if (unit === undefined) {
        this.#expire(now);
        const next = this.#queue.nextTime(now);
        if (Number.isFinite(next)) this.#schedule(next);
        break;
      }
      for (const parcel of unit.parcels) this.#inFlight.set(parcel.lane, parcel);
      this.#start(() => this.#deliver(unit));
    }
    this.#announceIdle();
  }

  #lanesInFlight(): ReadonlySet<string> {
    return new Set(this.#inFlight.keys());
  }

  #start(task: () => Promise<void>): void {
    this.#active++;
    void task()
      .catch((error: unknown) => this.#options.diagnostics.warnOnce(describe(error)))
      .finally(() => {
        this.#active--;
        this.#pump();
      });
  }

  async #probe(): Promise<void> {
    try {
      const profile = await this.#options.probe();
      this.#server.learned(profile, Date.now());
    } catch (error) {
      const verdict = verdictOfError(error);
      if (verdict.kind === 'retry') this.#server.failed(verdict, Date.now());
      else this.#server.couldNotLearn(Date.now());
    }
  }

  #requestLimits(now: number): RequestLimits {
    // Such servers store the traces of a request one by one: what was stored before an error stays.
    return this.#server.profile(now)?.addsUp ? { ...this.#limits, traces: 1 } : this.#limits;
  }

  /** Where traces must be whole, parts wait until their trace is. */
  #sortOut(): void {
    const now = Date.now();
    const profile = this.#server.profile(now);
    if (!profile || !needsWholeTrace(profile) || this.#options.mode === 'otlp') return;
    for (const unit of this.#queue.clear()) {
      const ready: Parcel[] = [];
      for (const parcel of unit.parcels) {
        const whole = parcel.type === 'run' ? parcel : this.#makeWhole(parcel, now);
        if (whole) ready.push(whole);
      }
      if (ready.length > 0) this.#queue.push({ ...unit, parcels: ready });
    }
    for (const parcel of this.#holding.release(now)) this.#queue.push(unitOf([parcel]));
  }

  #makeWhole(parcel: TraceParcel, now: number): TraceParcel | undefined {
    const { record, lane, fromSpool } = parcel;
    if (record.late || parcel.started || parcel.isMerged) return parcel;
    const isWhole = record.closing || (record.complete && !record.remoteRoot);
    // Parts go through the spool where there is one: held there they outlive the process.
    if (!fromSpool && this.#options.spool && (!isWhole || this.#spooledLanes.has(lane))) {
      if (isWhole || this.#spooledLanes.size >= MAX_SPOOLED_LANES) this.#spooledLanes.delete(lane);
      else this.#spooledLanes.add(lane);
      this.#options.spool([parcel]);
      return undefined;
    }
    if (!isWhole && this.#endsAt === Number.POSITIVE_INFINITY) {
      this.#holding.add(parcel, now);
      return undefined;
    }
    return this.#holding.complete(parcel);
  }

  async #deliver(unit: Unit): Promise<void> {
    if (this.#server.gate.isProbing || unit.parcels.some(({ tries }) => tries > 0)) {
      this.#options.onRetry();
    }
    for (const parcel of unit.parcels) parcel.tries++;
    const verdicts = await this.#send(unit);
    for (const { lane } of unit.parcels) this.#inFlight.delete(lane);
    // Saved meanwhile because the process seemed to end: somebody else answers for them now.
    const open = unit.parcels.filter((parcel) => !parcel.isSettled());
    for (const [verdict, parcels] of groupByVerdict(open, verdicts)) {
      try {
        this.#apply(verdict, parcels, unit);
      } catch (error) {
        // Nobody may wait for ever for what went wrong here.
        const detail = describe(error);
        for (const parcel of parcels) {
          parcel.settle({ kind: 'dropped', reason: 'unreadable', detail });
        }
      }
    }
  }

  async #send(unit: Unit): Promise<Map<Parcel, Verdict>> {
    const [first] = unit.parcels;
    try {
      if (first?.type === 'run') {
        await this.#options.runs.record(first.record);
        return new Map([[first, SENT]]);
      }
      const profile = this.#server.profile(Date.now()) ?? profileOf(undefined);
      return await this.#options.sender.send(unit.parcels as TraceParcel[], profile);
    } catch (error) {
      const verdict = verdictOfError(error);
      return new Map(unit.parcels.map((parcel) => [parcel, verdict]));
    }
  }

  #apply(verdict: Verdict, parcels: Parcel[], unit: Unit): void {
    const now = Date.now();
    if (verdict.kind === 'sent') {
      this.#server.delivered(now);
      for (const parcel of parcels) parcel.settle({ kind: 'sent' });
      return;
    }
    if (this.#isStopped) {
      this.#giveUp(parcels, 'shutdown', this.#server.trouble.detail);
      return;
    }
    const othersSucceed = this.#note(verdict, parcels, now);
    const step = nextStep(verdict, parcels, unit, {
      now,
      wait: this.#server.gate.wait(now),
      trouble: this.#server.trouble,
      othersSucceed,
      deadlineOf: (parcel) => this.#deadlineOf(parcel),
      random: this.#random,
    });
    this.#queue.pushFront(step.requeue);
    if (step.giveUp) {
      const { parcels: lost, reason, detail, isFinal } = step.giveUp;
      this.#giveUp(lost, reason, detail, isFinal);
    }
  }

  /** Learns from a failed try; says whether the server took anything since these parcels failed first. */
  #note(verdict: Exclude<Verdict, { kind: 'sent' }>, parcels: Parcel[], now: number): boolean {
    switch (verdict.kind) {
      case 'retry':
        this.#server.failed(verdict, now);
        for (const parcel of parcels) parcel.uncertain ||= verdict.uncertain;
        return false;
      case 'failing': {
        for (const parcel of parcels) {
          parcel.uncertain = true;
          if (!this.#firstFailureAt.has(parcel)) this.#firstFailureAt.set(parcel, now);
        }
        const first = Math.min(...parcels.map((one) => this.#firstFailureAt.get(one) ?? now));
        const othersSucceed = this.#server.lastSuccessAt >= first;
        if (!othersSucceed) this.#server.failing(verdict.detail, now);
        return othersSucceed;
      }
      case 'too_large':
        this.#learnSize(parcels, verdict.detail);
        return false;
      case 'unsupported':
        this.#server.storesNoSpans(verdict.detail);
        return false;
      case 'no_experiment':
        for (const { record } of parcels) {
          this.#options.forgetExperiment(
            'info' in record ? record.info.experiment : record.experiment,
          );
        }
        return false;
      default:
        return false;
    }
  }

  #learnSize(parcels: readonly Parcel[], detail: string): void {
    const size = parcels.reduce((sum, { bytes }) => sum + bytes, 0);
    const bytes = Math.max(MIN_REQUEST_BYTES, Math.floor(Math.min(this.#limits.bytes, size) / 2));
    this.#limits = { ...this.#limits, bytes };
    this.#options.diagnostics.warnOnce(
      `MLflow at ${this.#options.address}, or a proxy before it, finds requests too large (${detail}); traces are sent in smaller parts, and long texts are cut where that is not enough`,
    );
  }

  /** What came from the spool is safe there and does not wait in memory. */
  #deadlineOf({ fromSpool, deadline, firstDeadline }: Parcel): number {
    if (fromSpool) return 0;
    return Math.min(this.#server.wasReached ? deadline : firstDeadline, this.#endsAt);
  }

  #expire(now: number): void {
    const { gate, trouble } = this.#server;
    const overdue = this.#queue.takeOverdue((parcel, unit) =>
      parcel.fromSpool ? gate.isProbing && !unit.isolated : this.#deadlineOf(parcel) <= now,
    );
    if (overdue.length > 0) this.#giveUp(overdue, trouble.reason, trouble.detail);
  }

  /** Into the spool where that may help later; a trace refused for itself would be refused again. */
  #giveUp(parcels: readonly Parcel[], reason: DropReason, detail: string, isFinal = false): void {
    const spoolable: Parcel[] = [];
    for (const parcel of parcels) {
      if (isFinal)
        parcel.settle({ kind: 'dropped', reason, detail: `${nameOf(parcel)}: ${detail}` });
      else if (parcel.fromSpool) parcel.settle({ kind: 'released' });
      else if (this.#options.spool) spoolable.push(parcel);
      else parcel.settle({ kind: 'dropped', reason, detail });
    }
    if (spoolable.length > 0) this.#options.spool?.(spoolable);
  }

  #isIdle(): boolean {
    return this.#queue.isEmpty && this.#active === 0;
  }

  #announceIdle(): void {
    if (!this.#isIdle()) return;
    for (const resolve of this.#onIdle.splice(0)) resolve();
  }
}

const NOTHING: Verdict = { kind: 'refused', detail: 'nothing is known of what became of it' };

function groupByVerdict(
  parcels: readonly Parcel[],
  verdicts: ReadonlyMap<Parcel, Verdict>,
): Map<Verdict, Parcel[]> {
  const groups = new Map<Verdict, Parcel[]>();
  for (const parcel of parcels) {
    const verdict = verdicts.get(parcel) ?? NOTHING;
    const group = groups.get(verdict);
    if (group) group.push(parcel);
    else groups.set(verdict, [parcel]);
  }
  return groups;
}

function nameOf(parcel: Parcel): string {
  return parcel.type === 'trace' ? `tr-${parcel.lane}` : `run ${parcel.lane}`;
}

import { type Diagnostics, describe } from '../diagnostics.js';
import type { ExperimentRef } from '../internal-types.js';
import type { RunRecorder } from '../server/runs.js';
import type { DeliveryMode, DropReason } from '../types.js';
import { Experience } from './experience.js';
import { nextStep } from './next-step.js';
import { dropParcels, type Parcel, type TraceParcel } from './parcel.js';
import { random } from './random.js';
import { SendQueue, type Unit, unitOf } from './send-queue.js';
import { needsWholeTrace, profileOf, type ServerProfile } from './server-profile.js';
import { ServerState } from './server-state.js';
import type { SpoolState } from './spooler.js';
import type { TraceSender } from './trace-sender.js';
import { SENT, type Verdict, verdictOfError } from './verdict.js';
import { WholeTraces } from './whole-traces.js';

const REQUESTS_IN_FLIGHT = 2;
/** Milliseconds without any answer after which nothing waits in memory for one. */
const SILENCE_MS = 3_000;
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
  spoolState?: (() => SpoolState) | undefined;
  /** Since when, in milliseconds since the epoch, requests are under way and none has been answered. */
  silentSince(): number;
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
  readonly #experience: Experience;
  readonly #queue = new SendQueue();
  readonly #traces: WholeTraces;
  /** Lanes of parcels in flight. */
  readonly #inFlight = new Set<string>();
  /** Parcels answered for: queued, in flight, held, or on their way into the spool. */
  readonly #owned = new Set<Parcel>();
  readonly #random: () => number;
  #active = 0;
  #bytes = 0;
  #timer: NodeJS.Timeout | undefined;
  /** What is to be done in the next turn. */
  #next: NodeJS.Immediate | undefined;
  #endsAt = Number.POSITIVE_INFINITY;
  #isStopped = false;
  #onIdle: (() => void)[] = [];

  constructor(options: DispatcherOptions) {
    this.#options = options;
    this.#traces = new WholeTraces(options.spool, () => this.#isSpoolOpen);
    this.#random = options.random ?? random;
    this.#server = new ServerState({
      address: options.address,
      diagnostics: options.diagnostics,
      profile: options.mode === 'otlp' ? profileOf(undefined) : undefined,
      onRecovered: options.onRecovered,
      random: this.#random,
    });
    this.#experience = new Experience(this.#server, options);
  }

  /** Estimated bytes waiting, in flight and held. */
  get bytes(): number {
    return this.#bytes;
  }

  /** Milliseconds until the server may be asked. */
  get wait(): number {
    return this.#server.gate.wait(Date.now());
  }

  /** Looks at what waits: it is known now whether the spool takes parcels. */
  wake(): void {
    if (!this.#queue.isEmpty) this.#schedule(0);
  }

  /** Takes responsibility for a parcel. */
  accept(parcel: Parcel): void {
    if (this.#isStopped) {
      this.#giveUp([parcel], 'shutdown', 'the exporter was shut down');
      return;
    }
    const { maxQueueBytes, address } = this.#options;
    if (this.#traces.follows(parcel)) this.#traces.spool([parcel]);
    else if (this.#bytes > 0 && this.#bytes + parcel.bytes > maxQueueBytes) {
      // Held traces make room: the oldest goes as it is.
      const oldest = this.#traces.releaseOldest();
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
    try {
      // First what completes a held trace, then what nothing will complete any more.
      this.#sortOut();
      for (const parcel of this.#traces.release(Date.now(), true)) {
        this.#queue.push(unitOf([parcel]));
      }
      this.#server.gate.openNow();
      this.#queue.hurry();
    } catch (error) {
      this.#abandonAll(error);
    }
    this.#schedule(0);
    // Not unref'd: who awaits the end of the program's last export keeps the process for it.
    const stop = this.#options.diagnostics.guard(() => this.#stop(abort));
    const timer = setTimeout(stop, timeoutMs);
    await this.idle();
    clearTimeout(timer);
    stop();
    await this.idle();
  }

  /** Hands back everything not settled: the process ends, and only synchronous work is done any more. */
  takeUnsettled(): Parcel[] {
    this.#queue.clear();
    this.#traces.release(Date.now(), true);
    return [...this.#owned];
  }

  #stop(abort: () => void): void {
    if (this.#isStopped) return;
    this.#isStopped = true;
    clearTimeout(this.#timer);
    clearImmediate(this.#next);
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
    // A batch is accepted parcel by parcel: one turn for all of them.
    if (this.#isStopped || this.#next !== undefined) return;
    clearTimeout(this.#timer);
    // A timer of 0 ms takes 1, for which every flush would wait.
    if (ms === 0) {
      this.#next = setImmediate(() => {
        this.#next = undefined;
        this.#pump();
      });
      return;
    }
    // Waiting for a server must not keep the program alive; flush and shutdown hold it themselves.
    this.#timer = setTimeout(() => this.#pump(), ms).unref();
  }

  /** Runs from timers and ended requests: a fault must not reach the event loop, and nobody wait for ever. */
  #pump(): void {
    try {
      this.#advance();
    } catch (error) {
      this.#abandonAll(error);
    }
    this.#options.diagnostics.guard(() => this.#announceIdle())();
  }

  #advance(): void {
    // Parts of traces belong into the spool where there is one, and that is known in a moment.
    if (this.#needsWholeTraces && this.#options.spoolState?.() === 'opening') return;
    this.#sortOut();
    while (!this.#isStopped && !this.#queue.isEmpty) {
      const now = Date.now();
      const limit = this.#server.gate.isProbing ? 1 : REQUESTS_IN_FLIGHT;
      if (this.#active >= limit) {
        this.#waitForAnswers(now);
        break;
      }
      const wait = this.#server.gate.wait(now);
      if (wait > 0) {
        this.#expire(now);
        const deadline = this.#queue.nextDeadline(now, (parcel) => this.#deadlineOf(parcel));
        this.#schedule(Math.max(1, Math.min(wait, deadline)));
        break;
      }
      if (!this.#server.profile(now)) {
        // The answer decides how traces are put together, so nothing else goes before it.
        if (this.#active === 0) {
          this.#start(
            () => this.#probe(),
            (error) => this.#abandonAll(error),
          );
        }
        this.#waitForAnswers(now);
        break;
      }
      const unit = this.#queue.takeRequest(this.#inFlight, this.#experience.limits(now), now);
      if (unit === undefined) {
        this.#expire(now);
        const next = this.#queue.nextTime(now);
        if (Number.isFinite(next)) this.#schedule(next);
        break;
      }
      for (const { lane } of unit.parcels) this.#inFlight.add(lane);
      this.#start(
        () => this.#deliver(unit),
        (error) => {
          for (const { lane } of unit.parcels) this.#inFlight.delete(lane);
          this.#abandon(unit.parcels, error);
        },
      );
    }
  }

  #start(task: () => Promise<void>, onFault: (error: unknown) => void): void {
    this.#active++;
    void task()
      .catch(onFault)
      .then(() => {
        this.#active--;
        this.#pump();
      });
  }

  #abandonAll(error: unknown): void {
    this.#queue.clear();
    this.#abandon([...this.#owned], error);
  }

  #abandon(parcels: readonly Parcel[], error: unknown): void {
    dropParcels(parcels, 'unreadable', `an internal fault: ${describe(error)}`);
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

  /** Where traces must be whole, parts wait until their trace is. */
  #sortOut(): void {
    if (!this.#needsWholeTraces) return;
    const now = Date.now();
    for (const unit of this.#queue.clear()) {
      const ready: Parcel[] = [];
      for (const parcel of unit.parcels) {
        const whole =
          parcel.type === 'run' ? parcel : this.#traces.complete(parcel, now, this.#isEnding);
        if (whole) ready.push(whole);
      }
      if (ready.length > 0) this.#queue.push({ ...unit, parcels: ready });
    }
    for (const parcel of this.#traces.release(now)) this.#queue.push(unitOf([parcel]));
  }

  get #needsWholeTraces(): boolean {
    const profile = this.#server.profile(Date.now());
    return profile !== undefined && needsWholeTrace(profile) && this.#options.mode !== 'otlp';
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
      for (const parcel of parcels) {
        parcel.settle((parcel.type === 'trace' && parcel.rejected) || { kind: 'sent' });
      }
      return;
    }
    if (this.#isStopped) {
      this.#giveUp(parcels, 'shutdown', this.#server.trouble.detail);
      return;
    }
    const othersSucceed = this.#experience.add(verdict, parcels, now);
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

  /** What came from the spool is safe there and does not wait in memory. */
  #deadlineOf({ fromSpool, deadline, firstDeadline, spoolDeadline }: Parcel): number {
    if (fromSpool) return 0;
    const budget = this.#server.wasReached ? deadline : firstDeadline;
    return Math.min(this.#isSpoolOpen ? Math.min(budget, spoolDeadline) : budget, this.#endsAt);
  }

  get #isSpoolOpen(): boolean {
    return this.#options.spoolState?.() === 'open';
  }

  /**
   * What waits behind requests under way goes to an open spool in its time once the server is silent. While
   * it answers they are only many, and without a spool what it has not refused is not given up.
   */
  #waitForAnswers(now: number): void {
    if (!this.#isSpoolOpen) return;
    const isSilentAt = this.#options.silentSince() + SILENCE_MS;
    if (isSilentAt <= now) this.#expire(now);
    const deadline = this.#queue.nextDeadline(now, (parcel) => this.#deadlineOf(parcel));
    if (Number.isFinite(deadline)) this.#schedule(Math.max(1, deadline, isSilentAt - now));
  }

  #expire(now: number): void {
    const { gate, trouble } = this.#server;
    const overdue = this.#queue.takeOverdue((parcel, unit) =>
      parcel.fromSpool
        ? gate.isProbing && gate.wait(now) > 0 && !unit.isolated
        : this.#deadlineOf(parcel) <= now,
    );
    if (overdue.length > 0) this.#giveUp(overdue, trouble.reason, trouble.detail);
  }

  /** Into the spool where that may help later; a trace refused for itself would be refused again. */
  #giveUp(parcels: readonly Parcel[], reason: DropReason, detail: string, isFinal = false): void {
    const rest: Parcel[] = [];
    const { address } = this.#options;
    const told = detail.includes(address) ? detail : `${detail} (${address})`;
    for (const parcel of parcels) {
      if (isFinal) {
        parcel.settle({ kind: 'dropped', reason, detail: `${nameOf(parcel)}: ${told}` });
      } else if (parcel.fromSpool) parcel.settle({ kind: 'released' });
      else rest.push(parcel);
    }
    if (rest.length > 0 && !this.#traces.spool(rest)) dropParcels(rest, reason, detail);
  }

  get #isEnding(): boolean {
    return this.#endsAt !== Number.POSITIVE_INFINITY;
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

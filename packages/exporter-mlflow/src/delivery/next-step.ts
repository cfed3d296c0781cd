import type { DropReason } from '../types.js';
import { backoff } from './gate.js';
import { splitLarge } from './large.js';
import type { Parcel } from './parcel.js';
import { type Unit, unitOf } from './send-queue.js';
import type { Verdict } from './verdict.js';

/** A request that gets 500 so often is cut in two: its content may be why. */
const FAILURES_BEFORE_SPLIT = 3;
/** One trace alone that gets 500 so often, while the server takes others, is refused. */
const FAILURES_BEFORE_REFUSAL = 8;
/** Milliseconds at most between tries of a request that fails while others succeed. */
const ODD_ONE_WAIT_MS = 1_000;

/** What becomes of parcels after a try that did not deliver them. */
export interface NextStep {
  /** Wait at the front of the queue. */
  requeue: Unit[];
  giveUp?: {
    parcels: Parcel[];
    reason: DropReason;
    detail: string;
    /** Refused for itself: a later try would end the same. */
    isFinal: boolean;
  };
}

export interface Situation {
  now: number;
  /** Milliseconds until the server may be asked again. */
  wait: number;
  trouble: { reason: DropReason; detail: string };
  /** The server took something else since these parcels failed first. */
  othersSucceed: boolean;
  /** Milliseconds since the epoch until which a parcel may wait. */
  deadlineOf(parcel: Parcel): number;
  random(): number;
}

type Trouble = Exclude<Verdict, { kind: 'sent' }>;

export function nextStep(
  verdict: Trouble,
  parcels: Parcel[],
  unit: Unit,
  situation: Situation,
): NextStep {
  switch (verdict.kind) {
    case 'retry':
      return later(parcels, unit, situation, verdict.retryAfterMs);
    case 'failing':
      return afterFailure(verdict.detail, parcels, unit, situation);
    case 'refused':
      return parcels.length > 1 ? halves(parcels) : final(parcels, 'rejected', verdict.detail);
    case 'too_large':
      return smaller(parcels, verdict.detail);
    case 'no_experiment':
      return unit.lookedUpAgain
        ? final(parcels, 'not_allowed', verdict.detail)
        : { requeue: [unitOf(parcels, { isolated: true, lookedUpAgain: true })] };
    case 'unsupported':
      return { requeue: parcels.map((parcel) => unitOf([parcel])) };
    case 'hopeless':
      return final(parcels, verdict.reason, verdict.detail);
  }
}

function final(parcels: Parcel[], reason: DropReason, detail: string): NextStep {
  return { requeue: [], giveUp: { parcels, reason, detail, isFinal: true } };
}

/** Once more, unless the wait would be longer than their time. */
function later(
  parcels: Parcel[],
  unit: Unit,
  { now, wait, trouble, deadlineOf }: Situation,
  retryAfterMs = 0,
): NextStep {
  const until = now + Math.max(retryAfterMs, wait);
  const rest: Parcel[] = [];
  const expired: Parcel[] = [];
  for (const parcel of parcels) (deadlineOf(parcel) <= until ? expired : rest).push(parcel);
  const requeue = unit.isolated
    ? [{ ...unit, parcels: rest }].filter((one) => one.parcels.length > 0)
    : rest.map((parcel) => unitOf([parcel]));
  if (expired.length === 0) return { requeue };
  return { requeue, giveUp: { parcels: expired, ...trouble, isFinal: false } };
}

/**
 * A 500 that repeats: the content may break the server (text that the database refuses), or the server
 * is broken for everybody. The request is cut in two until one trace is left, and that one is given up
 * for good only when the server took others meanwhile.
 */
function afterFailure(
  detail: string,
  parcels: Parcel[],
  unit: Unit,
  situation: Situation,
): NextStep {
  const { now, othersSucceed, random, deadlineOf } = situation;
  const failures = unit.failures + 1;
  if (failures >= FAILURES_BEFORE_SPLIT && parcels.length > 1) {
    return halves(parcels, FAILURES_BEFORE_SPLIT - 1);
  }
  if (failures >= FAILURES_BEFORE_REFUSAL && othersSucceed)
    return final(parcels, 'rejected', detail);
  const pause = othersSucceed ? random() * ODD_ONE_WAIT_MS : backoff(failures, random);
  // What came from the spool stays out of it until it is known whether its content is the reason.
  const isPatient = othersSucceed || failures < FAILURES_BEFORE_SPLIT;
  return later(
    parcels,
    { ...unit, isolated: true, failures, notBefore: now + pause },
    {
      ...situation,
      deadlineOf: (parcel) =>
        isPatient && parcel.fromSpool ? Number.POSITIVE_INFINITY : deadlineOf(parcel),
    },
  );
}

function halves(parcels: Parcel[], failures = 0): NextStep {
  const middle = Math.ceil(parcels.length / 2);
  return {
    requeue: [parcels.slice(0, middle), parcels.slice(middle)].map((half) =>
      unitOf(half, { isolated: true, failures }),
    ),
  };
}

function smaller(parcels: Parcel[], detail: string): NextStep {
  const [parcel] = parcels;
  if (parcels.length > 1 || parcel === undefined) return halves(parcels);
  const parts = parcel.type === 'trace' ? splitLarge(parcel) : undefined;
  return parts === undefined
    ? final(parcels, 'rejected', detail)
    : { requeue: parts.map((part) => unitOf([part], { isolated: true })) };
}

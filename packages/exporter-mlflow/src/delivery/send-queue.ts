import type { Parcel, TraceParcel } from './parcel.js';

/** Parcels that wait together. */
export interface Unit {
  parcels: Parcel[];
  /** 500s that exactly these parcels got. */
  failures: number;
  /** Milliseconds since the epoch. */
  notBefore: number;
  /** Must go as it is: a part of a request that was refused. */
  isolated: boolean;
  /** The experiment was looked up again after the server did not know it. */
  lookedUpAgain: boolean;
}

export function unitOf(parcels: Parcel[], more: Partial<Unit> = {}): Unit {
  return { parcels, failures: 0, notBefore: 0, isolated: false, lookedUpAgain: false, ...more };
}

/** What one request may hold. */
export interface RequestLimits {
  traces: number;
  spans: number;
  bytes: number;
}

/** Parcels in the order in which they go out, first those given back. */
export class SendQueue {
  #units: Unit[] = [];

  get isEmpty(): boolean {
    return this.#units.length === 0;
  }

  push(...units: Unit[]): void {
    for (const unit of units) this.#units.push(unit);
  }

  pushFront(units: readonly Unit[]): void {
    if (units.length > 0) this.#units = [...units, ...this.#units];
  }

  /** Takes everything out. */
  clear(): Unit[] {
    const units = this.#units;
    this.#units = [];
    return units;
  }

  parcels(): Parcel[] {
    return this.#units.flatMap(({ parcels }) => parcels);
  }

  /** No unit waits for its time any more. */
  hurry(): void {
    for (const unit of this.#units) unit.notBefore = 0;
  }

  /** Milliseconds until a unit's time comes; infinite when none waits for it. */
  nextTime(now: number): number {
    let next = Number.POSITIVE_INFINITY;
    for (const { notBefore } of this.#units) {
      if (notBefore > now) next = Math.min(next, notBefore - now);
    }
    return next;
  }

  /** Milliseconds until the first deadline; what came from the spool has none. */
  nextDeadline(now: number, deadlineOf: (parcel: Parcel) => number): number {
    let next = Number.POSITIVE_INFINITY;
    for (const parcel of this.parcels()) {
      if (!parcel.fromSpool) next = Math.min(next, deadlineOf(parcel) - now);
    }
    return next;
  }

  /** Takes out the parcels that are overdue. */
  takeOverdue(isOverdue: (parcel: Parcel, unit: Unit) => boolean): Parcel[] {
    const overdue: Parcel[] = [];
    for (const unit of this.#units) {
      const rest = unit.parcels.filter((parcel) => {
        const late = isOverdue(parcel, unit);
        if (late) overdue.push(parcel);
        return !late;
      });
      unit.parcels = rest;
    }
    if (overdue.length > 0) this.#units = this.#units.filter(({ parcels }) => parcels.length > 0);
    return overdue;
  }

  /**
   * Takes out the next request's parcels: the first unit that may go, filled up with later ones of the
   * same destination. A trace whose earlier part is in flight, or waits further up, waits.
   *
   * @param busy lanes in flight
   */
  takeRequest(busy: ReadonlySet<string>, limits: RequestLimits, now: number): Unit | undefined {
    const passed = new Set<string>();
    const totals: RequestLimits = { traces: 0, spans: 0, bytes: 0 };
    const left: Unit[] = [];
    let request: Unit | undefined;
    let isFull = false;
    for (const unit of this.#units) {
      const isBlocked =
        isFull ||
        unit.notBefore > now ||
        unit.parcels.some(({ lane }) => busy.has(lane) || passed.has(lane)) ||
        (request !== undefined && !fits(request, unit, totals, limits));
      if (isBlocked) {
        left.push(unit);
        if (!isFull) for (const { lane } of unit.parcels) passed.add(lane);
        continue;
      }
      if (request === undefined) request = { ...unit, parcels: [...unit.parcels] };
      else request.parcels.push(...unit.parcels);
      addTo(totals, unit.parcels);
      isFull = !canBeFilled(unit) || totals.traces >= limits.traces || totals.spans >= limits.spans;
    }
    if (request !== undefined) this.#units = left;
    return request;
  }
}

function canBeFilled({ isolated, parcels }: Unit): boolean {
  return !isolated && parcels.every(({ type }) => type === 'trace');
}

function fits(request: Unit, unit: Unit, totals: RequestLimits, limits: RequestLimits): boolean {
  if (!canBeFilled(unit)) return false;
  const sum = { ...totals };
  addTo(sum, unit.parcels);
  const [first] = request.parcels as TraceParcel[];
  return (
    sum.traces <= limits.traces &&
    sum.spans <= limits.spans &&
    sum.bytes <= limits.bytes &&
    (unit.parcels as TraceParcel[]).every((parcel) => sameDestination(first as TraceParcel, parcel))
  );
}

function addTo(totals: RequestLimits, parcels: readonly Parcel[]): void {
  for (const { spans, bytes } of parcels) {
    totals.traces++;
    totals.spans += spans;
    totals.bytes += bytes;
  }
}

function sameDestination(one: TraceParcel, other: TraceParcel): boolean {
  const a = one.record.info;
  const b = other.record.info;
  return (
    a.runId === b.runId &&
    a.experiment.id === b.experiment.id &&
    a.experiment.name === b.experiment.name
  );
}

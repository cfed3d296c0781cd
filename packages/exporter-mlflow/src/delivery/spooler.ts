import { type Diagnostics, describe } from '../diagnostics.js';
import { writeRecordsSync } from '../store/files.js';
import type { Spool, SpoolItem, SpoolOptions } from '../store/spool.js';
import { openSpool } from '../store/spool.js';
import {
  type Dropped,
  dropParcels,
  type Parcel,
  runParcel,
  type Settlement,
  saveParcels,
  toStoreRecord,
  traceParcel,
} from './parcel.js';

/** Records on their way to the server at once; those held for their root do not count. */
const MAX_OUTSTANDING = 100;
/** Milliseconds between looks at the spool while something waits there. */
const LOOK_MS = 5_000;
/** Milliseconds until a folder that could not be opened is tried again, doubled each time. */
const FIRST_REOPEN_MS = 1_000;
const LONGEST_REOPEN_MS = 60_000;
/** Milliseconds after which a disk that does not answer is told of. */
const SLOW_DISK_MS = 5_000;
/** Milliseconds that a parcel, whose time is up, waits for the folder to be opened. */
const OPEN_LIMIT_MS = 1_500;

export interface SpoolerOptions {
  spool: SpoolOptions;
  diagnostics: Diagnostics;
  /** Hands a parcel to the server's queue. */
  deliver(parcel: Parcel): void;
  /** Milliseconds until the server may be asked. */
  serverWait(): number;
  /** A parcel from the spool reached the server. */
  onDelivered(parcel: Parcel): void;
  onSpooled(parcel: Parcel): void;
  /** A parcel from the spool was refused for good, or spans of it; the spool keeps it in its graveyard. */
  onRefused(parcel: Parcel, settlement: Dropped): void;
  /** It is known now whether the spool takes parcels. */
  onState(): void;
}

/** `unusable`: it could not be opened so far, and is tried again; traces wait in memory. */
export type SpoolState = 'opening' | 'open' | 'unusable';

/** Puts parcels into the spool and brings them to the server later, also those of earlier processes. */
export class Spooler {
  readonly #options: SpoolerOptions;
  #spool: Promise<Spool | undefined> | undefined;
  #opened: Spool | undefined;
  #outstanding = 0;
  #looking = false;
  #timer: NodeJS.Timeout | undefined;
  #reopenTimer: NodeJS.Timeout | undefined;
  #reopenMs = FIRST_REOPEN_MS;
  /** The folder could not be opened, or not in time. */
  #isLate = false;
  #closed = false;
  #hasSaved = false;
  readonly #writes = new Set<Promise<void>>();
  readonly #writing = new Set<Parcel>();

  constructor(options: SpoolerOptions) {
    this.#options = options;
  }

  get state(): SpoolState {
    if (this.#opened) return 'open';
    return this.#isLate ? 'unusable' : 'opening';
  }

  /** Opens the folder in a moment and begins to deliver what is in it. */
  openSoon(): void {
    const look = this.#options.diagnostics.guard(() => {
      // A process that has ended already, as far as it goes, leaves the folder to the next one.
      if (!this.#hasSaved) this.look();
    });
    setImmediate(look);
  }

  /** Settles each parcel: `spooled`, or dropped when the disk refuses it. */
  put(parcels: readonly Parcel[]): void {
    const write = this.#put(parcels).catch((error: unknown) => {
      dropParcels(parcels, 'storage', describe(error));
    });
    this.#writes.add(write);
    void write.then(() => this.#writes.delete(write));
  }

  /** In the process's last moment. Returns the number of spans that could not be saved. */
  saveNow(parcels: readonly Parcel[]): number {
    const spool = this.#opened;
    this.#hasSaved = true;
    // What an open spool was given and has not written yet, it writes itself.
    const all = spool ? parcels : [...this.#writing, ...parcels];
    const { directory } = this.#options.spool;
    return saveParcels(all, { kind: 'spooled' }, (records) => {
      if (spool) spool.putSync(records);
      else writeRecordsSync('spool', directory, records);
      for (const parcel of all) this.#options.onSpooled(parcel);
    });
  }

  /** Delivers what waits, as far as the server takes it now. */
  look(): void {
    if (this.#closed || this.#looking) return;
    this.#looking = true;
    clearTimeout(this.#timer);
    void this.#look()
      .catch((error: unknown) => {
        this.#options.diagnostics.warnOnce(`the spool cannot be read: ${describe(error)}`);
      })
      .then(
        this.#options.diagnostics.guard(() => {
          this.#looking = false;
          this.#lookLater();
        }),
      );
  }

  /**
   * Waits for pending writes, at most so many milliseconds; the next process takes over what is left.
   * Never rejects.
   */
  async close(timeoutMs: number): Promise<void> {
    this.#closed = true;
    clearTimeout(this.#timer);
    clearTimeout(this.#reopenTimer);
    let timer: NodeJS.Timeout | undefined;
    const late = new Promise<void>((resolve) => {
      timer = setTimeout(resolve, timeoutMs);
    });
    await Promise.race([this.#finish(), late]);
    clearTimeout(timer);
    const detail = `the disk of ${this.#options.spool.directory} took too long`;
    for (const parcel of this.#writing) {
      parcel.settle({ kind: 'dropped', reason: 'storage', detail });
    }
  }

  async #finish(): Promise<void> {
    await Promise.all(this.#writes);
    try {
      await this.#opened?.close();
    } catch (error) {
      this.#options.diagnostics.warnOnce(`the spool did not close cleanly: ${describe(error)}`);
    }
  }

  #open(): Promise<Spool | undefined> {
    this.#spool ??= this.#tryToOpen();
    return this.#spool;
  }

  async #tryToOpen(): Promise<Spool | undefined> {
    const { spool: options, diagnostics } = this.#options;
    const slow = setTimeout(
      diagnostics.guard(() => {
        diagnostics.warnOnce(
          `the disk of the spool folder ${options.directory} does not answer; traces wait in memory meanwhile`,
        );
        this.#isLate = true;
        this.#options.onState();
      }),
      SLOW_DISK_MS,
    );
    slow.unref();
    try {
      const spool = await openSpool(options);
      if (this.#closed) {
        // Too late for this process: the next one shall find no owner that still seems alive.
        await spool.close();
        return undefined;
      }
      this.#opened = spool;
    } catch (error) {
      diagnostics.warnOnce(
        `the spool folder ${options.directory} cannot be used (${describe(error)}); it is tried again, and traces wait in memory meanwhile`,
      );
      this.#isLate = true;
      this.#openLater();
    } finally {
      clearTimeout(slow);
    }
    diagnostics.guard(() => this.#options.onState())();
    return this.#opened;
  }

  #openLater(): void {
    if (this.#closed) return;
    const open = this.#options.diagnostics.guard(() => {
      this.#spool = undefined;
      this.look();
    });
    this.#reopenTimer = setTimeout(open, this.#reopenMs);
    this.#reopenTimer.unref();
    this.#reopenMs = Math.min(2 * this.#reopenMs, LONGEST_REOPEN_MS);
  }

  /** The spool, where it is open in time. */
  async #openInTime(): Promise<Spool | undefined> {
    let timer: NodeJS.Timeout | undefined;
    const late = new Promise<undefined>((resolve) => {
      timer = setTimeout(() => resolve(undefined), OPEN_LIMIT_MS);
    });
    const spool = await Promise.race([this.#open(), late]);
    clearTimeout(timer);
    return spool;
  }

  async #put(parcels: readonly Parcel[]): Promise<void> {
    for (const parcel of parcels) this.#writing.add(parcel);
    try {
      const spool = this.#opened ?? (await this.#openInTime());
      if (!spool) throw new Error(`the spool ${this.#options.spool.directory} cannot be used`);
      await spool.put(parcels.map(toStoreRecord));
      for (const parcel of parcels) {
        this.#options.onSpooled(parcel);
        parcel.settle({ kind: 'spooled' });
      }
      this.#lookLater();
    } catch (error) {
      const detail = describe(error);
      for (const parcel of parcels) parcel.settle({ kind: 'dropped', reason: 'storage', detail });
    }
    for (const parcel of parcels) this.#writing.delete(parcel);
  }

  #lookLater(): void {
    if (this.#closed || (this.#opened?.stats().waiting ?? 0) === 0) return;
    clearTimeout(this.#timer);
    const look = this.#options.diagnostics.guard(() => this.look());
    this.#timer = setTimeout(look, Math.max(LOOK_MS, this.#options.serverWait()));
    this.#timer.unref();
  }

  async #look(): Promise<void> {
    const spool = await this.#open();
    while (spool && !this.#closed && this.#options.serverWait() === 0) {
      const room = MAX_OUTSTANDING - this.#outstanding;
      if (room <= 0) return;
      const items = await spool.take({ maxItems: room });
      if (items.length === 0) return;
      for (const item of items) this.#send(spool, item);
    }
  }

  #send(spool: Spool, item: SpoolItem): void {
    const { record } = item;
    let counts = true;
    const free = (): void => {
      if (counts) this.#outstanding--;
      counts = false;
    };
    const options = {
      bytes: item.bytes,
      deadline: Number.POSITIVE_INFINITY,
      fromSpool: true,
      hold: free,
      settle: (settlement: Settlement): void => {
        free();
        if (settlement.kind === 'sent') {
          this.#options.onDelivered(parcel);
          this.#forget(spool.ack([item]));
          if (this.#outstanding < MAX_OUTSTANDING / 2) this.look();
        } else if (settlement.kind === 'dropped') {
          this.#options.onRefused(parcel, settlement);
          this.#forget(spool.bury([item], settlement.detail));
        } else spool.release([item]);
      },
    };
    if (record.type !== 'trace' && record.type !== 'run') {
      this.#forget(spool.bury([item], `the exporter delivers no ${record.type} records`));
      return;
    }
    this.#outstanding++;
    const parcel: Parcel =
      record.type === 'trace'
        ? traceParcel(record.value, options)
        : runParcel(record.value, options);
    // Another process may have been cut off in the middle of sending it.
    parcel.uncertain = true;
    this.#options.deliver(parcel);
  }

  #forget(done: Promise<void>): void {
    const write = done.catch((error: unknown) => {
      this.#options.diagnostics.warnOnce(`the spool cannot be written: ${describe(error)}`);
    });
    this.#writes.add(write);
    void write.finally(() => this.#writes.delete(write));
  }
}

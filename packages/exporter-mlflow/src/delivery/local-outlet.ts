import { type Diagnostics, describe } from '../diagnostics.js';
import { writeRecordsSync } from '../store/files.js';
import type { LocalStore } from '../store/local-store.js';
import type { Outlet } from './outlet.js';
import { dropParcels, type Parcel, saveParcels, toStoreRecord } from './parcel.js';

const MAX_RECORDS_AT_ONCE = 200;

/** Writes parcels to the local store, those that wait together in one go. */
export class LocalOutlet implements Outlet {
  readonly #directory: string;
  readonly #open: () => Promise<LocalStore>;
  readonly #diagnostics: Diagnostics;
  readonly #maxQueueBytes: number;
  #store: LocalStore | undefined;
  #waiting: Parcel[] = [];
  readonly #unsettled = new Set<Parcel>();
  #bytes = 0;
  #writing: Promise<void> | undefined;

  constructor(options: {
    directory: string;
    open: () => Promise<LocalStore>;
    diagnostics: Diagnostics;
    maxQueueBytes: number;
  }) {
    this.#directory = options.directory;
    this.#open = options.open;
    this.#diagnostics = options.diagnostics;
    this.#maxQueueBytes = options.maxQueueBytes;
  }

  get bytes(): number {
    return this.#bytes;
  }

  accept(parcel: Parcel): void {
    if (this.#bytes > 0 && this.#bytes + parcel.bytes > this.#maxQueueBytes) {
      const detail = `more than ${this.#maxQueueBytes} bytes (maxQueueBytes) wait for the disk`;
      parcel.settle({ kind: 'dropped', reason: 'queue_full', detail });
      return;
    }
    this.#bytes += parcel.bytes;
    this.#unsettled.add(parcel);
    parcel.whenSettled(() => {
      this.#unsettled.delete(parcel);
      this.#bytes -= parcel.bytes;
    });
    this.#waiting.push(parcel);
    this.#writing ??= this.#write().catch((error: unknown) => {
      this.#writing = undefined;
      dropParcels([...this.#unsettled], 'storage', describe(error));
    });
  }

  async end(timeoutMs: number): Promise<void> {
    let timer: NodeJS.Timeout | undefined;
    const timeout = new Promise<void>((resolve) => {
      timer = setTimeout(resolve, timeoutMs);
    });
    await Promise.race([this.#writing, timeout]);
    clearTimeout(timer);
    dropParcels([...this.#unsettled], 'shutdown', 'the disk took too long');
    this.#waiting = [];
    try {
      await this.#store?.close();
    } catch (error) {
      this.#diagnostics.warnOnce(`the local store did not close cleanly: ${describe(error)}`);
    }
  }

  saveNow(): number {
    this.#waiting = [];
    return saveParcels([...this.#unsettled], { kind: 'sent' }, (records) => {
      if (this.#store) this.#store.writeSync(records);
      else writeRecordsSync('store', this.#directory, records);
    });
  }

  async #write(): Promise<void> {
    // What is accepted in the same turn goes in one write.
    await Promise.resolve();
    while (this.#waiting.length > 0) {
      const parcels = this.#waiting.splice(0, MAX_RECORDS_AT_ONCE);
      try {
        this.#store ??= await this.#open();
        await this.#store.write(parcels.map(toStoreRecord));
        for (const parcel of parcels) parcel.settle({ kind: 'sent' });
      } catch (error) {
        const detail = describe(error);
        for (const parcel of parcels) parcel.settle({ kind: 'dropped', reason: 'storage', detail });
      }
    }
    // In the same step as the last look: what is accepted after it starts the next write.
    this.#writing = undefined;
  }
}

import { type Diagnostics, describe } from '../diagnostics.js';
import type { LocalStore } from '../store/local-store.js';
import type { Outlet } from './outlet.js';
import { type Parcel, toStoreRecord } from './parcel.js';

const MAX_RECORDS_AT_ONCE = 200;

/** Writes parcels to the local store, those that wait together in one go. */
export class LocalOutlet implements Outlet {
  readonly #open: () => Promise<LocalStore>;
  readonly #diagnostics: Diagnostics;
  readonly #maxQueueBytes: number;
  #store: LocalStore | undefined;
  #waiting: Parcel[] = [];
  #bytes = 0;
  #writing: Promise<void> | undefined;

  constructor(options: {
    open: () => Promise<LocalStore>;
    diagnostics: Diagnostics;
    maxQueueBytes: number;
  }) {
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
    parcel.whenSettled(() => {
      this.#bytes -= parcel.bytes;
    });
    this.#waiting.push(parcel);
    this.#writing ??= this.#write().finally(() => {
      this.#writing = undefined;
    });
  }

  async end(timeoutMs: number): Promise<void> {
    let timer: NodeJS.Timeout | undefined;
    const timeout = new Promise<void>((resolve) => {
      timer = setTimeout(resolve, timeoutMs);
    });
    await Promise.race([this.#writing, timeout]);
    clearTimeout(timer);
    for (const parcel of this.#waiting.splice(0)) {
      parcel.settle({ kind: 'dropped', reason: 'shutdown', detail: 'the disk took too long' });
    }
    try {
      await this.#store?.close();
    } catch (error) {
      this.#diagnostics.warnOnce(`the local store did not close cleanly: ${describe(error)}`);
    }
  }

  saveNow(): void {
    // Every write is on its way to the disk as soon as it is accepted.
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
  }
}

import type { Diagnostics } from '../diagnostics.js';
import type { Connection } from '../server/connection.js';
import { createExperimentResolver } from '../server/experiments.js';
import { createRunRecorder, type RunRecorder } from '../server/runs.js';
import type { SpoolOptions } from '../store/spool.js';
import type { DeliveryMode } from '../types.js';
import { Dispatcher } from './dispatcher.js';
import type { Outlet } from './outlet.js';
import { type Dropped, dropParcels, type Parcel } from './parcel.js';
import { probeServer } from './server-profile.js';
import { Spooler } from './spooler.js';
import { TraceSender } from './trace-sender.js';
import { type Traffic, type WatchedConnection, watchConnection } from './watched-connection.js';

/** Milliseconds for writing what is left to the spool: the last chance it has. */
const SPOOL_CLOSE_MS = 2_000;

export interface ServerOutletOptions {
  connection: Connection;
  mode: DeliveryMode;
  diagnostics: Diagnostics;
  maxQueueBytes: number;
  spool: SpoolOptions | undefined;
  /** Counted up while requests go out. */
  traffic: Traffic & { retried: number };
  /** A parcel of an earlier failure, or of an earlier process, reached the server. */
  onDeliveredFromSpool(parcel: Parcel): void;
  onSpooled(parcel: Parcel): void;
  /** A parcel that had been spooled was refused for good. */
  onRefusedFromSpool(parcel: Parcel, settlement: Dropped): void;
}

/** An MLflow server, with a spool for when it is away. */
export class ServerOutlet implements Outlet {
  readonly #connection: WatchedConnection;
  readonly #dispatcher: Dispatcher;
  readonly #spooler: Spooler | undefined;
  readonly #runs: RunRecorder;

  constructor(options: ServerOutletOptions) {
    const { mode, diagnostics, maxQueueBytes, traffic, spool } = options;
    const connection = watchConnection(options.connection, traffic);
    this.#connection = connection;
    const experiments = createExperimentResolver(connection);
    const sender = new TraceSender({
      connection,
      experiments,
      mode,
      diagnostics,
    });
    this.#spooler =
      spool &&
      new Spooler({
        spool,
        diagnostics,
        deliver: (parcel) => this.#dispatcher.accept(parcel),
        serverWait: () => this.#dispatcher.wait,
        onDelivered: options.onDeliveredFromSpool,
        onSpooled: options.onSpooled,
        onRefused: options.onRefusedFromSpool,
        onState: () => this.#dispatcher.wake(),
      });
    const spooler = this.#spooler;
    this.#runs = createRunRecorder(connection, experiments);
    this.#dispatcher = new Dispatcher({
      address: connection.address,
      sender,
      runs: this.#runs,
      forgetExperiment: (experiment) => experiments.forget(experiment),
      probe: () => probeServer(connection),
      mode,
      diagnostics,
      maxQueueBytes,
      spool: spooler && ((parcels) => spooler.put(parcels)),
      spoolState: spooler && (() => spooler.state),
      silentSince: () => connection.silentSince,
      onRetry: () => {
        traffic.retried++;
      },
      onRecovered: () => spooler?.look(),
    });
    spooler?.openSoon();
  }

  get bytes(): number {
    return this.#dispatcher.bytes;
  }

  accept(parcel: Parcel): void {
    this.#dispatcher.accept(parcel);
  }

  async end(timeoutMs: number): Promise<void> {
    const end = Date.now() + timeoutMs;
    await this.#dispatcher.end(timeoutMs, () => this.#connection.interrupt(true));
    // Runs that were begun for their children and that no record will end.
    const timer = setTimeout(() => this.#connection.interrupt(true), Math.max(0, end - Date.now()));
    await this.#runs.close().catch(() => undefined);
    clearTimeout(timer);
    await this.#spooler?.close(SPOOL_CLOSE_MS);
    await this.#connection.close().catch(() => undefined);
  }

  saveNow(): number {
    const parcels = this.#dispatcher.takeUnsettled().filter(({ fromSpool }) => !fromSpool);
    const lost = this.#spooler
      ? this.#spooler.saveNow(parcels)
      : dropParcels(parcels, 'shutdown', 'the process ended before they were delivered');
    this.#connection.interrupt(false);
    return lost;
  }
}

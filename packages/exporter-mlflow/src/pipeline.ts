import { LocalOutlet } from './delivery/local-outlet.js';
import type { Outlet } from './delivery/outlet.js';
import {
  type Dropped,
  type Parcel,
  runParcel,
  type Settlement,
  traceParcel,
} from './delivery/parcel.js';
import { ServerOutlet } from './delivery/server-outlet.js';
import { sourceMetadata } from './delivery/source-metadata.js';
import { type Diagnostics, describe } from './diagnostics.js';
import type { RunRecord } from './internal-types.js';
import { estimateBytes } from './mapping/estimate.js';
import { createResourceFilter } from './mapping/resource.js';
import { type MappedSpan, mapSpan } from './mapping/span.js';
import { groupByTrace, type SizedTrace, TraceBook } from './mapping/trace-book.js';
import type { ExporterSettings } from './options.js';
import { slicer } from './otlp/slicer.js';
import { createConnection } from './server/http.js';
import type { ResolvedSettings } from './server/settings.js';
import { openLocalStore } from './store/local-store.js';
import type { DropReason, ExporterStats, SpanLike } from './types.js';

/** With an open spool nothing has to wait in memory for a server that is away. */
const PATIENCE_WITH_SPOOL_MS = 1_500;
/** Milliseconds between looks for traces whose root has not come. */
const CLOSE_INTERVAL_MS = 5_000;
/** Milliseconds, beyond the time of `end`, in which what is not mapped yet still is, so that it can be spooled. */
const LAST_MAPPING_MS = 500;

type Counters = Pick<
  ExporterStats,
  'sent' | 'spooled' | 'runs' | 'requests' | 'retried' | 'bytesSent'
>;

/** What became of one `export()` call. */
export interface BatchResult {
  lost: number;
  detail: string | undefined;
}

type Deadlines = Pick<Parcel, 'deadline' | 'firstDeadline' | 'spoolDeadline'>;

interface Batch extends BatchResult {
  readonly spans: readonly SpanLike[];
  /** Estimated bytes of its spans before they are mapped. */
  readonly bytes: number;
  /** Spans mapped so far. */
  position: number;
  /** Spans neither handed on nor given up. */
  left: number;
  readonly mapped: MappedSpan[];
  /** Traces not put together yet, once all spans are mapped. */
  groups: Iterator<MappedSpan[]> | undefined;
  /** Handed on together, so that the first of them does not leave in a request of its own. */
  readonly ready: Parcel[];
  /** Parcels not settled, and one for the batch itself until all are handed on. */
  open: number;
  /** The same for all of it, so that what fails together is given up together. */
  readonly deadlines: Deadlines;
  resolve(result: BatchResult): void;
}

/** The way of spans from the SDK to MLflow: map, put together to traces, hand to the outlet. */
export class Pipeline {
  readonly #settings: ExporterSettings;
  readonly #diagnostics: Diagnostics;
  readonly #outlet: Outlet;
  readonly #book: TraceBook;
  readonly #filterResource: ReturnType<typeof createResourceFilter>;
  readonly #counters: Counters = {
    sent: 0,
    spooled: 0,
    runs: 0,
    requests: 0,
    retried: 0,
    bytesSent: 0,
  };
  readonly #closeTimer: NodeJS.Timeout;
  #held = 0;
  /** Batches are mapped one after the other: what one says of a trace, the next builds on. */
  #mapping: Promise<void> = Promise.resolve();
  readonly #unmapped = new Set<Batch>();
  #unmappedBytes = 0;

  constructor(target: ResolvedSettings, settings: ExporterSettings, diagnostics: Diagnostics) {
    this.#settings = settings;
    this.#diagnostics = diagnostics;
    this.#filterResource = createResourceFilter(settings.resourceAttributes);
    this.#book = new TraceBook({
      experiment: target.experiment,
      runId: target.runId,
      tags: settings.tags,
      metadata: settings.metadata,
      source: sourceMetadata(),
      maxSpansPerTrace: settings.maxSpansPerTrace,
      remoteRootTimeoutMs: settings.remoteRootTimeoutMs,
      complain: (message) => diagnostics.warnOnce(message),
    });
    this.#outlet = this.#openOutlet(target);
    const close = diagnostics.guard(() => this.#closeTraces(false));
    this.#closeTimer = setInterval(close, CLOSE_INTERVAL_MS);
    this.#closeTimer.unref();
  }

  /** Resolves when every span is delivered, safely stored, or given up. Never rejects. */
  add(spans: readonly SpanLike[]): Promise<BatchResult> {
    return new Promise((resolve) => {
      const batch: Batch = {
        spans,
        bytes: estimateBytes(spans),
        position: 0,
        left: spans.length,
        mapped: [],
        groups: undefined,
        ready: [],
        lost: 0,
        detail: undefined,
        open: 1,
        deadlines: this.#deadlines(),
        resolve,
      };
      this.#held += spans.length;
      this.#unmapped.add(batch);
      this.#unmappedBytes += batch.bytes;
      // The batch goes its way also where no room could be made for it.
      this.#diagnostics.guard(() => this.#makeRoom())();
      this.#mapping = this.#mapping
        .then(() => this.#mapInSlices(batch))
        .catch((error: unknown) => this.#abandon(batch, error))
        // Whatever fails in giving up, who waits for the batch gets an answer.
        .catch((error: unknown) => resolve({ lost: batch.left, detail: describe(error) }));
    });
  }

  /** Ends within about the milliseconds given. Never rejects. */
  async end(timeoutMs: number): Promise<void> {
    const until = Date.now() + timeoutMs;
    clearInterval(this.#closeTimer);
    await this.#mappedBy(timeoutMs);
    this.#closeTraces(true);
    await this.#outlet.end(Math.max(0, until - Date.now()));
  }

  /** Saves what is not delivered, synchronously; the number of spans that could not be saved. */
  saveNow(): number {
    for (const batch of this.#unmapped) this.#mapNow(batch);
    this.#closeTraces(true);
    return this.#outlet.saveNow();
  }

  stats(): Counters & Pick<ExporterStats, 'held' | 'folded' | 'bytesHeld'> {
    return {
      ...this.#counters,
      held: this.#held,
      folded: this.#book.folded,
      bytesHeld: this.#bytes,
    };
  }

  get #bytes(): number {
    return this.#unmappedBytes + this.#outlet.bytes;
  }

  #openOutlet({ destination }: ResolvedSettings): Outlet {
    const { maxQueueBytes, mode, spool } = this.#settings;
    const diagnostics = this.#diagnostics;
    if (destination.kind === 'local') {
      const { directory } = destination;
      return new LocalOutlet({
        directory,
        open: () =>
          openLocalStore({
            directory,
            onDrop: (reason, records) => this.#lostOnDisk(directory, reason, records),
          }),
        diagnostics,
        maxQueueBytes,
      });
    }
    const counters = this.#counters;
    return new ServerOutlet({
      connection: createConnection(destination.connection),
      mode,
      diagnostics,
      maxQueueBytes,
      spool: spool && {
        ...spool,
        onDrop: (reason, records) => this.#lostOnDisk(spool.directory, reason, records),
      },
      traffic: counters,
      onDeliveredFromSpool: (parcel) => {
        counters.sent += parcel.spans;
        if (parcel.type === 'run') counters.runs++;
      },
      onSpooled: (parcel) => {
        counters.spooled += parcel.spans;
      },
      onRefusedFromSpool: (parcel, { reason, detail, spans = parcel.spans, isGuess }) => {
        const traceIds = parcel.type === 'trace' && !isGuess ? [`tr-${parcel.lane}`] : [];
        const kept = `${detail} (kept in ${spool?.directory}/buried)`;
        counters.sent += parcel.spans - spans;
        diagnostics.dropped({ reason, spans, traceIds, detail: kept });
      },
    });
  }

  /** What the bounds of a folder removed; it was not parsed, so parts of traces are counted. */
  #lostOnDisk(directory: string, reason: string, records: number): void {
    const detail = `${records} part(s) of traces in ${directory}: ${reason}`;
    this.#diagnostics.dropped({ reason: 'storage', spans: records, traceIds: [], detail });
  }

  /**
   * A program that keeps the event loop busy leaves few turns for slices: beyond the bound, batches that
   * wait are mapped at once, and go where the outlet puts what is too much. The newest may still wait.
   */
  #makeRoom(): void {
    for (const batch of this.#unmapped) {
      if (this.#bytes <= this.#settings.maxQueueBytes || this.#unmapped.size === 1) return;
      this.#mapNow(batch);
    }
  }

  async #mappedBy(timeoutMs: number): Promise<void> {
    let timer: NodeJS.Timeout | undefined;
    const late = new Promise<void>((resolve) => {
      timer = setTimeout(resolve, timeoutMs);
    });
    await Promise.race([this.#mapping, late]);
    clearTimeout(timer);
    const until = Date.now() + LAST_MAPPING_MS;
    for (const batch of this.#unmapped) {
      this.#mapNow(batch, until);
      this.#end(batch, 'shutdown', 'the exporter ended before the spans were read');
    }
  }

  /** @param until no further then, milliseconds since the epoch */
  #mapNow(batch: Batch, until = Number.POSITIVE_INFINITY): void {
    try {
      while (Date.now() < until && this.#advance(batch));
    } catch (error) {
      this.#abandon(batch, error);
    }
  }

  async #mapInSlices(batch: Batch): Promise<void> {
    while (this.#advance(batch)) if (slicer.isDue()) await slicer.turn();
  }

  /** One step of a batch's way: maps a span, or puts together what it holds of a trace. `false` when it is done. */
  #advance(batch: Batch): boolean {
    if (!this.#unmapped.has(batch)) return false;
    if (batch.position < batch.spans.length) {
      const mapped = this.#mapOne(batch.spans[batch.position++] as SpanLike);
      if (mapped) batch.mapped.push(mapped);
      return true;
    }
    batch.groups ??= groupByTrace(batch.mapped).values();
    const next = batch.groups.next();
    if (!next.done) {
      this.#putTogether(batch, next.value);
      return true;
    }
    this.#end(batch, 'unreadable', 'the span could not be read, or has no valid ids');
    return false;
  }

  /** The rest of a batch that cannot be gone on with: the batches after it must not wait for it. */
  #abandon(batch: Batch, error: unknown): void {
    this.#end(batch, 'unreadable', `an internal fault: ${describe(error)}`);
  }

  /** Hands on what is put together of a batch; what is left of its spans is lost. */
  #end(batch: Batch, reason: DropReason, detail: string): void {
    if (!this.#unmapped.delete(batch)) return;
    this.#unmappedBytes -= batch.bytes;
    for (const parcel of batch.ready) this.#accept(parcel);
    if (batch.left > 0) {
      this.#held -= batch.left;
      this.#lose(batch, { reason, detail }, batch.left, []);
    }
    this.#settleOne(batch);
  }

  #putTogether(batch: Batch, spans: MappedSpan[]): void {
    batch.left -= spans.length;
    let runs: readonly RunRecord[];
    try {
      const added = this.#book.add(spans, Date.now());
      runs = added.runs;
      const parcel = this.#traceParcel(added.trace, batch);
      // Folded spans travel as counts on others; an amended root travels once more.
      this.#held += added.trace.record.spans.length - spans.length;
      batch.open++;
      batch.ready.push(parcel);
    } catch (error) {
      this.#held -= spans.length;
      const detail = `spans could not be put together to a trace: ${describe(error)}`;
      this.#lose(batch, { reason: 'unreadable', detail }, spans.length, []);
      return;
    }
    for (const run of runs) this.#addRun(run, batch);
  }

  #mapOne(span: SpanLike): MappedSpan | undefined {
    try {
      return mapSpan(span, this.#filterResource(span.resource));
    } catch (error) {
      this.#diagnostics.warnOnce(`a span could not be read: ${describe(error)}`);
      return undefined;
    }
  }

  #deadlines(): Deadlines {
    const { retryBudgetMs, firstRetryBudgetMs } = this.#settings;
    const now = Date.now();
    return {
      deadline: now + retryBudgetMs,
      firstDeadline: now + firstRetryBudgetMs,
      spoolDeadline: now + PATIENCE_WITH_SPOOL_MS,
    };
  }

  #traceParcel({ record, bytes }: SizedTrace, batch: Batch): Parcel {
    const spans = record.spans.length;
    let isAcknowledged = false;
    const acknowledge = (): void => {
      if (!isAcknowledged) this.#settleOne(batch);
      isAcknowledged = true;
    };
    const settle = (settlement: Settlement): void => {
      this.#held -= spans;
      if (settlement.kind === 'sent') this.#counters.sent += spans;
      else if (settlement.kind === 'dropped') {
        const lost = settlement.spans ?? spans;
        this.#counters.sent += spans - lost;
        const traceIds = settlement.isGuess ? [] : [`tr-${record.info.traceId}`];
        this.#lose(batch, settlement, lost, traceIds);
      }
      acknowledge();
    };
    return traceParcel(record, { bytes, ...batch.deadlines, settle, hold: acknowledge });
  }

  #addRun(run: RunRecord, batch: Batch): void {
    const lose = (detail: string): void => {
      this.#diagnostics.warnOnce(`a run was not written: ${detail}`);
      batch.detail ??= detail;
    };
    const settle = (settlement: Settlement): void => {
      if (settlement.kind === 'sent') this.#counters.runs++;
      else if (settlement.kind === 'dropped') lose(settlement.detail);
      this.#settleOne(batch);
    };
    try {
      const bytes = JSON.stringify(run).length;
      const parcel = runParcel(run, { bytes, ...batch.deadlines, settle });
      batch.open++;
      batch.ready.push(parcel);
    } catch (error) {
      lose(describe(error));
    }
  }

  #settleOne(batch: Batch): void {
    if (--batch.open === 0) batch.resolve({ lost: batch.lost, detail: batch.detail });
  }

  #closeTraces(all: boolean): void {
    for (const record of this.#book.close(Date.now(), all)) {
      this.#accept(
        traceParcel(record, { bytes: 500, ...this.#deadlines(), settle: () => undefined }),
      );
    }
  }

  #accept(parcel: Parcel): void {
    try {
      this.#outlet.accept(parcel);
    } catch (error) {
      parcel.settle({ kind: 'dropped', reason: 'unreadable', detail: describe(error) });
    }
  }

  #lose(
    batch: Batch,
    { reason, detail }: Pick<Dropped, 'reason' | 'detail'>,
    spans: number,
    traceIds: string[],
  ): void {
    batch.lost += spans;
    batch.detail ??= detail;
    this.#diagnostics.dropped({ reason, spans, traceIds, detail });
  }
}

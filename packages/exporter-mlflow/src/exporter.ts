import { setTimeout as sleep } from 'node:timers/promises';
import { Diagnostics, describe } from './diagnostics.js';
import { type ExporterSettings, readOptions } from './options.js';
import { Pipeline } from './pipeline.js';
import { describeProblems, resolveSettings } from './server/settings.js';
import { withoutTracing } from './suppress-tracing.js';
import type {
  ExporterStats,
  ExportOutcome,
  MlflowExporterLife,
  MlflowSpanExporterOptions,
  SpanLike,
} from './types.js';

/** Milliseconds for callbacks that are on their way: by then nothing of an export is open. */
const LAST_CALLBACKS_MS = 1_000;

const NOTHING_YET = {
  sent: 0,
  held: 0,
  spooled: 0,
  folded: 0,
  requests: 0,
  retried: 0,
  runs: 0,
  bytesSent: 0,
  bytesHeld: 0,
};

/**
 * Sends spans to MLflow as traces, runs and assessments. A `SpanExporter` of OpenTelemetry JS 2.x and
 * 3.x: hand it to the NodeSDK as `traceExporter`, or to a `BatchSpanProcessor`.
 *
 * Nothing it does throws into the program, and nothing is read or connected before the first export.
 */
export class MlflowSpanExporter implements MlflowExporterLife {
  readonly #options: MlflowSpanExporterOptions = {};
  /** Absent when the options could not even be read. */
  readonly #settings: ExporterSettings | undefined;
  readonly #diagnostics: Diagnostics;
  readonly #exports = new Set<Promise<void>>();
  #pipeline: Pipeline | 'misconfigured' | undefined;
  #received = 0;
  #ended: Promise<void> | undefined;
  readonly #onExit = (): void => {
    this.flushSync();
  };

  constructor(options: MlflowSpanExporterOptions = {}) {
    try {
      const isObject = typeof options === 'object' && options !== null && !Array.isArray(options);
      if (isObject) this.#options = { ...options };
      const { settings, warnings } = readOptions(this.#options);
      this.#settings = settings;
      this.#diagnostics = new Diagnostics(settings.onDrop);
      for (const warning of warnings) this.#diagnostics.warnOnce(warning);
      if (!isObject) {
        this.#diagnostics.warnOnce('the options are not an object; none of them has an effect');
      }
    } catch (error) {
      this.#diagnostics = new Diagnostics();
      this.#pipeline = 'misconfigured';
      this.#diagnostics.warnOnce(
        `no traces are exported: the options cannot be read: ${describe(error)}`,
      );
    }
  }

  /**
   * Hands spans over. Calls back exactly once: `0` when all are on the server or safely stored, `1` when
   * any was given up. Never throws.
   */
  export(spans: readonly SpanLike[], resultCallback: (result: ExportOutcome) => void): void {
    const answer = (outcome: ExportOutcome): void => {
      try {
        resultCallback(outcome);
      } catch (error) {
        this.#diagnostics.warnOnce(`the export callback failed: ${describe(error)}`);
      }
    };
    try {
      this.#received += spans.length;
      const exporting = withoutTracing(() => this.#export(spans))
        .catch((error: unknown) => this.#refuse(spans, 'unreadable', describe(error)))
        .then(answer);
      this.#exports.add(exporting);
      void exporting.then(
        () => this.#exports.delete(exporting),
        () => this.#exports.delete(exporting),
      );
    } catch (error) {
      answer(this.#refuse(spans, 'unreadable', describe(error)));
    }
  }

  /** Resolves when everything exported so far is delivered, safely stored, or given up. Never rejects. */
  async forceFlush(): Promise<void> {
    if (this.#exports.size === 0) return;
    // Waits for a server are unref'd; who awaits a flush keeps the process for it.
    const keepAlive = setInterval(() => undefined, 1_000);
    await Promise.all(this.#exports);
    clearInterval(keepAlive);
  }

  /**
   * For `process.on('exit')`, where only synchronous work is done: everything exported and not yet
   * acknowledged goes to the local store or the spool before this returns; without either it is counted
   * as dropped (`shutdown`). Never throws.
   *
   * @returns number of spans that could not be kept
   */
  flushSync(): number {
    if (!(this.#pipeline instanceof Pipeline)) return 0;
    try {
      return this.#pipeline.saveNow();
    } catch (error) {
      this.#diagnostics.warnOnce(`undelivered traces could not be saved: ${describe(error)}`);
      return this.stats().held;
    } finally {
      this.#tellDrops();
    }
  }

  /**
   * Delivers what waits, for at most `shutdownTimeoutMs`, spools or drops the rest (counted and reported),
   * and closes connections and files. Never rejects; further exports are refused.
   */
  shutdown(): Promise<void> {
    if (this.#ended === undefined) {
      try {
        this.#ended = withoutTracing(() => this.#end());
      } catch (error) {
        this.#ended = Promise.reject(error);
      }
      this.#ended = this.#ended.catch((error: unknown) => {
        this.#diagnostics.warnOnce(`the exporter did not end cleanly: ${describe(error)}`);
      });
    }
    return this.#ended;
  }

  /** Counts since the exporter was made. */
  stats(): ExporterStats {
    const received = this.#received;
    try {
      const counts = this.#pipeline instanceof Pipeline ? this.#pipeline.stats() : NOTHING_YET;
      return { received, ...counts, dropped: this.#diagnostics.totals };
    } catch (error) {
      this.#diagnostics.warnOnce(`the counts of the exporter cannot be read: ${describe(error)}`);
      return { received, ...NOTHING_YET, dropped: {} };
    }
  }

  async #export(spans: readonly SpanLike[]): Promise<ExportOutcome> {
    if (this.#ended) return this.#refuse(spans, 'shutdown', 'the exporter was shut down');
    if (spans.length === 0) return { code: 0 };
    try {
      const pipeline = this.#open();
      if (pipeline === undefined) {
        return this.#refuse(spans, 'misconfigured', 'the settings cannot be used');
      }
      const { lost, detail } = await pipeline.add(spans);
      if (detail === undefined) return { code: 0 };
      return { code: 1, error: new Error(`${lost} of ${spans.length} spans lost: ${detail}`) };
    } catch (error) {
      return this.#refuse(spans, 'unreadable', describe(error));
    }
  }

  /** Settings are read at the first export, so that the environment may still be set after the import. */
  #open(): Pipeline | undefined {
    if (this.#pipeline === undefined && this.#settings !== undefined) {
      const result = resolveSettings(this.#options);
      if (result.ok) {
        for (const warning of result.warnings) this.#diagnostics.warnOnce(warning);
        this.#pipeline = new Pipeline(result.settings, this.#settings, this.#diagnostics);
        if (this.#settings.spool) process.once('exit', this.#onExit);
      } else {
        this.#pipeline = 'misconfigured';
        this.#diagnostics.warnOnce(`no traces are exported: ${describeProblems(result.problems)}`);
      }
    }
    return this.#pipeline instanceof Pipeline ? this.#pipeline : undefined;
  }

  #refuse(
    spans: readonly SpanLike[],
    reason: 'shutdown' | 'misconfigured' | 'unreadable',
    detail: string,
  ): ExportOutcome {
    if (spans.length > 0) {
      this.#diagnostics.dropped({ reason, spans: spans.length, traceIds: [], detail });
    }
    return { code: 1, error: new Error(detail) };
  }

  async #end(): Promise<void> {
    try {
      if (this.#pipeline instanceof Pipeline && this.#settings !== undefined) {
        await this.#pipeline.end(this.#settings.shutdownTimeoutMs);
      }
      await Promise.race([
        Promise.all(this.#exports),
        sleep(LAST_CALLBACKS_MS, undefined, { ref: false }),
      ]);
    } catch (error) {
      this.#diagnostics.warnOnce(`the exporter did not end cleanly: ${describe(error)}`);
    }
    process.removeListener('exit', this.#onExit);
    this.#tellDrops();
  }

  #tellDrops(): void {
    try {
      this.#diagnostics.flush();
    } catch {
      // What tells of faults is at fault: nothing is left to tell it with.
    }
  }
}

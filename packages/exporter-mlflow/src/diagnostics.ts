import { diag } from '@opentelemetry/api';
import type { DropReason, DropReport } from './types.js';

const PREFIX = '@hokusai/exporter-mlflow: ';
/** Milliseconds between reports of what goes on. */
const INTERVAL_MS = 60_000;
const MAX_REMEMBERED_WARNINGS = 200;
const MAX_REPORTED_IDS = 10;

type Level = 'warn' | 'info' | 'debug';

interface Tally {
  spans: number;
  reportedAt: number;
  unreported: number;
  /** Of what is unreported, no more than a message names. */
  traceIds: string[];
  detail: string | undefined;
}

/**
 * Everything the exporter says. Each state of the server is told once, when it changes; drops are told
 * at once and then at intervals. Goes to OpenTelemetry's `diag`; while the program has set no logger
 * there, warnings go to the console, because losing traces in silence helps nobody.
 */
export class Diagnostics {
  readonly #onDrop: ((drop: DropReport) => void) | undefined;
  readonly #said = new Set<string>();
  readonly #drops = new Map<DropReason, Tally>();
  readonly #stateToldAt = new Map<string, number>();
  #state = 'ok';

  constructor(onDrop?: ((drop: DropReport) => void) | undefined) {
    this.#onDrop = onDrop;
  }

  /** Once for each text. */
  warnOnce(message: string): void {
    if (this.#said.has(message) || this.#said.size >= MAX_REMEMBERED_WARNINGS) return;
    this.#said.add(message);
    say('warn', message);
  }

  /** A function for timers and events, out of which nothing may come: what it throws is told. */
  guard(run: () => void): () => void {
    return () => {
      try {
        run();
      } catch (error) {
        this.warnOnce(`internal fault, the program is not affected: ${describe(error)}`);
      }
    };
  }

  debug(message: string): void {
    say('debug', message);
  }

  /**
   * The server's state: told when it differs from the last one, and a state that comes and goes at most
   * once in the interval.
   */
  serverState(state: 'ok' | (string & {}), message: () => string): void {
    if (state === this.#state) return;
    this.#state = state;
    const now = Date.now();
    const isRepeated = now - (this.#stateToldAt.get(state) ?? 0) < INTERVAL_MS;
    if (isRepeated || (state === 'ok' && this.#stateToldAt.size === 0)) return;
    this.#stateToldAt.set(state, now);
    say(state === 'ok' ? 'info' : 'warn', message());
  }

  dropped(drop: DropReport): void {
    const now = Date.now();
    let tally = this.#drops.get(drop.reason);
    if (tally === undefined) {
      tally = {
        spans: 0,
        reportedAt: Number.NEGATIVE_INFINITY,
        unreported: 0,
        traceIds: [],
        detail: undefined,
      };
      this.#drops.set(drop.reason, tally);
    }
    tally.spans += drop.spans;
    // What is wrong with the settings has been said, and with it that nothing is exported.
    if (drop.reason !== 'misconfigured') {
      tally.unreported += drop.spans;
      tally.detail = drop.detail;
      tally.traceIds.push(...drop.traceIds.slice(0, MAX_REPORTED_IDS - tally.traceIds.length));
      if (now - tally.reportedAt >= INTERVAL_MS) {
        tally.reportedAt = now;
        // The traces of a batch are given up one by one: one message for all of them.
        queueMicrotask(this.guard(() => this.#report(drop.reason)));
      }
    }
    try {
      this.#onDrop?.({ ...drop, traceIds: drop.traceIds.slice(0, MAX_REPORTED_IDS) });
    } catch (error) {
      this.warnOnce(`the onDrop function failed: ${describe(error)}`);
    }
  }

  /** Drops not told yet because of the interval. */
  flush(): void {
    for (const reason of this.#drops.keys()) this.#report(reason);
  }

  get totals(): Partial<Record<DropReason, number>> {
    return Object.fromEntries([...this.#drops].map(([reason, { spans }]) => [reason, spans]));
  }

  #report(reason: DropReason): void {
    const tally = this.#drops.get(reason);
    if (tally === undefined || tally.unreported === 0) return;
    const { spans, unreported, traceIds, detail } = tally;
    const more = spans > unreported ? ` (${spans} since the start)` : '';
    const ids = traceIds.length > 0 ? `, traces ${traceIds.join(', ')}` : '';
    const why = detail === undefined ? '' : `: ${detail}`;
    say('warn', `${unreported} span(s) lost, ${reason}${more}${ids}${why}`);
    Object.assign(tally, { unreported: 0, traceIds: [], detail: undefined });
  }
}

/** One line for any thrown value; never throws itself. */
export function describe(error: unknown): string {
  try {
    return error instanceof Error ? `${error.name}: ${error.message}` : String(error);
  } catch {
    return 'an error that cannot be shown';
  }
}

function say(level: Level, message: string): void {
  try {
    if (level === 'warn' && !hasDiagLogger()) console.warn(PREFIX + message);
    else diag[level](PREFIX + message);
  } catch {
    // A logger that throws must not reach the program.
  }
}

/** `diag` has no question for it: the API keeps the logger on its global object. */
function hasDiagLogger(): boolean {
  const api = (globalThis as Record<symbol, unknown>)[Symbol.for('opentelemetry.js.api.1')];
  return typeof api === 'object' && api !== null && 'diag' in api && api.diag !== undefined;
}

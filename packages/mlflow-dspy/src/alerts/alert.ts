import { warnOnce } from '../log.js';
import type { TraceData } from '../processors/trace-data.js';
import { entriesOf } from './entries.js';

/** When to alert. At least one condition is needed; every one is checked on every finished trace. */
export interface AlertConditions {
  /** The outermost program took longer than this many milliseconds. */
  readonly slowerThanMs?: number | undefined;
  /** The trace cost more than this many US dollars. Traces without a known price never do. */
  readonly costOver?: number | undefined;
  /** More than this share (0 to 1) of the last `errorRateWindow` traces failed. */
  readonly errorRateOver?: number | undefined;
  /** Traces that the error rate is taken over, 1 to 10 000; none is raised before there are as many. Default 20. */
  readonly errorRateWindow?: number | undefined;
  /** Milliseconds in which the same alert for the same program is not repeated. Default 60 000. */
  readonly repeatAfterMs?: number | undefined;
}

/** What happened. Holds no inputs, outputs or error messages: an alert leaves for other systems. */
export interface Alert {
  readonly kind: 'slow' | 'cost' | 'error_rate';
  /** One sentence for people. */
  readonly message: string;
  readonly value: number;
  readonly threshold: number;
  /** MLflow's id of the trace that set it off. */
  readonly traceId: string;
  /** Name of its outermost program. */
  readonly name: string;
  readonly time: Date;
  /** Alerts of this kind for this program that `repeatAfterMs` held back since the last one. */
  readonly suppressed: number;
}

/** Takes an alert somewhere. May be asynchronous; `client.flush()` waits for it. */
export type AlertSink = (alert: Alert) => unknown;

type Finding = Pick<Alert, 'kind' | 'message' | 'value' | 'threshold'>;

const DEFAULT_WINDOW = 20;
const DEFAULT_REPEAT_MS = 60_000;
/** Programs remembered for `repeatAfterMs`; names are few, but may be made up at run time. */
const MAX_REMEMBERED = 1000;
const MAX_WINDOW = 10_000;

/** What each condition must be. */
const CONDITIONS: Readonly<
  Record<
    keyof AlertConditions,
    { readonly words: string; readonly fits: (value: number) => boolean }
  >
> = {
  slowerThanMs: { words: 'a number of at least 0', fits: (value) => value >= 0 },
  costOver: { words: 'a number of at least 0', fits: (value) => value >= 0 },
  errorRateOver: { words: 'a share from 0 to 1', fits: (value) => value >= 0 && value <= 1 },
  errorRateWindow: {
    words: `a whole number from 1 to ${MAX_WINDOW}`,
    fits: (value) => Number.isInteger(value) && value >= 1 && value <= MAX_WINDOW,
  },
  repeatAfterMs: { words: 'a number of at least 0', fits: (value) => value >= 0 },
};

/**
 * A trace processor that tells `sink` of slow, expensive and failing executions:
 * `client.addTraceProcessor(alertOn({ slowerThanMs: 1000 }, logSink()))`. A condition that cannot be
 * used, or has an unknown name, is reported once and left out.
 */
export function alertOn(
  conditions: AlertConditions,
  sink: AlertSink,
): (trace: TraceData) => unknown {
  if (typeof sink !== 'function') {
    warnOnce('alertOn: the sink is not a function; there are no alerts.');
    return () => undefined;
  }
  const checked = check(conditions);
  const errors = new ErrorRate(checked.errorRateWindow ?? DEFAULT_WINDOW);
  const quiet = new Quiet(checked.repeatAfterMs ?? DEFAULT_REPEAT_MS);
  return (trace) => {
    const results: unknown[] = [];
    for (const finding of find(checked, trace, errors)) {
      const suppressed = quiet.pass(`${finding.kind} ${trace.name}`);
      if (suppressed === undefined) continue;
      const { traceId, name } = trace;
      const alert = { ...finding, traceId, name, time: new Date(), suppressed };
      try {
        results.push(sink(alert));
      } catch (error) {
        // The other alerts of the trace, and the count of failures, do not depend on this one.
        results.push(Promise.reject(error));
      }
    }
    return results.length === 0 ? undefined : allDone(results);
  };
}

/** Waits for all of them, and then fails with the first that failed. */
async function allDone(results: readonly unknown[]): Promise<void> {
  for (const outcome of await Promise.allSettled(results)) {
    if (outcome.status === 'rejected') throw outcome.reason;
  }
}

function check(conditions: AlertConditions): AlertConditions {
  const checked: Record<string, number> = {};
  for (const [name, value] of entriesOf('alertOn: the conditions', conditions)) {
    if (!Object.hasOwn(CONDITIONS, name)) {
      const known = Object.keys(CONDITIONS).join(', ');
      warnOnce(`alertOn: unknown condition ${name}; it has no effect. Known: ${known}.`);
      continue;
    }
    const { words, fits } = CONDITIONS[name as keyof AlertConditions];
    if (typeof value === 'number' && fits(value)) checked[name] = value;
    else warnOnce(`alertOn: ${name} is not ${words}; it has no effect.`);
  }
  return checked;
}

function* find(
  { slowerThanMs, costOver, errorRateOver }: AlertConditions,
  trace: TraceData,
  errors: ErrorRate,
): Generator<Finding> {
  const { name, durationMs, cost } = trace;
  if (slowerThanMs !== undefined && durationMs > slowerThanMs) {
    yield {
      kind: 'slow',
      message: `${name} took ${Math.round(durationMs)} ms (limit ${slowerThanMs} ms)`,
      value: durationMs,
      threshold: slowerThanMs,
    };
  }
  if (costOver !== undefined && cost !== undefined && cost.totalCost > costOver) {
    yield {
      kind: 'cost',
      message: `${name} cost $${cost.totalCost} (limit $${costOver})`,
      value: cost.totalCost,
      threshold: costOver,
    };
  }
  if (errorRateOver === undefined) return;
  const rate = errors.after(trace.state === 'ERROR');
  if (rate === undefined || rate <= errorRateOver) return;
  yield {
    kind: 'error_rate',
    message: `${Math.round(rate * 100)} % of the last ${errors.window} traces failed (limit ${errorRateOver * 100} %); last: ${name}`,
    value: rate,
    threshold: errorRateOver,
  };
}

/** Share of failures among the last traces. */
class ErrorRate {
  readonly window: number;
  readonly #outcomes: boolean[] = [];
  #failures = 0;

  constructor(window: number) {
    this.window = window;
  }

  /** `undefined` until the window is full. */
  after(failed: boolean): number | undefined {
    this.#outcomes.push(failed);
    if (failed) this.#failures++;
    if (this.#outcomes.length > this.window && this.#outcomes.shift()) this.#failures--;
    return this.#outcomes.length < this.window ? undefined : this.#failures / this.window;
  }
}

/** Keeps repetitions back. */
class Quiet {
  readonly #last = new Map<string, { at: number; suppressed: number }>();

  constructor(private readonly repeatAfterMs: number) {}

  /** How many were kept back since the last; `undefined`: keep this one back too. */
  pass(key: string): number | undefined {
    const now = performance.now();
    const last = this.#last.get(key);
    if (last !== undefined && now - last.at < this.repeatAfterMs) {
      last.suppressed++;
      return undefined;
    }
    this.#last.delete(key);
    this.#last.set(key, { at: now, suppressed: 0 });
    if (this.#last.size > MAX_REMEMBERED) {
      const [oldest] = this.#last.keys();
      this.#last.delete(oldest as string);
    }
    return last?.suppressed ?? 0;
  }
}

import type { RunRecord } from '../internal-types.js';
import { cap, mend } from '../mapping/text.js';

/** Limits of `runs/log-batch` (mlflow/utils/validation.py). */
const MAX_METRICS = 1_000;
const MAX_PARAMS_OR_TAGS = 100;
const MAX_ENTITIES = 1_000;
const MAX_KEY = 250;
const MAX_PARAM_VALUE = 6_000;
const MAX_TAG_VALUE = 8_000;
/** The server's limit is 10^6 characters of the whole body. */
const MAX_BODY_TEXT = 950_000;

interface Pair {
  key: string;
  value: string;
}

interface LogBatch {
  metrics: { key: string; value: number; timestamp: number; step: number }[];
  params: Pair[];
  tags: Pair[];
}

export interface RunData {
  params?: Readonly<Record<string, string>>;
  metrics?: RunRecord['metrics'];
  tags?: Readonly<Record<string, string>>;
}

export interface PreparedRunData {
  batches: LogBatch[];
  /** Full text of params that had to be cut, by artifact path. */
  artifacts: Record<string, string>;
  /** Names of metrics whose value is not a finite number: MLflow stores NaN so that its run page breaks, and Infinity as 1.8e308. */
  skippedMetrics: string[];
}

/** Params, metrics and tags within what MLflow takes, in as few requests as its limits allow. */
export function prepareRunData(data: RunData): PreparedRunData {
  const artifacts: Record<string, string> = {};
  const params: Pair[] = [];
  for (const { key, value } of withValidKeys(data.params ?? {})) {
    if (value.length > MAX_PARAM_VALUE) artifacts[`params/${key.replaceAll('/', '_')}.txt`] = value;
    params.push({ key, value: cap(mend(value), MAX_PARAM_VALUE) });
  }
  const tags = withValidKeys(data.tags ?? {}).map(({ key, value }) => ({
    key,
    value: cap(mend(value), MAX_TAG_VALUE),
  }));
  const skipped = new Set<string>();
  const metrics: LogBatch['metrics'] = [];
  for (const { key, value, step, timestampMs } of data.metrics ?? []) {
    if (typeof value !== 'number' || !Number.isFinite(value)) {
      skipped.add(key);
      continue;
    }
    metrics.push({
      key: validKey(key),
      value,
      timestamp: Math.round(timestampMs),
      step: Math.round(step),
    });
  }
  return { batches: toBatches(metrics, params, tags), artifacts, skippedMetrics: [...skipped] };
}

function toBatches(metrics: LogBatch['metrics'], params: Pair[], tags: Pair[]): LogBatch[] {
  const batches: LogBatch[] = [];
  let current: LogBatch | undefined;
  let text = 0;
  const place = <K extends keyof LogBatch>(kind: K, entry: LogBatch[K][number]): void => {
    const size = JSON.stringify(entry).length + 1;
    const limit = kind === 'metrics' ? MAX_METRICS : MAX_PARAMS_OR_TAGS;
    const isFull =
      !current ||
      current[kind].length >= limit ||
      current.metrics.length + current.params.length + current.tags.length >= MAX_ENTITIES ||
      text + size > MAX_BODY_TEXT;
    if (!current || isFull) {
      current = { metrics: [], params: [], tags: [] };
      batches.push(current);
      text = 0;
    }
    (current[kind] as LogBatch[K][number][]).push(entry);
    text += size;
  };
  for (const param of params) place('params', param);
  for (const tag of tags) place('tags', tag);
  for (const metric of metrics) place('metrics', metric);
  return batches;
}

/** Two names that become one valid key keep apart: the server refuses a param that changes. */
function withValidKeys(entries: Readonly<Record<string, string>>): Pair[] {
  const used = new Set<string>();
  return Object.entries(entries).map(([name, value]) => {
    const base = validKey(name);
    let key = base;
    for (let n = 2; used.has(key); n++) key = `${base.slice(0, MAX_KEY - 5)}_${n}`;
    used.add(key);
    return { key, value };
  });
}

/** MLflow takes letters and digits of ASCII, `_ - . / :` and space, in the form of a relative path. */
export function validKey(name: string): string {
  const key = name.replace(/[^\w\-./: ]/g, '_').slice(0, MAX_KEY) || '_';
  const steps = key.split('/');
  const isPath = steps.every((step) => step !== '' && step !== '.' && step !== '..');
  return isPath ? key : key.replaceAll('/', '_').replace(/^\.{1,2}$/, '_');
}

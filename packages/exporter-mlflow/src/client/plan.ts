import type { RunRecord } from '../internal-types.js';
import { MlflowConfigError } from '../server/errors.js';
import { MAX_SEARCH_PAGE } from '../server/traces.js';
import type { PlannedQuery } from './backend.js';
import type { Metric, TraceQuery } from './types.js';

const DEFAULT_PAGE_SIZE = 50;
const DEFAULT_ORDER = 'timestamp_ms DESC';

const QUERY_MEMBERS = [
  'runId',
  'experimentId',
  'experimentName',
  'filter',
  'orderBy',
  'maxResults',
  'pageSize',
  'includeSpans',
] as const satisfies (keyof TraceQuery)[];

/** A query with its defaults, checked. */
export function planQuery(query: TraceQuery): PlannedQuery & { maxResults: number } {
  checkNames('getTraces', query, QUERY_MEMBERS);
  const maxResults = query.maxResults ?? Number.POSITIVE_INFINITY;
  if (
    maxResults !== Number.POSITIVE_INFINITY &&
    !(Number.isInteger(maxResults) && maxResults >= 0)
  ) {
    fail('maxResults', maxResults, 'a whole number of traces');
  }
  const pageSize = query.pageSize ?? DEFAULT_PAGE_SIZE;
  if (!Number.isInteger(pageSize) || pageSize < 1 || pageSize > MAX_SEARCH_PAGE) {
    fail('pageSize', pageSize, `a whole number from 1 to ${MAX_SEARCH_PAGE}`);
  }
  const { orderBy = DEFAULT_ORDER, includeSpans = true } = query;
  if (typeof includeSpans !== 'boolean') fail('includeSpans', includeSpans, 'true or false');
  const order: unknown = typeof orderBy === 'string' ? [orderBy] : orderBy;
  if (!Array.isArray(order) || order.some((clause) => typeof clause !== 'string')) {
    throw new MlflowConfigError('getTraces: orderBy must be text or a list of texts');
  }
  const plan: PlannedQuery & { maxResults: number } = {
    maxResults,
    pageSize: Math.min(pageSize, Math.max(1, maxResults)),
    includeSpans,
    orderBy: order,
  };
  for (const name of ['runId', 'experimentId', 'experimentName', 'filter'] as const) {
    const value = query[name];
    if (value === undefined) continue;
    // An id that got lost on its way must not widen the search to everything.
    if (typeof value !== 'string' || value.trim() === '')
      fail(name, value, 'text that is not empty');
    plan[name] = value;
  }
  if (plan.runId !== undefined && !/^[\w-]+$/.test(plan.runId)) {
    fail('runId', plan.runId, 'a run id');
  }
  return plan;
}

/** @throws MlflowConfigError for a member that the call does not know: a typo is never ignored */
export function checkNames(call: string, given: object, known: readonly string[]): void {
  if (typeof given !== 'object' || given === null) {
    throw new MlflowConfigError(`${call}: give an object with ${known.join(', ')}`);
  }
  for (const name of Object.keys(given)) {
    if (known.includes(name)) continue;
    throw new MlflowConfigError(
      `${call}: there is no ${JSON.stringify(name)}; it takes ${known.join(', ')}`,
    );
  }
}

export function planMetrics(
  metrics: Record<string, number> | readonly Metric[],
  nowMs: number,
): RunRecord['metrics'] {
  const list: readonly Metric[] = Array.isArray(metrics)
    ? (metrics as readonly Metric[])
    : Object.entries(metrics).map(([key, value]) => ({ key, value }));
  return list.map(({ key, value, step = 0, timestampMs = nowMs }) => ({
    key,
    value,
    step,
    timestampMs,
  }));
}

export function toTexts(values: Record<string, string | number | boolean>): Record<string, string> {
  return Object.fromEntries(Object.entries(values).map(([key, value]) => [key, String(value)]));
}

function fail(name: string, value: unknown, wanted: string): never {
  throw new MlflowConfigError(
    `getTraces: ${name} must be ${wanted}, not ${typeof value === 'string' ? JSON.stringify(value) : String(value)}`,
  );
}

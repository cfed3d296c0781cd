import { dropRolledUpUsage, type MappedSpan } from './span.js';

/**
 * Finds spans whose token counts sum up calls below them (an agent framework around a provider's own
 * instrumentation, Vercel AI's operation around its calls) and takes the counts from them, so that
 * every server's total counts each call once. Children end, and so arrive, before their parents.
 *
 * @param above ids of spans with a counted call below, remembered for the trace between batches
 */
export function dropRollups(spans: readonly MappedSpan[], above: Set<string>): void {
  if (above.size === 0 && !spans.some(({ hasUsage }) => hasUsage)) return;
  const parents = new Map(spans.map(({ record }) => [record.spanId, record.parentSpanId]));
  for (const { record, hasUsage } of spans) {
    if (!hasUsage && !above.has(record.spanId)) continue;
    let parent = record.parentSpanId;
    while (parent !== undefined && !above.has(parent)) {
      above.add(parent);
      parent = parents.get(parent);
    }
  }
  for (const { record, hasUsage } of spans) {
    if (hasUsage && above.has(record.spanId)) dropRolledUpUsage(record);
  }
}

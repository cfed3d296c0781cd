// @ts-check
/** @import { Trace, TraceSpan } from '@hokusai/exporter-mlflow' */

/**
 * Draws a trace as lines of text: one a span, with type, duration, tokens, cost and error.
 * @param {Trace} trace
 * @returns {string[]}
 */
export function drawTrace(trace) {
  const head = [
    trace.name,
    trace.state,
    formatDuration(trace.durationMs),
    trace.tokens && formatTokens(trace.tokens.inputTokens, trace.tokens.outputTokens),
    trace.cost && formatCost(trace.cost.totalCost),
  ];
  const rows = spanRows(trace.spans);
  const widths = [0, 1, 2].map((column) =>
    Math.max(...rows.map((row) => row[column]?.length ?? 0)),
  );
  return [
    head.filter(Boolean).join('  '),
    ...rows.map((row) =>
      row
        .map((cell, i) => cell.padEnd(widths[i] ?? 0))
        .join('  ')
        .trimEnd(),
    ),
  ];
}

/**
 * @param {readonly TraceSpan[]} spans
 * @returns {string[][]} tree with name, type, duration, then what only some spans have
 */
function spanRows(spans) {
  const ids = new Set(spans.map(({ spanId }) => spanId));
  const childrenOf = (/** @type {string | undefined} */ parent) =>
    spans.filter(({ parentId }) =>
      parent === undefined ? parentId === undefined || !ids.has(parentId) : parentId === parent,
    );
  /** @type {string[][]} */
  const rows = [];
  const visit = (/** @type {TraceSpan[]} */ siblings, /** @type {string} */ indent) => {
    siblings.forEach((span, index) => {
      const last = index === siblings.length - 1;
      rows.push([
        `${indent}${last ? '└─' : '├─'} ${span.name}`,
        span.type,
        formatDuration(span.durationMs),
        extras(span),
      ]);
      visit(childrenOf(span.spanId), `${indent}${last ? '   ' : '│  '}`);
    });
  };
  visit(childrenOf(undefined), '');
  return rows;
}

/** @param {TraceSpan} span */
function extras({ attributes, status }) {
  const usage = /** @type {Record<string, number> | undefined} */ (
    attributes['mlflow.chat.tokenUsage']
  );
  const cost = /** @type {Record<string, number> | undefined} */ (attributes['mlflow.llm.cost']);
  const [message = ''] = (status.message ?? '').split('\n');
  return [
    usage && formatTokens(usage.input_tokens, usage.output_tokens),
    cost?.total_cost !== undefined && formatCost(cost.total_cost),
    status.code === 'ERROR' &&
      `ERROR ${message.length > 100 ? `${message.slice(0, 99)}…` : message}`,
  ]
    .filter(Boolean)
    .join('  ');
}

/** @param {number | undefined} ms */
function formatDuration(ms) {
  if (ms === undefined) return '';
  return ms < 1000 ? `${ms.toFixed(ms < 10 ? 1 : 0)} ms` : `${(ms / 1000).toFixed(2)} s`;
}

/**
 * @param {number | undefined} input
 * @param {number | undefined} output
 */
const formatTokens = (input = 0, output = 0) => `${input}+${output} tokens`;

/** @param {number} dollars two significant digits, and never an exponent */
function formatCost(dollars) {
  const digits = dollars > 0 ? Math.max(2, 1 - Math.floor(Math.log10(dollars))) : 2;
  return `$${dollars.toFixed(digits)}`;
}

import { isDeepStrictEqual } from 'node:util';
import type { MlflowRest, StoredSpan, StoredTrace } from '../support/mlflow-rest.js';
import {
  EXTRA_SPANS,
  EXTRA_TRACES,
  FIELD_DIFFERENCES,
  STRUCTURE_DIFFERENCES,
  TRACE_DIFFERENCES,
} from './differences.js';
import { goldenSpanFacts, goldenTraceFacts, ourSpanFacts, ourTraceFacts } from './facts.js';
import type { Golden, GoldenSpan, GoldenTrace } from './golden.js';
import { goldenRunFacts, ourRunFacts, RUN_DIFFERENCES } from './runs.js';

/** Something that is not equal on both sides. */
export interface Difference {
  /** Path of names from the trace down to the span. */
  where: string;
  field: string;
  golden: unknown;
  ours: unknown;
}

export interface Comparison {
  /** Ids of the entries that explained something. */
  explained: Set<string>;
  unexplained: Difference[];
}

/** One line for a failure message. */
export function describeDifference({ where, field, golden, ours }: Difference): string {
  return `${where}: ${field} is ${JSON.stringify(ours)}, golden ${JSON.stringify(golden)}`;
}

/** Compares one scenario's traces, in their order. */
export function compareTraces(
  scenario: string,
  recorded: readonly GoldenTrace[],
  stored: readonly StoredTrace[],
): Comparison {
  const comparison: Comparison = { explained: new Set(), unexplained: [] };
  const ours = stored.filter((trace) => {
    const entry = EXTRA_TRACES.find((candidate) => candidate.applies({ trace }));
    if (entry) comparison.explained.add(entry.id);
    return entry === undefined;
  });
  let golden = recorded;
  for (const entry of TRACE_DIFFERENCES) {
    if (!entry.applies({ scenario })) continue;
    golden = entry.reshape(golden);
    comparison.explained.add(entry.id);
  }
  const report = (difference: Difference, goldenSpan?: GoldenSpan, ourSpan?: StoredSpan): void => {
    const entry = FIELD_DIFFERENCES.find(
      (candidate) =>
        candidate.fields.includes(difference.field) &&
        candidate.applies({ ...difference, scenario, goldenSpan, ourSpan }),
    );
    if (entry) comparison.explained.add(entry.id);
    else comparison.unexplained.push(difference);
  };
  if (golden.length !== ours.length) {
    report({ where: scenario, field: 'traces', golden: golden.length, ours: ours.length });
  }
  const left = [...ours];
  golden.forEach((trace, index) => {
    // Traces that start in the same millisecond come in any order.
    const { request } = goldenTraceFacts(trace);
    const same = left.findIndex((our) => isDeepStrictEqual(ourTraceFacts(our).request, request));
    const [our] = left.splice(Math.max(same, 0), 1);
    if (!our) return;
    const where = `trace ${index + 1}`;
    diff(where, goldenTraceFacts(trace), ourTraceFacts(our), report);
    const spans = trace.spans.flatMap((span) => reshape(scenario, span, [], comparison.explained));
    compareSpans(where, spans, withoutExtras(scenario, our.roots, comparison.explained), report);
  });
  return comparison;
}

/** Compares the runs of one scenario. */
export async function compareRuns(
  scenario: string,
  { traces, runs = [] }: Golden,
  rest: MlflowRest,
): Promise<Comparison> {
  const comparison: Comparison = { explained: new Set(), unexplained: [] };
  const ours = await rest.runs(scenario);
  const report = (difference: Difference): void => {
    const entry = RUN_DIFFERENCES.find(
      ({ fields, applies }) =>
        fields.some((field) => field === difference.field) && applies({ ...difference, scenario }),
    );
    if (entry) comparison.explained.add(entry.id);
    else comparison.unexplained.push(difference);
  };
  for (const [index, run] of runs.entries()) {
    const our = ours[index];
    if (!our) {
      comparison.unexplained.push({
        where: `run ${index + 1}`,
        field: 'run',
        golden: run.name,
        ours: undefined,
      });
      continue;
    }
    const linked = traces.filter((trace) => trace.run === run.id).length;
    const facts = await ourRunFacts(rest, scenario, our);
    diff(`run ${index + 1}`, goldenRunFacts(run, linked), facts, report);
  }
  return comparison;
}

type Report = (difference: Difference, golden?: GoldenSpan, ours?: StoredSpan) => void;

function compareSpans(
  where: string,
  golden: readonly GoldenSpan[],
  ours: readonly StoredSpan[],
  report: Report,
): void {
  const names = (spans: readonly { name: string }[]) => spans.map(({ name }) => name);
  if (golden.length !== ours.length) {
    report({ where, field: 'children', golden: names(golden), ours: names(ours) });
  }
  golden.forEach((span, index) => {
    const our = ours[index];
    if (!our) return;
    const path = `${where} > ${our.name}`;
    diff(path, goldenSpanFacts(span), ourSpanFacts(our), (difference) =>
      report(difference, span, our),
    );
    compareSpans(path, span.children ?? [], our.children, report);
  });
}

function diff<T extends object>(where: string, golden: T, ours: T, report: Report): void {
  for (const field of Object.keys(golden) as (keyof T & string)[]) {
    if (isDeepStrictEqual(golden[field], ours[field])) continue;
    report({ where, field, golden: golden[field], ours: ours[field] });
  }
}

/** The golden span in the shape that the same program has in Ax: what stands for it, if anything. */
function reshape(
  scenario: string,
  span: GoldenSpan,
  ancestors: readonly GoldenSpan[],
  explained: Set<string>,
): GoldenSpan[] {
  const children = (span.children ?? []).flatMap((child) =>
    reshape(scenario, child, [span, ...ancestors], explained),
  );
  const entry = STRUCTURE_DIFFERENCES.find((candidate) =>
    candidate.applies({ span, ancestors, scenario }),
  );
  if (!entry) return [{ ...span, children }];
  explained.add(entry.id);
  return entry.instead === 'nothing' ? [] : children;
}

/** Our spans without those that have no equal, each with its children likewise. */
function withoutExtras(
  scenario: string,
  spans: readonly StoredSpan[],
  explained: Set<string>,
): StoredSpan[] {
  return spans.flatMap((span) => {
    const children = withoutExtras(scenario, span.children, explained);
    const entry = EXTRA_SPANS.find((candidate) => candidate.applies({ span, scenario }));
    if (!entry) return [{ ...span, children }];
    explained.add(entry.id);
    return entry.instead === 'nothing' ? [] : children;
  });
}

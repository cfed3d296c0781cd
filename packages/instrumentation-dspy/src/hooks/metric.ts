import type { Attributes, Context } from '@opentelemetry/api';
import { context } from '@opentelemetry/api';
import {
  GEN_AI_EVALUATION_EXPLANATION,
  GEN_AI_EVALUATION_NAME,
  GEN_AI_EVALUATION_RESULT_EVENT,
  GEN_AI_EVALUATION_SCORE_LABEL,
  GEN_AI_EVALUATION_SCORE_VALUE,
} from '../attributes/gen-ai.js';
import { INPUT_MIME_TYPE, INPUT_VALUE, MIME_JSON } from '../attributes/openinference.js';
import { subjectOf } from '../attributes/subject.js';
import { readProperty, readText } from '../capture/read.js';
import { safeString } from '../capture/redact.js';
import { toText } from '../capture/serialize.js';
import type { AxCopy } from '../copy.js';
import { diagnostics } from '../diagnostics.js';
import { runOperation } from '../execution/call.js';
import { begin, type Entry } from '../execution/gate.js';
import type { CallKind } from '../execution/kinds.js';
import { Operation } from '../execution/operation.js';
import { observe } from '../execution/result.js';
import { runIn } from '../execution/run-in.js';
import { sanitizeOutput, WITHHELD } from '../execution/sanitize.js';
import { disguise } from '../patches.js';
import { cleanExample, type Row } from './run-record.js';
import type { Method } from './types.js';

/** What a metric is given. */
interface MetricArguments {
  readonly prediction?: unknown;
  readonly example?: unknown;
}

/** A name for the metric: that of its function. */
export function nameOfMetric(metric: Method): string {
  return metric.name === '' ? 'metric' : safeString(metric.name, 128);
}

/** The kind of a metric's calls: each is a score, a span of its own below what was scored. */
function metricKind(name: string, host: MetricHost): CallKind {
  return {
    role: 'step',
    subject: (_copy, _self, _args, settings) =>
      subjectOf(settings, {
        name,
        type: 'metric',
        operation: 'invoke_workflow',
        kind: 'EVALUATOR',
        spanName: `evaluate ${name}`,
        // Whatever the families: it is what makes the span a score.
        attributes: { [GEN_AI_EVALUATION_NAME]: name },
      }),
    started: (operation, _self, args) => recordScored(operation, args[0] as MetricArguments),
    finished(operation, result, _self, args) {
      host.scored(toScore(result), (args[0] ?? {}) as MetricArguments, operation);
      recordScore(operation, name, result);
    },
  };
}

/**
 * The example and the prediction, each as far as content of its direction is recorded. What a sanitizer
 * removes of them is remembered: the metric's words, its errors and what it asks a model may quote them.
 */
function recordScored(operation: Operation, given: MetricArguments | undefined): void {
  if (!(operation.recordsInputs || operation.recordsOutputs)) return;
  // With what was known before: the sanitizer's own result is not searched for what it removed.
  const { serialize } = operation.inherited;
  const example = cleanExample(operation, given?.example);
  const prediction = operation.recordsOutputs
    ? sanitizeOutput(operation, given?.prediction)
    : undefined;
  if (example === WITHHELD || prediction === WITHHELD) {
    operation.inherited = { ...operation.inherited, dropped: true };
    return;
  }
  const value: MetricArguments = {
    ...(operation.recordsInputs && { example }),
    ...(operation.recordsOutputs && { prediction }),
  };
  operation.json(INPUT_VALUE, value, serialize);
  operation.attributes[INPUT_MIME_TYPE] = MIME_JSON;
}

/** A score as metrics give it: a number, a flag, a number for each objective, or a number with its reason. */
export interface Score {
  readonly value?: number;
  readonly label?: string;
  readonly explanation?: string;
  /** The label is what the metric wrote, and no number or flag. */
  readonly isText?: boolean;
  readonly objectives?: Readonly<Record<string, number>>;
}

export function toScore(result: unknown): Score {
  switch (typeof result) {
    case 'number':
      // What is no finite number breaks readers: it is told in words.
      return Number.isFinite(result) ? { value: result } : { label: String(result) };
    case 'boolean':
      return { value: Number(result), label: String(result) };
    case 'string':
      return { label: result, isText: true };
    default:
      return objectScore(result);
  }
}

function objectScore(result: unknown): Score {
  const explanation =
    readText(result, 'feedback') ??
    readText(result, 'explanation') ??
    readText(result, 'reasoning');
  const told = explanation === undefined ? {} : { explanation };
  const score = readProperty(result, 'score');
  if (typeof score === 'number' || typeof score === 'boolean')
    return { ...toScore(score), ...told };
  if (result === null || typeof result !== 'object') return {};
  const objectives: Record<string, number> = {};
  for (const [name, value] of Object.entries(result)) {
    if (typeof value === 'number' && Number.isFinite(value)) objectives[name] = value;
  }
  return Object.keys(objectives).length > 0 ? { objectives, ...told } : told;
}

/** Writes a score on the span that it was found in. */
export function recordScore(operation: Operation, name: string, result: unknown): void {
  const { value, label, explanation, objectives } = speakable(operation, toScore(result));
  const { attributes } = operation;
  if (value !== undefined) attributes[GEN_AI_EVALUATION_SCORE_VALUE] = value;
  if (label !== undefined) attributes[GEN_AI_EVALUATION_SCORE_LABEL] = label;
  if (explanation !== undefined) operation.text(GEN_AI_EVALUATION_EXPLANATION, explanation);
  for (const [objective, score] of Object.entries(objectives ?? {})) {
    const event: Attributes = {
      [GEN_AI_EVALUATION_NAME]: `${name}.${objective}`,
      [GEN_AI_EVALUATION_SCORE_VALUE]: score,
    };
    operation.event(GEN_AI_EVALUATION_RESULT_EVENT, event);
  }
  // A sanitizer is made for a program's outputs, and this is none.
  if (operation.settings.outputSanitizer === undefined) operation.recordOutput(result);
}

const MAX_LABEL_BYTES = 256;
const MAX_OBJECTIVE_BYTES = 128;
/** A name that the metric's author gave an objective, and no text of an example. */
const OBJECTIVE = /^[A-Za-z_][\w.-]{0,63}$/;

/**
 * What of a score may be recorded. A metric's words may quote what it read: they are outputs, but none
 * that an `outputSanitizer` is made for, so that with one they are left out.
 */
export function speakable({ settings, inherited }: Row, score: Score): Score {
  const { label, isText, explanation, objectives, ...rest } = score;
  const { outputs, outputSanitizer } = settings;
  const isSpoken =
    outputs && outputSanitizer === undefined && !inherited.dropped && !inherited.uncertain;
  const clean = (text: string, maxBytes: number): string =>
    toText(text, { ...inherited.serialize, maxBytes });
  const names = Object.entries(objectives ?? {})
    .filter(([name]) => isSpoken || OBJECTIVE.test(name))
    .map(([name, value]) => [clean(name, MAX_OBJECTIVE_BYTES), value]);
  return {
    ...rest,
    ...(label !== undefined && (isSpoken || !isText) && { label: clean(label, MAX_LABEL_BYTES) }),
    ...(explanation !== undefined && isSpoken && { explanation }),
    ...(names.length > 0 && { objectives: Object.fromEntries(names) }),
  };
}

/** Who calls a metric: an evaluation, an optimizer. */
export interface MetricHost {
  /** Where the next call of the metric belongs. Default: where it is made. */
  home?(): Context | undefined;
  /** A call of the metric has given a score. `call`: its operation, where it has one. */
  scored(score: Score, given: MetricArguments, call: Operation | undefined): void;
}

/** The metric with its calls traced and told to the host. Its results and errors are passed on as they are. */
export function traceMetric(copy: AxCopy, metric: Method, host: MetricHost): Method {
  const kind = metricKind(nameOfMetric(metric), host);
  const untraced = (result: unknown, args: readonly unknown[]): void => {
    try {
      host.scored(toScore(result), (args[0] ?? {}) as MetricArguments, undefined);
    } catch (fault) {
      diagnostics.fault('metric.scored', fault);
    }
  };
  return disguise(function (this: unknown, ...args: unknown[]): unknown {
    let entry: Entry;
    try {
      entry = begin(copy, kind, this, args, host.home?.() ?? context.active());
    } catch (fault) {
      diagnostics.fault('begin', fault);
    }
    if (entry instanceof Operation) return runOperation(entry, metric, this, args, false);
    const result = runIn(undefined, metric, this, args);
    return observe(
      result,
      undefined,
      (value) => untraced(value, args),
      () => {},
    );
  }, metric);
}

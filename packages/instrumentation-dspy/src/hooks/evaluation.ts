import { DSPY_RUN_TRACE_IDS } from '../attributes/dspy.js';
import { subjectOf } from '../attributes/subject.js';
import { readArray } from '../capture/read.js';
import type { CallKind } from '../execution/kinds.js';
import type { Operation } from '../execution/operation.js';
import { sanitizeOutput } from '../execution/sanitize.js';
import { Totals } from '../execution/totals.js';
import { nameOfMetric, type Score, speakable, traceMetric } from './metric.js';
import { nameOfProgram, type Program } from './program.js';
import { asRun, runAttributes } from './run-attributes.js';
import {
  cleanExample,
  isSanitized,
  RunRecord,
  recordable,
  recordSummary,
  recordsContent,
  rowOf,
  stateOfProgram,
} from './run-record.js';
import type { Hook, Method } from './types.js';
import { tracedWith } from './wrappers.js';

/** What the hooks read of `AxTestPrompt`. */
interface TestPrompt {
  readonly ai?: unknown;
  readonly program?: Program & object;
  readonly examples?: unknown;
}

/** An example with what came of it. */
interface Scored {
  readonly example: unknown;
  readonly prediction: unknown;
  readonly score: Score;
}

const MAX_ROWS = 10_000;

/** An evaluation under way. Ax runs the examples one after the other. */
class EvaluationRun {
  readonly scored: Scored[] = [];
  readonly traceIds: string[] = [];
  sum = 0;
  scores = 0;
  /** The program's call whose prediction is to be scored next. */
  current: Operation | undefined;

  constructor(readonly operation: Operation) {}

  /** A call of the program begins: the trace of one example. */
  begin(call: Operation): void {
    this.current = call;
    if (this.traceIds.length < MAX_ROWS) this.traceIds.push(call.span.spanContext().traceId);
  }

  add(score: Score, example: unknown, prediction: unknown, call: Operation | undefined): void {
    this.scores++;
    if (score.value !== undefined) this.sum += score.value;
    if (this.scored.length < MAX_ROWS) this.scored.push({ example, prediction, score });
    // The metric hangs below the program's call, which has ended: what models it asked is counted here.
    if (call?.totals !== undefined) {
      this.operation.totals ??= new Totals();
      this.operation.totals.add(call.totals);
    }
  }
}

const evaluation: CallKind = asRun({
  role: 'program',
  children: () => 'linked',
  subject(_copy, self: TestPrompt, args, settings) {
    const metric = args[0] as Method | undefined;
    const scored = self.program === undefined ? 'program' : nameOfProgram(self.program, undefined);
    return subjectOf(settings, {
      name: scored,
      type: 'evaluation',
      operation: 'invoke_workflow',
      kind: 'EVALUATOR',
      spanName: `evaluation ${scored}`,
      attributes: runAttributes(
        'evaluation',
        typeof metric === 'function' ? `${nameOfMetric(metric)} of ${scored}` : scored,
      ),
    });
  },
  started(operation, self: TestPrompt, args) {
    operation.state = new EvaluationRun(operation);
    recordSummary(operation, {
      in: {
        program: self.program === undefined ? undefined : nameOfProgram(self.program, undefined),
        metric: typeof args[0] === 'function' ? nameOfMetric(args[0]) : undefined,
        examples: readArray(self.examples).length,
      },
    });
    operation.onChild = (call) => {
      if (call.kind.role === 'program') runOf(operation)?.begin(call);
    };
  },
  finished: (operation, _result, self, args) => finish(operation, self, args),
  failed: (operation, _error, self, args) => finish(operation, self, args),
});

function runOf(operation: Operation): EvaluationRun | undefined {
  return operation.state instanceof EvaluationRun ? operation.state : undefined;
}

function finish(operation: Operation, self: TestPrompt, args: readonly unknown[]): void {
  const run = runOf(operation);
  if (run === undefined) return;
  const examples = readArray(self.examples).length;
  const mean = examples === 0 ? undefined : run.sum / examples;
  const record = new RunRecord(operation);
  if (self.program !== undefined) record.param('program', nameOfProgram(self.program, undefined));
  if (typeof args[0] === 'function') record.param('metric', nameOfMetric(args[0] as Method));
  record.param('examples', examples);
  record.model(self.ai);
  record.metric('eval', mean);
  record.metric('examples', examples);
  record.metric('failed', examples - run.scores);
  if (recordsContent(operation) && !isSanitized(operation)) {
    record.json('model.json', stateOfProgram(operation, self.program));
  }
  if (!record.table('result_table.json', rowsOf(operation, run, recordsContent(operation)))) {
    record.table('result_table.json', rowsOf(operation, run, false));
  }
  record.write();
  operation.attributes[DSPY_RUN_TRACE_IDS] = run.traceIds;
  recordSummary(operation, { out: { eval: mean, examples, failed: examples - run.scores } });
}

/** Rows as MLflow's Python integration writes them: the score, then the example's and the prediction's fields. */
function* rowsOf(
  operation: Operation,
  run: EvaluationRun,
  content: boolean,
): Generator<Readonly<Record<string, unknown>>> {
  for (const { example, prediction, score } of run.scored) {
    const row = rowOf(operation);
    const clean = cleanExample(row, example);
    // As far as it may be said by what the example's sanitizer removed.
    const { value, label, objectives } = speakable(row, score);
    yield {
      score: value ?? label ?? objectives,
      ...(content && fieldsOf('example', recordable(clean))),
      ...(content && fieldsOf('pred', recordable(sanitizeOutput(row, prediction)))),
    };
  }
}

function fieldsOf(prefix: string, value: unknown): Record<string, unknown> {
  if (value === null || typeof value !== 'object') return { [prefix]: value };
  return Object.fromEntries(
    Object.entries(value).map(([name, field]) => [`${prefix}_${name}`, field]),
  );
}

function withMetric(operation: Operation, args: unknown[]): unknown[] {
  const run = runOf(operation);
  const [metric, ...rest] = args;
  if (run === undefined || typeof metric !== 'function') return args;
  const traced = traceMetric(operation.copy, metric as Method, {
    home: () => run.current?.context,
    scored(score, { example, prediction }, call) {
      run.add(score, example, prediction, call);
      run.current = undefined;
    },
  });
  return [traced, ...rest];
}

export const evaluationHooks: readonly Hook[] = [
  { target: 'AxTestPrompt', method: 'run', wrap: tracedWith(evaluation, withMetric) },
];

import type { SpanContext } from '@opentelemetry/api';
import {
  DSPY_OPTIMIZER_BEST_SCORE,
  DSPY_OPTIMIZER_CANDIDATES,
  DSPY_OPTIMIZER_DEMOS_COUNT,
  DSPY_OPTIMIZER_EXAMPLES_COUNT,
  DSPY_OPTIMIZER_METRIC_CALLS,
  DSPY_OPTIMIZER_OPTIONS,
  DSPY_OPTIMIZER_PARETO,
  DSPY_OPTIMIZER_STEPS,
  DSPY_OPTIMIZER_STOP_REASON,
  DSPY_OPTIMIZER_VALIDATION_COUNT,
} from '../attributes/dspy.js';
import { subjectOf } from '../attributes/subject.js';
import { readArray, readProperty, readText } from '../capture/read.js';
import { safeString } from '../capture/redact.js';
import { typeOf } from '../copy.js';
import { diagnostics } from '../diagnostics.js';
import type { CallKind } from '../execution/kinds.js';
import type { Operation } from '../execution/operation.js';
import { nameOfMetric, traceMetric } from './metric.js';
import { nameOfProgram, type Program } from './program.js';
import { activeOperation } from './run.js';
import { asRun, runAttributes } from './run-attributes.js';
import {
  cleanExamples,
  isSanitized,
  RunRecord,
  recordSummary,
  recordsContent,
  stateOfProgram,
} from './run-record.js';
import type { Hook, Method, Wrapper } from './types.js';
import { tracedWith } from './wrappers.js';

/** What a compile is about, read from the arguments of the method that starts it. */
interface Compile {
  readonly program: (Program & object) | undefined;
  readonly examples: unknown;
  readonly validation: unknown;
  readonly metric: Method | undefined;
  readonly options: object | undefined;
}

type Read = (self: object, args: readonly unknown[]) => Compile;

/** A compile under way: everything in it that the optimizer announces. */
class CompileRun {
  metricCalls = 0;
  steps = 0;

  constructor(
    readonly compile: Compile,
    readonly record: RunRecord,
  ) {}

  /** A round of the optimizer has ended. */
  step(round: unknown, score: unknown, best: unknown): void {
    const step = typeof round === 'number' && Number.isInteger(round) ? round : this.steps;
    this.steps++;
    this.record.metric('score', score, step);
    this.record.metric('best_score', best, step);
  }
}

const MAX_OPTIONS = 64;
/** Counters of the optimizer's own, no options. */
const INTERNAL = /^(?:current|total|last|rng|_)|Due$|State$/;

interface Stage {
  readonly program: unknown;
  readonly span: SpanContext;
}

/** The latest compile with an options object. */
const stages = new WeakMap<object, Stage>();

/**
 * `optimize()` of Ax 23 on is two compiles, one after the other, with the same options object. As an export it cannot be replaced
 * where a module is loaded already: the second compile is linked to the first.
 */
function stageBefore({ program, options }: Compile): SpanContext | undefined {
  const before = options === undefined ? undefined : stages.get(options);
  return before !== undefined && before.program === program ? before.span : undefined;
}

function compileKind(read: Read): CallKind {
  return asRun({
    role: 'program',
    children: (settings) => (settings.recordOptimizerCalls ? 'nested' : 'summed'),
    subject(_copy, self: object, args, settings) {
      const type = typeOf(self);
      const compile = read(self, args);
      const { program } = compile;
      const trained = program === undefined ? undefined : nameOfProgram(program, undefined);
      const subject = subjectOf(settings, {
        name: type,
        type: 'optimizer',
        operation: 'invoke_workflow',
        kind: 'CHAIN',
        attributes: runAttributes('compile', trained === undefined ? type : `${type} ${trained}`),
      });
      const before = stageBefore(compile);
      return before === undefined ? subject : { ...subject, links: [{ context: before }] };
    },
    started: (operation, self, args) => started(operation, self, read(self, args)),
    finished(operation, result, self) {
      recordResult(operation, result);
      finishRun(operation, self);
    },
    failed: (operation, _error, self) => finishRun(operation, self),
  });
}

function describeInput(self: object, { program, examples, validation, metric }: Compile): object {
  return {
    optimizer: typeOf(self),
    ...(program === undefined ? {} : { program: nameOfProgram(program, undefined) }),
    ...(metric === undefined ? {} : { metric: nameOfMetric(metric) }),
    examples: readArray(examples).length,
    ...(validation === undefined ? {} : { validation: readArray(validation).length }),
  };
}

function started(operation: Operation, self: object, compile: Compile): void {
  const record = new RunRecord(operation);
  operation.state = new CompileRun(compile, record);
  if (compile.options !== undefined) {
    stages.set(compile.options, { program: compile.program, span: operation.span.spanContext() });
  }
  recordSummary(operation, { in: describeInput(self, compile) });
  const { attributes } = operation;
  const { program, examples, validation, metric, options } = compile;
  const count = readArray(examples).length;
  attributes[DSPY_OPTIMIZER_EXAMPLES_COUNT] = count;
  record.param('optimizer', typeOf(self));
  if (program !== undefined) record.param('program', nameOfProgram(program, undefined));
  if (metric !== undefined) record.param('metric', nameOfMetric(metric));
  record.param('examples', count);
  if (validation !== undefined) {
    const held = readArray(validation).length;
    attributes[DSPY_OPTIMIZER_VALIDATION_COUNT] = held;
    record.param('validation_examples', held);
  }
  const effective = {
    ...optionsOf(self),
    ...optionsOf(readProperty(self, 'options')),
    ...optionsOf(options),
  };
  operation.json(DSPY_OPTIMIZER_OPTIONS, effective);
  for (const [name, value] of Object.entries(effective)) record.param(name, value);
}

/** Numbers and switches, which say how it was optimized. Texts may be instructions: content. */
function optionsOf(value: unknown): Record<string, unknown> {
  const options: Record<string, unknown> = {};
  if (value === null || typeof value !== 'object') return options;
  for (const name of Object.keys(value).slice(0, MAX_OPTIONS)) {
    const option = readProperty(value, name);
    const tells =
      (typeof option === 'number' && Number.isFinite(option)) ||
      typeof option === 'boolean' ||
      (name === 'auto' && typeof option === 'string');
    if (tells && !INTERNAL.test(name)) options[name] = option;
  }
  return options;
}

function recordResult(operation: Operation, result: unknown): void {
  const run = runOf(operation);
  if (run === undefined) return;
  const { attributes } = operation;
  const optimized = readProperty(result, 'optimizedProgram');
  const stats = readProperty(result, 'stats') ?? readProperty(optimized, 'stats');
  const best =
    finite(readProperty(result, 'bestScore')) ?? finite(readProperty(optimized, 'bestScore'));
  if (best !== undefined) {
    attributes[DSPY_OPTIMIZER_BEST_SCORE] = best;
    if (run.record.latest('best_score') !== best) run.record.metric('best_score', best, run.steps);
  }
  const demos = readProperty(result, 'demos') ?? readProperty(optimized, 'demos');
  if (Array.isArray(demos)) {
    attributes[DSPY_OPTIMIZER_DEMOS_COUNT] = demos.length;
    run.record.metric('demos', demos.length);
  }
  const reason = readText(readProperty(stats, 'earlyStopping'), 'reason');
  if (readProperty(stats, 'earlyStopped') === true && reason !== undefined) {
    attributes[DSPY_OPTIMIZER_STOP_REASON] = safeString(reason, 256);
  }
  recordFront(operation, result);
  recordProgram(operation, run, result);
  recordSummary(operation, {
    out: {
      ...(best === undefined ? {} : { bestScore: best }),
      ...(Array.isArray(demos) ? { demos: demos.length } : {}),
    },
  });
}

/** The candidates that no other one beats in every objective: their scores, not their texts. */
function recordFront(operation: Operation, result: unknown): void {
  const { attributes } = operation;
  const front = readArray(readProperty(result, 'paretoFront'));
  const candidates = finite(readProperty(readProperty(result, 'finalConfiguration'), 'candidates'));
  if (candidates !== undefined) attributes[DSPY_OPTIMIZER_CANDIDATES] = candidates;
  else if (front.length > 0) attributes[DSPY_OPTIMIZER_CANDIDATES] = front.length;
  if (front.length === 0) return;
  operation.json(
    DSPY_OPTIMIZER_PARETO,
    front.map((candidate) => ({
      scores: readProperty(candidate, 'scores'),
      dominated: readProperty(candidate, 'dominatedSolutions'),
    })),
  );
  const volume = finite(readProperty(result, 'hypervolume'));
  if (volume !== undefined) runOf(operation)?.record.metric('hypervolume', volume);
}

/** The program as Ax gives it back: no claim that it is better than the one before. */
function recordProgram(operation: Operation, run: CompileRun, result: unknown): void {
  if (!recordsContent(operation) || isSanitized(operation)) return;
  const optimized = readProperty(result, 'optimizedProgram');
  run.record.json('best_model.json', {
    ...stateOfProgram(operation, run.compile.program),
    ...(optimized === undefined
      ? { bestScore: readProperty(result, 'bestScore'), demos: readProperty(result, 'demos') }
      : (optimized as object)),
    ...playbookOf(result),
  });
}

function playbookOf(result: unknown): object {
  const playbook = readProperty(result, 'playbook');
  return playbook === undefined ? {} : { playbook };
}

function finishRun(operation: Operation, self: object): void {
  const run = runOf(operation);
  if (run === undefined) return;
  run.record.model(readProperty(self, 'studentAI'));
  const { attributes } = operation;
  if (run.steps > 0) attributes[DSPY_OPTIMIZER_STEPS] = run.steps;
  if (run.metricCalls > 0) {
    attributes[DSPY_OPTIMIZER_METRIC_CALLS] = run.metricCalls;
    run.record.metric('metric_calls', run.metricCalls);
  }
  if (recordsContent(operation)) {
    run.record.table('trainset.json', cleanExamples(operation, run.compile.examples));
    if (readArray(run.compile.validation).length > 0) {
      run.record.table('valset.json', cleanExamples(operation, run.compile.validation));
    }
  }
  run.record.write();
}

function finite(value: unknown): number | undefined {
  return typeof value === 'number' && Number.isFinite(value) ? value : undefined;
}

function runOf(operation: Operation | undefined): CompileRun | undefined {
  return operation?.state instanceof CompileRun ? operation.state : undefined;
}

/** The compile that an operation is part of. */
function nearestCompile(operation: Operation | undefined): CompileRun | undefined {
  for (let at = operation; at !== undefined; at = at.parent) {
    const run = runOf(at);
    if (run !== undefined) return run;
  }
  return undefined;
}

/** A method that compiles a program: its metric is counted, and traced where inner calls are. */
function tracedCompile(read: Read): Wrapper {
  return tracedWith(compileKind(read), withMetric);
}

function withMetric(operation: Operation, args: unknown[]): unknown[] {
  const run = runOf(operation);
  const index = args.findIndex((argument) => typeof argument === 'function');
  if (run === undefined || index < 0) return args;
  const passed = [...args];
  passed[index] = traceMetric(operation.copy, args[index] as Method, {
    scored: () => {
      run.metricCalls++;
    },
  });
  return passed;
}

/** `updateOptimizationProgress(round, score, configuration, type, config, bestScore, …)`. */
const noteProgress: Wrapper = (original) =>
  function (this: unknown, ...args: unknown[]): unknown {
    try {
      nearestCompile(activeOperation())?.step(args[0], args[1], args[5]);
    } catch (fault) {
      diagnostics.fault('optimizer.progress', fault);
    }
    return original.apply(this, args);
  };

/** `compile(program, examples, metric, options)`; in Ax 12 `compile(program, metric, options)`, with the examples on the optimizer. */
const readCompile: Read = (self, args) => {
  const hasExamples = typeof args[1] !== 'function';
  const options = args[hasExamples ? 3 : 2] as object | undefined;
  return {
    program: args[0] as Program & object,
    examples: hasExamples ? args[1] : readProperty(self, 'examples'),
    validation: readProperty(options, 'validationExamples') ?? readProperty(self, 'validationSet'),
    metric: args[hasExamples ? 2 : 1] as Method | undefined,
    options,
  };
};

/** `evolve(examples, metric, options)` of a playbook that is bound to a program. */
const readEvolve: Read = (self, args) => ({
  program: readProperty(self, 'program') as (Program & object) | undefined,
  examples: args[0],
  validation: undefined,
  metric: args[1] as Method | undefined,
  options: args[2] as object | undefined,
});

/** `optimize(dataset, options)` of an agent, `evolve(dataset, options)` of its playbook: a judge scores. */
const readDataset: Read = (self, args) => {
  const [dataset, options] = args;
  return {
    program: (readProperty(self, 'agent') ?? self) as Program & object,
    examples: Array.isArray(dataset) ? dataset : readProperty(dataset, 'train'),
    validation: readProperty(dataset, 'validation'),
    metric: readProperty(options, 'metric') as Method | undefined,
    options: options as object | undefined,
  };
};

/** `optimize(options)` of a learning program, up to Ax 20. */
const readLearn: Read = (self, [options]) => ({
  program: readProperty(self, 'gen') as (Program & object) | undefined,
  examples:
    readProperty(options, 'examples') ?? readProperty(readProperty(self, 'options'), 'examples'),
  validation: undefined,
  metric: readProperty(options, 'metric') as Method | undefined,
  options: options as object | undefined,
});

const OPTIMIZERS = ['AxBootstrapFewShot', 'AxGEPA', 'AxGEPAFlow', 'AxMiPRO', 'AxACE'];

export const optimizerHooks: readonly Hook[] = [
  ...OPTIMIZERS.map((target) => ({ target, method: 'compile', wrap: tracedCompile(readCompile) })),
  { target: 'AxBaseOptimizer', method: 'compilePareto', wrap: tracedCompile(readCompile) },
  { target: 'AxBaseOptimizer', method: 'updateOptimizationProgress', wrap: noteProgress },
  { target: 'AxAgent', method: 'optimize', wrap: tracedCompile(readDataset) },
  { target: 'AxPlaybook', method: 'evolve', wrap: tracedCompile(readEvolve) },
  { target: 'AxAgentPlaybook', method: 'evolve', wrap: tracedCompile(readDataset) },
  { target: 'AxLearn', method: 'optimize', wrap: tracedCompile(readLearn) },
];

import { randomInt } from 'node:crypto';
import type { Attributes, Context, SpanOptions } from '@opentelemetry/api';
import { context, INVALID_SPAN_CONTEXT, SpanKind, TraceFlags, trace } from '@opentelemetry/api';
import { DSPY_EVALUATION_ID } from '../attributes/dspy.js';
import { OPENINFERENCE_SPAN_KIND, TAG_TAGS } from '../attributes/openinference.js';
import type { AxCopy } from '../copy.js';
import { diagnostics } from '../diagnostics.js';
import { isSampled } from '../sampling.js';
import type { Settings } from '../settings.js';
import { inTime } from './callback.js';
import {
  contextOfDecision,
  FILTERED,
  inheritedFrom,
  isInference,
  scopeOf,
  type TraceValues,
  traceValuesOf,
  UNSAMPLED,
  withInherited,
} from './context.js';
import type { CallKind, Subject } from './kinds.js';
import { type Inherited, isAnyUnderWay, Operation } from './operation.js';
import { explicitContext, optionsOf, signalOf, withOwnIdentity } from './options.js';
import { carriedTo } from './place.js';
import { rememberNamed } from './remember.js';
import { sanitizeExamples, sanitizeInput, sanitizesPrompts, WITHHELD } from './sanitize.js';

/**
 * What becomes of a call: it is traced (an operation, running in `operation.context`), it runs in a
 * context that keeps what is below from being traced, or it is left alone (`undefined`).
 */
export type Entry = Operation | Context | undefined;

/**
 * Decides about a call and starts its span. One decision holds for a whole execution: the outermost
 * call takes it, before anything is read or serialised, and the context carries it on.
 *
 * @param parent The context the call belongs to. Default: the active one.
 */
export function begin(
  copy: AxCopy,
  kind: CallKind,
  self: unknown,
  args: readonly unknown[],
  parent?: Context,
): Entry {
  const { settings } = copy.recorder;
  if (!settings.enabled) return undefined;
  if (settings.samplingRate === 0 && !isAnyUnderWay()) return undefined;
  let home = parent ?? context.active();
  let scope = scopeOf(home);
  if (scope === undefined) {
    const given = explicitContext(kind, args);
    if (given !== undefined) home = below(given, home);
    scope = scopeOf(home);
  }
  if (scope === UNSAMPLED) return undefined;
  return scope === undefined || scope === FILTERED
    ? beginOutermost(copy, settings, kind, self, args, home, scope)
    : beginBelow(copy, settings, kind, self, args, home, scope);
}

/** Where a call runs whose parent was given: below that, and the application's own values stay those of the caller. */
function below(given: Context, active: Context): Context {
  const carried = carriedTo(active, given);
  const span = trace.getSpan(given);
  return span === undefined ? carried : trace.setSpan(carried, span);
}

function beginOutermost(
  copy: AxCopy,
  settings: Settings,
  kind: CallKind,
  self: unknown,
  args: readonly unknown[],
  home: Context,
  scope: typeof FILTERED | undefined,
): Entry {
  // Below a program that was filtered out only another program starts an execution.
  if (scope === FILTERED && kind.role !== 'program') return undefined;
  if (!passesSampling(home, settings)) return unsampled(home, settings);
  const subject = kind.subject(copy, self, args, settings);
  if (!passesFilter(settings, kind, subject)) {
    return scope === FILTERED ? undefined : contextOfDecision(home, FILTERED);
  }
  if (!passesCondition(settings, kind, subject, self, args)) {
    return contextOfDecision(home, UNSAMPLED);
  }
  const values = traceValuesOf(home);
  const inherited: Inherited = {
    identity: values?.identity,
    values,
    serialize: settings.serialize,
    dropped: false,
    uncertain: false,
  };
  return start(copy, settings, kind, subject, self, args, home, undefined, inherited);
}

function beginBelow(
  copy: AxCopy,
  settings: Settings,
  kind: CallKind,
  self: unknown,
  args: readonly unknown[],
  home: Context,
  above: Operation,
): Entry {
  if (above.childMode === 'summed') {
    return kind.role === 'model' ? counted(copy, settings, kind, above) : undefined;
  }
  if (kind.role !== 'model' && !settings.steps && above.childMode === 'nested') {
    return untraced(settings, kind, self, args, home, above);
  }
  const subject = kind.subject(copy, self, args, settings);
  if (!passesFilter(settings, kind, subject)) {
    return untraced(settings, kind, self, args, home, above);
  }
  const mayPassOn =
    !settings.steps || settings.moduleFilter !== undefined || sanitizesPrompts(settings);
  const passedOn = mayPassOn ? inheritedFrom(home, above) : above.inherited;
  const inherited = withValues(passedOn, traceValuesOf(home));
  return start(copy, settings, kind, subject, self, args, home, above, inherited);
}

function start(
  copy: AxCopy,
  settings: Settings,
  kind: CallKind,
  subject: Subject,
  self: unknown,
  args: readonly unknown[],
  home: Context,
  above: Operation | undefined,
  inherited: Inherited,
): Operation {
  const options = optionsOf(kind, args);
  const own = options === undefined ? inherited : withOwnIdentity(inherited, options);
  const linked = above?.childMode === 'linked' && kind.role === 'program';
  // Someone reports this model call already: the same tokens must not be counted twice.
  const duplicate = kind.inference === true && isInference(home);
  let attributes = subject.attributes;
  if (own.identity !== undefined || linked || duplicate) {
    attributes = { ...attributes, ...own.identity };
    if (linked) attributes[DSPY_EVALUATION_ID] = above.span.spanContext().spanId;
    if (duplicate && settings.openInference) attributes[OPENINFERENCE_SPAN_KIND] = 'CHAIN';
  }
  const spanOptions: SpanOptions = { kind: kind.spanKind ?? SpanKind.INTERNAL, attributes };
  if (linked) {
    spanOptions.root = true;
    spanOptions.links = [{ context: above.span.spanContext() }];
  } else if (subject.links !== undefined) {
    spanOptions.links = subject.links;
  }
  const span = copy.recorder.tracer.startSpan(subject.spanName, spanOptions, home);
  const operation = new Operation(copy, settings, kind, span, above, own, duplicate, home);
  if (!operation.recording) {
    // Nothing is written of what is not recorded.
  } else if (above === undefined || linked) {
    operation.outermost = outermostAttributes(settings, own.values);
  } else if (own.values !== above.inherited.values) {
    // Given within the execution: they belong to what is below.
    operation.outermost = own.values?.outermost?.(settings);
  }
  if (options !== undefined) operation.signal = signalOf(options);
  operation.fixed = subject.fixed;
  if (operation.recording) {
    try {
      if (kind.input !== undefined && kind.recordsInput !== false) {
        operation.recordInput(kind.input(self, args));
      }
      sanitizeExamples(operation, kind, self);
      kind.started?.(operation, self, args, subject);
    } catch (fault) {
      diagnostics.fault('kind.started', fault);
    }
  } else if (kind.input !== undefined) {
    // A sampler may leave this span out and record one below.
    operation.leaveInputsUnread();
  }
  return operation;
}

/** A model call whose usage is counted and that is no span. */
function counted(copy: AxCopy, settings: Settings, kind: CallKind, above: Operation): Operation {
  return new Operation(copy, settings, kind, NO_SPAN, above, above.inherited, false, undefined);
}

const NO_SPAN = trace.wrapSpanContext(INVALID_SPAN_CONTEXT);

/**
 * A call within an execution that makes no span: what a sanitizer removes from its inputs, and what is left
 * out for its name, is in no text that is recorded of calls below.
 */
function untraced(
  settings: Settings,
  kind: CallKind,
  self: unknown,
  args: readonly unknown[],
  home: Context,
  above: Operation,
): Entry {
  if (!(settings.inputs || settings.outputs)) return undefined;
  const before = inheritedFrom(home, above);
  if (before.dropped || !(above.recording || sanitizesPrompts(settings))) return undefined;
  const call = { settings, inherited: before, parent: above };
  if (kind.input !== undefined) {
    const inputs = sanitizeInput(call, kind.input(self, args));
    if (above.recording && inputs !== WITHHELD) rememberNamed(call, inputs);
  }
  sanitizeExamples(call, kind, self);
  return call.inherited === before ? undefined : withInherited(home, above, call.inherited);
}

function withValues(inherited: Inherited, values: TraceValues | undefined): Inherited {
  if (values === inherited.values) return inherited;
  return { ...inherited, values, identity: { ...inherited.identity, ...values?.identity } };
}

/** Not `Math.random`: a program that seeds it would draw other numbers with tracing than without. */
const DRAWS = 2 ** 32;

function passesSampling(home: Context, settings: Settings): boolean {
  if (settings.samplingThreshold === 0) return true;
  const around = trace.getSpanContext(home);
  // A trace id is there: every process of the trace decides alike. None: one draw for the execution.
  return around !== undefined && trace.isSpanContextValid(around)
    ? (around.traceFlags & TraceFlags.SAMPLED) !== 0 &&
        isSampled(around.traceId, settings.samplingThreshold)
    : randomInt(DRAWS) / DRAWS < settings.samplingRate;
}

/** The decision has to be carried on only where what is below would not come to it by itself. */
function unsampled(home: Context, settings: Settings): Entry {
  const isCertain = settings.samplingRate === 0 || hasTraceId(home);
  return isCertain ? undefined : contextOfDecision(home, UNSAMPLED);
}

function hasTraceId(home: Context): boolean {
  const around = trace.getSpanContext(home);
  return around !== undefined && trace.isSpanContextValid(around);
}

function passesFilter(settings: Settings, kind: CallKind, subject: Subject): boolean {
  const { moduleFilter } = settings;
  if (moduleFilter === undefined || kind.role !== 'program') return true;
  try {
    return Boolean(inTime(moduleFilter(subject.name, subject.type)));
  } catch {
    diagnostics.warnOnce('moduleFilter', 'moduleFilter threw or is async; the program is traced');
    return true;
  }
}

function passesCondition(
  settings: Settings,
  kind: CallKind,
  subject: Subject,
  self: unknown,
  args: readonly unknown[],
): boolean {
  const { traceCondition } = settings;
  if (traceCondition === undefined) return true;
  const inputs = kind.input?.(self, args);
  const named =
    typeof inputs === 'object' && inputs !== null && !Array.isArray(inputs)
      ? (inputs as Record<string, unknown>)
      : { input: inputs };
  try {
    return Boolean(inTime(traceCondition(named, { name: subject.name, type: subject.type })));
  } catch {
    diagnostics.warnOnce(
      'traceCondition',
      'traceCondition threw or is async; the execution is traced',
    );
    return true;
  }
}

function outermostAttributes(
  settings: Settings,
  values: TraceValues | undefined,
): Attributes | undefined {
  const given = values?.outermost?.(settings);
  const { tags } = settings;
  if (given === undefined || tags === undefined) return given ?? tags;
  return {
    ...tags,
    ...given,
    [TAG_TAGS]: [...listOf(tags[TAG_TAGS]), ...listOf(given[TAG_TAGS])],
  };
}

function listOf(value: Attributes[string]): string[] {
  return Array.isArray(value) ? (value as string[]) : [];
}

import type { Attributes, AttributeValue, Context, Span } from '@opentelemetry/api';
import { SpanStatusCode } from '@opentelemetry/api';
import {
  DSPY_ATTEMPT_ERROR,
  DSPY_ATTEMPT_EVENT,
  DSPY_ATTEMPT_INDEX,
  DSPY_OUTCOME,
  DSPY_PROVIDER_REQUEST_ID,
  DSPY_TRUNCATED,
  type Outcome,
} from '../attributes/dspy.js';
import {
  ERROR_TYPE,
  EXCEPTION_EVENT,
  EXCEPTION_MESSAGE,
  EXCEPTION_STACKTRACE,
  EXCEPTION_TYPE,
  HTTP_RESPONSE_STATUS_CODE,
} from '../attributes/gen-ai.js';
import {
  INPUT_MIME_TYPE,
  INPUT_VALUE,
  MIME_JSON,
  MIME_TEXT,
  OUTPUT_MIME_TYPE,
  OUTPUT_VALUE,
} from '../attributes/openinference.js';
import { describeError } from '../capture/error.js';
import { readProperty } from '../capture/read.js';
import { serialize, serializeText } from '../capture/serialize.js';
import type { TokenUsage } from '../capture/usage.js';
import type { AxCopy } from '../copy.js';
import { diagnostics } from '../diagnostics.js';
import type { ContentOptions, Settings } from '../settings.js';
import { contextOf, type TraceValues } from './context.js';
import { isFailure, outcomeOf, outcomeOfOpen } from './ending.js';
import type { CallKind, ChildMode } from './kinds.js';
import { rememberNamed, rememberSecrets } from './remember.js';
import { sanitizeInput, sanitizeOutput, WITHHELD } from './sanitize.js';
import { sum, Totals } from './totals.js';

/** What an operation passes on to the operations below it. */
export interface Inherited {
  /** Session, user, experiment and run: on every span, at its start. */
  identity: Attributes | undefined;
  values: TraceValues | undefined;
  serialize: ContentOptions;
  /** A sanitizer failed: no content is recorded from here on down. */
  dropped: boolean;
  /** A sanitizer removed what cannot be searched for in text: text made from the inputs is withheld. */
  uncertain: boolean;
  /** How often private values were remembered. Default 0. */
  remembered?: number;
}

/** Operations under way in this process. */
let underWay = 0;

/** `false`: no call is being traced anywhere, so that no context need be looked into. */
export function isAnyUnderWay(): boolean {
  return underWay > 0;
}

/**
 * One traced call from its start to its end. There is one way to end it, {@link end}, whatever
 * happens first: the result, a failure, the end of a stream, the end of the call around it.
 */
export class Operation {
  readonly recording: boolean;
  readonly inference: boolean;
  /** Where the call runs; `undefined`: where it is (a call that is counted and no span). */
  readonly context: Context | undefined;
  readonly childMode: ChildMode;
  ended = false;
  /** What the call threw, once it has ended so. */
  failure: unknown;
  /** The caller's signal, which tells an abort from a timeout. */
  signal: AbortSignal | undefined;
  /** `true` for a stream, which nobody may ever end: it ends with the operation around it. */
  streaming = false;
  /** Runs first when the operation ends, on every path: writes what a stream gave so far. */
  beforeEnd: ((operation: Operation) => void) | undefined;
  /** Called with every operation that begins directly below. */
  onChild: ((child: Operation) => void) | undefined;
  totals: Totals | undefined;
  /** The surface's own state of this call. */
  state: unknown;

  inherited: Inherited;
  /** Attributes shared with other operations: set when the span ends, never changed. */
  fixed: Attributes | undefined;
  /** Set on the outermost operation alone. */
  outermost: Attributes | undefined;

  #attributes: Attributes | undefined;
  #open: Operation[] | undefined;
  #slot = 0;
  #truncated: string[] | undefined;

  constructor(
    readonly copy: AxCopy,
    readonly settings: Settings,
    readonly kind: CallKind,
    readonly span: Span,
    readonly parent: Operation | undefined,
    inherited: Inherited,
    /** `true`: the same model call is reported by someone else, who has its tokens. */
    readonly duplicate: boolean,
    home: Context | undefined,
  ) {
    this.inherited = inherited;
    this.recording = span.isRecording();
    this.inference = kind.inference === true;
    this.context = home === undefined ? undefined : contextOf(home, this);
    this.childMode = kind.children === undefined ? 'nested' : kind.children(settings);
    if (parent !== undefined && !parent.ended) this.#attach(parent);
    underWay++;
  }

  /** Attributes that may still change: set when the span ends. */
  get attributes(): Attributes {
    this.#attributes ??= {};
    return this.#attributes;
  }

  /**
   * Sets an attribute for good. On the hot path the cheaper way: an object of many attributes costs
   * more to build up and to walk over than the calls it saves.
   */
  set(name: string, value: AttributeValue | undefined): void {
    if (value !== undefined && this.recording) this.span.setAttribute(name, value);
  }

  /**
   * The inputs are not looked at, so nobody knows what a sanitizer would remove from them: text that
   * may quote them is withheld below.
   */
  leaveInputsUnread(): void {
    const { inputSanitizer, outputSanitizer } = this.settings;
    const isChanged =
      inputSanitizer !== undefined ||
      (outputSanitizer !== undefined && this.kind.examples !== undefined);
    if (!isChanged || this.inherited.uncertain) return;
    this.inherited = { ...this.inherited, uncertain: true };
  }

  /** Input content may be recorded. */
  get recordsInputs(): boolean {
    return this.settings.inputs && !this.inherited.dropped;
  }

  /** Output content may be recorded. */
  get recordsOutputs(): boolean {
    return this.settings.outputs && !this.inherited.dropped;
  }

  /**
   * Text that a model wrote or was given may be recorded as far as the switches go: it may quote any
   * input, so it is withheld where a sanitizer removed something that cannot be found in it again.
   */
  get recordsText(): boolean {
    return !this.inherited.dropped && !this.inherited.uncertain;
  }

  /**
   * Sets `input.value` to what the sanitizer leaves of the value, within the budget.
   *
   * @returns What was recorded, if anything was.
   */
  recordInput(value: unknown): string | undefined {
    if (value === undefined || !this.recording) return undefined;
    if (!(this.settings.inputs || this.settings.outputs)) return undefined;
    // What this sanitizer removes is looked for in what is made of the inputs, not in its own result.
    const { serialize } = this.inherited;
    const sanitized = sanitizeInput(this, value);
    if (sanitized === WITHHELD) return undefined;
    if (this.recordsInputs) {
      return this.#value(INPUT_VALUE, INPUT_MIME_TYPE, sanitized, serialize);
    }
    // Outputs may quote it.
    if (this.recordsOutputs) rememberNamed(this, sanitized);
    return undefined;
  }

  /**
   * Sets `output.value` to what the sanitizer leaves of the value, within the budget.
   *
   * @returns What was recorded, if anything was.
   */
  recordOutput(value: unknown): string | undefined {
    if (value === undefined || !this.recording || !this.recordsOutputs) return undefined;
    const sanitized = sanitizeOutput(this, value);
    return sanitized === WITHHELD
      ? undefined
      : this.#value(OUTPUT_VALUE, OUTPUT_MIME_TYPE, sanitized, this.inherited.serialize);
  }

  /** Sets an attribute to the JSON of a value, within the budget, and returns the JSON. */
  json(name: string, value: unknown, options = this.inherited.serialize): string | undefined {
    if (!this.recording) return undefined;
    const { json, truncated } = serialize(value, options);
    if (truncated) this.markTruncated(name);
    this.set(name, json);
    return json;
  }

  /** Sets an attribute to a string as it is, or to the JSON of any other value, within the budget. */
  text(name: string, value: unknown, options = this.inherited.serialize): string | undefined {
    if (!this.recording) return undefined;
    const { text, truncated } = serializeText(value, options);
    if (truncated) this.markTruncated(name);
    this.set(name, text);
    return text;
  }

  /** Notes that the attribute does not hold all of its value. */
  markTruncated(name: string): void {
    this.#truncated ??= [];
    this.#truncated.push(name);
  }

  /** Counts a model call and what it used; `cost` in US dollars. */
  addModelCall(usage: TokenUsage | undefined, cost: number | undefined): void {
    if (this.duplicate) return;
    this.totals ??= new Totals();
    this.totals.modelCalls++;
    this.addUsage(usage, cost);
  }

  /** Adds usage that is no model call of its own (embeddings); `cost` in US dollars. */
  addUsage(usage: TokenUsage | undefined, cost: number | undefined): void {
    if (this.duplicate) return;
    this.totals ??= new Totals();
    if (usage !== undefined) this.totals.addUsage(usage);
    this.totals.cost = sum(this.totals.cost, cost);
  }

  /** Adds an event to the span now. Values must have passed the content switches. */
  event(name: string, attributes: Attributes): void {
    if (this.recording && !this.ended) this.span.addEvent(name, attributes);
  }

  /** Records a failed attempt at a result that was tried again. */
  attempt(index: number, error: unknown): void {
    if (!this.recording || this.ended) return;
    const attributes: Attributes = { [DSPY_ATTEMPT_INDEX]: index };
    if (error !== undefined) {
      const { code, message } = this.#describe(error);
      attributes[ERROR_TYPE] = code;
      attributes[DSPY_ATTEMPT_ERROR] = message;
    }
    this.span.addEvent(DSPY_ATTEMPT_EVENT, attributes);
  }

  /** Ends the operation with what it threw: a failure, an abort, or Ax's own control flow. */
  fail(error: unknown): void {
    if (!this.ended) this.end(outcomeOf(error, this.signal), error);
  }

  /** Ends the operation once; later calls do nothing. Never throws. */
  end(outcome: Outcome, error?: unknown): void {
    if (this.ended) return;
    try {
      this.beforeEnd?.(this);
    } catch (fault) {
      diagnostics.fault('operation.beforeEnd', fault);
    }
    this.ended = true;
    underWay--;
    this.failure = error;
    this.beforeEnd = undefined;
    this.state = undefined;
    try {
      this.#endOpen(outcome);
      this.#detach();
      if (this.recording) {
        this.#write(outcome);
        if (isFailure(outcome)) this.#writeFailure(outcome, error);
      }
    } catch (fault) {
      diagnostics.fault('operation.end', fault);
    }
    try {
      this.span.end();
    } catch (fault) {
      diagnostics.fault('span.end', fault);
    }
  }

  #value(
    name: string,
    mimeName: string,
    value: unknown,
    options: ContentOptions,
  ): string | undefined {
    if (typeof value === 'string') {
      const text = this.text(name, value, options);
      this.set(mimeName, MIME_TEXT);
      return text;
    }
    const { json, truncated, secrets } = serialize(value, options);
    if (truncated) this.markTruncated(name);
    // What stands under the name of a credential here stands without it in a prompt.
    if (secrets !== undefined) rememberSecrets(this, secrets);
    this.set(name, json);
    this.set(mimeName, MIME_JSON);
    return json;
  }

  #write(outcome: Outcome): void {
    this.set(DSPY_OUTCOME, outcome);
    if (this.totals !== undefined && this.kind.role === 'program') this.totals.write(this);
    this.set(DSPY_TRUNCATED, this.#truncated);
    this.#setAll(this.#attributes);
    this.#setAll(this.fixed);
    this.#setAll(this.outermost);
  }

  /** The SDK's `setAttributes` makes an array of every attribute first. */
  #setAll(attributes: Attributes | undefined): void {
    for (const name in attributes) this.set(name, attributes[name]);
  }

  #writeFailure(outcome: Outcome, error: unknown): void {
    const { type, code, message, stack, status, requestId } = this.#describe(error);
    this.set(ERROR_TYPE, outcome === 'timeout' ? 'timeout' : code);
    if (this.kind.role === 'model') {
      this.set(HTTP_RESPONSE_STATUS_CODE, status);
      this.set(DSPY_PROVIDER_REQUEST_ID, requestId);
    }
    this.span.setStatus({ code: SpanStatusCode.ERROR, message });
    const event: Attributes = { [EXCEPTION_TYPE]: type, [EXCEPTION_MESSAGE]: message };
    if (stack !== undefined) event[EXCEPTION_STACKTRACE] = stack;
    // Not recordException: it reads the thrown value again, which may throw or leak.
    this.span.addEvent(EXCEPTION_EVENT, event);
  }

  #describe(error: unknown) {
    const { settings, inherited } = this;
    const content =
      settings.inputs &&
      settings.outputs &&
      settings.inputMessages &&
      settings.outputMessages &&
      settings.outputSanitizer === undefined &&
      this.recordsText &&
      !isWithheld(error);
    if (!this.recordsText) withhold(error);
    const { redactText, isSensitiveKey } = inherited.serialize;
    return describeError(error, { content, redactText, isSensitiveKey });
  }

  #attach(parent: Operation): void {
    const open = parent.#open;
    if (open === undefined) parent.#open = [this];
    else this.#slot = open.push(this) - 1;
    parent.onChild?.(this);
  }

  #detach(): void {
    const { parent } = this;
    if (parent === undefined || parent.ended) return;
    if (this.totals !== undefined) {
      parent.totals ??= new Totals();
      parent.totals.add(this.totals);
    }
    const open = parent.#open;
    const last = open?.pop();
    if (open !== undefined && last !== undefined && last !== this) {
      open[this.#slot] = last;
      last.#slot = this.#slot;
    }
  }

  /**
   * Ends what is still open below. A call that is merely not awaited is left to end itself when this
   * one completed; a stream is not, since nobody may be there to end it.
   */
  #endOpen(outcome: Outcome): void {
    const open = this.#open;
    if (open === undefined || open.length === 0) return;
    this.#open = undefined;
    for (const child of open) {
      if (outcome !== 'completed' || child.streaming) child.end(outcomeOfOpen(outcome));
    }
  }
}

/** Errors of calls whose text is withheld: it is in those of the calls around too. */
const withheld = new WeakSet<object>();
const MAX_CAUSES = 8;

function withhold(error: unknown): void {
  if (typeof error === 'object' && error !== null) withheld.add(error);
}

function isWithheld(error: unknown): boolean {
  let cause = error;
  for (let hops = 0; hops < MAX_CAUSES && typeof cause === 'object' && cause !== null; hops++) {
    if (withheld.has(cause)) return true;
    cause = readProperty(cause, 'cause');
  }
  return false;
}

/** {@link Operation.end} for callers through whom a fault would reach the program. */
export function endSafely(operation: Operation, outcome: Outcome): void {
  try {
    operation.end(outcome);
  } catch (fault) {
    diagnostics.fault('operation.end', fault);
  }
}

/** {@link Operation.fail} for callers through whom a fault would reach the program. */
export function failSafely(operation: Operation, error: unknown): void {
  try {
    operation.fail(error);
  } catch (fault) {
    diagnostics.fault('operation.fail', fault);
  }
}

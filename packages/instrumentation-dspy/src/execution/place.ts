import { type Context, context } from '@opentelemetry/api';
import {
  contextOf,
  contextOfDecision,
  inheritedFrom,
  scopeOf,
  type TraceValues,
  traceValuesOf,
  withInherited,
  withTraceValues,
} from './context.js';
import { Operation } from './operation.js';

const NO_VALUES: TraceValues = { identity: undefined, outermost: undefined };

/** What is ours in one context on top of another, whose own values (baggage, the application's) stay. */
export function carriedTo(target: Context, ours: Context): Context {
  const scope = scopeOf(ours);
  let carried = target;
  let values = traceValuesOf(ours);
  // Whoever goes on with a call adds nothing to what it belongs to.
  if (scope !== undefined) values ??= NO_VALUES;
  if (values !== undefined && values !== (traceValuesOf(target) ?? NO_VALUES)) {
    carried = withTraceValues(carried, values);
  }
  if (scope === undefined) return carried;
  if (!(scope instanceof Operation)) return contextOfDecision(carried, scope);
  carried = contextOf(carried, scope);
  const inherited = inheritedFrom(ours, scope);
  return inherited === scope.inherited ? carried : withInherited(carried, scope, inherited);
}

/** Where the steps of a call run that someone goes on with later, who may be elsewhere by then. */
export class Place {
  #active: Context | undefined;
  #carried: Context | undefined;

  constructor(
    /** Where the call was made. */
    readonly home: Context,
    /** Where it runs; `undefined`: wherever its caller is. */
    readonly ours: Context | undefined,
  ) {}

  /** The context for a step that is taken now. */
  now(): Context | undefined {
    const { ours } = this;
    if (ours === undefined) return undefined;
    const active = context.active();
    if (active === this.home) return ours;
    if (active !== this.#active) {
      this.#carried = carriedTo(active, ours);
      this.#active = active;
    }
    return this.#carried;
  }
}

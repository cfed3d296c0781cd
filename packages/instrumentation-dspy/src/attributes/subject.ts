import type { Attributes } from '@opentelemetry/api';
import type { Subject } from '../execution/kinds.js';
import type { Settings } from '../settings.js';
import { DSPY_MODULE_NAME, DSPY_MODULE_TYPE } from './dspy.js';
import { GEN_AI_OPERATION_NAME, type GenAiOperation } from './gen-ai.js';
import { OPENINFERENCE_SPAN_KIND, type OpenInferenceKind } from './openinference.js';

export interface Identity {
  /** Plain name of the program, tool, model, … */
  readonly name: string;
  /** `dspy.module.type`. */
  readonly type: string;
  readonly operation: GenAiOperation;
  readonly kind: OpenInferenceKind;
  /** Further attributes known at the start, with names of either family as `settings` asks. */
  readonly attributes?: Attributes;
  /** Attributes that need not be there before the end. */
  readonly fixed?: Attributes;
  /** Default: `operation name`, as the GenAI conventions want it. */
  readonly spanName?: string;
}

/** What every span carries from its start, so that samplers and span processors see it. */
export function subjectOf(settings: Settings, identity: Identity): Subject {
  const attributes: Attributes = {
    // On every span, whatever the families: backends tell our spans from others by it.
    [GEN_AI_OPERATION_NAME]: identity.operation,
    [DSPY_MODULE_NAME]: identity.name,
    [DSPY_MODULE_TYPE]: identity.type,
  };
  if (settings.openInference) attributes[OPENINFERENCE_SPAN_KIND] = identity.kind;
  return {
    name: identity.name,
    type: identity.type,
    spanName: identity.spanName ?? `${identity.operation} ${identity.name}`,
    attributes:
      identity.attributes === undefined
        ? attributes
        : Object.assign(attributes, identity.attributes),
    fixed: identity.fixed,
  };
}

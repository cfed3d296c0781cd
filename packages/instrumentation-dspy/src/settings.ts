import type { Attributes } from '@opentelemetry/api';
import { DSPY_TAG_PREFIX } from './attributes/dspy.js';
import { TAG_TAGS } from './attributes/openinference.js';
import { createKeyMatcher, safeString } from './capture/redact.js';
import type { SerializeOptions } from './capture/serialize.js';
import { DEFAULT_MAX_BYTES } from './capture/serialize.js';
import { diagnostics } from './diagnostics.js';
import { type Env, readContentSwitches, readVariable } from './env.js';
import { samplingThreshold } from './sampling.js';
import type { DspyInstrumentationConfig } from './types.js';

/** How content is serialised: budget, media, redaction. */
export type ContentOptions = SerializeOptions & { maxBytes: number; keepMedia: boolean };

/** The options as the hot path reads them: checked, with defaults and environment applied. Immutable. */
export interface Settings {
  readonly enabled: boolean;
  readonly inputs: boolean;
  readonly outputs: boolean;
  readonly inputMessages: boolean;
  readonly outputMessages: boolean;
  readonly toolDefinitions: boolean;
  readonly parameters: boolean;
  readonly embeddingText: boolean;
  readonly signatures: boolean;
  readonly steps: boolean;
  readonly genAi: boolean;
  readonly openInference: boolean;
  readonly samplingRate: number;
  readonly samplingThreshold: number;
  readonly moduleFilter: DspyInstrumentationConfig['moduleFilter'];
  readonly traceCondition: DspyInstrumentationConfig['traceCondition'];
  readonly inputSanitizer: DspyInstrumentationConfig['inputSanitizer'];
  readonly outputSanitizer: DspyInstrumentationConfig['outputSanitizer'];
  readonly serialize: ContentOptions;
  /** Byte budget of the artifacts of a run (data sets, programs, result tables) together. */
  readonly artifactBytes: number;
  readonly nativeSpans: boolean;
  readonly recordOptimizerCalls: boolean;
  /** `customTags` as attributes of the outermost span; `undefined` when there are none. */
  readonly tags: Attributes | undefined;
}

type OptionKind = 'boolean' | 'number' | 'function' | 'object' | 'array';

const OPTIONS: Readonly<Record<keyof DspyInstrumentationConfig, OptionKind>> = {
  enabled: 'boolean',
  logInputs: 'boolean',
  logOutputs: 'boolean',
  logSignatures: 'boolean',
  logIntermediateSteps: 'boolean',
  samplingRate: 'number',
  customTags: 'object',
  moduleFilter: 'function',
  traceCondition: 'function',
  inputSanitizer: 'function',
  outputSanitizer: 'function',
  conventions: 'array',
  maxAttributeBytes: 'number',
  keepMedia: 'boolean',
  redactKeys: 'array',
  nativeSpans: 'boolean',
  recordOptimizerCalls: 'boolean',
};

export const OPTION_NAMES: readonly string[] = Object.keys(OPTIONS);

/** Options whose misreading would record what was to stay private: the private side is taken. */
const PRIVATE_SIDE: Partial<Record<keyof DspyInstrumentationConfig, boolean>> = {
  logInputs: false,
  logOutputs: false,
  logSignatures: false,
  keepMedia: false,
};

const MIN_ATTRIBUTE_BYTES = 256;

/** Artifacts of a run become files of it: they may take this many times the budget of an attribute. */
const ARTIFACT_FACTOR = 16;

/** Reads the options. Never throws: a value that cannot be used is named in one warning and replaced. */
export function resolveSettings(
  config: DspyInstrumentationConfig,
  env: Env = process.env,
): Settings {
  const options = checkOptions(config);
  const hidden = readContentSwitches(env);
  // A sanitizer that is no function cannot be honoured, and going on without it would leak.
  const brokenSanitizer = isBrokenSanitizer(config);
  const inputs = (options.logInputs ?? true) && !hidden.hideInputs && !brokenSanitizer;
  const outputs = (options.logOutputs ?? true) && !hidden.hideOutputs && !brokenSanitizer;
  const samplingRate = checkSamplingRate(options.samplingRate);
  const conventions = checkConventions(options.conventions);
  const maxBytes = attributeBytes(options.maxAttributeBytes, env);
  return Object.freeze({
    enabled: options.enabled ?? true,
    inputs,
    outputs,
    inputMessages: inputs && !hidden.hideInputMessages,
    outputMessages: outputs && !hidden.hideOutputMessages,
    toolDefinitions: inputs && !hidden.hideTools,
    parameters: inputs && !hidden.hideParameters,
    embeddingText: inputs && !hidden.hideEmbeddingText,
    signatures: options.logSignatures ?? true,
    steps: options.logIntermediateSteps ?? true,
    genAi: conventions.includes('gen_ai'),
    openInference: conventions.includes('openinference'),
    samplingRate,
    samplingThreshold: samplingThreshold(samplingRate),
    moduleFilter: options.moduleFilter,
    traceCondition: options.traceCondition,
    inputSanitizer: options.inputSanitizer,
    outputSanitizer: options.outputSanitizer,
    serialize: {
      maxBytes,
      keepMedia: (options.keepMedia ?? false) && !hidden.hideMedia,
      isSensitiveKey: createKeyMatcher(stringsOf(options.redactKeys)),
    },
    artifactBytes: Math.min(maxBytes * ARTIFACT_FACTOR, attributeLimit(env)),
    nativeSpans: options.nativeSpans ?? false,
    recordOptimizerCalls: options.recordOptimizerCalls ?? false,
    tags: tagAttributes(options.customTags),
  });
}

/** Trace tags as attributes: OpenInference's list and one attribute a tag. */
export function tagAttributes(
  tags: Readonly<Record<string, unknown>> | undefined,
): Attributes | undefined {
  if (tags === undefined) return undefined;
  const list: string[] = [];
  const attributes: Attributes = {};
  for (const [key, raw] of Object.entries(tags)) {
    if (key === '' || raw === undefined || raw === null) continue;
    const value = safeString(raw);
    list.push(`${key}:${value}`);
    attributes[DSPY_TAG_PREFIX + key] = value;
  }
  if (list.length === 0) return undefined;
  attributes[TAG_TAGS] = list;
  return attributes;
}

function checkOptions(config: DspyInstrumentationConfig): DspyInstrumentationConfig {
  const checked: Record<string, unknown> = {};
  for (const [name, value] of Object.entries(config)) {
    if (value === undefined) continue;
    const key = name as keyof DspyInstrumentationConfig;
    const kind = Object.hasOwn(OPTIONS, name) ? OPTIONS[key] : undefined;
    if (kind === undefined) {
      diagnostics.warnOnce(
        `option ${name}`,
        `option "${safeString(name)}" is unknown and has no effect. Known: ${OPTION_NAMES.join(', ')}`,
      );
    } else if (kindOf(value) !== kind) {
      const fallback = PRIVATE_SIDE[key];
      diagnostics.warnOnce(
        `option ${name}`,
        `option ${name} must be of type ${kind}, got ${kindOf(value)}; ` +
          (fallback === undefined ? 'the default is used' : `${fallback} is used`),
      );
      if (fallback !== undefined) checked[name] = fallback;
    } else {
      checked[name] = value;
    }
  }
  return checked as DspyInstrumentationConfig;
}

function kindOf(value: unknown): OptionKind | string {
  return Array.isArray(value) ? 'array' : value === null ? 'null' : typeof value;
}

function isBrokenSanitizer(config: DspyInstrumentationConfig): boolean {
  const broken = [config.inputSanitizer, config.outputSanitizer].some(
    (sanitizer) => sanitizer !== undefined && typeof sanitizer !== 'function',
  );
  if (broken) {
    diagnostics.warnOnce(
      'broken sanitizer',
      'inputSanitizer and outputSanitizer must be functions; no content is recorded until they are',
    );
  }
  return broken;
}

/** A share from 0 to 1; anything else is named in a warning and counts as 1. */
export function checkSamplingRate(rate: unknown, name = 'option samplingRate'): number {
  if (rate === undefined) return 1;
  if (typeof rate === 'number' && rate >= 0 && rate <= 1) return rate;
  diagnostics.warnOnce(name, `${name}=${safeString(rate)} must be a number from 0 to 1; 1 is used`);
  return 1;
}

function checkConventions(
  conventions: DspyInstrumentationConfig['conventions'],
): readonly string[] {
  const all = ['gen_ai', 'openinference'];
  if (conventions === undefined) return all;
  const known = conventions.filter((name) => all.includes(name));
  if (known.length === conventions.length && known.length > 0) return known;
  diagnostics.warnOnce(
    'option conventions',
    `option conventions must list some of: ${all.join(', ')}; got ${safeString(JSON.stringify(conventions))}`,
  );
  return known.length > 0 ? known : all;
}

/** The option, and never more than the SDK keeps: it would cut JSON in the middle of a string. */
function attributeBytes(option: number | undefined, env: Env): number {
  let bytes = option ?? DEFAULT_MAX_BYTES;
  if (!Number.isFinite(bytes) || bytes < MIN_ATTRIBUTE_BYTES) {
    diagnostics.warnOnce(
      'option maxAttributeBytes',
      `option maxAttributeBytes=${bytes} must be a number of at least ${MIN_ATTRIBUTE_BYTES}; ${DEFAULT_MAX_BYTES} is used`,
    );
    bytes = DEFAULT_MAX_BYTES;
  }
  return Math.min(Math.floor(bytes), Math.max(16, attributeLimit(env)));
}

/** The longest attribute value that the SDK keeps, as the environment says. */
function attributeLimit(env: Env): number {
  const limit =
    readVariable(env, 'OTEL_SPAN_ATTRIBUTE_VALUE_LENGTH_LIMIT') ??
    readVariable(env, 'OTEL_ATTRIBUTE_VALUE_LENGTH_LIMIT');
  const characters = Math.floor(Number(limit ?? Number.NaN));
  return characters > 0 ? characters : Number.POSITIVE_INFINITY;
}

function stringsOf(values: readonly unknown[] | undefined): string[] {
  return (values ?? []).filter((value): value is string => typeof value === 'string');
}

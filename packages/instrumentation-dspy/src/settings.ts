import { types } from 'node:util';
import type { Attributes } from '@opentelemetry/api';
import { DSPY_TAG_PREFIX } from './attributes/dspy.js';
import { TAG_TAGS } from './attributes/openinference.js';
import { createKeyMatcher, safeString } from './capture/redact.js';
import { REDACTED } from './capture/redacted.js';
import { isSecret } from './capture/scrub.js';
import type { SerializeOptions } from './capture/serialize.js';
import { DEFAULT_MAX_BYTES } from './capture/serialize.js';
import { diagnostics } from './diagnostics.js';
import { type Env, readContentSwitches, readVariable } from './env.js';
import { isObjectPrototype } from './execution/clone.js';
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
  enabled: false,
  logInputs: false,
  logOutputs: false,
  logSignatures: false,
  keepMedia: false,
};

/** Options that keep content back. One that cannot be honoured hides all of it: going on without would leak. */
const GUARDS = ['inputSanitizer', 'outputSanitizer', 'redactKeys'] as const;

/** Stands for an option that throws when it is read: a value of no kind. */
const UNREADABLE = Symbol('unreadable');

const NO_CONTENT = { logInputs: false, logOutputs: false, logSignatures: false };

/** What a misspelt switch or guard of content looks like, and what other tracers call theirs. */
const OF_CONTENT =
  /input|output|content|signature|privacy|redact|saniti[sz]|anonymi[sz]|scrub|mask|hide|capture/i;

/** Prototypes looked at; a proxy can make a chain without end. */
const MAX_HOPS = 16;

/**
 * The options as a plain object that can be read without a throw, those that a class or a prototype
 * gives included. Where their names cannot be read, what was to stay private is not known either, and
 * no content is recorded.
 */
export function plainOptions(config: DspyInstrumentationConfig = {}): DspyInstrumentationConfig {
  const options: Record<string, unknown> = {};
  try {
    for (const name of namesOf(config)) options[name] = readOption(config, name);
  } catch {
    diagnostics.warnOnce(
      'options',
      `the options (${safeString(config)}) cannot be read; the defaults are used, without content`,
    );
    return { ...NO_CONTENT };
  }
  return options;
}

/** @throws What a proxy throws; TypeError for what is no object of options. */
function namesOf(config: unknown): Set<string> {
  if (typeof config !== 'object' || config === null || isBuiltIn(config)) {
    throw new TypeError('not an object of options');
  }
  const names = new Set<string>();
  let level: object | null = config;
  for (let hops = 0; level !== null && !isObjectPrototype(level); hops++) {
    if (hops === MAX_HOPS) throw new RangeError('prototypes without end');
    for (const name of Object.getOwnPropertyNames(level)) {
      // What a class has of methods beside is its own affair.
      const isMethod = typeof Object.getOwnPropertyDescriptor(level, name)?.value === 'function';
      if (level === config || !isMethod || Object.hasOwn(OPTIONS, name)) names.add(name);
    }
    level = Object.getPrototypeOf(level);
  }
  return names;
}

/** Objects whose contents are not their properties. */
function isBuiltIn(value: object): boolean {
  return Array.isArray(value) || types.isMap(value) || types.isSet(value) || types.isDate(value);
}

function readOption(config: object, name: string): unknown {
  try {
    const value = (config as Record<string, unknown>)[name];
    // A method needs its object.
    if (typeof value === 'function' && !Object.hasOwn(config, name)) return value.bind(config);
    // A proxy may refuse to be looked at.
    return Array.isArray(value) ? [...value] : value;
  } catch {
    return UNREADABLE;
  }
}

const MIN_ATTRIBUTE_BYTES = 256;

/** Artifacts of a run become files of it: they may take this many times the budget of an attribute. */
const ARTIFACT_FACTOR = 16;

/**
 * Reads the options. Never throws: a value that cannot be used is named in one warning and replaced.
 *
 * @param sdkLimit Characters of an attribute value that the SDK keeps, as its configuration in code says.
 */
export function resolveSettings(
  config: DspyInstrumentationConfig,
  env: Env = process.env,
  sdkLimit = Number.POSITIVE_INFINITY,
): Settings {
  const given = plainOptions(config);
  const options = checkOptions(given);
  const hidden = readContentSwitches(env);
  const unguarded = isUnguarded(given);
  const inputs = (options.logInputs ?? true) && !hidden.hideInputs && !unguarded;
  const outputs = (options.logOutputs ?? true) && !hidden.hideOutputs && !unguarded;
  const isSensitiveKey = createKeyMatcher(stringsOf(options.redactKeys));
  const samplingRate = checkSamplingRate(options.samplingRate);
  const conventions = checkConventions(options.conventions);
  const limit = Math.min(attributeLimit(env), sdkLimit);
  const maxBytes = attributeBytes(options.maxAttributeBytes, limit);
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
      isSensitiveKey,
    },
    artifactBytes: Math.min(maxBytes * ARTIFACT_FACTOR, limit),
    nativeSpans: options.nativeSpans ?? false,
    recordOptimizerCalls: options.recordOptimizerCalls ?? false,
    tags: customTagAttributes(options.customTags, isSensitiveKey),
  });
}

/** Trace tags as attributes: OpenInference's list and one attribute a tag. */
export function tagAttributes(
  tags: Readonly<Record<string, unknown>> | undefined,
  isSensitiveKey: SerializeOptions['isSensitiveKey'],
): Attributes | undefined {
  if (tags === undefined) return undefined;
  const list: string[] = [];
  const attributes: Attributes = {};
  for (const name of Object.keys(tags)) {
    const raw = tags[name];
    if (name === '' || raw === undefined || raw === null) continue;
    const key = safeString(name);
    const isPrivate = isSecret(raw) && isSensitiveKey?.(name) === true;
    const value = isPrivate ? REDACTED : safeString(raw);
    list.push(`${key}:${value}`);
    attributes[DSPY_TAG_PREFIX + key] = value;
  }
  if (list.length === 0) return undefined;
  attributes[TAG_TAGS] = list;
  return attributes;
}

function customTagAttributes(
  tags: DspyInstrumentationConfig['customTags'],
  isSensitiveKey: SerializeOptions['isSensitiveKey'],
): Attributes | undefined {
  try {
    return tagAttributes(tags, isSensitiveKey);
  } catch {
    diagnostics.warnOnce('option customTags', 'option customTags cannot be read; no tags are set');
    return undefined;
  }
}

function checkOptions(config: DspyInstrumentationConfig): DspyInstrumentationConfig {
  const checked: Record<string, unknown> = {};
  const withheld: DspyInstrumentationConfig = {};
  for (const [name, value] of Object.entries(config)) {
    if (value === undefined) continue;
    const key = name as keyof DspyInstrumentationConfig;
    const kind = Object.hasOwn(OPTIONS, name) ? OPTIONS[key] : undefined;
    if (kind === undefined) {
      const isPrivate = OF_CONTENT.test(name);
      // Whatever it says: `logInput: true` may have been meant, and so may `hideInputs: true`.
      if (isPrivate) Object.assign(withheld, NO_CONTENT);
      diagnostics.warnOnce(
        `option ${name}`,
        `option "${safeString(name)}" is unknown${isPrivate ? '; it may keep content back, so none is recorded' : ' and has no effect'}. Known: ${OPTION_NAMES.join(', ')}`,
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
  return { ...checked, ...withheld } as DspyInstrumentationConfig;
}

function kindOf(value: unknown): OptionKind | string {
  if (value === UNREADABLE) return 'a value that cannot be read';
  return Array.isArray(value) ? 'array' : value === null ? 'null' : typeof value;
}

function isUnguarded(config: DspyInstrumentationConfig): boolean {
  const broken = GUARDS.filter((name) => !isHonoured(name, config[name]));
  if (broken.length > 0) {
    diagnostics.warnOnce(
      'broken guard',
      `${broken.join(', ')}: sanitizers must be functions and redactKeys a list of texts; no content is recorded until they are`,
    );
  }
  return broken.length > 0;
}

function isHonoured(name: (typeof GUARDS)[number], value: unknown): boolean {
  if (value === undefined) return true;
  if (name !== 'redactKeys') return typeof value === 'function';
  return Array.isArray(value) && value.every((key) => typeof key === 'string');
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
    `option conventions must list some of: ${all.join(', ')}; got ${conventions.map((name) => safeString(name)).join(', ')}`,
  );
  return known.length > 0 ? known : all;
}

/** The option, and never more than the SDK keeps: it would cut JSON in the middle of a string. */
function attributeBytes(option: number | undefined, limit: number): number {
  let bytes = option ?? DEFAULT_MAX_BYTES;
  if (!Number.isFinite(bytes) || bytes < MIN_ATTRIBUTE_BYTES) {
    diagnostics.warnOnce(
      'option maxAttributeBytes',
      `option maxAttributeBytes=${bytes} must be a number of at least ${MIN_ATTRIBUTE_BYTES}; ${DEFAULT_MAX_BYTES} is used`,
    );
    bytes = DEFAULT_MAX_BYTES;
  }
  return Math.min(Math.floor(bytes), Math.max(16, limit));
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

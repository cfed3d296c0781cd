import { z } from 'zod';
import type { ExporterName, MlflowDspyOptions, OptionName } from './options.js';
import { BOOLEAN_FORMS, parseBoolean, parseList, parseNumber, parsePairs } from './parse.js';

/** An environment variable of an option; `parse` gives `undefined` for what it cannot read. */
export interface Variable {
  readonly name: string;
  readonly parse: (text: string) => unknown;
  /** The forms it accepts, when they are not those of the option. */
  readonly forms?: string;
}

export interface Field<T> {
  readonly schema: z.ZodType<T>;
  /** The accepted forms; completes "… is not". */
  readonly forms: string;
  readonly default?: T;
  /** Strongest first. */
  readonly variables?: readonly Variable[];
  /** Variables that the exporter reads itself, for the reference table. */
  readonly readByExporter?: readonly string[];
  /** What a value that cannot be read counts as. Default: as not given. */
  readonly misread?: T;
  /** Keeps content back: where it cannot be honoured, no content is recorded. */
  readonly guard?: boolean;
  /** Shown as `[secret]`. */
  readonly secret?: boolean;
}

type Value<K extends OptionName> = Exclude<MlflowDspyOptions[K], undefined>;

const text: z.ZodType<string> = z.string().min(1);
const strings: z.ZodType<Readonly<Record<string, string>>> = z.record(z.string(), z.string());

/** A switch that cannot be read counts as off, which is the private side of each of them. */
function flag(name: string | undefined, value: boolean): Field<boolean> {
  return {
    schema: z.boolean(),
    forms: 'true or false',
    default: value,
    misread: false,
    ...(name !== undefined && {
      variables: [{ name, parse: parseBoolean, forms: BOOLEAN_FORMS }],
    }),
  };
}

/** What the exporter takes too. Node's timers fire at once when they are set to more than 24 days. */
const LONGEST_MS = 24 * 60 * 60 * 1000;
const LEAST_BUFFER_BYTES = 64 * 1024;

function wholeNumber(name: string, min: number, value?: number, max?: number): Field<number> {
  const schema = z.number().int().min(min);
  return {
    schema: max === undefined ? schema : schema.max(max),
    forms:
      max === undefined
        ? `a whole number of at least ${min}`
        : `a whole number from ${min} to ${max}`,
    variables: [{ name, parse: parseNumber }],
    ...(value !== undefined && { default: value }),
  };
}

function string(variables: readonly string[], value?: string): Field<string> {
  return {
    schema: text,
    forms: 'a text that is not empty',
    variables: variables.map((name) => ({ name, parse: (word) => word.trim() })),
    ...(value !== undefined && { default: value }),
  };
}

/** Passed on to the exporter, which also reads the variables, at each request where they may change. */
function passedOn(variables: readonly string[], secret = false): Field<string> {
  return {
    schema: text,
    forms: 'a text that is not empty',
    readByExporter: variables,
    ...(secret && { secret }),
  };
}

function callback<K extends OptionName>(guard = false): Field<Value<K>> {
  return {
    schema: z.custom<Value<K>>((value) => typeof value === 'function'),
    forms: 'a function',
    ...(guard && { guard }),
  };
}

function parseSeconds(text: string): number | undefined {
  const seconds = parseNumber(text);
  return seconds === undefined ? undefined : seconds * 1000;
}

const EXPORTERS: readonly ExporterName[] = ['mlflow', 'otlp', 'console'];

function parseExporters(list: string): unknown {
  const names = parseList(list.toLowerCase());
  return names.length === 1 && names[0] === 'none' ? [] : names;
}

/** The one table of options: schema, accepted forms, default, environment. */
export const fields: { readonly [K in OptionName]-?: Field<Value<K>> } = {
  enabled: flag('MLFLOW_DSPY_ENABLED', true),
  logInputs: flag('MLFLOW_DSPY_LOG_INPUTS', true),
  logOutputs: flag('MLFLOW_DSPY_LOG_OUTPUTS', true),
  logSignatures: flag('MLFLOW_DSPY_LOG_SIGNATURES', true),
  logIntermediateSteps: flag('MLFLOW_DSPY_LOG_INTERMEDIATE', true),
  samplingRate: {
    schema: z.number().min(0).max(1),
    forms: 'a number from 0 to 1, such as 0.1 for 10 %',
    default: 1,
    variables: [{ name: 'MLFLOW_DSPY_SAMPLING_RATE', parse: parseNumber }],
  },
  traceBufferSize: wholeNumber('MLFLOW_DSPY_BUFFER_SIZE', 1, 100),
  experimentName: string(['MLFLOW_DSPY_EXPERIMENT', 'MLFLOW_EXPERIMENT_NAME'], 'dspy-traces'),
  customTags: {
    schema: strings,
    forms: 'an object of texts, such as { team: "ml" }',
    default: {},
    variables: [
      { name: 'MLFLOW_DSPY_TAGS', parse: parsePairs, forms: 'a list such as team=ml,env=prod' },
    ],
  },
  moduleFilter: callback<'moduleFilter'>(),
  traceCondition: callback<'traceCondition'>(),
  inputSanitizer: callback<'inputSanitizer'>(true),
  outputSanitizer: callback<'outputSanitizer'>(true),

  trackingUri: string(['MLFLOW_TRACKING_URI'], 'file:./traces'),
  experimentId: {
    schema: z.string().regex(/^\d+$/),
    forms: 'an experiment id (digits in quotes); for a name use experimentName',
    variables: [
      {
        name: 'MLFLOW_EXPERIMENT_ID',
        parse: (word) => word.trim(),
        forms: 'an experiment id (digits); for a name set MLFLOW_EXPERIMENT_NAME',
      },
    ],
  },
  runId: string(['MLFLOW_RUN_ID']),
  username: passedOn(['MLFLOW_TRACKING_USERNAME']),
  password: passedOn(['MLFLOW_TRACKING_PASSWORD'], true),
  token: {
    schema: z.custom<Value<'token'>>(
      (value) => typeof value === 'function' || (typeof value === 'string' && value !== ''),
    ),
    forms: 'a text that is not empty, or a function',
    readByExporter: ['MLFLOW_TRACKING_TOKEN'],
    secret: true,
  },
  headers: { schema: strings, forms: 'an object of texts', secret: true },
  workspace: passedOn(['MLFLOW_WORKSPACE']),
  serverCertPath: passedOn(['MLFLOW_TRACKING_SERVER_CERT_PATH']),
  clientCertPath: passedOn(['MLFLOW_TRACKING_CLIENT_CERT_PATH']),
  clientKeyPath: passedOn([]),
  insecureTls: {
    schema: z.boolean(),
    forms: 'true or false',
    misread: false,
    readByExporter: ['MLFLOW_TRACKING_INSECURE_TLS'],
  },
  requestTimeoutMs: {
    schema: z.number().positive().max(LONGEST_MS),
    forms: `a number of milliseconds above 0, at most ${LONGEST_MS}`,
    default: 30_000,
    variables: [
      {
        name: 'MLFLOW_HTTP_REQUEST_TIMEOUT',
        parse: parseSeconds,
        forms: `a number of seconds above 0, at most ${LONGEST_MS / 1000}`,
      },
      { name: 'OTEL_BSP_EXPORT_TIMEOUT', parse: parseNumber },
    ],
  },
  spool: flag('MLFLOW_DSPY_SPOOL', true),
  spoolDirectory: string(['MLFLOW_DSPY_SPOOL_DIRECTORY']),

  exporters: {
    schema: z.array(z.enum(EXPORTERS)),
    forms: 'a list of mlflow, otlp, console',
    default: ['mlflow'],
    variables: [
      {
        name: 'OTEL_TRACES_EXPORTER',
        parse: parseExporters,
        forms: 'a list of mlflow, otlp, console, or none alone',
      },
    ],
  },
  flushIntervalMs: wholeNumber('OTEL_BSP_SCHEDULE_DELAY', 0, 5000, LONGEST_MS),
  maxExportBatchSize: wholeNumber('OTEL_BSP_MAX_EXPORT_BATCH_SIZE', 1, 512),
  maxBufferBytes: wholeNumber(
    'MLFLOW_DSPY_MAX_BUFFER_BYTES',
    LEAST_BUFFER_BYTES,
    128 * 1024 * 1024,
  ),
  maxQueueSize: wholeNumber('OTEL_BSP_MAX_QUEUE_SIZE', 1),
  shutdownTimeoutMs: wholeNumber('MLFLOW_DSPY_SHUTDOWN_TIMEOUT', 0, 3000, LONGEST_MS),

  conventions: {
    schema: z.array(z.enum(['gen_ai', 'openinference'])).min(1),
    forms: 'a list of gen_ai, openinference',
    default: ['gen_ai', 'openinference'],
    variables: [{ name: 'MLFLOW_DSPY_CONVENTIONS', parse: parseList }],
  },
  maxAttributeBytes: wholeNumber('MLFLOW_DSPY_MAX_ATTRIBUTE_BYTES', 256, 65_536),
  keepMedia: flag('MLFLOW_DSPY_KEEP_MEDIA', false),
  redactKeys: {
    schema: z.array(text),
    forms: 'a list of property names',
    default: [],
    guard: true,
    variables: [{ name: 'MLFLOW_DSPY_REDACT_KEYS', parse: parseList }],
  },
  nativeSpans: flag('MLFLOW_DSPY_NATIVE_SPANS', false),
  recordOptimizerCalls: flag('MLFLOW_DSPY_RECORD_OPTIMIZER_CALLS', false),
};

export const optionNames = Object.keys(fields) as OptionName[];

/** Names of this package's own variables. */
export const ownVariables: readonly string[] = Object.values(fields)
  .flatMap((field) => field.variables ?? [])
  .map(({ name }) => name)
  .filter((name) => name.startsWith('MLFLOW_DSPY_'));

/** The options as one schema, for programs that validate strictly themselves. */
export const optionsSchema: z.ZodType<MlflowDspyOptions> = z.strictObject({
  ...Object.fromEntries(optionNames.map((name) => [name, fields[name].schema.optional()])),
  disable: z.boolean().optional(),
}) as z.ZodType<MlflowDspyOptions>;

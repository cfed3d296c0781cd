import { inspect } from 'node:util';
import { runInNewContext } from 'node:vm';
import { MlflowDspyConfig, type MlflowDspyOptions, type OptionName } from '@hokusai/mlflow-dspy';
import { describe, expect, it } from 'vitest';
import { fields, optionNames } from '../src/config/fields.js';

const always = () => true;
const same = (value: unknown) => value;

interface Row {
  /** A value from code, distinct from `env` and the default. */
  code: unknown;
  default: unknown;
  /** Variable, its text, the value it stands for; strongest variable first. */
  env?: readonly [name: string, text: string, value: unknown][];
}

/** Every option: precedence is tested row by row. */
const rows: Record<OptionName, Row> = {
  enabled: { code: true, default: true, env: [['MLFLOW_DSPY_ENABLED', 'false', false]] },
  logInputs: { code: true, default: true, env: [['MLFLOW_DSPY_LOG_INPUTS', 'false', false]] },
  logOutputs: { code: true, default: true, env: [['MLFLOW_DSPY_LOG_OUTPUTS', '0', false]] },
  logSignatures: { code: true, default: true, env: [['MLFLOW_DSPY_LOG_SIGNATURES', 'no', false]] },
  logIntermediateSteps: {
    code: true,
    default: true,
    env: [['MLFLOW_DSPY_LOG_INTERMEDIATE', 'Off', false]],
  },
  samplingRate: { code: 0.5, default: 1, env: [['MLFLOW_DSPY_SAMPLING_RATE', '0.1', 0.1]] },
  traceBufferSize: { code: 7, default: 100, env: [['MLFLOW_DSPY_BUFFER_SIZE', '200', 200]] },
  experimentName: {
    code: 'code',
    default: 'dspy-traces',
    env: [
      ['MLFLOW_DSPY_EXPERIMENT', 'ours', 'ours'],
      ['MLFLOW_EXPERIMENT_NAME', 'theirs', 'theirs'],
    ],
  },
  customTags: {
    code: { a: '1' },
    default: {},
    env: [['MLFLOW_DSPY_TAGS', 'team=ml, env = prod', { team: 'ml', env: 'prod' }]],
  },
  moduleFilter: { code: always, default: undefined },
  traceCondition: { code: always, default: undefined },
  inputSanitizer: { code: same, default: undefined },
  outputSanitizer: { code: same, default: undefined },
  trackingUri: {
    code: 'http://code:5000',
    default: 'file:./traces',
    env: [['MLFLOW_TRACKING_URI', 'http://env:5000', 'http://env:5000']],
  },
  experimentId: { code: '7', default: undefined, env: [['MLFLOW_EXPERIMENT_ID', '12', '12']] },
  runId: { code: 'run1', default: undefined, env: [['MLFLOW_RUN_ID', 'run2', 'run2']] },
  username: { code: 'u', default: undefined },
  password: { code: 'p', default: undefined },
  token: { code: 't', default: undefined },
  headers: { code: { a: 'b' }, default: undefined },
  workspace: { code: 'w', default: undefined },
  serverCertPath: { code: '/ca.pem', default: undefined },
  clientCertPath: { code: '/c.pem', default: undefined },
  clientKeyPath: { code: '/k.pem', default: undefined },
  insecureTls: { code: true, default: undefined },
  requestTimeoutMs: {
    code: 5,
    default: 30_000,
    env: [
      ['MLFLOW_HTTP_REQUEST_TIMEOUT', '2.5', 2500],
      ['OTEL_BSP_EXPORT_TIMEOUT', '700', 700],
    ],
  },
  spool: { code: true, default: true, env: [['MLFLOW_DSPY_SPOOL', 'false', false]] },
  spoolDirectory: {
    code: '/a',
    default: undefined,
    env: [['MLFLOW_DSPY_SPOOL_DIRECTORY', '/b', '/b']],
  },
  exporters: {
    code: ['console'],
    default: ['mlflow'],
    env: [['OTEL_TRACES_EXPORTER', 'otlp,console', ['otlp', 'console']]],
  },
  flushIntervalMs: { code: 1, default: 5000, env: [['OTEL_BSP_SCHEDULE_DELAY', '250', 250]] },
  maxExportBatchSize: {
    code: 1,
    default: 512,
    env: [['OTEL_BSP_MAX_EXPORT_BATCH_SIZE', '64', 64]],
  },
  maxBufferBytes: {
    code: 65_536,
    default: 134_217_728,
    env: [['MLFLOW_DSPY_MAX_BUFFER_BYTES', '1e6', 1e6]],
  },
  maxQueueSize: { code: 9, default: undefined, env: [['OTEL_BSP_MAX_QUEUE_SIZE', '4096', 4096]] },
  shutdownTimeoutMs: {
    code: 1,
    default: 3000,
    env: [['MLFLOW_DSPY_SHUTDOWN_TIMEOUT', '800', 800]],
  },
  conventions: {
    code: ['openinference'],
    default: ['gen_ai', 'openinference'],
    env: [['MLFLOW_DSPY_CONVENTIONS', 'gen_ai', ['gen_ai']]],
  },
  maxAttributeBytes: {
    code: 300,
    default: 65_536,
    env: [['MLFLOW_DSPY_MAX_ATTRIBUTE_BYTES', '1024', 1024]],
  },
  keepMedia: { code: false, default: false, env: [['MLFLOW_DSPY_KEEP_MEDIA', 'true', true]] },
  redactKeys: {
    code: ['a'],
    default: [],
    env: [['MLFLOW_DSPY_REDACT_KEYS', 'iban, ssn', ['iban', 'ssn']]],
  },
  nativeSpans: { code: false, default: false, env: [['MLFLOW_DSPY_NATIVE_SPANS', 'yes', true]] },
  recordOptimizerCalls: {
    code: false,
    default: false,
    env: [['MLFLOW_DSPY_RECORD_OPTIMIZER_CALLS', 'ON', true]],
  },
};

const make = (options: Record<string, unknown>, env: Record<string, string> = {}) =>
  new MlflowDspyConfig(options as MlflowDspyOptions, env);

const messages = (config: MlflowDspyConfig) => config.problems.map(({ message }) => message);

describe('precedence: code over environment over default', () => {
  it.each(Object.entries(rows))('%s', (name, row) => {
    const option = name as OptionName;
    const byDefault = make({});
    expect(byDefault[option]).toEqual(row.default);
    expect(byDefault.sourceOf(option)).toBe('default');

    const all = Object.fromEntries((row.env ?? []).map(([variable, text]) => [variable, text]));
    const strongestFirst = [...(row.env ?? [])];
    while (strongestFirst.length > 0) {
      const [, , value] = strongestFirst[0] as [string, string, unknown];
      const env = Object.fromEntries(strongestFirst.map(([variable, text]) => [variable, text]));
      expect(make({}, env)[option]).toEqual(value);
      expect(make({}, env).sourceOf(option)).toBe('environment');
      strongestFirst.shift();
    }

    const fromCode = make({ [name]: row.code }, all);
    expect(fromCode[option]).toEqual(row.code);
    expect(fromCode.sourceOf(option)).toBe('code');
    expect(make({ [name]: undefined }, all)[option]).toEqual(make({}, all)[option]);
    expect([...byDefault.problems, ...fromCode.problems]).toEqual([]);
  });

  it('knows the same variables as the table of options', () => {
    const tested = Object.values(rows).flatMap((row) => (row.env ?? []).map(([name]) => name));
    const known = Object.values(fields).flatMap((field) =>
      (field.variables ?? []).map(({ name }) => name),
    );
    expect(tested.sort()).toEqual(known.sort());
    expect(Object.keys(rows).sort()).toEqual([...optionNames].sort());
  });
});

describe('booleans', () => {
  it.each(['true', 'TRUE', ' True ', '1', 'yes', 'on', 'ON\n'])('%j is true', (text) => {
    expect(make({}, { MLFLOW_DSPY_KEEP_MEDIA: text }).keepMedia).toBe(true);
  });
  it.each(['false', 'False', ' FALSE ', '0', 'no', 'off'])('%j is false', (text) => {
    const config = make({}, { MLFLOW_DSPY_LOG_INPUTS: text });
    expect(config.logInputs).toBe(false);
    expect(config.problems).toEqual([]);
  });
  it.each(['', ' ', 'maybe', 'ture', '2', 'null'])('%j counts as private, and is said', (text) => {
    for (const [name, option] of [
      ['MLFLOW_DSPY_ENABLED', 'enabled'],
      ['MLFLOW_DSPY_LOG_INPUTS', 'logInputs'],
      ['MLFLOW_DSPY_LOG_OUTPUTS', 'logOutputs'],
      ['MLFLOW_DSPY_LOG_SIGNATURES', 'logSignatures'],
      ['MLFLOW_DSPY_LOG_INTERMEDIATE', 'logIntermediateSteps'],
      ['MLFLOW_DSPY_KEEP_MEDIA', 'keepMedia'],
      ['MLFLOW_DSPY_SPOOL', 'spool'],
    ] as const) {
      const config = make({}, { [name]: text });
      expect(config[option]).toBe(false);
      expect(messages(config)).toEqual([
        `${name}=${JSON.stringify(text)} is not true, 1, yes, on, false, 0, no or off; using false.`,
      ]);
    }
  });
  it('from code are booleans, and anything else counts as private', () => {
    for (const value of ['true', 1, null, {}]) {
      const config = make({ logInputs: value }, { MLFLOW_DSPY_LOG_INPUTS: 'true' });
      expect(config.logInputs).toBe(false);
      expect(config.problems).toHaveLength(1);
    }
    expect(make({ enabled: 'false' }).enabled).toBe(false);
    expect(messages(make({ logInputs: 'true' }))).toEqual([
      'logInputs="true" is not true or false; using false.',
    ]);
  });
});

describe('numbers', () => {
  it.each(['10%', '', 'maybe', '1.5', '-0.1', 'NaN', 'Infinity', '0x1', '0,5', '1_0', '0.1 0.2'])(
    'a sampling rate of %j gives one message and the default',
    (text) => {
      const config = make({}, { MLFLOW_DSPY_SAMPLING_RATE: text });
      expect(config.samplingRate).toBe(1);
      expect(messages(config)).toEqual([
        `MLFLOW_DSPY_SAMPLING_RATE=${JSON.stringify(text)} is not a number from 0 to 1, such as 0.1 for 10 %; using 1.`,
      ]);
    },
  );
  it.each([
    ['0', 0],
    [' 1 ', 1],
    ['.5', 0.5],
    ['1e-2', 0.01],
    ['+0.25', 0.25],
  ])('%j is %d', (text, value) => {
    const config = make({}, { MLFLOW_DSPY_SAMPLING_RATE: text });
    expect(config.samplingRate).toBe(value);
    expect(config.problems).toEqual([]);
  });
  it('from code that cannot be used give way to the environment, then to the default', () => {
    for (const value of [Number.NaN, 1.5, -1, '0.1', null]) {
      expect(make({ samplingRate: value }).samplingRate).toBe(1);
      const config = make({ samplingRate: value }, { MLFLOW_DSPY_SAMPLING_RATE: '0.2' });
      expect(config.samplingRate).toBe(0.2);
      expect(config.problems).toHaveLength(1);
    }
    expect(messages(make({ samplingRate: Number.NaN }))).toEqual([
      'samplingRate=NaN is not a number from 0 to 1, such as 0.1 for 10 %; using 1.',
    ]);
  });
  it.each([
    ['flushIntervalMs', 3e9, 5000, 'a whole number from 0 to 86400000'],
    ['shutdownTimeoutMs', 3e9, 3000, 'a whole number from 0 to 86400000'],
    ['requestTimeoutMs', 1e9, 30_000, 'a number of milliseconds above 0, at most 86400000'],
    ['maxBufferBytes', 1000, 134_217_728, 'a whole number of at least 65536'],
  ] as const)('%s is bounded as the exporter and timers have it', (name, value, used, forms) => {
    const config = make({ [name]: value });
    expect(config[name]).toBe(used);
    expect(messages(config)).toEqual([`${name}=${value} is not ${forms}; using ${used}.`]);
    expect(MlflowDspyConfig.schema.safeParse({ [name]: value }).success).toBe(false);
  });
  it('a bound of a variable is in its own unit', () => {
    const env = { MLFLOW_HTTP_REQUEST_TIMEOUT: '100000' };
    expect(messages(make({}, env))).toEqual([
      'MLFLOW_HTTP_REQUEST_TIMEOUT="100000" is not a number of seconds above 0, at most 86400; using 30000.',
    ]);
    expect(make({}, { MLFLOW_HTTP_REQUEST_TIMEOUT: '86400' }).requestTimeoutMs).toBe(86_400_000);
  });
  it.each(['0', '-5', '1.5', 'ten'])('a buffer of %j traces is refused', (text) => {
    const config = make({}, { MLFLOW_DSPY_BUFFER_SIZE: text });
    expect(config.traceBufferSize).toBe(100);
    expect(messages(config)).toEqual([
      `MLFLOW_DSPY_BUFFER_SIZE=${JSON.stringify(text)} is not a whole number of at least 1; using 100.`,
    ]);
  });
});

describe('names that are unknown', () => {
  it.each([
    ['sampling_rate', 'samplingRate'],
    ['sampleRate', 'samplingRate'],
    ['recordSteps', undefined],
    ['trackingUrl', 'trackingUri'],
  ])('option %s', (name, suggestion) => {
    const config = make({ [name]: 1 });
    const hint = suggestion === undefined ? '' : ` Did you mean ${suggestion}?`;
    expect(messages(config)).toEqual([`Unknown option ${name}; it has no effect.${hint}`]);
  });
  it.each([
    ['MLFLOW_DSPY_SAMPLE_RATE', ' Did you mean MLFLOW_DSPY_SAMPLING_RATE?'],
    ['MLFLOW_DSPY_BUFFER', ''],
    // Near to the right one by the part alone that all of them have.
    ['MLFLOW_DSPY_DEBUG', ''],
  ])('variable %s', (name, hint) => {
    expect(messages(make({}, { [name]: '1' }))).toEqual([
      `Unknown environment variable ${name}; it has no effect.${hint}`,
    ]);
  });

  const ALL = { enabled: true, logInputs: true, logOutputs: true, logSignatures: true };
  const NO_VALUES = { ...ALL, logInputs: false, logOutputs: false };
  it.each([
    ['enable', { ...ALL, enabled: false }, 'nothing is traced', 'enabled'],
    ['disabled', { ...ALL, enabled: false }, 'nothing is traced', 'enabled'],
    ['logInput', { ...ALL, logInputs: false }, 'no inputs are recorded', 'logInputs'],
    ['log_outputs', { ...ALL, logOutputs: false }, 'no outputs are recorded', 'logOutputs'],
    [
      'logSignature',
      { ...ALL, logSignatures: false },
      'no signatures are recorded',
      'logSignatures',
    ],
    ['keepMedias', { ...ALL, keepMedia: false }, 'no media are recorded', 'keepMedia'],
    ['inputSanitiser', NO_VALUES, 'no content is recorded', 'inputSanitizer'],
    ['outputSanitizers', NO_VALUES, 'no content is recorded', 'outputSanitizer'],
    ['redactKey', NO_VALUES, 'no content is recorded', 'redactKeys'],
    ['captureContents', NO_VALUES, 'no content is recorded', undefined],
    ['recordInputs', NO_VALUES, 'no content is recorded', undefined],
    ['hide_inputs', NO_VALUES, 'no content is recorded', undefined],
  ])('option %s, which may have kept something back, does', (name, expected, instead, meant) => {
    const hint = meant === undefined ? '' : ` Did you mean ${meant}?`;
    // Whatever the value, which may say the opposite: `noLogInputs: true`.
    for (const value of [true, false, 1, [], (given: unknown) => given]) {
      const config = make({ [name]: value }, { MLFLOW_DSPY_KEEP_MEDIA: 'true' });
      expect(config).toMatchObject(expected);
      expect(messages(config)).toEqual([`Unknown option ${name}; ${instead}.${hint}`]);
    }
  });
  it.each([
    ['LOG_INPUT', { ...ALL, logInputs: false }, 'no inputs are recorded', 'LOG_INPUTS'],
    ['ENABLE', { ...ALL, enabled: false }, 'nothing is traced', 'ENABLED'],
    ['DISABLE', { ...ALL, enabled: false }, 'nothing is traced', 'ENABLED'],
    ['REDACT_KEY', NO_VALUES, 'no content is recorded', 'REDACT_KEYS'],
    ['CAPTURE_CONTENT', NO_VALUES, 'no content is recorded', undefined],
    ['RECORD_INPUTS', NO_VALUES, 'no content is recorded', undefined],
  ])('variable MLFLOW_DSPY_%s does too', (word, expected, instead, meant) => {
    const name = `MLFLOW_DSPY_${word}`;
    const hint = meant === undefined ? '' : ` Did you mean MLFLOW_DSPY_${meant}?`;
    const config = make({}, { [name]: 'false' });
    expect(config).toMatchObject(expected);
    expect(messages(config)).toEqual([`Unknown environment variable ${name}; ${instead}.${hint}`]);
  });
  it('of a variable has no effect where code decides', () => {
    const config = make({ logInputs: true }, { MLFLOW_DSPY_LOG_INPUT: 'false' });
    expect(config).toMatchObject(ALL);
    expect(messages(config)).toEqual([
      'Unknown environment variable MLFLOW_DSPY_LOG_INPUT; it has no effect. Did you mean MLFLOW_DSPY_LOG_INPUTS?',
    ]);
  });

  it('leave other variables alone', () => {
    expect(make({}, { MLFLOW_SOMETHING: '1', MLFLOW_DSPYX: '1', PATH: '/' }).problems).toEqual([]);
  });
  it('an option by the name of the whole withholds nothing', () => {
    const config = new MlflowDspyConfig({ config: {} } as never, {});
    expect(config.problems).toHaveLength(1);
    expect(config).toMatchObject({ logInputs: true, logOutputs: true, logSignatures: true });
  });

  it('a configuration that is no object', () => {
    for (const wrong of ['x', 5, null, [1], new Map([['logInputs', false]]), () => ({})]) {
      const config = new MlflowDspyConfig(wrong as never, {});
      expect(config.problems).toHaveLength(1);
      expect(config.samplingRate).toBe(1);
      expect(config).toMatchObject({ logInputs: false, logOutputs: false, logSignatures: false });
    }
  });
});

describe('options of a class', () => {
  class Base {
    get logInputs(): boolean {
      return false;
    }
  }
  class Options extends Base {
    samplingRate = 0.5;
    readonly #mark = '***';
    inputSanitizer(): unknown {
      return this.#mark;
    }
  }

  it('are read, with those it inherits', () => {
    const config = new MlflowDspyConfig(new Options(), { MLFLOW_DSPY_LOG_INPUTS: 'true' });
    expect(config).toMatchObject({ logInputs: false, logOutputs: true, samplingRate: 0.5 });
    expect(config.sourceOf('logInputs')).toBe('code');
    // A method needs its object.
    expect(config.inputSanitizer?.({})).toBe('***');
    expect(config.problems).toEqual([]);
  });

  it('are read from any chain of prototypes, and from properties that are not enumerable', () => {
    expect(make(Object.create({ logInputs: false })).logInputs).toBe(false);
    expect(make(Object.defineProperty({}, 'logOutputs', { value: false })).logOutputs).toBe(false);
    expect(messages(make(Object.create({ captureContent: false })))).toEqual([
      'Unknown option captureContent; no content is recorded.',
    ]);
    expect(make(runInNewContext('({ logInputs: false })')).problems).toEqual([]);
  });

  it('that throw, or have no end, are guarded', () => {
    class Throwing {
      get logInputs(): boolean {
        throw new Error('no');
      }
    }
    expect(make(new Throwing() as never)).toMatchObject({ logInputs: false, logOutputs: true });
    const endless: object = new Proxy({}, { getPrototypeOf: () => endless });
    expect(make(endless as never)).toMatchObject({ logInputs: false, logOutputs: false });
  });

  it('may be a configuration that is made already', () => {
    const made = make({ samplingRate: 0.5, logInputs: false });
    expect(make(made as never).problems).toEqual([]);
    expect(make(made as never)).toMatchObject({ samplingRate: 0.5, logInputs: false });
  });
});

describe("disable, the spelling of Python's autolog()", () => {
  it.each([
    [{ disable: true }, false],
    [{ disable: false }, true],
    [{ disable: undefined }, false],
    [{ disable: true, enabled: false }, false],
    [{ disable: false, enabled: true }, true],
  ])('%j', (options, enabled) => {
    const config = make(options, { MLFLOW_DSPY_ENABLED: 'false' });
    expect(config.enabled).toBe(enabled);
    expect(config.problems).toEqual([]);
    expect(MlflowDspyConfig.schema.safeParse(options).success).toBe(true);
  });
  it.each([
    [{ disable: true, enabled: true }, 'disable=true contradicts enabled=true; nothing is traced.'],
    [
      { disable: false, enabled: false },
      'disable=false contradicts enabled=false; nothing is traced.',
    ],
    [{ disable: 'false' }, 'disable="false" is not true or false; using true.'],
    [{ disable: null, enabled: true }, 'disable=null is not true or false; using true.'],
  ])('%j: in doubt nothing is traced', (options, message) => {
    const config = make(options);
    expect(config.enabled).toBe(false);
    expect(config.problems).toEqual([{ setting: 'disable', message }]);
  });
});

describe('the experiment', () => {
  it.each([
    [
      'the id wins over a name of the same source',
      { experimentId: '3', experimentName: 'x' },
      {},
      '3',
    ],
    [
      'a name from code wins over an id from the environment',
      { experimentName: 'x' },
      { MLFLOW_EXPERIMENT_ID: '3' },
      'x',
    ],
    [
      'our variable wins over the id of MLflow',
      {},
      { MLFLOW_DSPY_EXPERIMENT: 'x', MLFLOW_EXPERIMENT_ID: '3' },
      'x',
    ],
    [
      'the id of MLflow wins over its name',
      {},
      { MLFLOW_EXPERIMENT_NAME: 'x', MLFLOW_EXPERIMENT_ID: '3' },
      '3',
    ],
    ['the id of MLflow wins over the default', {}, { MLFLOW_EXPERIMENT_ID: '3' }, '3'],
    [
      'an id from code wins over our variable',
      { experimentId: '3' },
      { MLFLOW_DSPY_EXPERIMENT: 'x' },
      '3',
    ],
  ])('%s', (_, options, env, expected) => {
    const { experimentId, experimentName } = make(options, env as Record<string, string>);
    expect([experimentId, experimentName].filter((value) => value !== undefined)).toEqual([
      expected,
    ]);
  });
});

describe('exporters', () => {
  it.each([
    [{}, {}, ['mlflow']],
    [{}, { OTEL_TRACES_EXPORTER: 'otlp' }, ['otlp']],
    [{}, { OTEL_TRACES_EXPORTER: 'none' }, []],
    [{}, { OTEL_TRACES_EXPORTER: ' None' }, []],
    [{}, { OTEL_TRACES_EXPORTER: 'OTLP,Console' }, ['otlp', 'console']],
    [{}, { OTEL_TRACES_EXPORTER: '' }, ['mlflow']],
    [{}, { OTEL_TRACES_EXPORTER: 'otlp', MLFLOW_TRACKING_URI: 'http://h' }, ['mlflow', 'otlp']],
    [{}, { OTEL_TRACES_EXPORTER: 'none', MLFLOW_TRACKING_URI: 'http://h' }, []],
    [{ trackingUri: 'http://h' }, { OTEL_TRACES_EXPORTER: 'none' }, ['mlflow']],
    [{ trackingUri: 'http://h', exporters: [] }, {}, []],
    [{ exporters: ['otlp'] }, { MLFLOW_TRACKING_URI: 'http://h' }, ['otlp']],
  ])('%j with %j: %j', (options, env, expected) => {
    const config = make(options, env as Record<string, string>);
    expect(config.exporters).toEqual(expected);
    expect(config.problems).toEqual([]);
  });
  it('that are unknown are said', () => {
    const config = make({}, { OTEL_TRACES_EXPORTER: 'zipkin' });
    expect(messages(config)).toEqual([
      'OTEL_TRACES_EXPORTER="zipkin" is not a list of mlflow, otlp, console, or none alone; using ["mlflow"].',
    ]);
  });
});

describe("OpenTelemetry's own switches", () => {
  it.each([
    [{ OTEL_SDK_DISABLED: 'true' }, false],
    [{ OTEL_SDK_DISABLED: ' TRUE ' }, false],
    [{ OTEL_SDK_DISABLED: 'false' }, true],
    [{ OTEL_SDK_DISABLED: '' }, true],
    [{ OTEL_NODE_DISABLED_INSTRUMENTATIONS: 'http, dspy' }, false],
    [{ OTEL_NODE_DISABLED_INSTRUMENTATIONS: 'http' }, true],
    [{ OTEL_NODE_ENABLED_INSTRUMENTATIONS: 'http' }, false],
    [{ OTEL_NODE_ENABLED_INSTRUMENTATIONS: 'http,dspy' }, true],
    [{ OTEL_NODE_ENABLED_INSTRUMENTATIONS: '' }, true],
  ])('%j: enabled is %j, whatever code says', (env, enabled) => {
    const config = make({ enabled: true }, env as Record<string, string>);
    expect(config.enabled).toBe(enabled);
    expect(config.problems).toEqual([]);
  });
  it('OTEL_SDK_DISABLED=1 is not true, as the specification has it, and is said', () => {
    const config = make({}, { OTEL_SDK_DISABLED: '1' });
    expect(config.enabled).toBe(true);
    expect(messages(config)).toEqual([
      'OTEL_SDK_DISABLED="1" is not true or false; tracing stays on.',
    ]);
  });
});

describe('a configuration', () => {
  it('shows no secrets', () => {
    const config = make({
      trackingUri: 'http://user:canary1@host/mlflow',
      password: 'canary2',
      token: 'canary3',
      headers: { 'x-key': 'canary4' },
    });
    for (const text of [inspect(config), JSON.stringify(config), `${JSON.stringify({ config })}`]) {
      expect(text).not.toMatch(/canary/);
      expect(text).toContain('host/mlflow');
    }
    expect(make({ password: 5, token: {} }).problems.map(({ message }) => message)).toEqual([
      'password=(not shown) is not a text that is not empty; it has no effect.',
      'token=(not shown) is not a text that is not empty, or a function; it has no effect.',
    ]);
  });
  it.each([
    ['http://user:hunter2@host/mlflow', 'http://host/mlflow'],
    ['http://user:hun/ter2@host:5000', 'http://host:5000'],
    ['http://user:p@hun/ter2@host:5000', 'http://host:5000'],
    ['http://user:hun?ter2@host:5000', 'http://***'],
    ['http://user:hun#ter2@host:5000', 'http://***'],
    ['http://host/?token=hunter2', 'http://host/'],
    ['http://host/?token=hun@ter2', 'http://***'],
    ['user:hun/ter2@host:5000', 'host:5000'],
    ['http:user:hunter2@host', 'http:host'],
    ['//user:hunter2@host', 'host'],
    ['file:./me@work/traces#1', 'file:./me@work/traces#1'],
    ['./me@work/traces', './me@work/traces'],
    ['http://host:5000/mlflow', 'http://host:5000/mlflow'],
  ])('shows the tracking URI %s as %s', (trackingUri, shown) => {
    const config = make({ trackingUri });
    expect(config.toJSON().trackingUri).toBe(shown);
    expect(inspect(config)).not.toMatch(/hun|ter2/);
  });
  it('shows no secret of an address that stands in a wrong place', () => {
    const address = 'http://user:hun/ter2@host:5000/?token=x';
    const wrong = [make(address as never), make({ trackingUri: [address] as never })];
    for (const config of wrong) {
      expect(messages(config).join()).toContain('"http://host:5000/"');
      expect(messages(config).join()).not.toMatch(/hun|ter2|token/);
    }
  });
  it('can be taken apart and put together', () => {
    const config = make({ samplingRate: 0.5 });
    expect(make({ ...config, traceBufferSize: 3 }).samplingRate).toBe(0.5);
    expect(make({ ...config }).problems).toEqual([]);
    expect(() => Object.assign(config, { samplingRate: 2 })).toThrow(TypeError);
  });
  it('reads the environment of the process with fromEnv()', () => {
    process.env.MLFLOW_DSPY_SAMPLING_RATE = '0.25';
    try {
      expect(MlflowDspyConfig.fromEnv().samplingRate).toBe(0.25);
      expect(new MlflowDspyConfig().samplingRate).toBe(0.25);
    } finally {
      delete process.env.MLFLOW_DSPY_SAMPLING_RATE;
    }
    expect(MlflowDspyConfig.fromEnv({ MLFLOW_DSPY_SAMPLING_RATE: '0.5' }).samplingRate).toBe(0.5);
  });
  it('has a zod schema that is strict', () => {
    expect(MlflowDspyConfig.schema.safeParse({ samplingRate: 0.1 }).success).toBe(true);
    expect(MlflowDspyConfig.schema.safeParse({ samplingRate: 2 }).success).toBe(false);
    expect(MlflowDspyConfig.schema.safeParse({ sampling_rate: 1 }).success).toBe(false);
  });
  it('is made of options that throw when they are read', () => {
    const trap = {
      get logInputs(): boolean {
        throw new Error('no');
      },
    };
    const config = new MlflowDspyConfig(trap, {});
    expect(config.logInputs).toBe(false);
    expect(config.problems).toHaveLength(1);
  });

  const { proxy: revoked, revoke } = Proxy.revocable({}, {});
  revoke();
  const refusing = new Proxy(
    { inputSanitizer: same },
    {
      ownKeys() {
        throw new Error('no');
      },
    },
  );
  it.each([
    ['whose names cannot be listed', refusing],
    ['that is a revoked proxy', revoked],
  ])('%s: what it was to keep back is not known, and no content is recorded', (_, options) => {
    const config = new MlflowDspyConfig(options, { MLFLOW_DSPY_LOG_INPUTS: 'true' });
    expect(config).toMatchObject({ logInputs: false, logOutputs: false, logSignatures: false });
    expect(MlflowDspyConfig.from(options)).toMatchObject({ logInputs: false, logOutputs: false });
    expect(config.problems).toEqual([
      {
        setting: 'config',
        message:
          'config is an object whose options cannot be listed; the other settings are used, and no content is recorded.',
      },
    ]);
  });
});

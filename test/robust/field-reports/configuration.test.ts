import * as ax from '@ax-llm/ax';
import { DspyPipelineExecutor } from '@hokusai/dspy-pipeline';
import {
  MlflowClient,
  MlflowSpanExporter,
  type MlflowSpanExporterOptions,
  type SpanLike,
} from '@hokusai/exporter-mlflow';
import {
  DspyInstrumentation,
  type DspyInstrumentationConfig,
  DspyScopedSampler,
  withTraceContext,
} from '@hokusai/instrumentation-dspy';
import {
  alertOn,
  autolog,
  disableAutolog,
  MlflowDspyConfig,
  type MlflowDspyOptions,
} from '@hokusai/mlflow-dspy';
import { diag } from '@opentelemetry/api';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { diagnostics } from '../../../packages/instrumentation-dspy/src/diagnostics.js';
import { startTracing } from '../../../packages/instrumentation-dspy/test/support/tracing.js';
import { forgetWarnings } from '../../../packages/mlflow-dspy/src/log.js';
import { mockModel } from '../programs/world.js';
import { collector, textsOf } from './support/tracing.js';

const said: string[] = [];
beforeEach(() => {
  // Nothing is written to where the default would have it.
  vi.stubEnv('OTEL_TRACES_EXPORTER', 'none');
  diag.setLogger(collector(said), { suppressOverrideMessage: true });
});
afterEach(() => {
  disableAutolog();
  vi.unstubAllEnvs();
  diag.disable();
  diagnostics.reset();
  forgetWarnings();
  said.length = 0;
});

function cycle(): object {
  const self: Record<string, unknown> = { n: 1n };
  self.self = self;
  return self;
}

function revoked(): object {
  const { proxy, revoke } = Proxy.revocable({}, {});
  revoke();
  return proxy;
}

/** Values that a careless log line cannot show. */
const UNSHOWABLE: Readonly<Record<string, () => unknown>> = {
  'a bigint': () => 1n,
  'a list with a bigint': () => [1n],
  'a cycle': cycle,
  'a symbol': () => Symbol('s'),
  'an object without prototype': () => Object.create(null),
  'an object whose toString throws': () => ({
    toString() {
      throw new Error('no text');
    },
    toJSON() {
      throw new Error('no JSON');
    },
  }),
  'a revoked proxy': revoked,
};

/** Every option of a surface gets the value, one after the other. */
const SURFACES: Readonly<Record<string, (value: unknown) => void>> = {
  DspyInstrumentation: (value) => {
    const names: (keyof DspyInstrumentationConfig)[] = [
      'enabled',
      'logInputs',
      'samplingRate',
      'customTags',
      'moduleFilter',
      'inputSanitizer',
      'conventions',
      'maxAttributeBytes',
      'redactKeys',
    ];
    for (const name of names) {
      const config = { [name]: value } as DspyInstrumentationConfig;
      const instrumentation = new DspyInstrumentation(config);
      instrumentation.setConfig(config);
      instrumentation.disable();
    }
  },
  DspyScopedSampler: (value) => {
    new DspyScopedSampler({ ratio: value as number });
  },
  withTraceContext: (value) => {
    for (const name of ['sessionId', 'tags', 'metadata', 'runId', 'prompts', 'unknown']) {
      expect(withTraceContext({ [name]: value } as never, () => 'done')).toBe('done');
    }
  },
  'autolog()': (value) => {
    const names = Object.keys(new MlflowDspyConfig({}, {})) as (keyof MlflowDspyOptions)[];
    for (const name of names) {
      autolog({ exporters: [], ...{ [name]: value } } as MlflowDspyOptions);
    }
    autolog({ exporters: [], unheardOf: value } as MlflowDspyOptions);
    autolog(value as MlflowDspyOptions);
  },
  MlflowSpanExporter: (value) => {
    const names = [
      'trackingUri',
      'username',
      'token',
      'headers',
      'insecureTls',
      'requestTimeoutMs',
      'experimentId',
      'mode',
      'spool',
      'maxQueueBytes',
      'resourceAttributes',
      'tags',
      'metadata',
      'onDrop',
      'unheardOf',
    ];
    for (const name of names) {
      const exporter = new MlflowSpanExporter({
        trackingUri: 'http://127.0.0.1:9',
        ...{ [name]: value },
      } as MlflowSpanExporterOptions);
      let answers = 0;
      exporter.export([] as SpanLike[], () => {
        answers++;
      });
      void exporter.shutdown();
      expect(answers).toBeLessThanOrEqual(1);
    }
  },
  alertOn: (value) => {
    const condition = { slowerThanMs: value, costOver: value, unheardOf: value };
    alertOn(condition as never, () => {});
    alertOn(value as never, () => {});
  },
};

describe('an option that cannot be shown', () => {
  it.each(
    Object.keys(SURFACES).flatMap((surface) =>
      Object.keys(UNSHOWABLE).map((value) => [surface, value] as const),
    ),
  )('of %s, %s, is no exception', (surface, value) => {
    expect(() => SURFACES[surface]?.(UNSHOWABLE[value]?.())).not.toThrow();
  });

  it.each(Object.keys(UNSHOWABLE).filter((name) => name !== 'a revoked proxy'))(
    'of those that throw for a wrong one, %s, is a readable error',
    (name) => {
      const value = UNSHOWABLE[name]?.();
      for (const make of [
        () => new MlflowClient({ trackingUri: value as string }),
        () => new MlflowClient({ requestTimeoutMs: value as number }),
        () => new DspyPipelineExecutor({ mlflowTracking: false, maxRetries: value as number }),
        () => new DspyPipelineExecutor({ mlflowTracking: false, cache: value } as never),
      ]) {
        let thrown: unknown;
        try {
          make();
        } catch (error) {
          thrown = error;
        }
        if (thrown === undefined) continue;
        // Named after the setting, not after the way in which the message could not be made.
        expect((thrown as Error).message).toMatch(/trackingUri|requestTimeoutMs|maxRetries|cache/);
      }
    },
  );
});

describe('a name that does not exist', () => {
  it('is an error of types, and a warning where nobody checks types', () => {
    // @ts-expect-error `captureContents` is no option.
    const config: DspyInstrumentationConfig = { captureContents: false };
    // @ts-expect-error `logInput` is no option.
    const options: MlflowDspyOptions = { exporters: [], logInput: false };
    // @ts-expect-error `retryBudget` is no option.
    const exporter: MlflowSpanExporterOptions = { retryBudget: 1 };
    new DspyInstrumentation(config).disable();
    autolog(options);
    new MlflowSpanExporter(exporter);
    expect(said).toEqual([
      expect.stringContaining('captureContents'),
      expect.stringContaining('logInput'),
      expect.stringContaining('retryBudget'),
    ]);
  });
});

describe('what keeps content back and cannot be honoured', () => {
  const broken: [string, unknown][] = [
    ['inputSanitizer', 'redact'],
    ['outputSanitizer', { redact: true }],
    ['redactKeys', 'patientId'],
    ['redactKeys', [/patient/]],
    ['redactKeys', UNSHOWABLE['a revoked proxy']?.()],
  ];

  it.each(broken)('%s, hides all of it', async (name, value) => {
    const config = { [name]: value } as DspyInstrumentationConfig;
    const tracing = startTracing([ax], config);
    await ax.ax('questionText:string -> answerText:string').forward(
      mockModel(() => {}, ['Answer Text: canary-out']),
      { questionText: 'canary-in' },
    );
    const texts = textsOf(tracing.spans());
    await tracing.stop();
    expect(texts.filter((text) => text.includes('canary'))).toEqual([]);
    expect(said).toEqual(expect.arrayContaining([expect.stringContaining(name)]));

    const { logInputs, logOutputs, problems } = new MlflowDspyConfig(
      config as MlflowDspyOptions,
      {},
    );
    expect({ logInputs, logOutputs }).toEqual({ logInputs: false, logOutputs: false });
    expect(problems.map(({ message }) => message)).toEqual([
      expect.stringMatching(new RegExp(`^${name}=.*no content is recorded\\.$`)),
    ]);
  });

  it('with options that cannot be read at all, hides it too', () => {
    const config = UNSHOWABLE['a revoked proxy']?.() as DspyInstrumentationConfig;
    const instrumentation = new DspyInstrumentation(config);
    expect(instrumentation.getConfig()).toMatchObject({ logInputs: false, logOutputs: false });
    instrumentation.disable();
  });
});

describe('a share that is no number', () => {
  it.each([Number.NaN, Number('abc'), -0.1, 1.1, '0.1', null])(
    '%s as the ratio of the sampler is named, with what is used',
    (ratio) => {
      const sampler = new DspyScopedSampler({ ratio: ratio as number });
      expect(String(sampler)).toContain('ratio=1');
      expect(said).toEqual([
        expect.stringMatching(/ratio=.* must be a number from 0 to 1; 1 is used/),
      ]);
    },
  );
});

describe('options in any order', () => {
  it('give the same, and the environment is read when it is needed', () => {
    const options = { trackingUri: 'http://h:1', experimentName: 'e', samplingRate: 0.5 };
    const reversed = Object.fromEntries(Object.entries(options).reverse());
    expect({ ...new MlflowDspyConfig(reversed, {}) }).toEqual({
      ...new MlflowDspyConfig(options, {}),
    });
    process.env.MLFLOW_TRACKING_URI = 'http://127.0.0.1:9';
    try {
      // After the import of everything.
      expect(new MlflowDspyConfig().trackingUri).toBe('http://127.0.0.1:9');
      expect(autolog().config.trackingUri).toBe('http://127.0.0.1:9');
    } finally {
      delete process.env.MLFLOW_TRACKING_URI;
    }
  });
});

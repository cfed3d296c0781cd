import { beforeAll, describe, expect, it } from 'vitest';
import { ALL_PLACES, type HiddenBy, PLACES } from './places.js';
import type { Tracing } from './request.js';
import { runTraced, type Traces } from './run.js';
import { placesIn } from './scan.js';

type Env = Record<string, string>;
interface Way {
  readonly tracing: Tracing;
  readonly env?: Env;
  /** Where everything that is recorded arrives. */
  readonly sinks: readonly string[];
}

/** Every way to trace, each with the sinks that it fills. */
const DESTINATIONS: Readonly<Record<string, Way>> = {
  'the instrumentation': {
    tracing: { by: 'instrumentation' },
    sinks: ['mlflow', 'otlp', 'store', 'spool', 'stdout'],
  },
  'autolog() to a server': {
    tracing: { by: 'autolog', destination: 'server' },
    sinks: ['mlflow', 'otlp', 'stdout'],
  },
  'autolog() to files': { tracing: { by: 'autolog', destination: 'store' }, sinks: ['store'] },
  'autolog() to a dead server': {
    tracing: { by: 'autolog', destination: 'spool' },
    sinks: ['spool'],
  },
};

/** What a configuration or an environment says, and what it hides. */
interface Switch {
  readonly config?: object;
  readonly guards?: Tracing['guards'];
  readonly env?: Env;
  /** Only `autolog()` reads it. */
  readonly autolog?: boolean;
}

const CAPTURE = 'OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT';
const OFF = { logInputs: false, logOutputs: false };

/** Everything that turns all content off, also what is misread to the private side. */
const ALL_OFF: Readonly<Record<string, Switch>> = {
  'logInputs and logOutputs': { config: OFF },
  'the same and logSignatures': { config: { ...OFF, logSignatures: false } },
  'the same, and no steps': { config: { ...OFF, logIntermediateSteps: false } },
  'the same, with the calls of optimizers': { config: { ...OFF, recordOptimizerCalls: true } },
  'the same, with media': { config: { ...OFF, keepMedia: true } },
  'values of another type': { config: { logInputs: 'false', logOutputs: 0 } },
  'redactKeys that are no list': { config: { redactKeys: 'name' } },
  'sanitizers that are no functions': { guards: 'broken', autolog: true },
  [`${CAPTURE}=false`]: { env: { [CAPTURE]: 'false' } },
  [`${CAPTURE}=NO_CONTENT`]: { env: { [CAPTURE]: 'NO_CONTENT' } },
  [`${CAPTURE}=EVENT_ONLY`]: { env: { [CAPTURE]: 'EVENT_ONLY' } },
  [`${CAPTURE}=flase`]: { env: { [CAPTURE]: 'flase' } },
  'OPENINFERENCE_HIDE_INPUTS and _OUTPUTS': {
    env: { OPENINFERENCE_HIDE_INPUTS: 'true', OPENINFERENCE_HIDE_OUTPUTS: 'true' },
  },
  'OPENINFERENCE_HIDE_… that does not exist': { env: { OPENINFERENCE_HIDE_ALL: 'true' } },
  'MLFLOW_DSPY_LOG_INPUTS and _OUTPUTS': {
    env: { MLFLOW_DSPY_LOG_INPUTS: 'false', MLFLOW_DSPY_LOG_OUTPUTS: 'off' },
    autolog: true,
  },
  'the same, misspelt': {
    env: { MLFLOW_DSPY_LOG_INPUTS: 'flase', MLFLOW_DSPY_LOG_OUTPUTS: 'offf' },
    autolog: true,
  },
};

const SIDE = { inputs: ['outputs', 'both'], outputs: ['declared', 'inputs', 'both'] } as const;

/** What turns a part off, and which places go on being recorded. */
const PARTLY_OFF: readonly (readonly [name: string, off: Switch, visible: readonly HiddenBy[]])[] =
  [
    ['sanitizers that throw', { guards: 'throw', autolog: true }, ['declared']],
    ['sanitizers that give promises', { guards: 'promise', autolog: true }, ['declared']],
    ['logInputs', { config: { logInputs: false } }, SIDE.inputs],
    ['logOutputs', { config: { logOutputs: false } }, SIDE.outputs],
    [
      'MLFLOW_DSPY_LOG_INPUTS',
      { env: { MLFLOW_DSPY_LOG_INPUTS: 'false' }, autolog: true },
      SIDE.inputs,
    ],
    [
      'MLFLOW_DSPY_LOG_OUTPUTS',
      { env: { MLFLOW_DSPY_LOG_OUTPUTS: 'false' }, autolog: true },
      SIDE.outputs,
    ],
    ['OPENINFERENCE_HIDE_INPUTS', { env: { OPENINFERENCE_HIDE_INPUTS: 'true' } }, SIDE.inputs],
    ['OPENINFERENCE_HIDE_OUTPUTS', { env: { OPENINFERENCE_HIDE_OUTPUTS: 'true' } }, SIDE.outputs],
  ];

const run = ({ tracing, env = {} }: Way, { config, guards, env: switches }: Switch = {}) =>
  runTraced(
    { ...tracing, ...(config && { config }), ...(guards && { guards }) },
    { ...env, ...switches },
  );

const found = (traces: Traces, sink: string) => [...placesIn(traces[sink] ?? Buffer.alloc(0))];

/** What Ax itself writes to the console when nothing is traced. */
let ownWords: readonly string[];
beforeAll(async () => {
  const traces = await runTraced({ by: 'nothing' }, { MLFLOW_DSPY_ENABLED: 'false' });
  for (const [sink, { length }] of Object.entries(traces)) {
    if (!sink.startsWith('std')) expect(length, sink).toBe(0);
  }
  ownWords = [...found(traces, 'stdout'), ...found(traces, 'stderr')];
});

const sorted = (names: Iterable<string>) => [...names].sort();

describe.concurrent.each(Object.entries(DESTINATIONS))('%s', (_name, way) => {
  it('finds every place in every sink with content on', async () => {
    const traces = await run(way);
    for (const sink of way.sinks) {
      expect(sorted(found(traces, sink)), sink).toEqual(sorted(ALL_PLACES));
    }
    for (const [sink, bytes] of Object.entries(traces)) {
      const others = [...placesIn(bytes)].filter((place) => !ownWords.includes(place));
      if (!way.sinks.includes(sink)) expect(others, sink).toEqual([]);
    }
  });

  const switches = Object.entries(ALL_OFF).filter(
    ([, { autolog }]) => !autolog || way.tracing.by === 'autolog',
  );
  it.each(switches)('lets nothing out with %s', async (_switch, off) => {
    const traces = await run(way, off);
    for (const [sink, bytes] of Object.entries(traces)) {
      const words = [...placesIn(bytes)].filter((place) => !ownWords.includes(place));
      expect(words, sink).toEqual([]);
    }
    // The rest of the traces is there.
    for (const sink of way.sinks) expect(traces[sink]?.length, sink).toBeGreaterThan(5_000);
  });
});

describe.concurrent.each(['the instrumentation', 'autolog() to a server'])(
  '%s, partly off',
  (name) => {
    const way = DESTINATIONS[name] as Way;
    const switches = PARTLY_OFF.filter(
      ([, { autolog }]) => !autolog || way.tracing.by === 'autolog',
    );
    it.each(switches)('%s', async (_switch, off, visible) => {
      const traces = await run(way, off);
      const expected = sorted(visible.flatMap((by) => PLACES[by]));
      for (const sink of way.sinks) expect(sorted(found(traces, sink)), sink).toEqual(expected);
    });
  },
);

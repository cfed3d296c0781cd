import { setTimeout as sleep } from 'node:timers/promises';
import type { AxAIService } from '@ax-llm/ax';
import { describe, expect, it } from 'vitest';
import { keyOf } from '../src/executor/cache-key.js';
import {
  DspyPipelineExecutor,
  type ExecutorLogger,
  type PipelineExecutorOptions,
  type Program,
} from '../src/index.js';

const executorOf = (options: PipelineExecutorOptions = {}) =>
  new DspyPipelineExecutor({
    ai: {} as AxAIService,
    mlflowTracking: false,
    logLevel: 'silent',
    ...options,
  });

const programOf = (forward: (inputs: { n?: number }) => unknown): Program => ({
  forward: async (_ai: unknown, inputs: object) => forward(inputs),
});
const never = () => new Promise<never>(() => {});

/** A promise and what resolves it. */
function gate() {
  let open = () => {};
  const passed = new Promise<void>((resolve) => {
    open = resolve;
  });
  return { open, passed };
}

describe('a model that is loaded', () => {
  it('for ever costs its request the time limit, and no more', async () => {
    const executor = executorOf({ timeout: 0.05, models: { slow: never } });
    const result = await executor.execute({ modelId: 'slow', inputs: {} });
    expect(result).toMatchObject({ programName: 'slow', error: { code: 'TIMEOUT' } });
    await executor.shutdown();
  });

  it('is not waited for once the caller has aborted', async () => {
    const controller = new AbortController();
    const result = executorOf({ models: { slow: never } }).execute({
      modelId: 'slow',
      inputs: {},
      signal: controller.signal,
    });
    controller.abort();
    expect((await result).error?.code).toBe('ABORTED');
  });

  it('leaves its execution what is left of the time', async () => {
    const loaded = async () => {
      await sleep(300);
      return programOf(never);
    };
    const executor = executorOf({ timeout: 0.4, models: { loaded } });
    const result = await executor.execute({ modelId: 'loaded', inputs: {} });
    expect(result.error?.message).toBe('timeout after 0.4 seconds');
    expect(result.executionTime).toBeLessThan(0.65);
  });
});

describe('a request', () => {
  const program = programOf(() => ({}));

  it.each([
    [
      { program, inputs: {}, timeOut: 5 },
      'there is no timeOut in a request. Did you mean timeout?',
    ],
    [{ modelId: 42, inputs: {} }, 'modelId must be text'],
    [{ program, inputs: {}, signal: { addEventListener() {} } }, 'signal must be an AbortSignal'],
    [undefined, 'give either program or modelId'],
    [
      {
        program,
        get inputs(): object {
          throw new Error('not now');
        },
      },
      'the request cannot be read: not now',
    ],
  ])('that cannot be used is a result that says so: %#', async (request, message) => {
    const executor = executorOf({ models: { known: program } });
    const { error, programName } = await executor.execute(request as never);
    expect(error).toMatchObject({ code: 'INVALID_REQUEST', message });
    expect(programName).toEqual(expect.any(String));
    await executor.shutdown();
  });

  it('of a batch may have gaps, or be none at all', async () => {
    const executor = executorOf();
    // biome-ignore lint/suspicious/noSparseArray: the gap is what is tested
    const results = await executor.executeBatch({ program, inputsList: [, {}] as object[] });
    expect(results.map(({ error }) => error?.code)).toEqual(['INVALID_REQUEST', undefined]);
    await expect(executor.executeBatch(undefined as never)).rejects.toThrow(
      'inputsList must be a list of inputs',
    );
  });
});

describe('batches', () => {
  it('of two executors within each other do not wait for their own places', async () => {
    const outer = executorOf({ maxWorkers: 1, timeout: 5 });
    const inner = executorOf({ maxWorkers: 1 });
    const leaf = programOf(() => ({ ok: true }));
    const middle = programOf(() => outer.executeBatch({ program: leaf, inputsList: [{}] }));
    const top = programOf(() => inner.executeBatch({ program: middle, inputsList: [{}] }));
    expect(await outer.executeBatch({ program: top, inputsList: [{}] })).toMatchObject([
      { outputs: [{ outputs: [{ outputs: { ok: true } }] }] },
    ]);
  });

  it('with one signal make Node warn of no leak, and leave no listener behind', async () => {
    const warnings: Error[] = [];
    const onWarning = (warning: Error) => warnings.push(warning);
    process.on('warning', onWarning);
    const { signal } = new AbortController();
    let listening = 0;
    const { addEventListener, removeEventListener } = signal;
    signal.addEventListener = (...args: unknown[]) => {
      listening++;
      Reflect.apply(addEventListener, signal, args);
    };
    signal.removeEventListener = (...args: unknown[]) => {
      listening--;
      Reflect.apply(removeEventListener, signal, args);
    };
    const inputsList = Array.from({ length: 20 }, (_, n) => ({ n }));
    const program = programOf(() => sleep(5));
    await executorOf({ maxWorkers: 20 }).executeBatch({ program, inputsList, signal });
    await sleep(1);
    process.off('warning', onWarning);
    expect(warnings).toEqual([]);
    expect(listening).toBe(0);
  });

  it('end together when their signal is aborted', async () => {
    const controller = new AbortController();
    const results = executorOf({ maxWorkers: 2 }).executeBatch({
      program: programOf(never),
      inputsList: [{}, {}, {}],
      signal: controller.signal,
    });
    controller.abort();
    expect((await results).map(({ error }) => error?.code)).toEqual(Array(3).fill('ABORTED'));
  });
});

describe('the cache', () => {
  it('keeps nothing that came after the time limit', async () => {
    const executor = executorOf();
    const late = gate();
    const program = programOf(async () => {
      await late.passed;
      return {};
    });
    const request = { program, inputs: {} };
    expect((await executor.execute({ ...request, timeout: 0.01 })).error?.code).toBe('TIMEOUT');
    late.open();
    await sleep(1);
    expect((await executor.execute(request)).metadata.cacheHit).toBe(false);
  });

  it('keeps nothing that was begun before it was cleared', async () => {
    const executor = executorOf();
    const begun = gate();
    const program = programOf(() => begun.passed.then(() => ({})));
    const first = executor.execute({ program, inputs: {} });
    await sleep(1);
    executor.clearCache();
    begun.open();
    await first;
    expect((await executor.execute({ program, inputs: {} })).metadata.cacheHit).toBe(false);
  });

  it('tells halves of different surrogate pairs apart', () => {
    expect(keyOf(['a\ud83d'])).not.toBe(keyOf(['a\ud83e']));
    expect(keyOf(['a\ud83d'])).not.toBe(keyOf(['a\ufffd']));
    expect(keyOf(['a\ud83d'])).toBe(keyOf(['a\ud83d']));
  });

  it('is not asked where the inputs unfold into more than can be read', async () => {
    let inputs: object = {};
    for (let depth = 0; depth < 40; depth++) inputs = { left: inputs, right: inputs };
    expect(keyOf([inputs])).toBeUndefined();
    const { success } = await executorOf().execute({ program: programOf(() => 1), inputs });
    expect(success).toBe(true);
  });

  it('takes times of any fraction, and refuses more entries than it can reserve', () => {
    expect(() => executorOf({ cacheTtl: 1.0005 })).not.toThrow();
    expect(() => executorOf({ cacheTtl: 1e-9 })).not.toThrow();
    expect(() => executorOf({ cacheMaxEntries: 2 ** 33 })).toThrow(/option cacheMaxEntries/);
  });
});

it('models given as a Map are refused: it has no entries of its own', () => {
  const models = new Map([['draft', 'DraftText']]);
  expect(() => executorOf({ models: models as never })).toThrow(/option models/);
});

it('what a debug execution reports does not change when it is over', async () => {
  const late = gate();
  const { metadata } = await executorOf().execute({
    program: programOf(() => late.passed),
    inputs: {},
    mode: 'debug',
    timeout: 0.01,
  });
  late.open();
  await sleep(1);
  expect(metadata.debugTrace?.attempts).toEqual([]);
});

it('a logger that rejects is not the problem of the execution', async () => {
  const unhandled: unknown[] = [];
  const onUnhandled = (error: unknown) => unhandled.push(error);
  process.on('unhandledRejection', onUnhandled);
  const fails = () => Promise.reject(new Error('full')) as never;
  const logger: ExecutorLogger = { debug: fails, info: fails, warn: fails, error: fails };
  await executorOf({ logger, logLevel: 'debug' }).execute({ modelId: 'none', inputs: {} });
  await sleep(1);
  process.off('unhandledRejection', onUnhandled);
  expect(unhandled).toEqual([]);
});

it('a failed load takes no newer one with it', async () => {
  const failing = gate();
  let loads = 0;
  const executor = executorOf({
    cacheEnabled: false,
    models: { model: () => failing.passed.then(() => Promise.reject(new Error('gone'))) },
  });
  const first = executor.execute({ modelId: 'model', inputs: {} });
  await sleep(1);
  executor.registerModel('model', () => {
    loads++;
    return programOf(() => 1);
  });
  await executor.execute({ modelId: 'model', inputs: {} });
  failing.open();
  await first;
  await executor.execute({ modelId: 'model', inputs: {} });
  expect(loads).toBe(1);
});

import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { ax, flow } from '@ax-llm/ax';
import { describe, expect, expectTypeOf, it } from 'vitest';
import {
  createProgram,
  DspyPipelineExecutor,
  ExecutionError,
  type ExecutionResult,
  type PipelineExecutorOptions,
  signatures,
} from '../src/index.js';
import { useModel } from './support/model.js';

const model = useModel();
const inputs = { topic: 'AI safety', purpose: 'a 200-word introduction' };

/** Ax retries by itself; these tests are about the executor. */
const ONCE = { maxRetries: 0, retry: { maxRetries: 0 } };

function executorOf(options: PipelineExecutorOptions = {}): DspyPipelineExecutor {
  return new DspyPipelineExecutor({
    ai: model.service(),
    mlflowTracking: false,
    logLevel: 'silent',
    ...options,
  });
}

function failureOf(result: ExecutionResult<unknown>): ExecutionError {
  expect(result.success).toBe(false);
  expect(result.error).toBeInstanceOf(ExecutionError);
  return result.error as ExecutionError;
}

describe('execute', () => {
  it('resolves with typed outputs', async () => {
    model.play(['Draft: Be careful.\nOutline: care']);
    const result = await executorOf().execute({ program: signatures.DraftText, inputs });
    expect(result).toEqual({
      success: true,
      outputs: { draft: 'Be careful.', outline: 'care' },
      executionTime: expect.any(Number),
      programName: 'DraftText',
      metadata: { mode: 'normal', attempts: 1, cacheHit: false },
    });
    expect(result.executionTime).toBeGreaterThan(0);
    expect(result.executionTime).toBeLessThan(10);
    if (result.success) {
      expectTypeOf(result.outputs).toEqualTypeOf<{ draft: string; outline?: string }>();
      expectTypeOf(result.error).toEqualTypeOf<undefined>();
    } else {
      expectTypeOf(result.error).toEqualTypeOf<ExecutionError>();
    }
  });

  it('takes programs, signatures, library names and registered models', async () => {
    let loads = 0;
    const executor = executorOf({
      cacheEnabled: false,
      models: {
        lazy: async () => {
          loads++;
          return createProgram('DraftText', { name: 'lazy-draft', version: '7' });
        },
        named: 'DraftText',
      },
    });
    executor.registerModel('program', ax('userQuestion:string -> draft:string'));
    model.play(['Draft: d']);
    const program = createProgram('DraftText');
    expect(await executor.execute({ program, inputs })).toMatchObject({ success: true });
    expect(await executor.execute({ program: 'DraftText', inputs })).toMatchObject({
      success: true,
      programName: 'DraftText',
    });
    const lazy = { modelId: 'lazy', inputs };
    expect(await Promise.all([executor.execute(lazy), executor.execute(lazy)])).toMatchObject([
      {
        outputs: { draft: 'd' },
        programName: 'lazy-draft',
        metadata: { modelId: 'lazy', programVersion: '7' },
      },
      { success: true },
    ]);
    expect(loads).toBe(1);
    executor.clearCache();
    await executor.execute(lazy);
    expect(loads).toBe(2);
    const asked = await executor.execute<{ draft: string }>({
      modelId: 'program',
      inputs: { userQuestion: 'q' },
    });
    expect(asked).toMatchObject({
      programName: 'AxGen(userQuestion -> draft)',
      outputs: { draft: 'd' },
    });
    if (asked.success) expectTypeOf(asked.outputs).toEqualTypeOf<{ draft: string }>();
    expect(await executor.execute({ modelId: 'named', inputs })).toMatchObject({ success: true });
  });

  it('runs any object with a forward call', async () => {
    const own = {
      forward: async (_ai: unknown, values: { size: number }) => ({ double: values.size * 2 }),
    };
    const result = await executorOf().execute({ program: own, inputs: { size: 4 } });
    expect(result.outputs).toEqual({ double: 8 });
    if (result.success) expectTypeOf(result.outputs).toEqualTypeOf<{ double: number }>();
    const chain = flow<{ userText: string }>()
      .node('sum', 'userText:string -> shortText:string')
      .execute('sum', (state) => ({ userText: state.userText }))
      .returns((state) => ({ short: state.sumResult.shortText }));
    model.play(['Short Text: s']);
    expect(
      await executorOf().execute({ program: chain, inputs: { userText: 'long' } }),
    ).toMatchObject({
      success: true,
      outputs: { short: 's' },
    });
  });

  it('knows its types at compile time', () => {
    const executor = executorOf();
    const compileOnly = async () => {
      // @ts-expect-error purpose is required
      await executor.execute({ program: signatures.DraftText, inputs: { topic: 't' } });
      // @ts-expect-error no such signature in the library
      await executor.execute({ program: 'DraftTxt', inputs });
      // @ts-expect-error either program or modelId
      await executor.execute({ program: 'DraftText', modelId: 'a', inputs });
      const dry = await executor.execute({ program: 'DraftText', inputs, mode: 'dryRun' });
      if (dry.success) expectTypeOf(dry.outputs).toEqualTypeOf<undefined>();
      const batch = await executor.executeBatch({
        program: createProgram('DraftText'),
        inputsList: [inputs],
      });
      expectTypeOf(batch).toEqualTypeOf<ExecutionResult<{ draft: string; outline?: string }>[]>();
      // @ts-expect-error topic is text
      await executor.executeBatch({ program: 'DraftText', inputsList: [{ ...inputs, topic: 3 }] });
    };
    expect(compileOnly).toBeTypeOf('function');
  });
});

describe('a failed execution', () => {
  it('names a model that is not in the registry', async () => {
    const executor = executorOf({ models: { email: 'EmailDraft' } });
    const result = await executor.execute({ modelId: 'emai', inputs: {} });
    expect(result).toMatchObject({
      programName: 'emai',
      metadata: { modelId: 'emai', attempts: 0 },
    });
    expect(failureOf(result)).toMatchObject({
      code: 'MODEL_NOT_FOUND',
      message: 'Model "emai" is not in the registry. Did you mean email?',
    });
  });

  it('says why a model cannot be loaded, and loads it again the next time', async () => {
    let loads = 0;
    const source = () => {
      if (++loads === 1) throw new Error('disk full');
      return 'DraftText' as const;
    };
    const executor = executorOf({ models: { flaky: source } });
    model.play(['Draft: d']);
    const error = failureOf(await executor.execute({ modelId: 'flaky', inputs }));
    expect(error).toMatchObject({
      code: 'MODEL_LOAD_FAILED',
      message: 'Model "flaky" cannot be loaded: disk full',
    });
    expect(error.cause).toEqual(new Error('disk full'));
    expect(await executor.execute({ modelId: 'flaky', inputs })).toMatchObject({ success: true });
  });

  it('names missing and wrong inputs, and calls no model', async () => {
    const wrong = { topic: '', targetLength: 0 } as unknown as typeof inputs;
    const result = await executorOf().execute({ program: 'DraftText', inputs: wrong });
    expect(failureOf(result)).toMatchObject({
      code: 'INVALID_INPUTS',
      message:
        'DraftText: missing required inputs: topic, purpose; targetLength must be at least 1',
      missing: ['topic', 'purpose'],
      invalid: [{ field: 'targetLength', reason: 'at least 1' }],
    });
    expect(model.requests()).toHaveLength(0);
    expect(JSON.parse(JSON.stringify(result.error))).toEqual({
      name: 'ExecutionError',
      code: 'INVALID_INPUTS',
      message: result.error?.message,
    });
  });

  it.each([
    [{ program: 'DraftText', modelId: 'x', inputs }, 'give either program or modelId'],
    [{ inputs }, 'give either program or modelId'],
    [{ program: {}, inputs }, 'program must be an Ax program'],
    [{ program: 'DraftTxt', inputs }, 'No signature is named "DraftTxt". Did you mean DraftText?'],
    [{ program: 'DraftText', inputs, mode: 'dry' }, 'mode must be one of normal, dryRun, debug'],
    [{ program: 'DraftText', inputs, timeout: -1 }, 'timeout must be seconds, above 0'],
    [{ program: 'DraftText', inputs: 'text' }, 'inputs must be an object'],
    [{ program: 'DraftText', inputs, signal: 'now' }, 'signal must be an AbortSignal'],
    [undefined, 'give either program or modelId'],
  ])('refuses the request %j', async (request, message) => {
    const error = failureOf(await executorOf().execute(request as never));
    expect(error.code).toBe('INVALID_REQUEST');
    expect(error.message).toContain(message);
    expect(model.requests()).toHaveLength(0);
  });

  it('asks for a model service only when one is needed', async () => {
    const executor = new DspyPipelineExecutor({ mlflowTracking: false, logLevel: 'silent' });
    expect(failureOf(await executor.execute({ program: 'DraftText', inputs })).message).toContain(
      'no model service',
    );
    expect(await executor.execute({ program: 'DraftText', inputs, mode: 'dryRun' })).toMatchObject({
      success: true,
    });
    model.play(['Draft: d']);
    expect(
      await executor.execute({ program: 'DraftText', inputs, ai: model.service() }),
    ).toMatchObject({ success: true });
  });

  it('carries what the program threw', async () => {
    const thrown = new TypeError('boom');
    const program = { forward: () => Promise.reject(thrown) };
    const error = failureOf(await executorOf().execute({ program, inputs: {} }));
    expect(error).toMatchObject({ code: 'PROGRAM_FAILED', message: 'boom', cause: thrown });
    const odd = { forward: () => Promise.reject('no error') };
    expect(failureOf(await executorOf().execute({ program: odd, inputs: {} })).message).toBe(
      'no error',
    );
  });

  it('is not made by a program whose own methods throw when looked at', async () => {
    const program = {
      forward: async () => ({ done: true }),
      getSignature(): never {
        throw new Error('not ready');
      },
      get demos(): never {
        throw new Error('not ready');
      },
    };
    expect(await executorOf().execute({ program, inputs: {} })).toMatchObject({
      success: true,
      outputs: { done: true },
    });
  });

  it('says which inputs reach no model', async () => {
    model.play(['Draft: d']);
    const extra = { ...inputs, requirements: '200 words' };
    const result = await executorOf().execute({ program: 'DraftText', inputs: extra });
    expect(result.metadata.ignoredInputs).toEqual(['requirements']);
  });
});

describe('modes', () => {
  it('dryRun checks the inputs and calls no model', async () => {
    const executor = executorOf();
    expect(await executor.execute({ program: 'DraftText', inputs, mode: 'dryRun' })).toEqual({
      success: true,
      outputs: undefined,
      executionTime: expect.any(Number),
      programName: 'DraftText',
      metadata: { mode: 'dryRun', attempts: 0, cacheHit: false },
    });
    const wrong = { topic: 't' } as typeof inputs;
    expect(
      failureOf(await executor.execute({ program: 'DraftText', inputs: wrong, mode: 'dryRun' }))
        .missing,
    ).toEqual(['purpose']);
    expect(model.requests()).toHaveLength(0);
  });

  it('debug reports inputs, prompts, answers and attempts, and is never from the cache', async () => {
    model.play([{ text: 'Draft: Be careful.' }]);
    const executor = executorOf();
    const program = createProgram('DraftText');
    await executor.execute({ program, inputs });
    const result = await executor.execute({ program, inputs, mode: 'debug' });
    expect(result.metadata.cacheHit).toBe(false);
    const trace = result.metadata.debugTrace;
    expect(trace?.inputs).toEqual({ ...inputs, style: 'informative', audience: 'general' });
    expect(trace?.attempts).toEqual([{ duration: expect.any(Number) }]);
    const text = JSON.stringify(trace?.events);
    expect(text).toContain('Topic: AI safety');
    expect(text).toContain('Be careful.');
    const times = trace?.events.map(({ at }) => at) ?? [];
    expect(times).toEqual([...times].sort((a, b) => a - b));
    expect(model.requests()).toHaveLength(2);
  });
});

describe('the cache', () => {
  it('answers a repeated request, with a copy of its own', async () => {
    model.play([{ text: 'Critique: c\nStrengths: ["s"]\nWeaknesses: ["w"]\nSuggestions: ["g"]' }]);
    const executor = executorOf();
    const program = createProgram('CritiqueText');
    const critique = { text: 't', criteria: ['a'] };
    const first = await executor.execute({ program, inputs: critique });
    if (first.success) first.outputs.strengths.push('mine');
    const again = await executor.execute({ program, inputs: { criteria: ['a'], text: 't' } });
    expect(again).toMatchObject({
      outputs: { strengths: ['s'] },
      metadata: { cacheHit: true, attempts: 0 },
    });
    if (again.success) again.outputs.strengths.push('mine too');
    const third = await executor.execute({
      program,
      inputs: { ...critique, severity: 'balanced' },
    });
    expect(third).toMatchObject({ outputs: { strengths: ['s'] }, metadata: { cacheHit: true } });
    expect(model.requests()).toHaveLength(1);
  });

  it('tells programs, versions, services, demos, instructions and inputs apart', async () => {
    model.play(['Draft: d']);
    const executor = executorOf();
    const program = createProgram('DraftText', { version: '1' });
    const miss = async (request: object) => {
      expect((await executor.execute(request as never)).metadata.cacheHit).toBe(false);
      expect((await executor.execute(request as never)).metadata.cacheHit).toBe(true);
    };
    await miss({ program, inputs });
    await miss({ program: createProgram('DraftText', { version: '2' }), inputs });
    await miss({ program, inputs: { ...inputs, topic: 'AI' } });
    await miss({ program, inputs: { ...inputs, targetLength: 1 } });
    await miss({ program, inputs, ai: model.service() });
    program.setInstruction('Rhyme.');
    await miss({ program, inputs });
    program.setDemos([{ programId: program.getId(), traces: [{ topic: 'x', draft: 'y' }] }]);
    await miss({ program, inputs });
    program.setDescription('Write verse.');
    await miss({ program, inputs });

    const node = createProgram('DraftText');
    const chain = flow<typeof inputs>()
      .node('draft', node)
      .execute('draft', (state) => ({ topic: state.topic, purpose: state.purpose }))
      .returns((state) => ({ text: state.draftResult.draft }));
    await miss({ program: chain, inputs });
    node.setInstruction('Rhyme.');
    await miss({ program: chain, inputs });
  });

  it('keeps no failures, nothing that cannot be told apart, and nothing when it is off', async () => {
    let calls = 0;
    const program = {
      forward: async (_ai: unknown, values: { fail?: boolean; odd?: unknown }) => {
        calls++;
        if (values.fail) throw new Error('no');
        return { calls, odd: values.odd };
      },
    };
    const executor = executorOf();
    const run = (values: { fail?: boolean; odd?: unknown }, by = executor) =>
      by.execute({ program, inputs: values });
    await run({ fail: true });
    await run({ fail: true });
    expect(calls).toBe(2);
    // inputs without a key, and outputs that cannot be copied
    await run({ odd: () => 1 });
    await run({ odd: () => 1 });
    const off = executorOf({ cacheEnabled: false });
    await run({}, off);
    await run({}, off);
    expect(calls).toBe(6);
  });

  it('forgets by time, by number and on request', async () => {
    let calls = 0;
    const program = {
      forward: async (_ai: unknown, _values: { id: number }) => ({ calls: ++calls }),
    };
    const brief = executorOf({ cacheTtl: 0.05 });
    await brief.execute({ program, inputs: { id: 1 } });
    await expect
      .poll(async () => (await brief.execute({ program, inputs: { id: 1 } })).metadata.cacheHit)
      .toBe(false);
    const small = executorOf({ cacheMaxEntries: 1 });
    const hit = async (id: number) =>
      (await small.execute({ program, inputs: { id } })).metadata.cacheHit;
    expect([await hit(1), await hit(1), await hit(2), await hit(1)]).toEqual([
      false,
      true,
      false,
      false,
    ]);
    small.clearCache();
    expect(await hit(1)).toBe(false);
  });

  it('forgets by size, and keeps no result that is larger than all of it', async () => {
    const program = {
      forward: async (_ai: unknown, { bytes }: { bytes: number }) => ({ text: 'x'.repeat(bytes) }),
    };
    const executor = executorOf({ cacheMaxBytes: 10_000 });
    const hit = async (bytes: number) =>
      (await executor.execute({ program, inputs: { bytes } })).metadata.cacheHit;
    expect([await hit(4_000), await hit(4_000), await hit(4_001), await hit(4_000)]).toEqual([
      false,
      true,
      false,
      true,
    ]);
    expect([await hit(4_002), await hit(4_001), await hit(11_000), await hit(11_000)]).toEqual([
      false,
      false,
      false,
      false,
    ]);
  });
});

describe('the time limit', () => {
  it('aborts the model call', async () => {
    let closed: () => void = () => {};
    const aborted = new Promise<void>((resolve) => {
      closed = resolve;
    });
    const server = createServer((_, response) => response.once('close', closed)).listen(
      0,
      '127.0.0.1',
    );
    await new Promise((resolve) => server.once('listening', resolve));
    const ai = model.service(`http://127.0.0.1:${(server.address() as AddressInfo).port}/v1`);
    const result = await executorOf({ timeout: 0.2 }).execute({ program: 'DraftText', inputs, ai });
    expect(failureOf(result)).toMatchObject({
      code: 'TIMEOUT',
      message: 'timeout after 0.2 seconds',
    });
    expect(result.executionTime).toBeGreaterThanOrEqual(0.19);
    expect(result.executionTime).toBeLessThan(2);
    await aborted;
    server.closeAllConnections();
    server.close();
  });

  it('does not wait for a program that does not heed it, and can be set for a request', async () => {
    let signal: AbortSignal | undefined;
    const program = {
      forward: async (_ai: unknown, _values: object, options: { abortSignal: AbortSignal }) => {
        signal = options.abortSignal;
        await sleep(300);
        throw new Error('late, and nobody’s unhandled rejection');
      },
    };
    const result = await executorOf().execute({ program, inputs: {}, timeout: 0.05 });
    expect(failureOf(result).code).toBe('TIMEOUT');
    expect(signal?.reason).toMatchObject({ name: 'TimeoutError' });
    await sleep(350);
  });

  it('counts retries in, and waits for none that would come too late', async () => {
    model.play([{ status: 503, message: 'busy' }]);
    const program = createProgram('DraftText', ONCE);
    const result = await executorOf({ timeout: 0.1, maxRetries: 5 }).execute({ program, inputs });
    expect(failureOf(result).code).toBe('TIMEOUT');
    expect(result.metadata.attempts).toBe(1);
  });

  it('is told from an abort by the caller', async () => {
    const program = {
      forward: (_ai: unknown, _values: object, options: { abortSignal: AbortSignal }) =>
        new Promise<never>((_, reject) => {
          options.abortSignal.addEventListener('abort', () => reject(options.abortSignal.reason));
        }),
    };
    const controller = new AbortController();
    const execution = executorOf().execute({ program, inputs: {}, signal: controller.signal });
    controller.abort(new Error('changed my mind'));
    expect(failureOf(await execution)).toMatchObject({
      code: 'ABORTED',
      message: 'aborted: changed my mind',
    });
    const before = await executorOf().execute({ program, inputs: {}, signal: AbortSignal.abort() });
    expect(failureOf(before).code).toBe('ABORTED');
    expect(before.metadata.attempts).toBe(0);
  });
});

describe('retries', () => {
  const program = createProgram('DraftText', ONCE);

  it.each([429, 500, 503])('repeat after %i', async (status) => {
    model.play([{ status, message: 'busy' }, 'Draft: d']);
    const result = await executorOf().execute({ program, inputs });
    expect(result).toMatchObject({ success: true, metadata: { attempts: 2 } });
  });

  it('stop after maxRetries', async () => {
    model.play([{ status: 503, message: 'busy' }]);
    const result = await executorOf({ maxRetries: 2 }).execute({ program, inputs, mode: 'debug' });
    expect(failureOf(result).code).toBe('PROGRAM_FAILED');
    expect(result.metadata.attempts).toBe(3);
    expect(result.metadata.debugTrace?.attempts).toHaveLength(3);
    expect(model.requests()).toHaveLength(3);
    const none = await executorOf({ maxRetries: 0 }).execute({ program, inputs });
    expect(none.metadata.attempts).toBe(1);
  });

  it('repeat when the network fails', async () => {
    const server = createServer().listen(0, '127.0.0.1');
    await new Promise((resolve) => server.once('listening', resolve));
    const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/v1`;
    await new Promise((resolve) => server.close(resolve));
    const result = await executorOf().execute({ program, inputs, ai: model.service(url) });
    expect(failureOf(result).code).toBe('PROGRAM_FAILED');
    expect(result.metadata.attempts).toBe(2);
  });

  it.each([
    ['a refused request', { status: 400, message: 'bad' }],
    ['a refused key', { status: 401, message: 'who?' }],
    ['answers that stay invalid', 'nothing of use'],
  ])('do not repeat %s', async (_, reply) => {
    model.play([reply]);
    const result = await executorOf({ maxRetries: 3 }).execute({ program, inputs });
    expect(failureOf(result).code).toBe('PROGRAM_FAILED');
    expect(result.metadata.attempts).toBe(1);
  });

  it('end while they wait, when the caller aborts', async () => {
    model.play([{ status: 503, message: 'busy' }]);
    const controller = new AbortController();
    const execution = executorOf({ maxRetries: 9 }).execute({
      program,
      inputs,
      signal: controller.signal,
    });
    await expect.poll(() => model.requests().length).toBe(1);
    controller.abort();
    const result = await execution;
    expect(failureOf(result).code).toBe('ABORTED');
    expect(model.requests()).toHaveLength(1);
  });
});

describe('executeBatch', () => {
  it('keeps the order, runs at most maxWorkers at once, and one failure is one result', async () => {
    let running = 0;
    let most = 0;
    const program = {
      forward: async (_ai: unknown, values: { id: number }) => {
        most = Math.max(most, ++running);
        await sleep(10 - (values.id % 10));
        running--;
        if (values.id === 57) throw new Error('unlucky');
        return { id: values.id };
      },
    };
    const executor = executorOf({ maxWorkers: 5 });
    const inputsList = Array.from({ length: 100 }, (_, id) => ({ id }));
    const results = await executor.executeBatch({ program, inputsList });
    expect(most).toBe(5);
    expect(results).toHaveLength(100);
    results.forEach((result, id) => {
      if (id === 57) expect(failureOf(result).message).toBe('unlucky');
      else expect(result.outputs).toEqual({ id });
    });
    expect(executor.getExecutionStats()).toMatchObject({
      totalExecutions: 100,
      successes: 99,
      failures: 1,
      successRate: 0.99,
    });
  });

  it('shares its workers among batches, and does not stall in a batch within a batch', async () => {
    let running = 0;
    let most = 0;
    const executor = executorOf({ maxWorkers: 2, cacheEnabled: false });
    const leaf = {
      forward: async () => {
        most = Math.max(most, ++running);
        await sleep(5);
        running--;
        return {};
      },
    };
    await Promise.all(
      [1, 2].map(() => executor.executeBatch({ program: leaf, inputsList: [{}, {}, {}] })),
    );
    expect(most).toBe(2);
    const outer = {
      forward: async () => ({
        inner: await executor.executeBatch({ program: leaf, inputsList: [{}, {}] }),
      }),
    };
    const results = await executor.executeBatch({ program: outer, inputsList: [{}, {}, {}] });
    expect(results.every(({ success }) => success)).toBe(true);
  });

  it('takes an empty list, and refuses what is none', async () => {
    const executor = executorOf();
    expect(await executor.executeBatch({ program: 'DraftText', inputsList: [] })).toEqual([]);
    await expect(executor.executeBatch({ program: 'DraftText' } as never)).rejects.toThrow(
      'inputsList must be a list',
    );
    const missing = await executor.executeBatch({ modelId: 'none', inputsList: [{}, {}] });
    expect(missing.map((result) => result.error?.code)).toEqual([
      'MODEL_NOT_FOUND',
      'MODEL_NOT_FOUND',
    ]);
  });
});

describe('the executor', () => {
  it('counts', async () => {
    const executor = executorOf({ maxRetries: 0 });
    expect(executor.getExecutionStats()).toEqual({
      totalExecutions: 0,
      successes: 0,
      failures: 0,
      successRate: 0,
      averageExecutionTime: 0,
      p95ExecutionTime: 0,
      cacheHits: 0,
    });
    const program = {
      forward: async (_ai: unknown, values: { wait: number; id: number }) => {
        if (values.wait < 0) throw new Error('no');
        await sleep(values.wait);
        return {};
      },
    };
    const waits = [...Array<number>(18).fill(1), 200, 200, -1];
    for (const [id, wait] of waits.entries())
      await executor.execute({ program, inputs: { wait, id } });
    await executor.execute({ program, inputs: { wait: 1, id: 0 } });
    const stats = executor.getExecutionStats();
    expect(stats).toMatchObject({
      totalExecutions: 22,
      successes: 21,
      failures: 1,
      successRate: 21 / 22,
      cacheHits: 1,
    });
    expect(stats.p95ExecutionTime).toBeGreaterThanOrEqual(0.19);
    expect(stats.p95ExecutionTime).toBeLessThan(0.4);
    expect(stats.averageExecutionTime).toBeGreaterThan(0.015);
    expect(stats.averageExecutionTime).toBeLessThan(0.1);
  });

  it('shuts down: waits for what runs, and takes no more', async () => {
    const executor = executorOf();
    const program = { forward: () => sleep(50, { done: true }) };
    const running = executor.execute({ program, inputs: {} });
    let settled = false;
    void running.then(() => {
      settled = true;
    });
    await Promise.all([executor.shutdown(), executor.shutdown()]);
    expect(settled).toBe(true);
    expect(await running).toMatchObject({ success: true });
    expect(failureOf(await executor.execute({ program, inputs: {} })).code).toBe('SHUT_DOWN');
  });

  it('finishes a batch that it accepted, and counts nothing it refused', async () => {
    const executor = executorOf({ maxWorkers: 1 });
    const program = { forward: () => sleep(5, { done: true }) };
    const inputsList = [{ id: 1 }, { id: 2 }, { id: 3 }];
    const batch = executor.executeBatch({ program, inputsList } as never);
    await executor.shutdown();
    expect((await batch).map(({ success }) => success)).toEqual([true, true, true]);
    const refused = await executor.executeBatch({ program, inputsList } as never);
    expect(refused.map(({ error }) => error?.code)).toEqual(Array(3).fill('SHUT_DOWN'));
    expect(executor.getExecutionStats().totalExecutions).toBe(3);
  });

  it('is configured by options before the environment before defaults', async () => {
    const { resolveConfig } = await import('../src/executor/config.js');
    expect(resolveConfig({}, {})).toMatchObject({
      cacheEnabled: true,
      mlflowTracking: true,
      timeoutMs: 300_000,
      maxRetries: 1,
      maxWorkers: 4,
    });
    expect(resolveConfig({}, { MAX_WORKERS: ' 8 ' }).maxWorkers).toBe(8);
    expect(resolveConfig({ maxWorkers: 2 }, { MAX_WORKERS: '8' }).maxWorkers).toBe(2);
    const lines: string[] = [];
    const push = (message: string) => lines.push(message);
    const logger = { debug: push, info: push, warn: push, error: push };
    expect(resolveConfig({ logger }, { MAX_WORKERS: '1.5' }).maxWorkers).toBe(4);
    resolveConfig({ logger }, { PIPELINE_LOG_LEVEL: 'loud' });
    expect(lines).toEqual([
      '[dspy-pipeline] MAX_WORKERS=1.5 is ignored: it must be a whole number of at least 1',
      '[dspy-pipeline] PIPELINE_LOG_LEVEL=loud is ignored: it must be one of debug, info, warn, error, silent',
    ]);
    lines.length = 0;
    for (const [level, expected] of [
      ['WARNING', 2],
      ['info', 3],
      ['silent', 0],
      ['', 2],
    ] as const) {
      const { log } = resolveConfig({ logger }, { PIPELINE_LOG_LEVEL: level });
      for (const write of [log.debug, log.info, log.warn, log.error]) write('m');
      expect(lines.splice(0)).toHaveLength(expected);
    }
    expect(() =>
      executorOf({ timout: 5, maxRetries: -1, maxWorkers: 0.5 } as PipelineExecutorOptions),
    ).toThrow(
      /DspyPipelineExecutor: option maxRetries: .*option maxWorkers: .*option timout is unknown. Did you mean timeout\?/,
    );
  });

  it('logs what happens without what is in it', async () => {
    const lines: string[] = [];
    const push = (message: string) => lines.push(message);
    const logger = { debug: push, info: push, warn: push, error: push };
    const program = createProgram('DraftText', { ...ONCE, name: 'P' });
    model.play([{ status: 503, message: 'canary' }, 'Draft: canary']);
    const executor = executorOf({ logger, logLevel: 'debug' });
    await executor.execute({ program, inputs: { topic: 'canary', purpose: 'canary' } });
    await executor.execute({ program, inputs: { topic: 'canary' } as typeof inputs });
    expect(lines.map((line) => line.replace(/[\d.]+ s/, 'N s'))).toEqual([
      '[dspy-pipeline] P: attempt 1 failed and is repeated',
      '[dspy-pipeline] P (normal) took N s',
      '[dspy-pipeline] P failed (INVALID_INPUTS) after N s',
    ]);
    const broken = {
      ...logger,
      info: () => {
        throw new Error('logger');
      },
    };
    const odd = executorOf({ logger: broken, logLevel: 'debug' });
    expect(await odd.execute({ program, inputs: { topic: 'canary', purpose: 'p' } })).toMatchObject(
      { success: true },
    );
  });
});

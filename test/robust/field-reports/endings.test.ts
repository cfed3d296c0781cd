import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import * as ax from '@ax-llm/ax';
import type { ReadableSpan, SpanProcessor } from '@opentelemetry/sdk-trace-base';
import { afterAll, beforeAll, beforeEach, describe, expect, it, vi } from 'vitest';
import { isAnyUnderWay } from '../../../packages/instrumentation-dspy/src/execution/operation.js';
import { PROGRAMS } from '../programs/index.js';
import {
  ANSWER,
  type Answer,
  CALL,
  type Program,
  QUESTION,
  SIGNATURE,
  settle,
  tool,
  type World,
  worldOf,
} from '../programs/world.js';
import { type Servers, startServers } from '../support/servers.js';
import { useTracing } from './support/tracing.js';

setFlagsFromString('--expose-gc');
const gc = runInNewContext('gc') as () => void;

/** Counts starts and ends, in their order. */
class Order implements SpanProcessor {
  readonly started = new Map<string, string>();
  readonly ended: ReadableSpan[] = [];
  onStart(span: { name: string; spanContext(): { spanId: string } }): void {
    this.started.set(span.spanContext().spanId, span.name);
  }
  onEnd(span: ReadableSpan): void {
    this.ended.push(span);
  }
  async forceFlush(): Promise<void> {}
  async shutdown(): Promise<void> {}
  reset(): void {
    this.started.clear();
    this.ended.length = 0;
  }
  get open(): string[] {
    const ended = new Set(this.ended.map((span) => span.spanContext().spanId));
    return [...this.started].filter(([id]) => !ended.has(id)).map(([, name]) => name);
  }
  get twice(): string[] {
    const ids = this.ended.map((span) => span.spanContext().spanId);
    return ids.filter((id, index) => ids.indexOf(id) !== index);
  }
  /** Spans that ended before one below them, scores aside: what is scored is finished. */
  get early(): string[] {
    const at = new Map(this.ended.map((span, index) => [span.spanContext().spanId, index]));
    return this.ended
      .filter((span, index) => {
        const parent = at.get(span.parentSpanContext?.spanId ?? '');
        return parent !== undefined && parent < index && !span.name.startsWith('evaluate ');
      })
      .map(({ name }) => name);
  }
}

const order = new Order();
const traced = useTracing({}, { spanProcessors: [order] });
let servers: Servers;
let world: World;
beforeAll(async () => {
  servers = await startServers();
  world = worldOf(servers.urls, () => {});
});
afterAll(() => servers.stop());
beforeEach(() => order.reset());

async function run(program: Program): Promise<unknown> {
  try {
    return await program(world);
  } catch (error) {
    return error;
  }
}

const PIECES = ['Answer Text: ', 'four', ' and ', 'a half'];
const outcomes = () =>
  Object.fromEntries(
    order.ended.map(({ name, attributes }) => [name.split(' ')[0], attributes['dspy.outcome']]),
  );
const stream = (answers: readonly Answer[], options: object = {}) =>
  ax.ax(SIGNATURE).streamingForward(world.model(...answers), QUESTION, options);
async function read(values: AsyncIterable<unknown>, each: () => void = () => {}): Promise<void> {
  for await (const _ of values) each();
}

describe('every span that a program begins ends once, those below before those above', () => {
  // What ends the run of the tests by itself is tested in processes of their own.
  const names = Object.keys(PROGRAMS).filter((name) => !/nobody waits|that nobody/.test(name));

  it.each(names)('%s', async (name) => {
    await run(PROGRAMS[name] as Program);
    await settle();
    await vi.waitFor(
      () => {
        gc();
        expect(order.open).toEqual([]);
        expect(isAnyUnderWay()).toBe(false);
      },
      { timeout: 20_000, interval: 20 },
    );
    expect(order.twice).toEqual([]);
    if (!/at once|by turns/.test(name)) expect(order.early).toEqual([]);
  });
});

describe('an abort', () => {
  it('before the first piece of a stream ends the program as aborted', async () => {
    const controller = new AbortController();
    const aborting = () => {
      controller.abort(new Error('enough'));
      return { pieces: PIECES };
    };
    const values = stream([aborting], { abortSignal: controller.signal });
    await expect(read(values)).rejects.toThrow();
    expect(outcomes()).toMatchObject({ invoke_workflow: 'aborted' });
    expect(order.open).toEqual([]);
  });

  it('in the second of three attempts ends everything below as aborted as well', async () => {
    const controller = new AbortController();
    const aborting = () => {
      controller.abort(new Error('enough'));
      return ANSWER;
    };
    const inner = ax.ax('key:string -> score:number');
    const lookUp = tool(
      async (_: unknown, extra: { ai: ax.AxAIService; abortSignal?: AbortSignal }) =>
        inner.forward(extra.ai, { key: 'k' }, { abortSignal: controller.signal }),
    );
    const service = world.model(CALL, 'Score: many', aborting);
    await expect(
      ax
        .ax(SIGNATURE, { functions: [lookUp] })
        .forward(service, QUESTION, { abortSignal: controller.signal }),
    ).rejects.toThrow();
    expect(order.open).toEqual([]);
    expect(order.early).toEqual([]);
    const programs = order.ended.filter(({ name }) => name.startsWith('invoke_workflow'));
    expect(programs.map(({ attributes }) => attributes['dspy.outcome'])).toEqual([
      'aborted',
      'aborted',
    ]);
    expect(outcomes()).toMatchObject({ execute_tool: 'aborted' });
  });
});

describe('a stream', () => {
  it.each<[string, (values: AsyncGenerator<unknown>) => Promise<unknown>, string]>([
    ['is read to its end', (values) => read(values), 'completed'],
    [
      'is left by its consumer',
      async (values) => {
        await values.next();
        await values.return(undefined);
      },
      'early_exit',
    ],
    [
      'meets a throw of its consumer',
      (values) =>
        read(values, () => {
          throw new Error('consumer');
        }),
      'early_exit',
    ],
  ])('that %s is told from the others', async (_, consume, outcome) => {
    await consume(stream([{ pieces: PIECES }])).catch(() => undefined);
    expect(outcomes()).toEqual({ chat: outcome, invoke_workflow: outcome });
    expect(order.ended.map(({ status }) => status.code)).toEqual([0, 0]);
  });

  it('that breaks in its middle is an error, with what came before', async () => {
    const broken = [...PIECES.slice(0, 2), new Error('cut')];
    await expect(read(stream([{ pieces: broken }], { maxRetries: 1 }))).rejects.toThrow();
    expect(outcomes()).toEqual({ chat: 'error', invoke_workflow: 'error' });
    expect(order.ended.every(({ status }) => status.code === 2)).toBe(true);
    expect(traced.tracing.spans().at(-1)?.attributes['output.value']).toContain('four');
  });

  it('that stops for a tool which needs approval ends with the tool', async () => {
    const lookUp = tool(async () => 'found');
    const program = ax.ax(SIGNATURE, { functions: [lookUp] });
    await run(() =>
      program.forward(world.model(CALL, ANSWER), QUESTION, { stopFunction: 'lookUp' }),
    );
    expect(order.open).toEqual([]);
    expect(order.ended.map(({ name }) => name.split(' ')[0])).toContain('execute_tool');
  });
});

import { afterEach, describe, expect, it } from 'vitest';
import type { Operation } from '../../src/execution/operation.js';
import { tapStream } from '../../src/execution/readable.js';

const ended: string[] = [];
afterEach(() => ended.splice(0));

/** What the tap needs of an operation. */
function operation(): Operation {
  const fake = {
    ended: false,
    context: undefined,
    streaming: false,
    beforeEnd: undefined as (() => void) | undefined,
    end(outcome: string) {
      if (fake.ended) return;
      fake.beforeEnd?.();
      fake.ended = true;
      ended.push(outcome);
    },
    fail: () => fake.end('error'),
  };
  return fake as unknown as Operation;
}

const tap = { chunk() {}, collected() {} };

describe('tapStream', () => {
  it('reads nothing that the consumer does not read', async () => {
    let pulled = 0;
    const source = new ReadableStream<number>(
      { pull: (controller) => controller.enqueue(++pulled) },
      { highWaterMark: 0 },
    );
    const reader = tapStream(source, operation(), tap).getReader();
    await new Promise((resolve) => setImmediate(resolve));
    expect(pulled).toBe(0);
    expect(await reader.read()).toEqual({ done: false, value: 1 });
    await new Promise((resolve) => setImmediate(resolve));
    expect(pulled).toBe(1);
    await reader.cancel();
    expect(ended).toEqual(['early_exit']);
  });

  it('hands a cancellation with its reason to the source', async () => {
    const reasons: unknown[] = [];
    const source = new ReadableStream({ cancel: (reason) => void reasons.push(reason) });
    await tapStream(source, operation(), tap).cancel('enough');
    expect(reasons).toEqual(['enough']);
  });

  it('closes with the source, without another read', async () => {
    const source = new ReadableStream({
      start(controller) {
        controller.enqueue(1);
        controller.close();
      },
    });
    const reader = tapStream(source, operation(), tap).getReader();
    expect(await reader.read()).toEqual({ done: false, value: 1 });
    await reader.closed;
    expect(ended).toEqual(['completed']);
  });

  it('fails with the source while nobody reads', async () => {
    let fail: (error: Error) => void = () => {};
    const source = new ReadableStream({
      start(controller) {
        controller.enqueue(1);
        fail = (error) => controller.error(error);
      },
    });
    const reader = tapStream(source, operation(), tap).getReader();
    await reader.read();
    fail(new Error('net'));
    await expect(reader.closed).rejects.toThrow('net');
    expect(ended).toEqual(['error']);
  });

  it('leaves a stream of a class of its own to whoever knows it', () => {
    class Own extends ReadableStream<number> {
      readonly requestId = 'r1';
    }
    const source = new Own();
    expect(tapStream(source, operation(), tap)).toBe(source);
    expect(ended).toEqual(['completed']);
  });

  it('fails as the source fails', async () => {
    const failure = new Error('broken');
    const source = new ReadableStream({
      pull() {
        throw failure;
      },
    });
    const reader = tapStream(source, operation(), tap).getReader();
    await expect(reader.read()).rejects.toBe(failure);
    expect(ended).toEqual(['error']);
  });

  it('goes on when the tap throws', async () => {
    const source = new ReadableStream<number>({
      start(controller) {
        controller.enqueue(1);
        controller.close();
      },
    });
    const broken = {
      chunk() {
        throw new Error('tap');
      },
      collected() {},
    };
    const chunks: number[] = [];
    for await (const chunk of tapStream(source, operation(), broken)) chunks.push(chunk as number);
    expect(chunks).toEqual([1]);
    expect(ended).toEqual(['completed']);
  });
});

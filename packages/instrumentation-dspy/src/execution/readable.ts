import { type Orphan, unwatch, watch } from './abandoned.js';
import { endSafely, failSafely, type Operation } from './operation.js';
import { tell } from './result.js';
import { runIn } from './run-in.js';

/** Takes note of what passes through a stream. */
export interface Tap {
  /** A chunk was handed to the consumer. Must take what it needs now. */
  chunk(value: unknown): void;
  /** The stream ended, in whatever way: write what was collected. */
  collected(): void;
}

type ReadResult = Awaited<ReturnType<ReadableStreamDefaultReader<unknown>['read']>>;

/**
 * The stream with a tap on it. It reads from the source only when its consumer reads (no chunk is
 * buffered in between), and ends the operation when the source closes, fails, is cancelled, or when
 * nobody can read it any more.
 */
export function tapStream(
  source: ReadableStream<unknown>,
  operation: Operation,
  tap: Tap,
): ReadableStream<unknown> {
  // Taken by the first who reads: until then the source is as it was, should anything here fail.
  let taken: ReadableStreamDefaultReader<unknown> | undefined;
  const reader = () => {
    taken ??= source.getReader();
    return taken;
  };
  const orphan: Orphan = { orphan: () => operation.end('abandoned') };
  operation.streaming = true;
  operation.beforeEnd = () => {
    unwatch(orphan);
    tap.collected();
  };
  const read = (): Promise<ReadResult> =>
    runIn(operation.context, reader().read, reader(), []) as Promise<ReadResult>;
  const stream = new ReadableStream<unknown>(
    {
      async pull(controller) {
        let result: ReadResult;
        try {
          result = await read();
        } catch (error) {
          failSafely(operation, error);
          controller.error(error);
          return;
        }
        if (result.done) {
          endSafely(operation, 'completed');
          controller.close();
          return;
        }
        if (!operation.ended) tell(tap.chunk, result.value);
        controller.enqueue(result.value);
      },
      cancel(reason) {
        endSafely(operation, 'early_exit');
        return reader().cancel(reason);
      },
    },
    { highWaterMark: 0 },
  );
  watch(stream, orphan);
  return stream;
}

import { context } from '@opentelemetry/api';
import { diagnostics } from '../diagnostics.js';
import { type Orphan, unwatch, watch } from './abandoned.js';
import { endSafely, failSafely, type Operation } from './operation.js';
import { Place } from './place.js';
import { follow, tell } from './result.js';
import { runIn } from './run-in.js';

/** Takes note of what passes through a stream. */
export interface Tap {
  /** A chunk was handed to the consumer. Must take what it needs now. */
  chunk(value: unknown): void;
  /** The stream ended, in whatever way: write what was collected. */
  collected(): void;
}

/**
 * The stream with a tap on it. It reads from the source only when its consumer reads (no chunk is
 * buffered in between), closes and fails when the source does, and ends the operation when the source
 * closes, fails, is cancelled, or when nobody can read it any more.
 *
 * A stream with a class or properties of its own is handed on as it is, for whoever knows them: what
 * passes through it is not seen, and the operation ends.
 */
export function tapStream(
  source: ReadableStream<unknown>,
  operation: Operation,
  tap: Tap,
): ReadableStream<unknown> {
  if (!isPlainStream(source)) {
    diagnostics.debug('a stream of a class of its own was returned; its call ends here');
    tap.collected();
    operation.end('completed');
    return source;
  }
  const orphan: Orphan = { orphan: () => operation.end('abandoned') };
  operation.streaming = true;
  operation.beforeEnd = () => {
    unwatch(orphan);
    tap.collected();
  };
  const stream = new ReadableStream(new TappedSource(source, operation, tap), { highWaterMark: 0 });
  watch(stream, orphan);
  return stream;
}

/** Streams that Node makes of others have their `constructor` on themselves. */
function isPlainStream(stream: object): boolean {
  return (
    stream.constructor === ReadableStream &&
    Object.keys(stream).every((name) => name === 'constructor')
  );
}

type Reader = ReadableStreamDefaultReader<unknown>;
type ReadResult = Awaited<ReturnType<Reader['read']>>;

/** What the stream reads from: an underlying source, as the Streams Standard calls it. */
class TappedSource {
  readonly #place: Place;
  #controller: ReadableStreamDefaultController<unknown> | undefined;
  /** Taken by the first who reads: until then the source is as it was, should anything here fail. */
  #reader: Reader | undefined;
  /** A chunk is on its way. */
  #reading = false;
  #closing = false;
  /** The source has failed with this while a chunk was on its way, which goes first. */
  #failure: { readonly error: unknown } | undefined;
  #over = false;

  constructor(
    private readonly source: ReadableStream<unknown>,
    private readonly operation: Operation,
    private readonly tap: Tap,
  ) {
    this.#place = new Place(context.active(), operation.context);
  }

  start(controller: ReadableStreamDefaultController<unknown>): void {
    this.#controller = controller;
  }

  async pull(): Promise<void> {
    this.#reading = true;
    let here = this.operation.context;
    try {
      here = this.#place.now();
    } catch (fault) {
      diagnostics.fault('readable', fault);
    }
    let result: ReadResult;
    try {
      const reader = this.#take();
      result = (await runIn(here, reader.read, reader, [])) as ReadResult;
    } catch (error) {
      this.#fail(error);
      return;
    } finally {
      this.#reading = false;
    }
    if (this.#over) return;
    if (result.done) {
      this.#close();
      return;
    }
    if (!this.operation.ended) tell(this.tap.chunk, result.value);
    this.#controller?.enqueue(result.value);
    if (this.#failure !== undefined) this.#fail(this.#failure.error);
    else if (this.#closing) this.#close();
  }

  cancel(reason: unknown): Promise<void> {
    this.#over = true;
    endSafely(this.operation, 'early_exit');
    return this.#take().cancel(reason);
  }

  #take(): Reader {
    if (this.#reader === undefined) {
      this.#reader = this.source.getReader();
      // Whoever waits for the end of the stream need not read again to learn of it.
      tell(({ closed }) => follow(closed, this.#closed, this.#failed), this.#reader);
    }
    return this.#reader;
  }

  readonly #closed = (): void => {
    if (this.#reading) this.#closing = true;
    else this.#close();
  };

  readonly #failed = (error: unknown): void => {
    if (this.#reading) this.#failure = { error };
    else this.#fail(error);
  };

  #close(): void {
    if (this.#over) return;
    this.#over = true;
    endSafely(this.operation, 'completed');
    this.#controller?.close();
  }

  #fail(error: unknown): void {
    if (this.#over) return;
    this.#over = true;
    failSafely(this.operation, error);
    this.#controller?.error(error);
  }
}

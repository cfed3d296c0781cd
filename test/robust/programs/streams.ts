import { inspect, types } from 'node:util';
import {
  ANSWER,
  CALL,
  mockModel,
  type Programs,
  QUESTION,
  SIGNATURE,
  tool,
  type World,
} from './world.js';

const PIECES = ['Answer Text: ', 'four', ' and ', 'a half', ' or so'];

type Stream = AsyncGenerator<{ delta: object }, unknown, unknown>;

function open({ ax, model }: World, pieces: readonly unknown[] = PIECES): Stream {
  return ax.ax(SIGNATURE).streamingForward(model({ pieces }), QUESTION) as unknown as Stream;
}

/** Reads so many values by hand, then ends the stream in that way. */
function reading(depth: number, end: 'return' | 'throw' | 'nothing'): Programs[string] {
  return async (world) => {
    const stream = open(world);
    for (let read = 0; read < depth; read++) world.note('read', await stream.next());
    if (end === 'return') world.note('returned', await stream.return('enough'));
    if (end === 'throw') {
      const thrown = new Error('mine');
      await stream.throw(thrown).then(
        (result) => world.note('threw and went on', result),
        (error: unknown) => world.note('threw', [error === thrown, error]),
      );
    }
    if (end !== 'nothing') world.note('after the end', await stream.next());
  };
}

const depths = Object.fromEntries(
  [0, 1, 2, 3, 5, 9].flatMap((depth) =>
    (['return', 'throw', 'nothing'] as const).map((end) => [
      `read ${depth} deep, then ${end}`,
      reading(depth, end),
    ]),
  ),
) satisfies Programs;

const breaks = Object.fromEntries(
  [1, 2, 4].flatMap((depth) => [
    [
      `left after ${depth} by break`,
      async (world: World) => {
        let read = 0;
        for await (const value of open(world)) {
          world.note('read', value);
          if (++read === depth) break;
        }
        world.note('left');
      },
    ],
    [
      `left after ${depth} by a throw`,
      async (world: World) => {
        let read = 0;
        for await (const value of open(world)) {
          world.note('read', value);
          if (++read === depth) throw new Error('consumer');
        }
      },
    ],
  ]),
) satisfies Programs;

export const streams: Programs = {
  'read to its end': async (world) => {
    for await (const value of open(world)) world.note('read', value);
  },
  'read by forward': ({ ax, model }) =>
    ax.ax(SIGNATURE).forward(model({ pieces: PIECES }), QUESTION, { stream: true }),
  'what a stream is': async (world) => {
    const stream = open(world);
    world.note('stream', {
      text: String(stream),
      shown: inspect(stream),
      keys: Reflect.ownKeys(stream),
      itself: stream[Symbol.asyncIterator]() === stream,
      json: JSON.stringify(stream),
      isPromise: types.isPromise(stream),
      next: typeof stream.next,
      methods: [stream.next.length, stream.return.length, stream.throw.length],
    });
    const pending = stream.next();
    world.note('step', [types.isPromise(pending), pending.constructor === Promise]);
    await pending;
    await stream.return(undefined);
  },
  'read by several at once': async (world) => {
    const stream = open(world);
    const steps = Array.from({ length: 9 }, (_, index) =>
      stream.next().then((result) => {
        world.note('read', [index, result]);
        return result.done;
      }),
    );
    return Promise.all(steps);
  },
  'returned while a step is under way': async (world) => {
    const stream = open(world);
    const [step, end] = await Promise.all([stream.next(), stream.return('now')]);
    return [step, end];
  },
  'a value of the consumer to return': async (world) => {
    const stream = open(world);
    return stream.return(Promise.resolve('resolved') as never);
  },
  'opened and left alone': (world) => {
    open(world);
  },
  'a stream that breaks': async (world) => {
    for await (const value of open(world, [...PIECES.slice(0, 2), new Error('cut')])) {
      world.note('read', value);
    }
  },
  'a stream that breaks with no error': async (world) => {
    for await (const value of open(world, [...PIECES.slice(0, 2), { no: 'error' }])) {
      world.note('read', value);
    }
  },
  'a stream that breaks and nobody waits': (world) => {
    void open(world, [new Error('cut')]).next();
  },
  'a consumer that changes what it reads': async (world) => {
    for await (const value of open(world)) {
      (value.delta as Record<string, unknown>).answerText = 'changed';
      world.note('read', value);
    }
  },
  'an answer that is corrected on the way': async ({ ax, model, note }) => {
    const stream = ax
      .ax('questionText:string -> score:number')
      .streamingForward(
        model({ pieces: ['Score: ', 'many'] }, { pieces: ['Score: ', '4'] }),
        QUESTION,
      );
    for await (const value of stream) note('read', value);
  },
  'a tool on the way': async ({ ax, model, note }) => {
    const stream = ax
      .ax(SIGNATURE, {
        functions: [
          tool(() => {
            note('tool');
            return 'found';
          }),
        ],
      })
      .streamingForward(model(CALL, { pieces: PIECES }), QUESTION);
    for await (const value of stream) note('read', value);
  },
  'a model that fails': async ({ ax, model, note }) => {
    const stream = ax.ax(SIGNATURE).streamingForward(model({ throws: new Error('no') }), QUESTION);
    for await (const value of stream) note('read', value);
  },
  'inputs that are missing': async ({ ax, model, note }) => {
    const stream = ax.ax(SIGNATURE).streamingForward(model(ANSWER), {} as never);
    for await (const value of stream) note('read', value);
  },
  'aborted before the first value': async ({ ax, model, note }) => {
    const abortSignal = AbortSignal.abort(new Error('never'));
    const stream = ax
      .ax(SIGNATURE)
      .streamingForward(model({ pieces: PIECES }), QUESTION, { abortSignal });
    for await (const value of stream) note('read', value);
  },
  'aborted between two values': async ({ ax, model, note }) => {
    const controller = new AbortController();
    const stream = ax
      .ax(SIGNATURE)
      .streamingForward(model({ pieces: PIECES }), QUESTION, { abortSignal: controller.signal });
    for await (const value of stream) {
      note('read', value);
      controller.abort(new Error('enough'));
    }
  },
  'aborted after the end': async ({ ax, model, note }) => {
    const controller = new AbortController();
    const stream = ax
      .ax(SIGNATURE)
      .streamingForward(model({ pieces: PIECES }), QUESTION, { abortSignal: controller.signal });
    for await (const value of stream) note('read', value);
    controller.abort();
  },
  'two at once, read by turns': async (world) => {
    const [one, two] = [open(world), open(world)];
    for (let step = 0; step < 4; step++) {
      world.note('one', await one.next());
      world.note('two', await two.next());
    }
    await Promise.all([one.return(undefined), two.return(undefined)]);
  },
  'handed on by a generator of the program': async (world) => {
    async function* relay() {
      yield* open(world);
    }
    for await (const value of relay()) world.note('read', value);
  },
  "a model's own stream, read by hand": async ({ model, note }) => {
    const service = model({ pieces: PIECES });
    const stream = await service.chat({ chatPrompt: [{ role: 'user', content: 'q' }] } as never);
    note('stream', [stream instanceof ReadableStream, (stream as ReadableStream).locked]);
    const reader = (stream as ReadableStream).getReader();
    note('first', await reader.read());
    await reader.cancel('enough');
    return reader.read();
  },
  "a model's own stream, in two": async ({ note }) => {
    // What is read ahead for the other half shows in the order of pulls: here only their number counts.
    let pulls = 0;
    const service = mockModel(
      (what, value) => (what === 'stream pulled' ? pulls++ : note(what, value)),
      [{ pieces: PIECES }],
    );
    const stream = await service.chat({ chatPrompt: [{ role: 'user', content: 'q' }] } as never);
    const [left, right] = (stream as ReadableStream).tee();
    for await (const value of left) note('left', value);
    for await (const value of right) note('right', value);
    note('pulls', pulls);
  },
  "a model's own stream, never read": async ({ model }) => {
    await model({ pieces: PIECES }).chat({ chatPrompt: [{ role: 'user', content: 'q' }] } as never);
  },
  ...depths,
  ...breaks,
};

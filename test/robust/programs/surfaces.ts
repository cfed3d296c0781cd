import { traceCall, traced, withTraceContext } from '@hokusai/instrumentation-dspy';
import { LocalMcp } from '../../../packages/instrumentation-dspy/test/support/mcp.js';
import { runSession } from './session.js';
import { ANSWER, CALL, type Programs, QUESTION, SIGNATURE, tool, type World } from './world.js';

async function connected({ ax }: World) {
  const client = new ax.AxMCPClient(new LocalMcp() as never, {});
  await client.init();
  return client;
}

const EXAMPLES = [
  { questionText: 'one plus one?', answerText: 'two' },
  { questionText: 'two plus two?', answerText: 'four' },
];

/** Where Ax shuffles. */
const ONE = EXAMPLES.slice(1);

/** Values of every kind, as inputs that Ax takes but no prompt shows. */
function oddInputs(): object {
  const cycle: Record<string, unknown> = { name: 'cycle' };
  cycle.self = cycle;
  return {
    questionText:
      'data:image/png;base64,iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk',
    cycle,
    map: new Map([[{ k: 1 }, 2]]),
    set: new Set([1n, Number.NaN, Symbol('q')]),
    date: new Date(0),
    bad: new Date(Number.NaN),
    bytes: new Uint8Array(64),
    buffer: Buffer.from('x'),
    array: new ArrayBuffer(8),
    view: new DataView(new ArrayBuffer(8)),
    url: new URL('http://user:password@host/x?key=1'),
    headers: new Headers({ authorization: 'Bearer z' }),
    search: new URLSearchParams('a=1'),
    blob: new Blob(['x']),
    file: new File(['x'], 'name.txt'),
    error: new AggregateError([new Error('one')], 'many', { cause: cycle }),
    expression: /x/g,
    boxed: [Object('s'), Object(1), Object(true), Object(1n), Object(Symbol('b'))],
    weak: [new WeakMap(), new WeakSet()],
    json: { toJSON: () => ({ from: 'toJSON' }) },
    throwing: {
      get x() {
        throw new Error('x');
      },
    },
    proxies: new Proxy({ a: 1 }, {}),
    emitter: { on() {}, emit() {} },
    huge: 10n ** 2000n,
    long: `${'a'.repeat(100_000)}\ud83d`,
    deep: Array.from({ length: 100 }).reduce((inner) => ({ inner }), {}),
    many: Object.fromEntries(Array.from({ length: 5_000 }, (_, key) => [`key${key}`, key])),
    text: '{"apiKey":"sk-abc","keywords":["x"]}',
    apiKey: 'sk-secret',
    promise: Promise.resolve(1),
    generator: (function* () {})(),
    instance: new (class Named {
      value = 1;
      #hidden = 2;
      method() {
        return this.#hidden;
      }
    })(),
  };
}

export const surfaces: Programs = {
  'inputs of every kind': ({ ax, model }) =>
    ax.ax(SIGNATURE).forward(model(ANSWER), oddInputs() as never),
  'outputs of every kind, of a class': async ({ ax, model }) => {
    class Odd extends ax.AxProgram<never, never> {
      async forward() {
        return oddInputs();
      }
    }
    const program = ax
      .flow<{ questionText: string }>()
      .node('odd', new Odd(SIGNATURE) as never)
      .execute('odd', (({ questionText }: { questionText: string }) => ({
        questionText,
      })) as never);
    const result = (await program.forward(model(ANSWER), QUESTION)) as Record<string, object>;
    return Object.keys(result.oddResult ?? {});
  },
  'images and audio': ({ ax, model }) =>
    ax
      .ax('photo:image, voice:audio, questionText:string -> answerText:string')
      .forward(model(ANSWER), {
        photo: { mimeType: 'image/png', data: 'iVBORw0KGgo='.repeat(20) },
        voice: { format: 'wav', data: 'UklGRg=='.repeat(20) },
        ...QUESTION,
      } as never),
  'within a context': ({ ax, model }) =>
    withTraceContext(
      {
        sessionId: 's-1',
        userId: 'u-1',
        tags: { team: 'x' },
        metadata: { version: 2, apiKey: 'sk-x' },
        runId: 'r',
        experimentName: 'e',
        clientRequestId: 'c',
      },
      () => ax.ax(SIGNATURE).forward(model(ANSWER), QUESTION),
    ),
  'within a context that holds nonsense': ({ ax, model }) =>
    withTraceContext({ sessionId: 7, tags: null, unknown: 1 } as never, () =>
      ax.ax(SIGNATURE).forward(model(ANSWER), QUESTION),
    ),
  'a throw within a context': () =>
    withTraceContext({ sessionId: 's-1' }, () => {
      throw new RangeError('own');
    }),
  'with metadata': ({ ax, model }) =>
    traced(ax.ax(SIGNATURE))
      .setMetadata({ userId: 'u-1', sessionId: 's-1', version: 'v2' })
      .forward(model(ANSWER), QUESTION),
  'a plain object with metadata': ({ note }) => {
    const program = traced({
      forward(values: object) {
        note('forward', values);
        return { answerText: 'plain' };
      },
      async *streamingForward(values: object) {
        note('stream', values);
        yield { delta: { answerText: 'a' } };
        yield { delta: { answerText: 'b' } };
      },
    });
    return program.forward(QUESTION);
  },
  'a stream of a plain object with an iterator of its own': async ({ note }) => {
    let step = 0;
    const iterator = {
      async next() {
        step++;
        return step > 3
          ? { done: true, value: undefined }
          : { done: false, value: { delta: { answerText: 'x' } } };
      },
      async return(value: unknown) {
        note('returned');
        return { done: true, value };
      },
      cancel: () => 'cancelled',
      [Symbol.asyncIterator]() {
        return this;
      },
    };
    const given = traced({ forward: () => 1, streamingForward: () => Object.freeze(iterator) });
    const stream = given.streamingForward() as typeof iterator;
    note('extra', [stream.cancel(), stream[Symbol.asyncIterator]() === stream]);
    for await (const value of stream as AsyncIterable<unknown>) {
      note('read', value);
      if (step === 2) break;
    }
  },
  'a call of its own': ({ ax, model }) =>
    traceCall({ name: 'Own', type: 'executor', inputs: QUESTION, version: '1' }, async (span) => {
      span.setAttributes({ 'dspy.executor.mode': 'normal' });
      span.attemptFailed(1, new Error('first'));
      return ax.ax(SIGNATURE).forward(model(ANSWER), QUESTION);
    }),
  'a call of its own that fails': () =>
    traceCall({ name: 'Own', type: 'executor' }, () => Promise.reject(new Error('own'))),
  'tools over MCP': async (world) => {
    const client = await connected(world);
    const [lookup] = client.toFunction().filter(({ name }) => /add$/i.test(name));
    return lookup?.func?.({ a: 1, b: 2 });
  },
  'a program with tools over MCP': async (world) => {
    const { ax, model } = world;
    const client = await connected(world);
    const [add] = client.toFunction().filter(({ name }) => /add$/i.test(name));
    return ax
      .ax(SIGNATURE, { functions: [add as never] })
      .forward(
        model({ calls: [{ name: add?.name ?? '', args: { a: 1, b: 2 } }] }, ANSWER),
        QUESTION,
      );
  },
  'all that MCP has': async (world) => {
    const client = (await connected(world)) as never as Record<
      string,
      (...args: unknown[]) => Promise<unknown>
    >;
    for (const [method, ...args] of [
      ['listTools'],
      ['readResource', 'file:///a.txt'],
      ['getPrompt', 'greet', { who: 'me' }],
      ['callTool', 'break', {}],
      ['callTool', 'nobody', {}],
    ] as [string, ...unknown[]][]) {
      await client[method]?.(...args).then(
        (value) => world.note(method, value),
        (error: unknown) => world.note(`${method} failed`, error),
      );
    }
  },
  'a search': ({ ax, model, note }) =>
    new ax.AxEmbeddingAdapter({
      ai: model() as never,
      info: { name: 'searchDocs', description: 'searches', argumentDescription: 'what for' },
      func: async (embedding) => {
        note('searched', embedding);
        return [
          { id: 'd1', text: 'the first', score: 0.9, metadata: { page: 1 } },
          'plain',
        ] as never;
      },
    })
      .toFunction()
      .func?.({ text: 'needle' }),
  speech: async ({ model }) => [
    await model().transcribe?.({ audio: { data: 'UklGRg==', format: 'wav' }, model: 'w' } as never),
    await model().speak?.({ text: 'hello', voice: 'alloy', format: 'mp3' } as never),
  ],
  'a session': ({ ax, note }) => runSession(ax, 'q', '4', (type) => note('event', type)),
  'an evaluation': async ({ ax, model, note }) => {
    const test = new ax.AxTestPrompt({
      ai: model(ANSWER) as never,
      program: ax.ax(SIGNATURE) as never,
      examples: EXAMPLES as never,
    });
    return test.run((({ prediction, example }: Record<string, { answerText: string }>) => {
      note('scored', [prediction, example]);
      return prediction?.answerText === example?.answerText ? 1 : 0;
    }) as never);
  },
  'an evaluation whose metric fails': async ({ ax, model }) => {
    const test = new ax.AxTestPrompt({
      ai: model(ANSWER) as never,
      program: ax.ax(SIGNATURE) as never,
      examples: EXAMPLES as never,
    });
    return test.run((() => {
      throw new TypeError('metric');
    }) as never);
  },
  'a compile': async ({ ax, model, note }) => {
    const optimizer = new ax.AxBootstrapFewShot({
      studentAI: model(ANSWER) as never,
      examples: ONE as never,
      options: { maxRounds: 1 },
      verbose: false,
    } as never);
    const metric = ({ prediction, example }: Record<string, { answerText: string }>) => {
      note('scored', [prediction, example]);
      return prediction?.answerText === example?.answerText ? 1 : 0;
    };
    const { demos, bestScore } = (await optimizer.compile(
      ax.ax(SIGNATURE) as never,
      ONE as never,
      metric as never,
    )) as { demos: unknown; bestScore: unknown };
    return { demos, bestScore };
  },
  'a balancer that streams': async ({ ax, model, note }) => {
    const balancer = ax.AxBalancer.create([model({ pieces: ['Answer Text: ', 'four'] })] as never, {
      debug: false,
    });
    const stream = ax.ax(SIGNATURE).streamingForward(balancer as never, QUESTION);
    for await (const value of stream) note('read', value);
  },
  'a router by what it can': async ({ ax, model }) => {
    const router = new ax.AxProviderRouter({
      providers: { primary: model(ANSWER), alternatives: [] },
      routing: { preferenceOrder: [], capability: {} },
      processing: {},
    } as never);
    return router.chat({ chatPrompt: [{ role: 'user', content: 'q' }] } as never);
  },
  'embeddings through a balancer': async ({ ax, model }) =>
    ax.AxBalancer.create([model()] as never, { debug: false }).embed({ texts: ['a'] } as never),
  'options of every kind': ({ ax, model }) =>
    ax.ax(SIGNATURE).forward(model(ANSWER), QUESTION, {
      showThoughts: true,
      thinkingTokenBudget: 'low',
      sessionId: 's-1',
      usageContext: { userId: 'u-1' },
    } as never),
  'a conversation': ({ model }) =>
    model(ANSWER).chat({
      chatPrompt: [
        { role: 'system', content: 's' },
        {
          role: 'user',
          content: [
            { type: 'text', text: 'q' },
            { type: 'image', mimeType: 'image/png', image: 'iVBORw0KGgo=' },
          ],
        },
        {
          role: 'assistant',
          content: 'a',
          functionCalls: [
            { id: 'c', type: 'function', function: { name: 'f', params: '{"a":1}' } },
          ],
        },
        { role: 'function', functionId: 'c', result: 'r' },
      ],
      functions: Array.from({ length: 12 }, (_, index) => ({
        ...tool(() => 1),
        name: `f${index}`,
      })),
      modelConfig: { temperature: 0.5, maxTokens: 5, stopSequences: ['x'] },
      responseFormat: { type: 'json_object' },
    } as never),
  'a tool in a program in a tool': ({ ax, model }) => {
    const inner = ax.ax('key:string -> found:string', { functions: [tool(() => 'deep')] });
    const func = async ({ key }: { key: string }, extra: { ai: never }) =>
      (await inner.forward(extra.ai, { key })).found;
    return ax
      .ax(SIGNATURE, { functions: [tool(func)] })
      .forward(model(CALL, CALL, 'Found: it', ANSWER), QUESTION);
  },
};

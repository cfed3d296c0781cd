import {
  ANSWER,
  type Answer,
  CALL,
  type Programs,
  QUESTION,
  SIGNATURE,
  tool,
  type World,
} from './world.js';

/** A service of the program's own making: nothing of Ax but the interface. */
function plain({ chat, model }: World, ...answers: Answer[]) {
  const like = model(...answers);
  return {
    chat: chat(...answers),
    getName: () => 'own',
    getId: () => 'own-1',
    getFeatures: () => like.getFeatures(),
    getModelList: () => undefined,
    getMetrics: () => like.getMetrics(),
    getLogger: () => like.getLogger(),
    getLastUsedChatModel: () => 'own-model',
    getLastUsedEmbedModel: () => undefined,
    getLastUsedModelConfig: () => undefined,
    getEstimatedCost: () => 0,
    setOptions() {},
    getOptions: () => like.getOptions(),
  };
}

const ask = ({ ax }: World, service: unknown, options?: object) =>
  ax.ax(SIGNATURE).forward(service as never, QUESTION, options as never);

/** Uses the service that a tool is handed for a program of its own, and notes whether it is the caller's. */
function askInTool(world: World, service: unknown) {
  const inner = world.ax.ax('key:string -> found:string');
  const func = async ({ key }: { key: string }, extra: { ai: never }) => {
    world.note('the caller’s service', extra.ai === service);
    return (await inner.forward(extra.ai, { key })).found;
  };
  return world.ax.ax(SIGNATURE, { functions: [tool(func)] }).forward(service as never, QUESTION);
}

export const services: Programs = {
  'a plain object': (world) => ask(world, plain(world, ANSWER)),
  'a frozen object': (world) => ask(world, Object.freeze(plain(world, ANSWER))),
  'an object with a chat that cannot be changed': (world) =>
    ask(
      world,
      Object.defineProperty(plain(world, ANSWER), 'chat', {
        value: world.chat(ANSWER),
        writable: false,
        configurable: false,
      }),
    ),
  'a proxy': (world) => ask(world, new Proxy(plain(world, ANSWER), {})),
  'a class with private state': async (world) => {
    const base = plain(world, ANSWER);
    class Service {
      #calls = 0;
      constructor() {
        const { chat: _, ...rest } = base;
        Object.assign(this, rest);
      }
      chat(request: never) {
        this.#calls++;
        return base.chat(request);
      }
      get calls() {
        return this.#calls;
      }
    }
    const service = new Service();
    return [await ask(world, service), service.calls];
  },
  'a class derived from one of Ax': async (world) => {
    const { ax, note } = world;
    class Service extends ax.AxMockAIService<string> {
      override chat(...args: Parameters<InstanceType<typeof ax.AxMockAIService>['chat']>) {
        note('own chat');
        return super.chat(...args);
      }
    }
    return ask(
      world,
      new Service({ features: { functions: true }, chatResponse: world.chat(ANSWER) as never }),
    );
  },
  'one that keeps state on itself': async (world) => {
    const service = {
      ...plain(world, ANSWER),
      calls: 0,
      chat(this: { calls: number }, request: never) {
        this.calls++;
        return world.chat(ANSWER)(request);
      },
    };
    return [await ask(world, service), service.calls, Object.keys(service)];
  },
  'one that answers without a promise': (world) => {
    const chat = () => ({ results: [{ index: 0, content: ANSWER, finishReason: 'stop' }] });
    return ask(world, { ...plain(world, ANSWER), chat });
  },
  'one that answers with a thenable': (world) => {
    const { chat } = plain(world, ANSWER);
    return ask(world, {
      ...plain(world, ANSWER),
      chat: (request: never) => ({
        // biome-ignore lint/suspicious/noThenProperty: a thenable is what is tested
        then(resolve: (value: unknown) => void, reject: (error: unknown) => void) {
          world.note('asked');
          chat(request).then(resolve, reject);
        },
      }),
    });
  },
  'one that throws at once': (world) =>
    ask(world, {
      ...plain(world, ANSWER),
      chat() {
        throw new TypeError('at once');
      },
    }),
  'one that answers with nonsense': (world) =>
    ask(world, { ...plain(world, ANSWER), chat: async () => ({ results: 'none' }) }),
  'one that answers with a stream': (world) =>
    ask(world, plain(world, { pieces: ['Answer Text: ', 'four'] })),
  'one that says nothing of itself': (world) => {
    const { chat, getFeatures, getOptions, getLogger } = plain(world, ANSWER);
    return ask(world, { chat, getFeatures, getOptions, getLogger });
  },
  'one whose getters throw': (world) =>
    ask(
      world,
      Object.defineProperties(plain(world, ANSWER), {
        apiURL: {
          get() {
            throw new Error('no URL');
          },
        },
        tracer: {
          get() {
            throw new Error('no tracer');
          },
        },
      }),
    ),
  'one that a tool hands on': (world) => askInTool(world, plain(world, CALL, 'Found: it', ANSWER)),
  'a mock that a tool hands on': (world) =>
    askInTool(world, world.model(CALL, 'Found: it', ANSWER)),
  'many at once': (world) => {
    const service = plain(world, ANSWER);
    return Promise.all([ask(world, service), ask(world, service), ask(world, service)]);
  },

  'a balancer whose first service fails': (world) => {
    const { ax, model } = world;
    const failing = model({ throws: new Error('down') });
    return ask(world, ax.AxBalancer.create([failing, model(ANSWER)] as never, { debug: false }));
  },
  'a balancer all of whose services fail': (world) => {
    const { ax, model } = world;
    const down = () => model({ throws: new Error('down') });
    return ask(
      world,
      ax.AxBalancer.create([down(), down()] as never, { debug: false, maxRetries: 1 }),
    );
  },
  'a balancer over HTTP': (world) => {
    const { ax, openai } = world;
    const list = [openai({ model: 'overloaded' }), openai()];
    return ask(
      world,
      ax.AxBalancer.create(list as never, { debug: false, initialBackoffMs: 1, maxBackoffMs: 2 }),
    );
  },
  'a router by key': (world) => {
    const { ax, openai } = world;
    const router = ax.AxMultiServiceRouter.create([
      { key: 'fast', service: openai() as never, description: 'fast' },
    ] as never);
    return ask(world, router, { model: 'fast' });
  },
  'a router without that key': (world) => {
    const { ax, openai } = world;
    const router = ax.AxMultiServiceRouter.create([
      { key: 'fast', service: openai() as never, description: 'fast' },
    ] as never);
    return ask(world, router, { model: 'slow' });
  },
  embeddings: ({ model }) => model().embed({ texts: ['a', 'b'] } as never),
  'embeddings over HTTP': ({ openai }) =>
    openai().embed({ texts: ['a'], embedModel: 'text-embedding-3-small' } as never),
  'a call of the model itself': ({ model }) =>
    model(ANSWER).chat({ chatPrompt: [{ role: 'user', content: 'q' }] } as never),
  'a call of the model itself that is refused': ({ model }) =>
    model(ANSWER).chat(undefined as never),
  'over HTTP': (world) => ask(world, world.openai()),
  'over HTTP, streamed': async (world) => {
    const { ax, openai, note } = world;
    const stream = ax.ax(SIGNATURE).streamingForward(openai({ stream: true }) as never, QUESTION);
    for await (const value of stream) note('read', value);
  },
  'over HTTP, streamed and left': async (world) => {
    const { ax, openai, note } = world;
    const stream = ax.ax(SIGNATURE).streamingForward(openai({ stream: true }) as never, QUESTION);
    for await (const value of stream) {
      note('read', value);
      break;
    }
  },
  'over HTTP, aborted': async (world) => {
    const { ax, openai } = world;
    const controller = new AbortController();
    const running = ax
      .ax(SIGNATURE)
      .forward(openai({ model: 'silent' }) as never, QUESTION, { abortSignal: controller.signal });
    setTimeout(() => controller.abort(new Error('enough')), 20);
    return running;
  },
  'over HTTP, refused with 400': (world) => ask(world, world.openai({ model: 'refused' })),
  'over HTTP, the wrong key': (world) => ask(world, world.openai({ model: 'unauthorized' })),
  'what a service says of itself afterwards': async (world) => {
    const service = world.openai();
    await ask(world, service);
    return [service.getLastUsedChatModel(), service.getLastUsedModelConfig(), service.getOptions()];
  },
};

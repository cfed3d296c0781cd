import { thrownValues } from './generators.js';
import {
  ANSWER,
  CALL,
  type Program,
  type Programs,
  QUESTION,
  SIGNATURE,
  settle,
  tool,
} from './world.js';

/** Runs a generator whose model calls the tool once, and notes what the tool's caller got. */
function using(func: unknown, more: object = {}): Program {
  return ({ ax, model, note }) =>
    ax.ax(SIGNATURE, { functions: [tool(func, more)] }).forward(model(CALL, ANSWER), QUESTION, {
      onFunctionCall: ({ fn, args, result, ok }) => note('called', { fn, args, result, ok }),
    });
}

/** A promise as clients of providers return it: with methods of its own. */
class ResponsePromise<T> extends Promise<T> {
  asResponse(): string {
    return 'raw';
  }
}

const values: Readonly<Record<string, () => unknown>> = {
  nothing: () => undefined,
  null: () => null,
  'a number': () => 42,
  text: () => 'found',
  'a bigint': () => 9007199254740993n,
  'a frozen object': () => Object.freeze({ found: Object.freeze(['x']) }),
  'a map': () => new Map([['a', 1]]),
  'an object with methods': () => ({ value: 1, refresh: () => 2 }),
  'an object without prototype': () => Object.assign(Object.create(null), { a: 1 }),
  'a cycle': () => {
    const cycle: Record<string, unknown> = {};
    cycle.self = cycle;
    return cycle;
  },
  'a generator that has not run': () =>
    (function* () {
      yield 1;
    })(),
  'a proxy': () => new Proxy({ a: 1 }, {}),
  bytes: () => new Uint8Array([1, 2, 3]),
  'an error that is not thrown': () => new Error('a value'),
};

const returning = Object.fromEntries(
  Object.entries(values).flatMap(([name, make]) => [
    [`a tool that returns ${name}`, using(() => make())],
    [`a tool that resolves with ${name}`, using(async () => make())],
  ]),
) satisfies Programs;

const failing = Object.fromEntries(
  Object.keys(thrownValues()).flatMap((name) => [
    [
      `a tool that throws ${name}`,
      using(() => {
        throw thrownValues()[name];
      }),
    ],
    [`a tool that rejects with ${name}`, using(() => Promise.reject(thrownValues()[name]))],
    [
      `an async tool that throws ${name}`,
      using(async () => {
        await undefined;
        throw thrownValues()[name];
      }),
    ],
  ]),
) satisfies Programs;

/** Returns the promise it was given, and notes what happens to it. */
function sameTwice(promise: (note: (what: string, value?: unknown) => void) => unknown): Program {
  return async (world) => {
    const { ax, model, note } = world;
    const shared = promise(note);
    const seen: unknown[] = [];
    const program = ax.ax(SIGNATURE, {
      functions: [
        tool(() => {
          seen.push(shared);
          return shared;
        }),
      ],
    });
    const result = await program.forward(model(CALL, CALL, ANSWER), QUESTION);
    note('the promise afterwards', [
      seen[0] === seen[1],
      Object.prototype.toString.call(shared),
      Object.keys(shared as object),
    ]);
    return [result, await (shared as Promise<unknown>)];
  };
}

export const tools: Programs = {
  'a promise returned twice': sameTwice(() => Promise.resolve('found')),
  'a promise with methods of its own, returned twice': sameTwice(() =>
    ResponsePromise.resolve('found'),
  ),
  'a promise with properties of its own': sameTwice(() =>
    Object.assign(Promise.resolve('found'), { withResponse: () => 'raw' }),
  ),
  'a frozen promise': sameTwice(() => Object.freeze(Promise.resolve('found'))),
  'a thenable that works when it is asked': sameTwice((note) => ({
    // biome-ignore lint/suspicious/noThenProperty: a thenable is what is tested
    then(resolve: (value: string) => void) {
      note('asked');
      resolve('found');
    },
  })),
  'a frozen thenable': sameTwice((note) =>
    Object.freeze({
      // biome-ignore lint/suspicious/noThenProperty: see above
      then(resolve: (value: string) => void) {
        note('asked');
        resolve('found');
      },
    }),
  ),
  'a thenable of a class with private state': sameTwice((note) => {
    class Lazy {
      #asked = 0;
      // biome-ignore lint/suspicious/noThenProperty: see above
      then(resolve: (value: string) => void) {
        note('asked', ++this.#asked);
        resolve('found');
      }
    }
    return new Lazy();
  }),
  'a thenable that rejects': using(() => ({
    // biome-ignore lint/suspicious/noThenProperty: see above
    then(_resolve: unknown, reject: (error: unknown) => void) {
      reject(new Error('no'));
    },
  })),
  'a thenable whose then throws': using(() => ({
    // biome-ignore lint/suspicious/noThenProperty: see above
    then() {
      throw new Error('no');
    },
  })),
  'an object whose then is a getter that throws': using(() => ({
    // biome-ignore lint/suspicious/noThenProperty: see above
    get then() {
      throw new Error('no then');
    },
  })),
  'a function that is a thenable': using(() =>
    Object.assign(() => {}, {
      // biome-ignore lint/suspicious/noThenProperty: see above
      then(resolve: (value: string) => void) {
        resolve('found');
      },
    }),
  ),

  'a tool without parameters': ({ ax, model, note }) => {
    const clock = {
      name: 'lookUp',
      description: 'Tells the time of day',
      func(...args: unknown[]) {
        note('arguments', args.length);
        return 'noon';
      },
    };
    const service = model({ calls: [{ name: 'lookUp' }] }, ANSWER);
    return ax.ax(SIGNATURE, { functions: [clock] }).forward(service, QUESTION);
  },
  'a tool that takes one argument': using((args: unknown) => args),
  'a tool that takes the options of Ax': async (world) => {
    const { ax, model, note } = world;
    const service = model(CALL, ANSWER);
    const func = (args: unknown, extra: Record<string, unknown>) => {
      note('arguments', [args, Object.keys(extra), extra.ai === service]);
      return 'found';
    };
    return ax.ax(SIGNATURE, { functions: [tool(func)] }).forward(service, QUESTION);
  },
  'a tool that counts the arguments it got': using(function (this: unknown, ...args: unknown[]) {
    return args.length;
  }),
  'a tool that is a method and keeps state on its object': async ({ ax, model }) => {
    const counter = {
      ...tool(undefined),
      count: 0,
      func(this: { count: number }) {
        return ++this.count;
      },
    };
    await ax
      .ax(SIGNATURE, { functions: [counter as never] })
      .forward(model(CALL, CALL, ANSWER), QUESTION);
    return counter.count;
  },
  'a tool of a class with private state': async ({ ax, model }) => {
    class Lookup {
      readonly name = 'lookUp';
      readonly description = 'Looks something up';
      readonly parameters = tool(undefined).parameters;
      #calls = 0;
      func(): number {
        return ++this.#calls;
      }
      get calls(): number {
        return this.#calls;
      }
    }
    const lookup = new Lookup();
    await ax.ax(SIGNATURE, { functions: [lookup as never] }).forward(model(CALL, ANSWER), QUESTION);
    return lookup.calls;
  },
  'a frozen tool': ({ ax, model }) =>
    ax
      .ax(SIGNATURE, { functions: [Object.freeze(tool(Object.freeze(() => 'found')))] })
      .forward(model(CALL, ANSWER), QUESTION),
  'a tool with getters': ({ ax, model }) => {
    const lookup = {
      ...tool(undefined),
      get func() {
        return () => 'found';
      },
    };
    return ax
      .ax(SIGNATURE, { functions: [lookup as never] })
      .forward(model(CALL, ANSWER), QUESTION);
  },
  'a tool that is a proxy': ({ ax, model }) =>
    ax
      .ax(SIGNATURE, {
        functions: [
          new Proxy(
            tool(() => 'found'),
            {},
          ),
        ],
      })
      .forward(model(CALL, ANSWER), QUESTION),
  'a function with properties': ({ ax, model, note }) => {
    const func = Object.assign(async () => 'found', { schema: { strict: true } });
    const wrapped = tool(func);
    const program = ax.ax(SIGNATURE, { functions: [wrapped] });
    note('own', wrapped.func === func);
    return program.forward(model(CALL, ANSWER), QUESTION);
  },
  'tools of the call': ({ ax, model }) =>
    ax.ax(SIGNATURE).forward(model(CALL, ANSWER), QUESTION, { functions: [tool(() => 'found')] }),
  'tools made by an object': ({ ax, model }) =>
    ax
      .ax(SIGNATURE, { functions: [{ toFunction: () => [tool(() => 'found')] }] })
      .forward(model(CALL, ANSWER), QUESTION),
  'a tool that is not there': ({ ax, model }) =>
    ax
      .ax(SIGNATURE, { functions: [tool(() => 'found')] })
      .forward(model({ calls: [{ name: 'nobody' }] }, ANSWER), QUESTION),
  'a tool without a function': ({ ax, model }) =>
    ax.ax(SIGNATURE, { functions: [tool(undefined)] }).forward(model(CALL, ANSWER), QUESTION),
  'arguments that are no JSON': ({ ax, model }) =>
    ax
      .ax(SIGNATURE, { functions: [tool(() => 'found')] })
      .forward(model({ calls: [{ name: 'lookUp', args: undefined }] }, ANSWER), QUESTION),
  'arguments that the tool refuses': async ({ ax, model }) => {
    const func = () => {
      throw new ax.AxFunctionError([{ field: 'key', message: 'unknown key' }]);
    };
    return ax.ax(SIGNATURE, { functions: [tool(func)] }).forward(model(CALL, ANSWER), QUESTION);
  },
  'a tool that stops the program': async ({ ax, model, note }) => {
    const lookup = tool(async () => 'found');
    try {
      return await ax
        .ax(SIGNATURE, { functions: [lookup] })
        .forward(model(CALL, ANSWER), QUESTION, { stopFunction: 'lookUp' });
    } catch (error) {
      const [call] = (error as InstanceType<typeof ax.AxStopFunctionCallException>).calls;
      note('the tool itself', call?.func === lookup);
      throw error;
    }
  },
  'two tools at once': async ({ ax, model, note }) => {
    const steps = (name: string) => async () => {
      note(`${name} begins`);
      await undefined;
      note(`${name} goes on`);
      await settle(1);
      note(`${name} ends`);
      return name;
    };
    const other = { ...tool(steps('other')), name: 'other' };
    const calls = {
      calls: [
        { name: 'lookUp', args: { key: 'a' } },
        { name: 'other', args: { key: 'b' } },
      ],
    };
    return ax
      .ax(SIGNATURE, { functions: [tool(steps('first')), other] })
      .forward(model(calls, ANSWER), QUESTION);
  },
  'a tool that runs a program': async ({ ax, model, note }) => {
    const inner = ax.ax('key:string -> found:string');
    const func = async ({ key }: { key: string }, extra: { ai: never }) => {
      const { found } = await inner.forward(extra.ai, { key });
      note('found', found);
      return found;
    };
    return ax
      .ax(SIGNATURE, { functions: [tool(func)] })
      .forward(model(CALL, 'Found: it', ANSWER), QUESTION);
  },
  'a tool aborted while it runs': async ({ ax, model, note }) => {
    const controller = new AbortController();
    const func = (_: unknown, { abortSignal }: { abortSignal?: AbortSignal }) =>
      new Promise((_resolve, reject) => {
        abortSignal?.addEventListener('abort', () => {
          note('tool aborted', abortSignal === controller.signal);
          reject(abortSignal.reason);
        });
        setTimeout(() => controller.abort(new Error('enough')), 1);
      });
    return ax
      .ax(SIGNATURE, { functions: [tool(func)] })
      .forward(model(CALL, ANSWER), QUESTION, { abortSignal: controller.signal });
  },
  ...returning,
  ...failing,
};

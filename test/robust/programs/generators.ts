import { ANSWER, type Programs, QUESTION, SIGNATURE, tool } from './world.js';

/** Values that a program may meet where an error is expected. */
export function thrownValues(): Record<string, unknown> {
  const cyclic = new Error('cyclic');
  cyclic.cause = cyclic;
  const odd = new Error('odd');
  Object.defineProperties(odd, { message: { value: { no: 'text' } }, stack: { value: 7 } });
  return {
    'an error': new TypeError('plain'),
    'an error with causes': new Error('outer', { cause: new RangeError('inner') }),
    'an error that caused itself': cyclic,
    'a frozen error': Object.freeze(new Error('frozen')),
    'an error whose message is no text': odd,
    'an aggregate': new AggregateError([new Error('one'), 'two', undefined], 'many'),
    'an error with a getter that throws': Object.defineProperty(new Error('getter'), 'cause', {
      get() {
        throw new Error('no cause');
      },
    }),
    text: 'str',
    nothing: undefined,
    null: null,
    'a number': 7,
    'a bigint': 10n,
    'a symbol': Symbol('q'),
    'an object without prototype': Object.create(null),
    'an object whose toString throws': {
      toString() {
        throw new Error('no text');
      },
    },
    'a function': function thrown() {},
    'a revoked proxy': revoked(),
    'a proxy that throws': new Proxy(
      {},
      {
        get() {
          throw new Error('no property');
        },
        getPrototypeOf() {
          throw new Error('no prototype');
        },
        ownKeys() {
          throw new Error('no keys');
        },
      },
    ),
  };
}

function revoked(): object {
  const { proxy, revoke } = Proxy.revocable({}, {});
  revoke();
  return proxy;
}

const failing = Object.fromEntries(
  Object.keys(thrownValues()).map((name) => [
    `a model that throws ${name}`,
    async ({ ax, model }) =>
      ax.ax(SIGNATURE).forward(model({ throws: thrownValues()[name] }), QUESTION),
  ]),
) satisfies Programs;

export const generators: Programs = {
  'a question': ({ ax, model }) => ax.ax(SIGNATURE).forward(model(ANSWER), QUESTION),

  'several typed outputs, in the order of the answer': ({ ax, model }) =>
    ax
      .ax('questionText:string -> score:number, tags:string[], kind:class "a, b", note?:string')
      .forward(model('Tags: ["x", "y"]\nScore: 4\nKind: b'), QUESTION),

  'an answer that has to be corrected': ({ ax, model }) =>
    ax
      .ax('questionText:string -> score:number')
      .forward(model('Score: many', 'Score: 4'), QUESTION),

  'an answer that never is right': ({ ax, model }) =>
    ax
      .ax('questionText:string -> score:number')
      .forward(model('Score: many'), QUESTION, { maxRetries: 2 }),

  'an assertion that fails once': ({ ax, model, note }) => {
    const program = ax.ax(SIGNATURE);
    program.addAssert(({ answerText }) => {
      note('asserted', answerText);
      return answerText === 'four' || 'four it must be';
    });
    return program.forward(model('Answer Text: five', ANSWER), QUESTION);
  },

  'an assertion that always fails': ({ ax, model }) => {
    const program = ax.ax(SIGNATURE);
    program.addAssert(() => 'never');
    return program.forward(model(ANSWER), QUESTION, { maxRetries: 2 });
  },

  'a feedback and a field processor': ({ ax, model, note }) => {
    const program = ax.ax(SIGNATURE);
    program.addFieldProcessor('answerText', (value) => {
      note('processed', value);
      return `${value}!`;
    });
    return program.forward(model(ANSWER), QUESTION);
  },

  'samples and a picker': ({ ax, model, note }) =>
    ax.ax(SIGNATURE).forward(model(ANSWER), QUESTION, {
      sampleCount: 2,
      resultPicker: async (data) => {
        note('picking', data);
        return 0;
      },
    }),

  'a cache': async ({ ax, model, note }) => {
    const cache = new Map<string, never>();
    const program = ax.ax(SIGNATURE);
    const cachingFunction = async (key: string, value?: unknown) => {
      note('cache', [key.length, value]);
      if (value !== undefined) cache.set(key, value as never);
      return cache.get(key);
    };
    const service = model(ANSWER);
    const first = await program.forward(service, QUESTION, { cachingFunction });
    return [first, await program.forward(service, QUESTION, { cachingFunction })];
  },

  'inputs that are missing': ({ ax, model }) => ax.ax(SIGNATURE).forward(model(), {} as never),

  'inputs that are no object': ({ ax, model }) =>
    ax.ax(SIGNATURE).forward(model(), undefined as never),

  'inputs with getters': async ({ ax, model, note }) => {
    let reads = 0;
    const inputs = {
      get questionText() {
        reads++;
        return 'two plus two?';
      },
    };
    const result = await ax.ax(SIGNATURE).forward(model(ANSWER), inputs);
    // A tracer reads a getter once more, as any serializer does; the program's own value stays.
    note('read', reads > 0);
    return result;
  },

  'inputs that are not changed': async ({ ax, model }) => {
    const inputs = { questionText: 'two plus two?', more: { list: [1, { deep: true }] } };
    await ax.ax(SIGNATURE).forward(model(ANSWER), inputs);
    return inputs;
  },

  'no service at all': ({ ax }) => ax.ax(SIGNATURE).forward(undefined as never, QUESTION),

  'many at once': ({ ax, model }) => {
    const service = model(ANSWER);
    const program = ax.ax(SIGNATURE);
    return Promise.all(Array.from({ length: 8 }, () => program.forward(service, QUESTION)));
  },

  'the first of two': ({ ax, model, note }) => {
    const one = ax.ax(SIGNATURE).forward(model('Answer Text: one'), QUESTION);
    const two = ax.ax(SIGNATURE).forward(model('Answer Text: two'), QUESTION);
    void one.then((value) => note('one is there', value));
    void two.then((value) => note('two is there', value));
    return Promise.race([one, two]);
  },

  'a failure that nobody waits for': ({ ax, model }) => {
    void ax.ax(SIGNATURE).forward(model({ throws: new Error('unseen') }), QUESTION);
  },

  'a promise of its own kind': ({ ax, model, note }) => {
    const promise = ax.ax(SIGNATURE).forward(model(ANSWER), QUESTION);
    note('promise', [promise.constructor === Promise, Object.keys(promise)]);
    return promise;
  },

  'a signal aborted before': ({ ax, model }) =>
    ax.ax(SIGNATURE).forward(model(ANSWER), QUESTION, { abortSignal: AbortSignal.abort() }),

  'a signal aborted before, with a reason of its own': ({ ax, model }) =>
    ax
      .ax(SIGNATURE)
      .forward(model(ANSWER), QUESTION, { abortSignal: AbortSignal.abort({ why: 'tired' }) }),

  'a signal aborted in the model call': ({ ax, model }) => {
    const controller = new AbortController();
    const service = model(() => {
      controller.abort(new Error('enough'));
      return ANSWER;
    });
    return ax.ax(SIGNATURE).forward(service, QUESTION, { abortSignal: controller.signal });
  },

  'a signal aborted after': async ({ ax, model }) => {
    const controller = new AbortController();
    const result = await ax
      .ax(SIGNATURE)
      .forward(model(ANSWER), QUESTION, { abortSignal: controller.signal });
    controller.abort();
    return result;
  },

  'a program stopped by itself': async ({ ax, model }) => {
    const program = ax.ax(SIGNATURE, { functions: [tool(() => program.stop())] });
    return program.forward(model({ calls: [{ name: 'lookUp', args: { key: 'k' } }] }), QUESTION);
  },

  'options that stay as they are': async ({ ax, model }) => {
    const options = Object.freeze({
      functions: Object.freeze([Object.freeze(tool(() => 'found'))]),
      maxRetries: 1,
      traceLabel: 'Label',
    });
    const service = model({ calls: [{ name: 'lookUp', args: { key: 'k' } }] }, ANSWER);
    const result = await ax.ax(SIGNATURE).forward(service, QUESTION, options as never);
    return [result, options];
  },

  'what a program says of itself afterwards': async ({ ax, model }) => {
    const program = ax.ax(SIGNATURE);
    await program.forward(model(ANSWER), QUESTION);
    return [program.getUsage(), program.getTraces(), program.getSignature().toString()];
  },

  'a thrown value in a callback': ({ ax, model }) =>
    ax
      .ax(SIGNATURE, { functions: [tool(() => 'found')] })
      .forward(model({ calls: [{ name: 'lookUp', args: { key: 'k' } }] }, ANSWER), QUESTION, {
        onFunctionCall() {
          throw new Error('callback');
        },
      }),

  ...failing,
};

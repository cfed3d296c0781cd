import * as axModule from '@ax-llm/ax';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { diagnostics } from '../../src/diagnostics.js';
import { costOf } from '../../src/hooks/service.js';
import { traced } from '../../src/index.js';
import { mockService } from '../support/mock-service.js';
import { startTracing, type Tracing } from '../support/tracing.js';
import { unhandledIn } from '../support/unhandled.js';

// biome-ignore lint/suspicious/noExplicitAny: programs and services here are what the types of Ax do not allow
const ax: any = axModule;

let tracing: Tracing;
beforeAll(() => {
  tracing = startTracing([ax]);
});
afterEach(() => {
  tracing.reset();
  expect(diagnostics.count()).toBe(0);
  diagnostics.reset();
});
afterAll(() => tracing.stop());

const SIGNATURE = 'question:string -> answer:string';
const QUESTION = { question: 'why?' };

const reject = (message: string) => Promise.reject(new Error(message));

/** A program of the user's own as the one node of a flow. */
function flowOf(program: object) {
  return ax
    .flow()
    .node('one', program)
    .execute('one', ({ question }: typeof QUESTION) => ({ question }))
    .map(({ oneResult }: { oneResult: object }) => oneResult);
}

class Own extends ax.AxProgram {
  constructor() {
    super(SIGNATURE);
  }
  async forward() {
    return { answer: 'four' };
  }
}

/** A service of the user's own. */
function ownService(more: object = {}) {
  return {
    getName: () => 'my provider',
    getId: () => 'own',
    getFeatures: () => mockService(ax).getFeatures(),
    getModelList: () => [],
    getMetrics: () => ({}),
    getLogger: () => () => {},
    getOptions: () => ({}),
    setOptions() {},
    getLastUsedChatModel: () => 'my-model',
    getLastUsedEmbedModel: () => undefined,
    getLastUsedModelConfig: () => ({}),
    getEstimatedCost: () => 0.5,
    chat: async () => ({
      results: [{ index: 0, content: 'Answer: four', finishReason: 'stop' }],
      modelUsage: {
        ai: 'mine',
        model: 'my-model',
        tokens: { promptTokens: 11, completionTokens: 7, totalTokens: 18 },
      },
    }),
    ...more,
  };
}

const ask = (service: object = mockService(ax), options: object = {}) =>
  new ax.AxGen(SIGNATURE).forward(service, QUESTION, options);

describe('a promise that tracing gets from the users object never ends the process', () => {
  class WithGetter {
    get apiURL() {
      return reject('apiURL');
    }
  }
  class OwnError extends Error {
    get responseBody() {
      return reject('responseBody');
    }
    get requestId() {
      return reject('requestId');
    }
  }

  const runs: readonly [string, () => unknown][] = [
    [
      'getInstruction of a node',
      () => {
        class Rejecting extends Own {
          async getInstruction() {
            throw new Error('getInstruction');
          }
        }
        return flowOf(new Rejecting()).forward(mockService(ax), QUESTION);
      },
    ],
    [
      'getSignature of a program that Ax knows nothing of',
      () =>
        traced({
          getSignature: () => reject('getSignature'),
          forward: async () => 1,
        }).forward(),
    ],
    [
      'getters of a program',
      () => {
        class Rejecting extends Own {
          get instruction() {
            return reject('instruction');
          }
          get demos() {
            return reject('demos');
          }
        }
        return flowOf(new Rejecting()).forward(mockService(ax), QUESTION);
      },
    ],
    [
      'getEstimatedCost of a service',
      () => ask(ownService({ getEstimatedCost: () => reject('getEstimatedCost') })),
    ],
    ['a getter of a service', () => ask(Object.assign(new WithGetter(), ownService()))],
    [
      'getters of an error',
      () =>
        expect(
          ask(
            ownService({
              async chat() {
                throw new OwnError('boom');
              },
            }),
            { maxRetries: 0 },
          ),
        ).rejects.toThrow(),
    ],
  ];

  it.each(runs)('%s', async (_name, run) => {
    expect(await unhandledIn(run)).toEqual([]);
    expect(tracing.spans().length).toBeGreaterThan(0);
  });

  it('nor does tracing add one to those that Ax leaves behind itself', async () => {
    const run = () => ask(ownService({ getName: () => reject('getName') }));
    const on = await unhandledIn(run);
    tracing.instrumentation.disable();
    const off = await unhandledIn(run);
    tracing.instrumentation.enable();
    expect(on).toEqual(off);
    expect(tracing.span('chat').attributes['gen_ai.provider.name']).toBe('unknown');
  });
});

describe('a method with state answers as it does without tracing', () => {
  /** What a run gives with and without tracing. */
  async function both(run: () => unknown): Promise<[on: unknown, off: unknown]> {
    const on = await run();
    expect(tracing.spans().length).toBeGreaterThan(0);
    tracing.instrumentation.disable();
    const off = await run();
    tracing.instrumentation.enable();
    return [on, off];
  }

  /** Puts a method in front of one of the object's own that counts how often it is asked. */
  function counted(object: Record<string, unknown>, name: string) {
    const original = object[name] as (...args: unknown[]) => unknown;
    const count = { asked: 0 };
    object[name] = (...args: unknown[]) => {
      count.asked++;
      return original.apply(object, args);
    };
    return count;
  }

  it('getInstruction of a node', async () => {
    class Variants extends Own {
      n = 0;
      getInstruction() {
        return `variant ${this.n++ % 2}`;
      }
      override async forward() {
        return { answer: this.getInstruction() };
      }
    }
    const [on, off] = await both(async () => {
      const flow = flowOf(new Variants());
      const answers: string[] = [];
      for (let i = 0; i < 3; i++)
        answers.push((await flow.forward(mockService(ax), QUESTION)).answer);
      return answers;
    });
    expect(on).toEqual(['variant 0', 'variant 1', 'variant 0']);
    expect(on).toEqual(off);
  });

  it.each(['getInstruction', 'getSignature'])('%s of a class derived from AxGen', async (name) => {
    const [on, off] = await both(async () => {
      let asked = 0;
      class Derived extends ax.AxGen {}
      Object.defineProperty(Derived.prototype, name, {
        value(this: object) {
          asked++;
          return ax.AxGen.prototype[name].call(this);
        },
      });
      await flowOf(new (Derived as typeof ax.AxGen)(SIGNATURE)).forward(mockService(ax), QUESTION);
      return asked;
    });
    expect(on).toBe(off);
  });

  it('getSignature of a program that the best of several calls is taken of', async () => {
    const [on, off] = await both(async () => {
      const program = new ax.AxGen(SIGNATURE);
      const count = counted(program, 'getSignature');
      await ax.bestOfN(program, { n: 1, rewardFn: () => 1 }).forward(mockService(ax), QUESTION);
      return count.asked;
    });
    expect(on).toBe(off);
  });

  it('getId of an agent', async () => {
    const [on, off] = await both(async () => {
      const agent = ax.agent(SIGNATURE, { contextFields: [] });
      const count = counted(agent, 'getId');
      await agent.forward(mockService(ax), QUESTION).catch(() => {});
      return count.asked;
    });
    expect(on).toBe(off);
  });

  it('getEstimatedCost of a service, but for one time a call', async () => {
    const [on, off] = await both(async () => {
      const service = ownService();
      const count = counted(service, 'getEstimatedCost');
      await ask(service);
      return count.asked;
    });
    expect([on, off]).toEqual([1, 0]);
    expect(tracing.span('chat').attributes['llm.cost.total']).toBe(0.5);
  });

  it.each(['getLastUsedChatModel', 'getLastUsedModelConfig'])(
    '%s of the service that an evaluation asks, but for one time',
    async (name) => {
      const [on, off] = await both(async () => {
        const service = ownService();
        const count = counted(service, name);
        const program = new ax.AxGen(SIGNATURE);
        const examples = [{ ...QUESTION, answer: 'four' }];
        await new ax.AxTestPrompt({ ai: service, program, examples }).run(() => 1);
        return count.asked;
      });
      expect(Number(on) - Number(off)).toBe(1);
    },
  );

  it.each(['getName', 'getOptions'])('%s of a service, but for one time', async (name) => {
    const [on, off] = await both(async () => {
      const service = ownService();
      const count = counted(service, name);
      const balancer = new ax.AxBalancer([service]);
      for (let i = 0; i < 2; i++) {
        await ask(service);
        await ask(balancer);
      }
      return count.asked;
    });
    expect(Number(on) - Number(off)).toBe(1);
  });
});

describe('what Ax itself answers is recorded', () => {
  it('of a program of the users own class', async () => {
    class Derived extends ax.AxGen {}
    const program = new (Derived as typeof ax.AxGen)(SIGNATURE);
    program.setInstruction('Say why.');
    await flowOf(program).forward(mockService(ax), QUESTION);
    expect(tracing.span(/one$/).attributes).toMatchObject({
      'dspy.signature': SIGNATURE,
      'dspy.instruction': 'Say why.',
    });
    expect(tracing.span(/AxFlow/).name).toBe('invoke_workflow AxFlow(question -> oneAnswer)');
  });

  it('and the instruction that a program keeps in a field', async () => {
    class Field extends Own {
      instruction = 'Say why.';
      getInstruction() {
        return this.instruction;
      }
    }
    await flowOf(new Field()).forward(mockService(ax), QUESTION);
    expect(tracing.span(/one$|Field/).attributes['dspy.instruction']).toBe('Say why.');
  });

  it('of a service: its price', async () => {
    class Derived extends ax.AxAIOpenAI {}
    const service = new (Derived as typeof ax.AxAIOpenAI)({ apiKey: 'sk-test' });
    const usage = {
      ai: 'OpenAI',
      model: 'gpt-4o-mini',
      tokens: { promptTokens: 1000, completionTokens: 1000, totalTokens: 2000 },
    };
    expect(costOf(service, usage)).toBeGreaterThan(0);
    expect(costOf(service, usage)).toBe(service.getEstimatedCost(usage));
    service.getEstimatedCost = () => 1;
    expect(costOf(service, usage)).toBe(1);
  });
});

import { ANSWER, type Programs, QUESTION, SIGNATURE, settle } from './world.js';

export const classes: Programs = {
  'a generator with a forward of its own': async ({ ax, model, note }) => {
    class Careful extends ax.AxGen<{ questionText: string }, { answerText: string }> {
      override async forward(...args: Parameters<InstanceType<typeof ax.AxGen>['forward']>) {
        note('before');
        const result = await super.forward(...(args as [never, never]));
        note('after', result);
        return result as never;
      }
    }
    const program = new Careful(SIGNATURE);
    return [
      await program.forward(model(ANSWER) as never, QUESTION as never),
      program instanceof ax.AxGen,
    ];
  },

  'a generator that streams its own way': async ({ ax, model, note }) => {
    class Careful extends ax.AxGen<{ questionText: string }, { answerText: string }> {
      // biome-ignore lint/suspicious/noExplicitAny: Ax's types of streams differ from what it takes
      override async *streamingForward(...args: any): any {
        note('before');
        yield* super.streamingForward(...(args as [never, never]));
        return 'own end';
      }
    }
    const stream = new Careful(SIGNATURE).streamingForward(
      model({ pieces: ['Answer Text: ', 'four'] }),
      QUESTION,
    );
    for (;;) {
      const step = await stream.next();
      note('read', step);
      if (step.done) return;
    }
  },

  'a program of its own with private state': async ({ ax, model }) => {
    class Counting extends ax.AxProgram<{ questionText: string }, { answerText: string }> {
      #calls = 0;
      readonly #inner = new ax.AxGen<{ questionText: string }, { answerText: string }>(SIGNATURE);
      async forward(ai: never, values: never) {
        this.#calls++;
        return this.#inner.forward(ai, values);
      }
      get calls() {
        return this.#calls;
      }
    }
    const program = new Counting(SIGNATURE);
    return [await program.forward(model(ANSWER) as never, QUESTION as never), program.calls];
  },

  'a forward that returns no promise': async ({ ax, model, note }) => {
    const result = inFlow(
      ax,
      class extends ax.AxProgram<never, never> {
        forward() {
          note('forward');
          return { answerText: 'at once' };
        }
      },
    );
    return result.forward(model(ANSWER), QUESTION);
  },

  'a forward that returns the promise of another': async ({ ax, model, note }) => {
    const inner = ax.ax(SIGNATURE);
    const program = inFlow(
      ax,
      class extends ax.AxProgram<never, never> {
        forward(ai: never, values: never) {
          note('forward');
          return inner.forward(ai, values);
        }
      },
    );
    return program.forward(model(ANSWER), QUESTION);
  },

  'a promise that is handled before it is handed out': async ({ ax, model, note }) => {
    const rejected = Promise.reject(new Error('seen'));
    rejected.catch(() => note('handled'));
    class Handled extends ax.AxProgram<never, never> {
      forward(): unknown {
        return rejected;
      }
    }
    // The class is seen once it stands in a flow.
    await inFlow(ax, Handled)
      .forward(model(ANSWER), QUESTION)
      .catch(() => note('failed'));
    const program = new Handled(SIGNATURE);
    const first: unknown = program.forward();
    note(first === program.forward() ? 'same' : 'another');
  },

  'a promise of a forward that is kept': async ({ ax, model, note }) => {
    class Kept<T> extends Promise<T> {
      cancel() {
        return 'cancelled';
      }
    }
    const kept = Kept.resolve({ answerText: 'kept' });
    class Memo extends ax.AxProgram<never, never> {
      forward(): unknown {
        return kept;
      }
    }
    await inFlow(ax, Memo).forward(model(ANSWER), QUESTION);
    const given = new Memo(SIGNATURE).forward();
    note('the same', [given === kept, (given as Kept<unknown>).cancel()]);
    return given;
  },

  'a forward that throws at once': async ({ ax, model }) =>
    inFlow(
      ax,
      class extends ax.AxProgram<never, never> {
        forward() {
          throw new RangeError('at once');
        }
      },
    ).forward(model(ANSWER), QUESTION),

  'a forward that is a field': async ({ ax, model }) =>
    inFlow(
      ax,
      class extends ax.AxProgram<never, never> {
        forward = async () => ({ answerText: 'field' });
      },
    ).forward(model(ANSWER), QUESTION),

  'a frozen program': async ({ ax, model }) => {
    class Fixed extends ax.AxProgram<never, never> {
      async forward() {
        return { answerText: 'fixed' };
      }
    }
    Object.freeze(Fixed.prototype);
    return inFlow(ax, Fixed).forward(model(ANSWER), QUESTION);
  },

  'a class in two levels': async ({ ax, model, note }) => {
    class Base extends ax.AxProgram<never, never> {
      async forward() {
        note('base');
        await settle(1);
        return { answerText: 'base' };
      }
    }
    class Derived extends Base {
      override async forward() {
        note('derived');
        return super.forward();
      }
    }
    return inFlow(ax, Derived).forward(model(ANSWER), QUESTION);
  },

  'the best of three': ({ ax, model, note }) =>
    ax
      .bestOfN(ax.ax('questionText:string -> score:number'), {
        n: 3,
        strategy: 'serial',
        rewardFn: ({ prediction }: { prediction: { score: number } }) => {
          note('scored', prediction);
          return prediction.score;
        },
      } as never)
      .forward(model('Score: 1', 'Score: 3', 'Score: 2'), QUESTION as never),

  'the best of three that fail': ({ ax, model }) =>
    ax
      .bestOfN(ax.ax('questionText:string -> score:number'), {
        n: 3,
        strategy: 'serial',
        rewardFn: () => 1,
      } as never)
      .forward(model({ throws: new Error('no') }), QUESTION as never),

  'a reward that throws': ({ ax, model }) =>
    ax
      .bestOfN(ax.ax('questionText:string -> score:number'), {
        n: 2,
        strategy: 'serial',
        rewardFn: () => {
          throw new TypeError('no reward');
        },
      } as never)
      .forward(model('Score: 1'), QUESTION as never),

  refined: ({ ax, model, note }) =>
    ax
      .refine(ax.ax('questionText:string -> score:number'), {
        rounds: 2,
        threshold: 3,
        strategy: 'serial',
        rewardFn: ({ prediction }: { prediction: { score: number } }) => {
          note('scored', prediction);
          return prediction.score;
        },
      } as never)
      .forward(model('Score: 1', 'Score: 3'), QUESTION as never),
};

// biome-ignore lint/suspicious/noExplicitAny: Ax's types want a program with all of its own methods
function inFlow(ax: any, Class: any) {
  return ax
    .flow()
    .node('own', new Class(SIGNATURE))
    .execute('own', ({ questionText }: { questionText: string }) => ({ questionText }))
    .returns(({ ownResult }: { ownResult: unknown }) => ({ result: ownResult }));
}

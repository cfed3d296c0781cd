import { ANSWER, type Programs, SIGNATURE, settle } from './world.js';

interface State {
  questionText: string;
}

const QUESTION: State = { questionText: 'two plus two?' };

export const flows: Programs = {
  'two steps': ({ ax, model }) =>
    ax
      .flow<State>()
      .node('one', SIGNATURE)
      .node('two', SIGNATURE)
      .execute('one', ({ questionText }) => ({ questionText }))
      .execute('two', ({ oneResult }) => ({ questionText: oneResult.answerText }))
      .returns(({ twoResult }) => ({ answerText: twoResult.answerText }))
      .forward(model('Answer Text: one', 'Answer Text: two'), QUESTION),

  'branches at the same time': ({ ax, model, note }) => {
    const branch = (name: string) => (state: State) => {
      note(`into ${name}`, Object.keys(state));
      return { questionText: `${name}: ${state.questionText}` };
    };
    return ax
      .flow<State>()
      .node('left', SIGNATURE)
      .node('middle', SIGNATURE)
      .node('right', SIGNATURE)
      .execute('left', branch('left'))
      .execute('middle', branch('middle'))
      .execute('right', branch('right'))
      .returns((state) => {
        note('joined', Object.keys(state));
        return { answerText: state.leftResult.answerText };
      })
      .forward(model(ANSWER), QUESTION);
  },

  'branches one of which fails': ({ ax, model, note }) =>
    ax
      .flow<State>()
      .node('good', SIGNATURE)
      .node('bad', SIGNATURE)
      .execute('good', ({ questionText }) => ({ questionText }))
      .execute('bad', () => {
        note('bad');
        throw new TypeError('branch');
      })
      .forward(model(ANSWER), QUESTION),

  'maps, sync and async': ({ ax, model, note }) =>
    ax
      .flow<State>()
      .map((state) => {
        note('mapped', state);
        return { ...state, more: 1 };
      })
      .map(async (state) => {
        await settle(1);
        return { ...state, later: 2 };
      })
      .node('one', SIGNATURE)
      .execute('one', ({ questionText }) => ({ questionText }))
      .returns(({ oneResult, more, later }) => ({ answerText: oneResult.answerText, more, later }))
      .forward(model(ANSWER), QUESTION),

  'a loop': ({ ax, model, note }) =>
    ax
      .flow<State>()
      .map((state) => ({ ...state, round: 0 }))
      .node('one', SIGNATURE)
      .while((state) => {
        note('round', state.round);
        return state.round < 3;
      })
      .map((state) => ({ ...state, round: state.round + 1 }))
      .execute('one', ({ questionText }) => ({ questionText }))
      .endWhile()
      .returns(({ round }) => ({ round }))
      .forward(model(ANSWER), QUESTION),

  'a model that fails': ({ ax, model }) =>
    ax
      .flow<State>()
      .node('one', SIGNATURE)
      .execute('one', ({ questionText }) => ({ questionText }))
      .forward(model({ throws: new Error('no') }), QUESTION),

  'a map that throws no error': ({ ax, model }) =>
    ax
      .flow<State>()
      .map(() => {
        throw undefined;
      })
      .forward(model(ANSWER), QUESTION),

  'a flow in a flow': ({ ax, model }) => {
    const inner = ax
      .flow<State>()
      .node('deep', SIGNATURE)
      .execute('deep', ({ questionText }) => ({ questionText }))
      .returns(({ deepResult }) => ({ answerText: deepResult.answerText }));
    return ax
      .flow<State>()
      .node('inner', inner as never)
      .execute('inner', ({ questionText }) => ({ questionText }) as never)
      .forward(model(ANSWER), QUESTION);
  },

  streamed: async ({ ax, model, note }) => {
    const stream = ax
      .flow<State>()
      .node('one', SIGNATURE)
      .execute('one', ({ questionText }) => ({ questionText }))
      .returns(({ oneResult }) => ({ answerText: oneResult.answerText }))
      .streamingForward(model(ANSWER), QUESTION);
    for await (const value of stream) note('read', value);
  },

  'a stream that is left': async ({ ax, model, note }) => {
    const stream = ax
      .flow<State>()
      .node('one', SIGNATURE)
      .execute('one', ({ questionText }) => ({ questionText }))
      .streamingForward(model(ANSWER), QUESTION);
    for await (const value of stream) {
      note('read', value);
      break;
    }
  },

  'aborted between two steps': ({ ax, model }) => {
    const controller = new AbortController();
    return ax
      .flow<State>()
      .node('one', SIGNATURE)
      .node('two', SIGNATURE)
      .execute('one', ({ questionText }) => ({ questionText }))
      .execute('two', ({ oneResult }) => {
        controller.abort(new Error('enough'));
        return { questionText: oneResult.answerText };
      })
      .forward(model(ANSWER), QUESTION, { abortSignal: controller.signal });
  },

  'the same flow many times at once': ({ ax, model }) => {
    const program = ax
      .flow<State>()
      .node('one', SIGNATURE)
      .execute('one', ({ questionText }) => ({ questionText }))
      .returns(({ oneResult }) => ({ answerText: oneResult.answerText }));
    const service = model(ANSWER);
    return Promise.all(Array.from({ length: 5 }, () => program.forward(service, QUESTION)));
  },
};

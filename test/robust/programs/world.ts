import * as ax from '@ax-llm/ax';

/** What a model answers: text, an error to throw, or a whole response. */
export type Answer =
  | string
  | { readonly throws: unknown }
  | { readonly calls: readonly ToolCall[] }
  | { readonly pieces: readonly unknown[] }
  | ((request: ChatRequest) => Answer);

interface ToolCall {
  readonly name: string;
  readonly args?: unknown;
}

export interface ChatRequest {
  readonly chatPrompt: readonly { readonly role: string; readonly content?: unknown }[];
}

/** What a program under test works with. Everything that it notes is compared. */
export interface World {
  readonly ax: typeof ax;
  /** Writes an effect down, in the order in which effects happen. */
  note(what: string, value?: unknown): void;
  /** Ax's mock of a model, answering in turn; the last answer repeats. */
  model(...answers: Answer[]): ax.AxAIService;
  /** The functions of a model, for services of the program's own making. */
  chat(...answers: Answer[]): (request: ChatRequest) => Promise<unknown>;
  /** An OpenAI service over HTTP, answered by the loopback server. */
  openai(options?: { stream?: boolean; model?: string }): ax.AxAIService;
}

export type Program = (world: World) => unknown;
export type Programs = Readonly<Record<string, Program>>;

export const ANSWER = 'Answer Text: four';
export const QUESTION = Object.freeze({ questionText: 'two plus two?' });
export const SIGNATURE = 'questionText:string -> answerText:string';

const USAGE = {
  ai: 'mock',
  model: 'mock',
  tokens: { promptTokens: 11, completionTokens: 7, totalTokens: 18 },
};

export function chatOf(note: World['note'], answers: readonly Answer[]) {
  let index = 0;
  return async (request: ChatRequest): Promise<unknown> => {
    const answer = answers[Math.min(index++, answers.length - 1)] ?? ANSWER;
    note('model asked', request.chatPrompt.length);
    return responseOf(note, typeof answer === 'function' ? answer(request) : answer);
  };
}

function responseOf(note: World['note'], answer: Answer): unknown {
  if (typeof answer === 'string') {
    return {
      results: [{ index: 0, content: answer, finishReason: 'stop' }],
      modelUsage: USAGE,
    };
  }
  if (typeof answer === 'function') throw new TypeError('an answer of an answer');
  if ('throws' in answer) throw answer.throws;
  if ('pieces' in answer) return streamOf(note, answer.pieces);
  const functionCalls = answer.calls.map(({ name, args = {} }, call) => ({
    id: `call-${call}`,
    type: 'function',
    function: { name, params: JSON.stringify(args) },
  }));
  return {
    results: [{ index: 0, content: '', functionCalls, finishReason: 'function_call' }],
    modelUsage: USAGE,
  };
}

/** A stream that notes what is asked of it: reading ahead of the consumer would show. */
function streamOf(note: World['note'], pieces: readonly unknown[]): ReadableStream {
  let index = 0;
  return new ReadableStream({
    pull(controller) {
      note('stream pulled', index);
      const piece = pieces[index++];
      if (piece === undefined) {
        controller.close();
      } else if (typeof piece === 'string') {
        const last = index === pieces.length;
        controller.enqueue({
          results: [{ index: 0, content: piece, ...(last && { finishReason: 'stop' }) }],
          ...(last && { modelUsage: USAGE }),
        });
      } else {
        controller.error(piece);
      }
    },
    cancel(reason) {
      note('stream cancelled', reason);
    },
  });
}

export function mockModel(
  note: World['note'],
  answers: readonly Answer[],
  copy: typeof ax = ax,
): ax.AxAIService {
  const streams = answers.some((answer) => typeof answer === 'object' && 'pieces' in answer);
  return new copy.AxMockAIService({
    features: { functions: true, streaming: streams },
    chatResponse: chatOf(note, answers) as never,
    embedResponse: { embeddings: [[0.5, 0.25]] } as never,
  }) as unknown as ax.AxAIService;
}

/** Where the services of the programs are. */
export interface Urls {
  /** Answers as OpenAI does. */
  readonly model: string;
  /** Takes requests and never answers. */
  readonly silent: string;
}

export function worldOf(urls: Urls, note: World['note']): World {
  return {
    ax,
    note,
    model: (...answers) => mockModel(note, answers),
    chat: (...answers) => chatOf(note, answers),
    openai: ({ stream = false, model = 'gpt-4o-mini' } = {}) =>
      ax.ai({
        name: 'openai',
        apiKey: 'sk-test',
        apiURL: model === 'silent' ? urls.silent : urls.model,
        config: { model: model as never, stream },
        options: { retry: { maxRetries: 0 } },
      } as never) as unknown as ax.AxAIService,
  };
}

/** A tool of one parameter. */
export function tool(func: unknown, more: object = {}): ax.AxFunction {
  return {
    name: 'lookUp',
    description: 'Looks something up',
    parameters: {
      type: 'object',
      properties: { key: { type: 'string', description: 'what' } },
      required: ['key'],
    },
    func: func as NonNullable<ax.AxFunction['func']>,
    ...more,
  };
}

export const CALL: Answer = { calls: [{ name: 'lookUp', args: { key: 'k1' } }] };

/** Lets everything run that is ready, timers of no time included. */
export async function settle(turns = 4): Promise<void> {
  for (let turn = 0; turn < turns; turn++) {
    await new Promise((resolve) => setTimeout(resolve, 0));
    await new Promise((resolve) => setImmediate(resolve));
  }
}

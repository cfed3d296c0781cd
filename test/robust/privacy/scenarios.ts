import * as ax from '@ax-llm/ax';
import { DspyPipelineExecutor, signatures } from '@hokusai/dspy-pipeline';
import { traceCall, traced } from '@hokusai/instrumentation-dspy';
import { runSession } from '../programs/session.js';
import { mockModel, tool } from '../programs/world.js';
import { PrivateMcp } from './mcp.js';
import { canary, type Place } from './places.js';

/** Programs with content in every place. Each returns, or throws what it is to throw: {@link FAILING}. */
export type Scenario = (modelURL: string) => Promise<unknown>;

const SIGNATURE = 'questionText:string -> answerText:string';
const QUESTION = { questionText: 'why?' };

/** An OpenAI service over HTTP. */
function service(modelURL: string, model: string, more: object = {}, stream = false): never {
  return ax.ai({
    name: 'openai',
    apiKey: 'sk-test',
    apiURL: modelURL,
    config: { model: model as never, stream },
    options: { retry: { maxRetries: 0 } },
    ...more,
  } as never) as never;
}

const asking =
  (model: string, make: () => ax.AxGen = () => ax.ax(SIGNATURE) as never): Scenario =>
  (url) =>
    make().forward(service(url, model), QUESTION);

/** A generator whose tool is called once. */
const calling =
  (func: () => unknown): Scenario =>
  (url) =>
    ax
      .ax(SIGNATURE, {
        functions: [
          {
            ...tool(func),
            description: `Looks up ${canary('the description of a tool')}`,
            parameters: {
              type: 'object',
              properties: {
                key: { type: 'string', description: canary('the description of a parameter') },
              },
            },
          },
        ],
      })
      .forward(service(url, 'tools'), QUESTION);

const throwing = (error: unknown) => () => {
  throw error;
};

function stackWithText(): Error {
  const error = new Error('no');
  error.stack = `Error: no\n    at run (/app/run.js:1:1)\nRequest: ${canary('a stack with text')}\n    at go (/app/go.js:1:1)`;
  return error;
}

function sentenceAsName(): Error {
  const error = new Error('no');
  error.name = `it was, ${canary('the name of an error that is a sentence')}!`;
  return error;
}

/** A flow whose map throws. */
const failingWith =
  (error: unknown): Scenario =>
  (url) =>
    ax.flow<typeof QUESTION>().map(throwing(error)).forward(service(url, 'plain'), QUESTION);

async function connected() {
  const client = new ax.AxMCPClient(new PrivateMcp() as never, {});
  await client.init();
  return client as never as Record<string, (...args: unknown[]) => Promise<unknown>>;
}

const examplesOf = (place: Place) => [{ questionText: `one ${canary(place)}`, answerText: 'two' }];

export const SCENARIOS: Readonly<Record<string, Scenario>> = {
  'a generator': (url) => {
    const gen = ax.ax(
      `"Answers ${canary('the description of a signature')}" questionText:string "${canary('the description of a field')}", someRecord:json -> answerText:string`,
    );
    gen.setInstruction(`Be ${canary('an instruction')}`);
    gen.setExamples([
      {
        questionText: canary('the input of an example'),
        someRecord: {},
        answerText: canary('the output of an example'),
      },
    ] as never);
    gen.setDemos([
      {
        programId: gen.getId(),
        traces: [
          {
            questionText: canary('the input of a demo'),
            someRecord: {},
            answerText: canary('the output of a demo'),
          },
        ],
      },
    ] as never);
    return gen.forward(
      service(url, 'plain'),
      {
        questionText: `about ${canary('an input')}`,
        someRecord: {
          a: [{ b: canary('a nested input') }],
          [canary('the key of an input')]: 1,
        },
      },
      { modelConfig: { stopSequences: [canary('a stop sequence')] } } as never,
    );
  },
  'a generator that streams': async (url) => {
    const stream = ax.ax(SIGNATURE).streamingForward(service(url, 'streamed', {}, true), QUESTION);
    for await (const _ of stream) void _;
  },
  'a stream that is left': async (url) => {
    const stream = ax.ax(SIGNATURE).streamingForward(service(url, 'left', {}, true), QUESTION);
    let text = '';
    for await (const { delta } of stream) {
      text += (delta as { answerText?: string }).answerText ?? '';
      if (text.length > 40) break;
    }
  },
  'a model that thinks': asking('thinking'),
  'a model that cites': () =>
    ax.ax(SIGNATURE).forward(
      new ax.AxMockAIService({
        features: { functions: false, streaming: false },
        chatResponse: async () => ({
          results: [
            {
              index: 0,
              content: 'Answer Text: yes',
              thought: canary('a thought'),
              citations: [{ url: `https://x.org/${canary('a citation')}`, title: 'x' }],
              finishReason: 'stop' as const,
            },
          ],
        }),
      } as never) as never,
      QUESTION,
    ),
  'a tool': calling(async () => `found ${canary('the result of a tool')}`),
  'a tool that fails': calling(
    throwing(
      new TypeError(`no ${canary('the error of a tool')}`, {
        cause: new Error(`because ${canary('the cause of an error')}`, {
          cause: { why: canary('the cause of a cause') },
        }),
      }),
    ),
  ),
  'a tool that fails often': calling(
    throwing(
      new AggregateError([new Error(canary('a member of an AggregateError'))], 'several failed'),
    ),
  ),
  'an error with lines like frames': failingWith(
    new Error(
      `no\n    at ${canary('a message with lines like frames')} (/app/x.js:1:1)\n    at go (/app/go.js:1:1)`,
    ),
  ),
  'an error whose stack has text': failingWith(stackWithText()),
  'an error whose name is a sentence': failingWith(sentenceAsName()),
  'an error with properties': failingWith(
    Object.assign(new Error('no'), { request: { body: canary('a property of an error') } }),
  ),
  'a thrown text': failingWith(`no ${canary('a thrown text')}`),
  'a thrown object': failingWith({ why: canary('a thrown object') }),
  'an error of the program': failingWith(
    new RangeError(`out of ${canary('an error of the program')}`),
  ),
  'a model that refuses': asking('refusing'),
  'an assertion': asking('asserted', () => {
    const gen = ax.ax(SIGNATURE, { maxRetries: 1 } as never);
    gen.addAssert(() => `is not ${canary('a failed assertion')}`);
    return gen as never;
  }),
  'a correction': (url) =>
    ax
      .ax('questionText:string -> answerNumber:number')
      .forward(service(url, 'correcting'), QUESTION),
  'a flow': (url) =>
    ax
      .flow<typeof QUESTION>()
      .map((state) => ({ ...state, hidden: canary('the state of a flow') }))
      .node('step', SIGNATURE)
      .execute(
        'step',
        ({ hidden }: { hidden: string }) =>
          ({
            questionText: `${canary('the input of a node')} ${hidden}`,
          }) as never,
      )
      .returns(((state: Record<string, unknown>) => state) as never)
      .forward(service(url, 'plain'), QUESTION),
  'a model with a description': (url) =>
    ax.ax(SIGNATURE).forward(
      service(url, 'plain', {
        models: [
          {
            key: 'fast',
            model: 'plain',
            description: canary('the description of a model in a list'),
          },
        ],
      }),
      QUESTION,
      { model: 'fast' } as never,
    ),
  'a header': (url) =>
    ax.ax(SIGNATURE).forward(service(url, 'plain'), QUESTION, {
      customHeaders: { 'x-patient': canary('a header of a request') },
    } as never),
  embeddings: (url) =>
    (service(url, 'plain') as ax.AxAIService).embed({
      texts: [`text ${canary('a text that is embedded')}`],
      embedModel: 'text-embedding-3-small',
    } as never),
  'a balancer': (url) =>
    ax.ax(SIGNATURE).forward(
      ax.AxBalancer.create([service(url, 'balanced'), service(url, 'plain')] as never, {
        debug: false,
        maxRetries: 0,
      }) as never,
      QUESTION,
    ),
  'a router': (url) =>
    ax.ax(SIGNATURE).forward(
      ax.AxMultiServiceRouter.create([
        {
          key: 'fast',
          service: service(url, 'routed'),
          description: canary('the description of a model'),
        },
      ] as never) as never,
      QUESTION,
      { model: 'fast' } as never,
    ),
  'a search': (url) =>
    Promise.resolve(
      new ax.AxEmbeddingAdapter({
        ai: service(url, 'plain'),
        info: { name: 'searchDocs', description: 'searches', argumentDescription: 'what for' },
        func: async () =>
          [
            {
              id: 'd1',
              text: canary('a document'),
              score: 1,
              metadata: { page: canary('the metadata of a document') },
            },
          ] as never,
      })
        .toFunction()
        .func?.({ text: `where is ${canary('a query')}` }),
    ),
  'MCP tools': async () => {
    const client = await connected();
    await client.listTools?.();
    await client.callTool?.('echo', { text: canary('an argument over MCP') });
    await client.callTool?.('break', {}).catch(() => {});
    await client.readResource?.(`file:///home/${canary('the name of a file over MCP')}.txt`);
    await client.getPrompt?.('greet', { who: canary('an argument of a prompt over MCP') });
  },
  'an agent': (url) =>
    ax
      .agent('query:string -> answer:string', {
        contextFields: [],
        agentIdentity: {
          name: 'Helper',
          description: `Helps with ${canary('the description of an agent')} and more`,
        },
        functions: [
          {
            ...tool(async () => canary('what code prints')),
            namespace: 'kb',
            returns: { type: 'string' },
          } as never,
        ],
      } as never)
      .forward(service(url, 'agent'), { query: `what is ${canary('the question of an agent')}` }),
  files: async (url) => {
    const bytes = (place: 'the bytes of an image' | 'the bytes of a voice') =>
      Buffer.from(canary(place).repeat(20)).toString('base64');
    await ax
      .ax('photo:image, voice:audio, questionText:string -> answerText:string')
      .forward(service(url, 'plain'), {
        photo: { mimeType: 'image/png', data: bytes('the bytes of an image') },
        voice: { format: 'wav', data: bytes('the bytes of a voice') },
        ...QUESTION,
      } as never);
    await ax.ax('report:file, questionText:string -> answerText:string').forward(
      mockModel(() => {}, ['Answer Text: yes']),
      {
        report: {
          mimeType: 'application/pdf',
          filename: `${canary('the name of a file')}.pdf`,
          fileUri: `gs://bucket/${canary('the address of a file')}.pdf`,
        },
        ...QUESTION,
      } as never,
    );
  },
  speech: async () => {
    const mock = new ax.AxMockAIService({
      transcribeResponse: { text: canary('text that was heard') },
      speakResponse: { data: '', format: 'mp3' },
    } as never) as never as ax.AxAIService;
    await mock.transcribe?.({
      audio: { data: 'UklGRg==', format: 'wav' },
      model: 'w',
      prompt: canary('a hint for what is heard'),
    } as never);
    await mock.speak?.({ text: canary('text that is spoken'), format: 'mp3' } as never);
  },
  'an evaluation': async (url) => {
    const evaluate = (metric: unknown) =>
      new ax.AxTestPrompt({
        ai: service(url, 'evaluated'),
        program: ax.ax(SIGNATURE) as never,
        examples: [
          {
            questionText: canary('the input of an evaluation'),
            answerText: canary('the expectation of an evaluation'),
          },
        ] as never,
      }).run(metric as never);
    await evaluate(() => 1);
    await evaluate(throwing(new TypeError(canary('the error of a metric'))));
  },
  'an optimizer': (url) =>
    new ax.AxBootstrapFewShot({
      studentAI: service(url, 'trained'),
      examples: examplesOf('the input of a training example') as never,
      options: { maxRounds: 1 },
      verbose: false,
    } as never).compile(
      ax.ax(SIGNATURE) as never,
      examplesOf('the input of a training example') as never,
      (() => 1) as never,
      { verbose: false } as never,
    ),
  'the best of two': (url) =>
    ax
      .bestOfN(ax.ax(SIGNATURE), {
        n: 2,
        strategy: 'serial',
        rewardFn: throwing(new TypeError(`no ${canary('the error of a reward')}`)),
      } as never)
      .forward(service(url, 'plain'), QUESTION as never),
  'a session': () =>
    runSession(ax, canary('a prompt of a session'), canary('the result of a tool in a session')),
  'a call of one’s own': async () => {
    await traceCall(
      {
        name: 'Own',
        type: 'executor',
        inputs: { text: canary('an input of a call of one’s own') },
      },
      async (span) => {
        span.attemptFailed(1, new Error(canary('a failed attempt of a call of one’s own')));
        return { text: canary('an output of a call of one’s own') };
      },
    );
    await traceCall({ name: 'Own', type: 'executor' }, () =>
      Promise.reject(new Error(canary('the error of a call of one’s own'))),
    ).catch(() => {});
  },
  'a plain object': async () => {
    const program = traced({
      forward: async (_values: object) => ({ answerText: 'yes' }),
      async *streamingForward(_values: object) {
        yield { delta: { answerText: canary('a delta of a plain object') } };
      },
    });
    await program.forward({ text: canary('an input of a plain object') });
    for await (const _ of program.streamingForward({ text: 'x' })) void _;
  },
  'the executor': async (url) => {
    const executor = new DspyPipelineExecutor({ ai: service(url, 'executor'), logLevel: 'debug' });
    const inputs = { topic: canary('an input of the executor'), purpose: 'a test' };
    await executor.execute({ program: signatures.DraftText, inputs });
    const failing = new DspyPipelineExecutor({ ai: service(url, 'refusing'), logLevel: 'debug' });
    class Failing extends ax.AxProgram<{ topic: string }, { draft: string }> {
      async forward(): Promise<never> {
        throw new Error(`no ${canary('the error of the executor')}`);
      }
    }
    await failing.execute({
      program: new Failing('topic:string -> draft:string') as never,
      inputs: { topic: 'x' } as never,
    });
    await executor.shutdown();
    await failing.shutdown();
  },
};

/** Those that end with an error. */
export const FAILING: readonly string[] = [
  'a tool that fails',
  'a tool that fails often',
  'an error with lines like frames',
  'an error whose stack has text',
  'an error whose name is a sentence',
  'an error with properties',
  'a thrown text',
  'a thrown object',
  'an error of the program',
  'a model that refuses',
  'an assertion',
  'a router',
  'the best of two',
];

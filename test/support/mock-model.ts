import type { IncomingMessage, ServerResponse } from 'node:http';
import { json as readJson } from 'node:stream/consumers';
import { type ChatCompletionRequest, type FixtureResponse, LLMock } from '@copilotkit/aimock';
import { scenarioReply } from './scenario-replies.js';

export type ModelRequest = ChatCompletionRequest;

interface TextReply {
  text?: string;
  toolCalls?: { name: string; arguments: Record<string, unknown>; id?: string }[];
  /** Tokens; default 11 in and 7 out. Details reach the caller of {@link MockModel.exactURL} alone. */
  usage?: {
    prompt_tokens: number;
    completion_tokens: number;
    prompt_tokens_details?: { cached_tokens: number };
    completion_tokens_details?: { reasoning_tokens: number };
  };
  model?: string;
  finishReason?: string;
  reasoning?: string;
}

/** What the model answers to one request; a string is the text of the reply. */
export type Reply =
  | string
  | TextReply
  /** An HTTP error in the provider's format. */
  | { status: number; message: string; type?: string; code?: string };

/** Replies in their order, of which the last repeats; or a function of the request. */
export type Script = readonly Reply[] | ((request: ModelRequest, index: number) => Reply);

export interface MockModelOptions {
  /** Default {@link scenarioReply}. */
  script?: Script;
  /** Milliseconds before the first byte of an answer. Default 0. */
  firstTokenMs?: number;
  /** Characters of one streamed piece. Default 8. */
  chunkSize?: number;
  /** Tokens per second of a streamed answer. Default as fast as it goes. */
  tokensPerSecond?: number;
}

export interface MockModel {
  /** Base URL for OpenAI clients, such as `http://127.0.0.1:4010/v1`. */
  readonly apiURL: string;
  /**
   * The same, not streamed and with what the mock's own endpoint leaves out: as many choices as `n`
   * asks for, and the details of token usage. Text replies only.
   */
  readonly exactURL: string;
  /** Bodies of the chat requests so far. */
  readonly requests: readonly ModelRequest[];
  /** Answers from now on by another script, counted from its start. */
  play(script: Script): void;
  stop(): Promise<void>;
}

const USAGE = { prompt_tokens: 11, completion_tokens: 7 };

/** A model provider on loopback that speaks OpenAI's format: plain, streamed, tools, embeddings, errors, token usage. */
export async function startMockModel(options: MockModelOptions = {}): Promise<MockModel> {
  const { firstTokenMs, chunkSize = 8, tokensPerSecond } = options;
  const requests: ModelRequest[] = [];
  let script = options.script ?? scenarioReply;
  let index = 0;
  const mock = new LLMock({ port: 0, host: '127.0.0.1', chunkSize, logLevel: 'silent' });
  mock.on(
    { endpoint: 'chat' },
    (request) => {
      requests.push(request);
      return toFixture(pick(script, request, index++));
    },
    {
      ...(firstTokenMs !== undefined && { latency: firstTokenMs }),
      ...(tokensPerSecond !== undefined && { streamingProfile: { tps: tokensPerSecond } }),
    },
  );
  mock.mount('/exact', {
    async handleRequest(incoming: IncomingMessage, response: ServerResponse) {
      const request = (await readJson(incoming)) as ModelRequest;
      requests.push(request);
      const reply = pick(script, request, index++);
      response.writeHead(200, { 'content-type': 'application/json' });
      response.end(JSON.stringify(toCompletion(reply, request)));
      return true;
    },
  });
  await mock.start();
  return {
    apiURL: `${mock.url}/v1`,
    exactURL: `${mock.url}/exact`,
    requests,
    play(next) {
      script = next;
      index = 0;
    },
    stop: () => mock.stop(),
  };
}

function pick(script: Script, request: ModelRequest, index: number): Reply {
  if (typeof script === 'function') return script(request, index);
  const reply = script[index] ?? script.at(-1);
  if (reply === undefined) throw new Error('The script of the mock model has no reply.');
  return reply;
}

function toFixture(reply: Reply): FixtureResponse {
  if (typeof reply === 'string') return { content: reply, usage: USAGE };
  if ('status' in reply) {
    const { status, ...error } = reply;
    return { status, error };
  }
  const { text, toolCalls, usage = USAGE, ...rest } = reply;
  const calls = toolCalls?.map((call) => ({ ...call, arguments: JSON.stringify(call.arguments) }));
  if (!calls) return { content: text ?? '', usage, ...rest };
  return { ...(text !== undefined && { content: text }), toolCalls: calls, usage, ...rest };
}

function toCompletion(reply: Reply, { model, n }: ModelRequest): object {
  const { text = '', usage = USAGE } =
    typeof reply === 'string' ? { text: reply } : (reply as TextReply);
  return {
    id: 'chatcmpl-exact',
    object: 'chat.completion',
    created: 1,
    model,
    choices: Array.from({ length: Number(n ?? 1) }, (_, index) => ({
      index,
      message: { role: 'assistant', content: text },
      finish_reason: 'stop',
    })),
    usage: { ...usage, total_tokens: usage.prompt_tokens + usage.completion_tokens },
  };
}

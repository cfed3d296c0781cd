import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';

/** Text that every provider answers. */
export const ANSWER = 'Answer: four';

/** The same call as each provider counts it: 11 tokens in, of them 4 read from and 2 written to a cache; 7 out, of them 3 reasoning. */
const OPENAI_USAGE = {
  prompt_tokens: 11,
  completion_tokens: 7,
  total_tokens: 18,
  prompt_tokens_details: { cached_tokens: 4, cache_write_tokens: 2 },
  completion_tokens_details: { reasoning_tokens: 3 },
};
const RESPONSES_USAGE = {
  input_tokens: 11,
  output_tokens: 7,
  total_tokens: 18,
  input_tokens_details: { cached_tokens: 4, cache_write_tokens: 2 },
  output_tokens_details: { reasoning_tokens: 3 },
};
const ANTHROPIC_USAGE = {
  input_tokens: 5,
  cache_read_input_tokens: 4,
  cache_creation_input_tokens: 2,
  output_tokens: 7,
};
const GEMINI_USAGE = {
  promptTokenCount: 11,
  cachedContentTokenCount: 4,
  candidatesTokenCount: 4,
  thoughtsTokenCount: 3,
  totalTokenCount: 18,
};

export interface ProviderServer {
  readonly url: string;
  /** A `fetch` that brings a provider's requests here, whatever host they are meant for. */
  readonly fetch: typeof fetch;
  stop(): Promise<void>;
}

/** A loopback server that answers in the wire formats of OpenAI (both APIs), Anthropic and Gemini, plain and streamed. */
export async function startProviderServer(): Promise<ProviderServer> {
  const server = createServer((request, response) => {
    void readBody(request).then((body) => answer(request.url ?? '', body, response));
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  return {
    url,
    fetch: (input: string | URL | Request, init?: RequestInit) => {
      const { pathname, search } = new URL(input instanceof Request ? input.url : input);
      return fetch(url + pathname + search, init);
    },
    stop: () =>
      new Promise((resolve) => {
        server.closeAllConnections();
        server.close(() => resolve());
      }),
  };
}

async function readBody(request: IncomingMessage): Promise<{ stream?: boolean }> {
  const chunks: Buffer[] = [];
  for await (const chunk of request) chunks.push(chunk as Buffer);
  const text = Buffer.concat(chunks).toString();
  return text === '' ? {} : (JSON.parse(text) as { stream?: boolean });
}

function answer(path: string, { stream }: { stream?: boolean }, response: ServerResponse): void {
  if (path.includes('/responses')) {
    const id = `resp_${++responses}`;
    send(response, stream, responsesBody(id), responsesEvents(id));
  } else if (path.includes('/messages')) {
    send(response, stream, anthropicBody, anthropicEvents);
  } else if (path.includes('enerateContent')) {
    send(response, path.includes('streamGenerateContent'), geminiBody, geminiEvents);
  } else {
    send(response, stream, openaiBody, openaiEvents);
  }
}

/** Responses given so far: each has an id of its own. */
let responses = 0;

interface Event {
  event?: string;
  data: unknown;
}

function send(
  response: ServerResponse,
  stream: boolean | undefined,
  body: unknown,
  events: readonly Event[],
): void {
  if (!stream) {
    response.writeHead(200, { 'content-type': 'application/json', 'x-request-id': 'req_1' });
    response.end(JSON.stringify(body));
    return;
  }
  response.writeHead(200, { 'content-type': 'text/event-stream' });
  for (const { event, data } of events) {
    if (event !== undefined) response.write(`event: ${event}\n`);
    response.write(`data: ${typeof data === 'string' ? data : JSON.stringify(data)}\n\n`);
  }
  response.end();
}

const PIECES = ['Answer: ', 'four'];
const openaiHead = { id: 'chatcmpl-1', model: 'gpt-4o-mini', created: 1 };
const openaiBody = {
  ...openaiHead,
  object: 'chat.completion',
  choices: [{ index: 0, message: { role: 'assistant', content: ANSWER }, finish_reason: 'stop' }],
  usage: OPENAI_USAGE,
};
const openaiChunk = { ...openaiHead, object: 'chat.completion.chunk' };
const openaiEvents: Event[] = [
  ...PIECES.map((content) => ({
    data: { ...openaiChunk, choices: [{ index: 0, delta: { content }, finish_reason: null }] },
  })),
  { data: { ...openaiChunk, choices: [{ index: 0, delta: {}, finish_reason: 'stop' }] } },
  { data: { ...openaiChunk, choices: [], usage: OPENAI_USAGE } },
  { data: '[DONE]' },
];

const responsesItem = {
  type: 'message',
  id: 'msg_1',
  role: 'assistant',
  status: 'completed',
  content: [{ type: 'output_text', text: ANSWER, annotations: [] }],
};
const responsesBody = (id: string) => ({
  id,
  object: 'response',
  status: 'completed',
  model: 'gpt-4o-mini',
  output: [responsesItem],
  usage: RESPONSES_USAGE,
});
const responsesEvents = (id: string): Event[] =>
  [
    {
      type: 'response.created',
      response: { id, status: 'in_progress', model: 'gpt-4o-mini', output: [] },
    },
    {
      type: 'response.output_item.added',
      output_index: 0,
      item: { ...responsesItem, status: 'in_progress', content: [] },
    },
    ...PIECES.map((delta) => ({
      type: 'response.output_text.delta',
      item_id: 'msg_1',
      output_index: 0,
      content_index: 0,
      delta,
    })),
    { type: 'response.output_item.done', output_index: 0, item: responsesItem },
    { type: 'response.completed', response: responsesBody(id) },
  ].map((data) => ({ event: data.type, data }));

const anthropicHead = {
  id: 'msg_1',
  type: 'message',
  role: 'assistant',
  model: 'claude-3-5-haiku-latest',
  stop_sequence: null,
};
const anthropicBody = {
  ...anthropicHead,
  content: [{ type: 'text', text: ANSWER }],
  stop_reason: 'end_turn',
  usage: ANTHROPIC_USAGE,
};
const anthropicEvents: Event[] = [
  {
    type: 'message_start',
    message: {
      ...anthropicHead,
      content: [],
      stop_reason: null,
      usage: { ...ANTHROPIC_USAGE, output_tokens: 1 },
    },
  },
  { type: 'content_block_start', index: 0, content_block: { type: 'text', text: '' } },
  ...PIECES.map((text) => ({
    type: 'content_block_delta',
    index: 0,
    delta: { type: 'text_delta', text },
  })),
  { type: 'content_block_stop', index: 0 },
  {
    type: 'message_delta',
    delta: { stop_reason: 'end_turn', stop_sequence: null },
    usage: { output_tokens: 7 },
  },
  { type: 'message_stop' },
].map((data) => ({ event: data.type, data }));

function geminiChunk(
  text: string,
  finishReason: string | undefined,
  usageMetadata: object,
): object {
  return {
    candidates: [
      {
        index: 0,
        content: { role: 'model', parts: [{ text }] },
        ...(finishReason === undefined ? {} : { finishReason }),
      },
    ],
    usageMetadata,
    responseId: 'gem_1',
    modelVersion: 'gemini-2.5-flash',
  };
}
const geminiBody = geminiChunk(ANSWER, 'STOP', GEMINI_USAGE);
const geminiEvents: Event[] = [
  {
    data: geminiChunk('Answer: ', undefined, {
      promptTokenCount: 11,
      cachedContentTokenCount: 4,
      totalTokenCount: 11,
    }),
  },
  { data: geminiChunk('four', 'STOP', GEMINI_USAGE) },
];

import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { SpanStatusCode } from '@opentelemetry/api';
import { afterAll, beforeAll, expect, it, vi } from 'vitest';
import { describeMajors } from '../support/majors.js';
import { type ProviderServer, startProviderServer } from '../support/provider-server.js';

setFlagsFromString('--expose-gc');
const gc = runInNewContext('gc') as () => void;

let server: ProviderServer;
beforeAll(async () => {
  server = await startProviderServer();
});
afterAll(() => server.stop());

describeMajors('AxAI.openChatSession', [24], (bench) => {
  const open = (options: object = {}, prompt = 'two and two?') => {
    const { ax } = bench();
    const ai = ax.ai({
      name: 'openai-responses',
      apiKey: 'k',
      config: { model: 'gpt-6-astra' },
      options: { fetch: server.fetch },
    });
    return ai.openChatSession(
      { model: 'gpt-6-astra', chatPrompt: [{ role: 'user', content: prompt }] },
      options,
    );
  };

  interface Events {
    events(): AsyncGenerator<{ type: string }>;
  }
  const nextResponse = async (events: ReturnType<Events['events']>): Promise<void> => {
    for (let type: string | undefined; type !== 'response.completed'; ) {
      type = (await events.next()).value?.type;
    }
  };

  it('is a model call for each response, with what each answers to', async () => {
    const { tracing } = bench();
    const session = await open({ sessionId: 's-1' });
    let responses = 0;
    for await (const event of session.events()) {
      if (event.type !== 'response.completed') continue;
      responses++;
      if (responses === 2) break;
      await session.submitToolResults([
        { role: 'function', functionId: 'c1', result: '4', index: 0 },
      ]);
      await session.continue();
    }
    session.close();
    const [first, second] = tracing.spans();
    expect(tracing.spans().map(({ name }) => name)).toEqual([
      'chat gpt-6-astra',
      'chat gpt-6-astra',
    ]);
    for (const span of [first, second]) {
      expect(span?.attributes).toMatchObject({
        'openinference.span.kind': 'LLM',
        'gen_ai.request.model': 'gpt-6-astra',
        'gen_ai.usage.input_tokens': 11,
        'gen_ai.usage.output_tokens': 7,
        'gen_ai.conversation.id': 's-1',
        'dspy.outcome': 'completed',
      });
      expect(String(span?.attributes['gen_ai.output.messages'])).toContain('Answer: four');
    }
    expect(String(first?.attributes['gen_ai.input.messages'])).toContain('two and two?');
    expect(JSON.parse(String(second?.attributes['gen_ai.input.messages']))).toEqual([
      { role: 'tool', parts: [{ type: 'tool_call_response', id: 'c1', response: '4' }] },
    ]);
  });

  it('ends early with the session', async () => {
    const { tracing } = bench();
    const session = await open();
    session.close();
    expect(tracing.span('chat gpt-6-astra').attributes['dspy.outcome']).toBe('early_exit');
  });

  it('ends with a consumer that stops reading', async () => {
    const { tracing } = bench();
    const session = await open();
    for await (const _event of session.events()) break;
    expect(tracing.span('chat gpt-6-astra').attributes['dspy.outcome']).toMatch(
      /early_exit|completed/,
    );
    session.close();
    expect(tracing.spans()).toHaveLength(1);
  });

  it('fails when the session cannot be opened', async () => {
    const { ax, tracing } = bench();
    const ai = ax.ai({ name: 'openai', apiKey: 'k', config: { model: 'gpt-4o-mini' } });
    await expect(
      ai.openChatSession({ model: 'gpt-4o-mini', chatPrompt: [{ role: 'user', content: 'x' }] }),
    ).rejects.toThrow(/chat sessions/);
    expect(tracing.span('chat gpt-4o-mini').status.code).toBe(SpanStatusCode.ERROR);
  });

  it('that refuses to go on leaves the response that is under way as it is', async () => {
    const { tracing } = bench();
    const session = await open();
    await expect(session.continue()).rejects.toThrow(/active response/);
    await session.submitToolResults([
      { role: 'function', functionId: 'c1', result: '4', index: 0 },
    ]);
    await expect(session.continue()).rejects.toThrow(/active response/);
    const events = session.events();
    await nextResponse(events);
    await session.continue();
    await nextResponse(events);
    session.close();
    const outcomes = tracing.spans().map(({ attributes }) => attributes['dspy.outcome']);
    expect(outcomes).toEqual(['completed', 'error', 'error', 'completed']);
    expect(tracing.spans()[0]?.attributes['gen_ai.usage.output_tokens']).toBe(7);
    expect(tracing.spans()[3]?.attributes['gen_ai.input.messages']).toContain('"response":"4"');
  });

  it('keeps responses apart that are asked for before the ones before were read', async () => {
    const { tracing } = bench();
    const session = await open();
    const { signal } = session;
    await vi.waitFor(() => session.continue());
    expect(signal.aborted).toBe(false);
    const events = session.events();
    await nextResponse(events);
    await nextResponse(events);
    session.close();
    const read = tracing.spans().filter((span) => span.status.code !== SpanStatusCode.ERROR);
    expect(read.map(({ attributes }) => attributes['dspy.outcome'])).toEqual([
      'completed',
      'completed',
    ]);
    const ids = read.map(({ attributes }) => attributes['gen_ai.response.id']);
    expect(new Set(ids).size).toBe(2);
  });

  it('that the provider goes on with by itself is a model call for each response', async () => {
    const { tracing } = bench();
    const session = await open({ webSocket: SteeredSocket });
    const events = session.events();
    await events.next();
    expect(await session.steer('three and three?')).toBe('native');
    await nextResponse(events);
    await nextResponse(events);
    session.close();
    const [first, second] = tracing.spans();
    expect(first?.attributes['gen_ai.response.id']).toBe('r1');
    expect(second?.attributes).toMatchObject({
      'gen_ai.response.id': 'r2',
      'gen_ai.usage.output_tokens': 2,
      'dspy.outcome': 'completed',
    });
    expect(second?.attributes['gen_ai.input.messages']).toContain('three and three?');
    expect(tracing.spans()).toHaveLength(2);
  });

  it('ends as abandoned when it is collected', async () => {
    const { tracing } = bench();
    await (async () => {
      await open({ abortSignal: new AbortController().signal });
    })();
    await vi.waitFor(
      () => {
        gc();
        expect(tracing.span('chat gpt-6-astra').attributes['dspy.outcome']).toBe('abandoned');
      },
      { timeout: 10_000, interval: 50 },
    );
  });

  it('gives no reply that quotes what was removed from an earlier request', async () => {
    const { tracing, configure } = bench();
    const removed = 'Answer: four';
    configure({
      inputSanitizer: (inputs) => JSON.parse(JSON.stringify(inputs).replaceAll(removed, '')),
    });
    const session = await open({}, removed);
    const events = session.events();
    await nextResponse(events);
    await session.continue();
    await nextResponse(events);
    session.close();
    expect(tracing.spans()).toHaveLength(2);
    for (const { attributes } of tracing.spans()) {
      expect(JSON.stringify(attributes)).toContain('REDACTED');
      expect(JSON.stringify(attributes)).not.toContain('four');
    }
  });

  it('withholds replies where an earlier request was not looked at', async () => {
    const { tracing, configure } = bench();
    const inputSanitizer = (inputs: object) => inputs;
    configure({ inputSanitizer, traceCondition: () => false });
    const session = await open();
    configure({ inputSanitizer });
    const events = session.events();
    await nextResponse(events);
    await session.continue();
    await nextResponse(events);
    session.close();
    expect(JSON.stringify(tracing.span('chat gpt-6-astra').attributes)).not.toContain('four');
  });

  it('is no longer traced when the methods of Ax are put back', async () => {
    const { tracing } = bench();
    const session = await open();
    const events = session.events();
    tracing.instrumentation.disable();
    await nextResponse(events);
    await session.continue();
    await nextResponse(events);
    session.close();
    tracing.instrumentation.enable();
    expect(tracing.span('chat gpt-6-astra').attributes['dspy.outcome']).toBe('completed');
  });

  it('gives its events by a generator, as Ax does', async () => {
    const { tracing } = bench();
    const session = await open();
    const events = session.events();
    expect(Object.prototype.toString.call(events)).toBe('[object AsyncGenerator]');
    expect(events[Symbol.asyncIterator]()).toBe(events);
    await events[Symbol.asyncDispose]?.();
    await events.return();
    session.close();
    expect(tracing.span('chat gpt-6-astra').attributes['dspy.outcome']).toBe('early_exit');
  });

  it('below a program that leaves the model to it, gives its tools the ids of their calls', async () => {
    const { ax, tracing } = bench();
    const ai = ax.ai({
      name: 'openai-responses',
      apiKey: 'k',
      config: { model: 'gpt-6-astra' },
      options: { fetch: twoToolCalls() },
    });
    const lookUp = {
      name: 'lookUp',
      description: 'Looks up',
      execution: 'background',
      parameters: { type: 'object', properties: { key: { type: 'string', description: 'k' } } },
      func: async () => 'found',
    };
    const program = new ax.AxGen('question:string -> answer:string', { functions: [lookUp] });
    expect(await program.forward(ai, { question: 'why?' })).toEqual({ answer: 'four' });
    expect(tracing.tree().split('\n')).toEqual([
      'invoke_workflow AxGen(question -> answer)',
      '  chat gpt-6-astra',
      '  execute_tool lookUp',
      '  chat gpt-6-astra',
      '  execute_tool lookUp',
      '  chat gpt-6-astra',
    ]);
    const tools = tracing.spans().filter(({ name }) => name === 'execute_tool lookUp');
    expect(
      tools.map(({ attributes }) => [
        attributes['gen_ai.tool.call.id'],
        attributes['gen_ai.tool.call.arguments'],
      ]),
    ).toEqual([
      ['call_1', '{"key":"k1"}'],
      ['call_2', '{"key":"k2"}'],
    ]);
  });

  it('is left alone when tracing is off', async () => {
    const { tracing, configure } = bench();
    configure({ enabled: false });
    const session = await open();
    session.close();
    expect(tracing.spans()).toHaveLength(0);
  });
});

/** A provider that asks for a tool in each of two responses, and then answers. */
function twoToolCalls(): typeof fetch {
  let count = 0;
  return async () => {
    const id = `r${++count}`;
    const head = { id, object: 'response', model: 'gpt-6-astra' };
    const item =
      count <= 2
        ? {
            type: 'function_call',
            call_id: `call_${count}`,
            name: 'lookUp',
            arguments: JSON.stringify({ key: `k${count}` }),
          }
        : {
            type: 'message',
            role: 'assistant',
            content: [{ type: 'output_text', text: 'Answer: four', annotations: [] }],
          };
    const usage = { input_tokens: 1, output_tokens: 1, total_tokens: 2 };
    const events = [
      { type: 'response.created', response: { ...head, status: 'in_progress', output: [] } },
      { type: 'response.output_item.done', output_index: 0, item },
      {
        type: 'response.completed',
        response: { ...head, status: 'completed', output: [item], usage },
      },
    ];
    const text = events.map((event) => `data: ${JSON.stringify(event)}\n\n`).join('');
    return new Response(text, { headers: { 'content-type': 'text/event-stream' } });
  };
}

type Listener = (event: object) => void;

/** A connection to a provider that ends a response when it is steered and goes on with the next. */
class SteeredSocket {
  readonly readyState = 1;
  readonly #listeners = new Map<string, Set<Listener>>();

  constructor() {
    queueMicrotask(() => this.#emit('open', {}));
  }

  addEventListener(type: string, listener: Listener): void {
    const known = this.#listeners.get(type) ?? new Set();
    this.#listeners.set(type, known.add(listener));
  }

  removeEventListener(type: string, listener: Listener): void {
    this.#listeners.get(type)?.delete(listener);
  }

  send(text: string): void {
    const { type } = JSON.parse(text) as { type: string };
    if (type === 'response.create') this.#begin('r1');
    if (type !== 'response.steer') return;
    this.#end('r1', 'incomplete', 1, { incomplete_details: { reason: 'steered' } });
    this.#begin('r2');
    this.#end('r2', 'completed', 2, {});
  }

  close(): void {}

  #begin(id: string): void {
    this.#message({ type: 'response.created', response: { id, model: 'gpt-6-astra' } });
    this.#message({ type: 'response.output_text.delta', delta: id });
  }

  #end(id: string, status: string, output_tokens: number, details: object): void {
    const usage = { input_tokens: 1, output_tokens, total_tokens: 1 + output_tokens };
    const response = { id, status, model: 'gpt-6-astra', output: [], usage, ...details };
    this.#message({ type: `response.${status}`, response });
  }

  #message(value: object): void {
    this.#emit('message', { data: JSON.stringify(value) });
  }

  #emit(type: string, event: object): void {
    for (const listener of this.#listeners.get(type) ?? []) listener(event);
  }
}

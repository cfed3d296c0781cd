import { SpanKind, SpanStatusCode } from '@opentelemetry/api';
import { expect, it } from 'vitest';
import type { ModelRequest, Reply, Script } from '../../../../test/support/mock-model.js';
import { AX_MAJORS } from '../support/ax.js';
import { type Bench, describeMajors } from '../support/majors.js';

const QUESTION = { questionText: 'two and two?' };

function textOf(request: ModelRequest): string {
  return request.messages
    .map(({ content }) => (typeof content === 'string' ? content : JSON.stringify(content)))
    .join('\n');
}

/** One script for all: a scripted reply picks by what the prompt asks for. */
const script: Script = (request): Reply => {
  const prompt = textOf(request);
  const tools = (request.tools ?? []).map(({ function: { name } }) => name);
  const called = request.messages.some(({ role }) => role === 'tool');
  if (tools.length > 0 && !called) {
    return {
      toolCalls: tools.map((name, index) => ({
        name,
        arguments: { key: `k${index}` },
        id: `call_${index}`,
      })),
    };
  }
  if (prompt.includes('Doc Label')) return 'Doc Label: x';
  if (prompt.includes('Summary')) return 'Summary: s';
  if (prompt.includes('Child Answer')) return 'Child Answer: from the child';
  return 'Answer Text: four';
};

function generator({ ax }: Bench, options: object = {}) {
  return new ax.AxGen('questionText:string -> answerText:string', options);
}

const KEY_PARAMETERS = {
  type: 'object',
  properties: { key: { type: 'string', description: 'the key' } },
  required: ['key'],
};

function tool(name: string, func: (args: { key: string }) => unknown) {
  return { name, description: `Looks up ${name} by its key`, parameters: KEY_PARAMETERS, func };
}

describeMajors(
  'the core scenario',
  AX_MAJORS,
  (bench) => {
    it('a generator is a program span with a model span below', async () => {
      const { service, tracing } = bench();
      const result = await generator(bench()).forward(service(), QUESTION);
      expect(result).toEqual({ answerText: 'four' });
      const name = 'AxGen(questionText -> answerText)';
      expect(tracing.tree()).toBe(`invoke_workflow ${name}\n  chat gpt-4o-mini`);

      const program = tracing.span(/^invoke_workflow/);
      expect(program.kind).toBe(SpanKind.INTERNAL);
      expect(program.attributes).toMatchObject({
        'openinference.span.kind': 'CHAIN',
        'gen_ai.operation.name': 'invoke_workflow',
        'gen_ai.workflow.name': name,
        'dspy.module.name': name,
        'dspy.module.type': 'AxGen',
        'dspy.outcome': 'completed',
        'input.value': JSON.stringify(QUESTION),
        'input.mime_type': 'application/json',
        'output.value': '{"answerText":"four"}',
        'output.mime_type': 'application/json',
        'dspy.attempts': 1,
        'dspy.usage.model_calls': 1,
        'dspy.usage.input_tokens': 11,
        'dspy.usage.output_tokens': 7,
        'dspy.usage.total_tokens': 18,
      });
      expect(program.attributes['dspy.signature']).toMatch(
        /questionText:string -> answerText:string/,
      );
      expect(JSON.parse(String(program.attributes['dspy.signature.fields']))).toMatchObject([
        { name: 'questionText', type: 'string', io: 'input' },
        { name: 'answerText', type: 'string', io: 'output' },
      ]);
      expect(Object.keys(program.attributes).join()).not.toMatch(/gen_ai\.usage|llm\.token_count/);
      expect(program.status.code).toBe(SpanStatusCode.UNSET);

      const call = tracing.span(/^chat/);
      expect(call.kind).toBe(SpanKind.CLIENT);
      expect(call.attributes).toMatchObject({
        'openinference.span.kind': 'LLM',
        'gen_ai.operation.name': 'chat',
        'gen_ai.provider.name': 'openai',
        'gen_ai.request.model': 'gpt-4o-mini',
        'gen_ai.request.stream': false,
        'gen_ai.response.model': expect.stringMatching(/^gpt-4o-mini/),
        'gen_ai.response.finish_reasons': ['stop'],
        'gen_ai.usage.input_tokens': 11,
        'gen_ai.usage.output_tokens': 7,
        'llm.model_name': expect.stringMatching(/^gpt-4o-mini/),
        'llm.provider': 'openai',
        'llm.token_count.prompt': 11,
        'llm.token_count.completion': 7,
        'llm.token_count.total': 18,
        'llm.finish_reason': 'stop',
        'llm.output_messages.0.message.content': 'Answer Text: four',
        'llm.input_messages.0.message.role': 'system',
      });
      const input = JSON.parse(String(call.attributes['gen_ai.input.messages']));
      expect(input.at(-1)).toMatchObject({ role: 'user' });
      expect(JSON.stringify(input.at(-1))).toContain('two and two?');
      expect(call.attributes['input.value']).toBe(call.attributes['gen_ai.input.messages']);
      expect(JSON.parse(String(call.attributes['gen_ai.output.messages']))).toEqual([
        {
          role: 'assistant',
          parts: [{ type: 'text', content: 'Answer Text: four' }],
          finish_reason: 'stop',
        },
      ]);
    });

    it('a streamed generator is the same, with its chunks and its assembled output', async () => {
      const { service, tracing } = bench();
      const chunks: unknown[] = [];
      const stream = generator(bench()).streamingForward(service({ stream: true }), QUESTION);
      for await (const chunk of stream) chunks.push(chunk);
      expect(tracing.tree()).toMatch(/^invoke_workflow .*\n {2}chat gpt-4o-mini$/);
      const program = tracing.span(/^invoke_workflow/);
      expect(program.attributes).toMatchObject({
        'output.value': '{"answerText":"four"}',
        'dspy.stream.chunks': chunks.length,
        'dspy.outcome': 'completed',
      });
      expect(program.attributes['dspy.stream.time_to_first_chunk']).toBeGreaterThan(0);
      const call = tracing.span(/^chat/);
      expect(call.attributes).toMatchObject({
        'gen_ai.request.stream': true,
        'gen_ai.response.finish_reasons': ['stop'],
        'dspy.outcome': 'completed',
      });
      expect(call.attributes['gen_ai.response.time_to_first_chunk']).toBeGreaterThan(0);
      expect(String(call.attributes['gen_ai.output.messages'])).toContain('Answer Text: four');
    });

    it('tools are spans below the program, with the ids of their calls', async () => {
      const { ax, service, tracing } = bench();
      const age = tool('getAge', async ({ key }) => `age of ${key}`);
      const size = tool('getSize', ({ key }) => ({ size: key.length }));
      const gen = generator(bench(), { functions: [age, size] });
      expect(await gen.forward(service(), QUESTION)).toEqual({ answerText: 'four' });
      expect(tracing.tree()).toMatch(
        /^invoke_workflow .*\n {2}chat gpt-4o-mini\n {2}execute_tool getAge\n {2}execute_tool getSize\n {2}chat gpt-4o-mini$/,
      );
      const span = tracing.span('execute_tool getAge');
      expect(span.kind).toBe(SpanKind.INTERNAL);
      expect(span.attributes).toMatchObject({
        'openinference.span.kind': 'TOOL',
        'gen_ai.operation.name': 'execute_tool',
        'gen_ai.tool.name': 'getAge',
        'gen_ai.tool.type': 'function',
        'gen_ai.tool.description': 'Looks up getAge by its key',
        'gen_ai.tool.call.id': 'call_0',
        'gen_ai.tool.call.arguments': '{"key":"k0"}',
        'gen_ai.tool.call.result': 'age of k0',
        'tool.name': 'getAge',
        'tool.parameters': JSON.stringify(KEY_PARAMETERS),
        'input.value': '{"key":"k0"}',
        'output.value': 'age of k0',
        'output.mime_type': 'text/plain',
        'dspy.module.type': 'tool',
      });
      expect(tracing.span('execute_tool getSize').attributes).toMatchObject({
        'gen_ai.tool.call.id': 'call_1',
        'output.value': '{"size":2}',
        'output.mime_type': 'application/json',
      });
      const program = tracing.span(/^invoke_workflow/);
      expect(program.attributes).toMatchObject({
        'dspy.tools': ['getAge', 'getSize'],
        'dspy.attempts': 2,
        'dspy.usage.model_calls': 2,
        'dspy.usage.total_tokens': 36,
      });
      const [first] = tracing.spans().filter(({ name }) => name.startsWith('chat'));
      expect(JSON.parse(String(first?.attributes['gen_ai.tool.definitions']))).toMatchObject([
        { type: 'function', name: 'getAge', parameters: KEY_PARAMETERS },
        { type: 'function', name: 'getSize' },
      ]);
      expect(ax.AxGen.prototype.forward.length).toBe(3);
    });

    it('the tools of one call of the program are traced too', async () => {
      const { service, tracing } = bench();
      const age = tool('getAge', async () => 20);
      await generator(bench()).forward(service(), QUESTION, { functions: [age] });
      expect(tracing.span('execute_tool getAge').attributes['output.value']).toBe('20');
    });

    it('the branches of a flow are below it, each with its own model call', async () => {
      const { ax, service, tracing } = bench();
      const flow = new ax.AxFlow()
        .node('sum', 'docText:string -> summary:string')
        .node('cls', 'docText:string -> docLabel:string')
        .execute('sum', (state: { docText: string }) => ({ docText: state.docText }))
        .execute('cls', (state: { docText: string }) => ({ docText: state.docText }))
        // biome-ignore lint/suspicious/noExplicitAny: the state of a flow
        .map((state: any) => ({ a: state.sumResult.summary, b: state.clsResult.docLabel }));
      const result = await flow.forward(service(), { docText: 'a text' });
      expect(result).toEqual({ a: 's', b: 'x' });
      const lines = tracing.tree().split('\n');
      expect(lines[0]).toMatch(/^invoke_workflow AxFlow/);
      expect(lines.slice(1)).toEqual([
        expect.stringMatching(/^ {2}invoke_workflow /),
        '    chat gpt-4o-mini',
        expect.stringMatching(/^ {2}invoke_workflow /),
        '    chat gpt-4o-mini',
      ]);
      const flowSpan = tracing.span(/^invoke_workflow AxFlow/);
      expect(flowSpan.attributes).toMatchObject({
        'dspy.module.type': 'AxFlow',
        'input.value': '{"docText":"a text"}',
        'output.value': '{"a":"s","b":"x"}',
        'dspy.usage.model_calls': 2,
        'dspy.usage.total_tokens': 36,
      });
    });

    it('an embedding is a span of its own', async () => {
      const { service, tracing } = bench();
      const embedder = service({ config: { embedModel: 'text-embedding-3-small' } });
      const { embeddings } = await embedder.embed({ texts: ['hello', 'world'] });
      const span = tracing.span(/^embeddings/);
      expect(span.kind).toBe(SpanKind.CLIENT);
      expect(span.attributes).toMatchObject({
        'openinference.span.kind': 'EMBEDDING',
        'gen_ai.operation.name': 'embeddings',
        'gen_ai.provider.name': 'openai',
        'gen_ai.request.model': 'text-embedding-3-small',
        'embedding.model_name': 'text-embedding-3-small',
        'embedding.embeddings.0.embedding.text': 'hello',
        'gen_ai.embeddings.dimension.count': embeddings[0].length,
        'input.value': '["hello","world"]',
      });
      expect(JSON.stringify(span.attributes)).not.toContain(String(embeddings[0][0]));
    });

    it('the wrapper around a provider does not double its calls', async () => {
      const { ax, model, tracing } = bench();
      const wrapped = new ax.AxAI({
        name: 'openai',
        apiKey: 'sk-test',
        apiURL: model.apiURL,
        config: { model: 'gpt-4o-mini', stream: false },
        options: { fetch: bench().service().getOptions().fetch },
      });
      await generator(bench()).forward(wrapped, QUESTION);
      expect(tracing.tree()).toMatch(/^invoke_workflow .*\n {2}chat gpt-4o-mini$/);
    });

    it('a service of the users own is traced through the generator, and left as it is', async () => {
      const { tracing } = bench();
      const real = bench().service();
      let calls = 0;
      // Ax asks a service for many things: those not under test are the real one's.
      const asked = ['getFeatures', 'getOptions', 'getModelList', 'getLastUsedChatModel'];
      const service = {
        ...Object.fromEntries(
          [...asked, 'getLastUsedModelConfig', 'getEstimatedCost', 'getId', 'getLogger'].map(
            (name) => [name, (...args: unknown[]) => real[name]?.(...args)],
          ),
        ),
        getName: () => 'my provider',
        chat(...args: unknown[]) {
          calls++;
          return real.chat(...args);
        },
      };
      const before = service.chat;
      expect(await generator(bench()).forward(service, QUESTION)).toEqual({ answerText: 'four' });
      expect(calls).toBe(1);
      expect(service.chat).toBe(before);
      const [outer, inner] = tracing.spans().filter(({ name }) => name.startsWith('chat'));
      expect(outer?.attributes).toMatchObject({
        'gen_ai.provider.name': 'my_provider',
        'gen_ai.usage.input_tokens': 11,
      });
      // The provider inside is called within a model call: its tokens are those of the outer one.
      expect(inner?.attributes['openinference.span.kind']).toBe('CHAIN');
      expect(Object.keys(inner?.attributes ?? {}).join()).not.toMatch(/usage|token_count/);
      expect(tracing.span(/^invoke_workflow/).attributes['dspy.usage.total_tokens']).toBe(18);
    });
  },
  script,
);

describeMajors(
  'an agent with a child',
  [12, 14, 16],
  (bench) => {
    it('is an agent span, its child a tool with an agent span below', async () => {
      const { ax, service, tracing } = bench();
      const child = new ax.AxAgent({
        name: 'Child Agent',
        description: 'Answers the questions that the parent hands on',
        signature: 'childQuestion:string -> childAnswer:string',
      });
      const agent = new ax.AxAgent({
        name: 'Parent Agent',
        description: 'Asks its child before it answers anything itself',
        signature: 'questionText:string -> answerText:string',
        agents: [child],
      });
      const answer = await agent.forward(service(), QUESTION);
      expect(answer).toEqual({ answerText: 'four' });
      const tree = tracing.tree();
      expect(tree).toMatch(/^invoke_agent parentAgent\n/);
      expect(tree).toMatch(/\n {4}execute_tool childAgent\n {6}invoke_agent childAgent\n/);
      expect(tracing.span('invoke_agent parentAgent').attributes).toMatchObject({
        'openinference.span.kind': 'AGENT',
        'gen_ai.agent.name': 'parentAgent',
        'agent.name': 'parentAgent',
        'dspy.module.type': 'AxAgent',
        'output.value': '{"answerText":"four"}',
        'dspy.usage.model_calls': 3,
      });
    });
  },
  (request) => {
    const tools = request.tools ?? [];
    const called = request.messages.some(({ role }) => role === 'tool');
    if (tools.length > 0 && !called) {
      const [
        {
          function: { name },
        } = { function: { name: '' } },
      ] = tools;
      return {
        toolCalls: [{ name, arguments: { childQuestion: 'and you?', model: 'gpt-4o-mini' } }],
      };
    }
    const [system] = request.messages;
    return String(system?.content).includes('Answer Text')
      ? 'Answer Text: four'
      : 'Child Answer: me';
  },
);

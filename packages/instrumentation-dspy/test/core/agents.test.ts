import { context, SpanStatusCode, trace } from '@opentelemetry/api';
import { expect, it } from 'vitest';
import type { Script } from '../../../../test/support/mock-model.js';
import { scenarioReply } from '../../../../test/support/scenario-replies.js';
import { type Bench, describeMajors } from '../support/majors.js';

const PARAMETERS = {
  type: 'object',
  properties: { key: { type: 'string', description: 'the key' } },
  required: ['key'],
};

interface AgentOptions {
  // biome-ignore lint/suspicious/noExplicitAny: what a tool is given
  lookup?: (args: any) => unknown;
  runtime?: object;
}

function agentOf(
  { ax, major }: Bench,
  { lookup = ({ key }) => `val-${key}`, runtime }: AgentOptions = {},
) {
  const tool = {
    name: 'lookup',
    namespace: 'kb',
    description: 'Looks up the value of a key',
    parameters: PARAMETERS,
    returns: { type: 'string' },
    func: async (args: object) => lookup(args),
  };
  return ax.agent('query:string -> answer:string', {
    contextFields: [],
    functions: major < 23 ? { local: [tool] } : [tool],
    agentIdentity: { name: 'KB Agent', description: 'Answers questions from a knowledge base' },
    ...(runtime !== undefined && { runtime }),
  });
}

/** A runtime of the user's own, which calls the tool of the agent and then ends the stage. */
class DirectRuntime {
  readonly #greeting = 'private';
  getUsageInstructions = () => this.#greeting;
  // biome-ignore lint/suspicious/noExplicitAny: what Ax hands to a runtime
  createSession(globals: any) {
    return {
      execute: async (code: string) => {
        if (code.includes('kb.lookup')) return String(await globals.kb.lookup({ key: 'k1' }));
        if (code.includes('final(')) await globals.final('lookup key k1', {});
        return undefined;
      },
      // biome-ignore lint/suspicious/noExplicitAny: what Ax hands to a runtime
      patchGlobals: async (patch: any) => void Object.assign(globals, patch),
      close: () => {},
    };
  }
}

describeMajors(
  'an agent that runs code',
  [19, 23, 24],
  (bench) => {
    it('is an agent span with its stages, its code and the tools the code calls', async () => {
      const { service, tracing } = bench();
      const result = await agentOf(bench()).forward(service(), { query: 'k1?' });
      expect(result).toEqual({ answer: 'val-k1' });
      const tree = tracing.tree();
      expect(tree).toMatch(/^invoke_agent kbAgent\n {2}invoke_workflow \S.*\n {4}chat/);
      expect(tree).toMatch(/\n {2}execute_tool javascript\n {4}execute_tool kb\.lookup\n/);
      expect(tree).toMatch(/\n {2}invoke_workflow \S.*\n {4}chat gpt-4o-mini$/);
      if (bench().major > 19)
        expect(tree).toMatch(/workflow distiller\n[\s\S]*workflow responder\n/);
      expect(tree).not.toContain('AxFlow');

      const agent = tracing.span('invoke_agent kbAgent');
      expect(agent.attributes).toMatchObject({
        'openinference.span.kind': 'AGENT',
        'gen_ai.operation.name': 'invoke_agent',
        'gen_ai.agent.name': 'kbAgent',
        'gen_ai.agent.description': 'Answers questions from a knowledge base',
        'agent.name': 'kbAgent',
        'dspy.module.type': 'AxAgent',
        'input.value': '{"query":"k1?"}',
        'output.value': '{"answer":"val-k1"}',
        'dspy.outcome': 'completed',
      });
      expect(agent.attributes['dspy.signature']).toMatch(/query:string -> answer:string/);
      const calls = tracing.spans().filter(({ name }) => name.startsWith('chat'));
      expect(agent.attributes['dspy.usage.model_calls']).toBe(calls.length);

      const tool = tracing.span('execute_tool kb.lookup');
      expect(tool.attributes).toMatchObject({
        'gen_ai.tool.name': 'kb.lookup',
        'gen_ai.tool.description': 'Looks up the value of a key',
        'gen_ai.tool.call.arguments': '{"key":"k1"}',
        'gen_ai.tool.call.result': 'val-k1',
        'tool.parameters': JSON.stringify(PARAMETERS),
      });
      const code = tracing.spans().filter(({ name }) => name === 'execute_tool javascript');
      expect(code.map(({ attributes }) => attributes['dspy.module.type'])).toEqual(
        code.map(() => 'code'),
      );
      expect(code.map(({ attributes }) => String(attributes['input.value'])).join()).toContain(
        'await kb.lookup({key:"k1"})',
      );
      // `final()` ends a stage by a signal, which is no error.
      for (const span of code) expect(span.status.code).toBe(SpanStatusCode.UNSET);
      const traces = new Set(tracing.spans().map((span) => span.spanContext().traceId));
      expect(traces.size).toBe(1);
    });

    it('lends its context to what its tools do', async () => {
      const { service, tracing } = bench();
      const lookup = () => {
        trace.getTracer('app').startSpan('query', {}, context.active()).end();
        return 'val-k1';
      };
      await agentOf(bench(), { lookup }).forward(service(), { query: 'k1?' });
      expect(tracing.tree()).toContain('    execute_tool kb.lookup\n      query');
    });

    it('streams its answer under the same span', async () => {
      const { service, tracing } = bench();
      let answer = '';
      const stream = agentOf(bench()).streamingForward(service(), { query: 'k1?' });
      for await (const { delta } of stream) answer += delta.answer ?? '';
      expect(answer).toBe('val-k1');
      const agent = tracing.span('invoke_agent kbAgent');
      expect(agent.attributes).toMatchObject({
        'output.value': '{"answer":"val-k1"}',
        'dspy.outcome': 'completed',
      });
      expect(tracing.tree().split('\n')[0]).toBe('invoke_agent kbAgent');
    });

    it('traces the code and the tools of a runtime of the users own', async () => {
      const { service, tracing } = bench();
      const runtime = new DirectRuntime();
      const { createSession } = DirectRuntime.prototype;
      await agentOf(bench(), { runtime }).forward(service(), { query: 'k1?' });
      expect(tracing.tree()).toContain('  execute_tool javascript\n    execute_tool kb.lookup');
      tracing.instrumentation.disable();
      expect(DirectRuntime.prototype.createSession).toBe(createSession);
      tracing.instrumentation.enable();
    });

    it('that fails in a tool marks the tool, and goes on as Ax does', async () => {
      const { service, tracing } = bench();
      let calls = 0;
      const lookup = () => {
        if (calls++ === 0) throw new TypeError('the index is down');
        return 'val-k1';
      };
      await agentOf(bench(), { lookup }).forward(service(), { query: 'k1?' });
      const [first, second] = tracing
        .spans()
        .filter(({ name }) => name === 'execute_tool kb.lookup');
      expect(first?.status).toEqual({ code: SpanStatusCode.ERROR, message: 'the index is down' });
      expect(first?.attributes['error.type']).toBe('TypeError');
      expect(second?.status.code).toBe(SpanStatusCode.UNSET);
    });
  },
  scenarioReply,
);

const asksBack: Script = (request) => {
  const [system] = request.messages;
  return String(system?.content).includes('Distiller')
    ? 'Javascript Code: await askClarification("which key?")'
    : scenarioReply(request);
};

describeMajors(
  'an agent that asks back',
  [23, 24],
  (bench) => {
    it('has not failed: its question is what came out', async () => {
      const { service, tracing } = bench();
      await expect(agentOf(bench()).forward(service(), { query: '?' })).rejects.toMatchObject({
        name: 'AxAgentClarificationError',
      });
      const agent = tracing.span('invoke_agent kbAgent');
      expect(agent.attributes['dspy.outcome']).toBe('clarification');
      expect(agent.attributes['output.value']).toContain('which key?');
      expect(agent.status.code).toBe(SpanStatusCode.UNSET);
      expect(agent.events).toEqual([]);
    });
  },
  asksBack,
);

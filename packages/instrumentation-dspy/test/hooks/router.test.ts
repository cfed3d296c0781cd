import { SpanStatusCode } from '@opentelemetry/api';
import type { ReadableSpan } from '@opentelemetry/sdk-trace-base';
import { expect, it } from 'vitest';
import type { Reply, Script } from '../../../../test/support/mock-model.js';
import { AX_MAJORS } from '../support/ax.js';
import { type Bench, describeMajors } from '../support/majors.js';

const QUESTION = { questionText: 'why?' };

/** Two models that fail, one in a way that is worth another try. */
const FAILURES: Record<string, Reply> = {
  'gpt-4o': { status: 503, message: 'overloaded' },
  'gpt-4': { status: 400, message: 'no such thing' },
};
const script: Script = ({ model }) => FAILURES[String(model)] ?? 'Answer Text: because';

/** Up to Ax 14 a service retries by itself, with seconds in between: what needs no failure gets none there. */
function balanced({ ax, major, service }: Bench, stream = false, failing = major >= 16) {
  const services = [service({ model: 'gpt-4o-mini', stream })];
  if (failing) services.unshift(service({ model: 'gpt-4o', stream }));
  const options = { debug: false, maxRetries: 0 };
  return typeof ax.AxBalancer.create === 'function'
    ? ax.AxBalancer.create(services, options)
    : new ax.AxBalancer(services, options);
}

function program({ ax }: Bench) {
  return new ax.AxGen('questionText:string -> answerText:string');
}

const isModelCall = (span: ReadableSpan): boolean =>
  span.attributes['openinference.span.kind'] === 'LLM';

describeMajors(
  'AxBalancer',
  AX_MAJORS,
  (bench) => {
    it('names the service that answered, and each failed attempt', async () => {
      const { tracing } = bench();
      await program(bench()).forward(balanced(bench(), false, true), QUESTION);
      expect(tracing.tree()).toMatch(
        /^invoke_workflow .*\n {2}invoke_workflow AxBalancer\n {4}chat gpt-4o\n {4}chat gpt-4o-mini$/,
      );
      const router = tracing.span('invoke_workflow AxBalancer');
      expect(router.attributes).toMatchObject({
        'openinference.span.kind': 'CHAIN',
        'dspy.module.type': 'router',
        'dspy.router.service': 'OpenAI',
        'dspy.attempts': 2,
        'dspy.outcome': 'completed',
      });
      expect(router.events).toMatchObject([
        {
          name: 'dspy.attempt',
          attributes: { 'dspy.attempt.index': 0, 'error.type': expect.any(String) },
        },
      ]);
      expect(router.status.code).toBe(SpanStatusCode.UNSET);
      expect(Object.keys(router.attributes).join()).not.toMatch(
        /gen_ai\.usage|llm\.token|dspy\.usage|input\.value/,
      );
    });

    it('counts the tokens of the model call alone', async () => {
      const { tracing } = bench();
      await program(bench()).forward(balanced(bench()), QUESTION);
      expect(tracing.span(/AxGen/).attributes).toMatchObject({
        'dspy.usage.input_tokens': 11,
        'dspy.usage.model_calls': 1,
      });
      expect(
        tracing.spans().filter((span) => 'gen_ai.usage.input_tokens' in span.attributes),
      ).toHaveLength(1);
    });

    it('is around a streamed answer to its end', async () => {
      const { tracing, major } = bench();
      let answer = '';
      for await (const chunk of program(bench()).streamingForward(
        balanced(bench(), true),
        QUESTION,
      )) {
        answer += chunk.delta.answerText ?? '';
      }
      expect(answer.trim()).toBe('because');
      expect(tracing.tree()).toContain('  invoke_workflow AxBalancer\n    chat gpt-4o');
      const model = tracing.span('chat gpt-4o-mini');
      for (const span of [tracing.span(/AxGen/), tracing.span(/AxBalancer/), model]) {
        expect(span.attributes['dspy.outcome']).toBe('completed');
      }
      if (major >= 19) expect(model.attributes['gen_ai.usage.output_tokens']).toBe(7);
    });

    it('says itself what went in and came out when nothing is around it', async () => {
      const { tracing } = bench();
      const request = { chatPrompt: [{ role: 'user', content: 'why?' }] };
      const response = await balanced(bench()).chat(request, { stream: false });
      expect(response.results[0].content).toBe('Answer Text: because');
      const router = tracing.span('invoke_workflow AxBalancer');
      expect(JSON.parse(String(router.attributes['input.value']))).toEqual(request);
      expect(JSON.parse(String(router.attributes['output.value']))).toMatchObject([
        { parts: [{ type: 'text', content: 'Answer Text: because' }] },
      ]);
    });

    it('fails when every service does', async () => {
      const { tracing, ax, major, service } = bench();
      if (major < 16) return;
      const one = service({ model: 'gpt-4o' });
      const balancer =
        typeof ax.AxBalancer.create === 'function'
          ? ax.AxBalancer.create([one], { debug: false, maxRetries: 0 })
          : new ax.AxBalancer([one], { debug: false, maxRetries: 0 });
      await expect(
        balancer.chat({ chatPrompt: [{ role: 'user', content: 'private' }] }, { stream: false }),
      ).rejects.toThrow();
      const router = tracing.span('invoke_workflow AxBalancer');
      expect(router.status.code).toBe(SpanStatusCode.ERROR);
      expect(router.attributes['dspy.outcome']).toBe('error');
    });

    it('keeps content to itself when told so', async () => {
      const { tracing, configure } = bench();
      configure({ logInputs: false, logOutputs: false });
      await balanced(bench()).chat(
        { chatPrompt: [{ role: 'user', content: 'canary' }] },
        { stream: false },
      );
      const spans = tracing
        .spans()
        .map(({ name, attributes, events }) => ({ name, attributes, events }));
      expect(JSON.stringify(spans)).not.toMatch(/canary|because/);
      expect(spans.map(({ name }) => name)).toContain('invoke_workflow AxBalancer');
    });

    it('leaves no span of its own with intermediate steps off, and every model call', async () => {
      const { tracing, major, configure } = bench();
      configure({ logIntermediateSteps: false });
      await program(bench()).forward(balanced(bench()), QUESTION);
      const calls = tracing.spans().filter(isModelCall).length;
      expect(calls).toBe(major >= 16 ? 2 : 1);
      expect(tracing.spans()).toHaveLength(calls + 1);
    });

    it('traces embeddings through it', async () => {
      const { tracing } = bench();
      const { ax, service } = bench();
      const one = service();
      const balancer =
        typeof ax.AxBalancer.create === 'function'
          ? ax.AxBalancer.create([one], { debug: false })
          : new ax.AxBalancer([one], { debug: false });
      await balancer.embed({ texts: ['hello'] });
      expect(tracing.tree()).toMatch(/^invoke_workflow AxBalancer\n {2}embeddings /);
    });
  },
  script,
);

describeMajors(
  'AxMultiServiceRouter',
  AX_MAJORS,
  (bench) => {
    function routed({ ax, service }: Bench) {
      const services = [
        service({ models: [{ key: 'fast', model: 'gpt-4o-mini', description: 'fast one' }] }),
        service({ models: [{ key: 'broken', model: 'gpt-4', description: 'broken one' }] }),
      ];
      return typeof ax.AxMultiServiceRouter.create === 'function'
        ? ax.AxMultiServiceRouter.create(services)
        : new ax.AxMultiServiceRouter(services);
    }

    it('names the service and the key it was chosen by', async () => {
      const { tracing } = bench();
      await program(bench()).forward(routed(bench()), QUESTION, { model: 'fast' });
      expect(tracing.tree()).toMatch(
        /^invoke_workflow .*\n {2}invoke_workflow AxMultiServiceRouter\n {4}chat gpt-4o-mini$/,
      );
      expect(tracing.span('invoke_workflow AxMultiServiceRouter').attributes).toMatchObject({
        'dspy.router.service': 'OpenAI',
        'dspy.attempts': 1,
        'dspy.options': '{"model":"fast"}',
      });
    });

    it('fails with the service', async () => {
      const { tracing } = bench();
      await expect(
        routed(bench()).chat(
          { model: 'broken', chatPrompt: [{ role: 'user', content: 'x' }] },
          { stream: false },
        ),
      ).rejects.toThrow();
      expect(tracing.span('invoke_workflow AxMultiServiceRouter').status.code).toBe(
        SpanStatusCode.ERROR,
      );
    });

    it('fails without a model call when the key is unknown', async () => {
      const { tracing } = bench();
      await expect(
        routed(bench()).chat({ model: 'none', chatPrompt: [{ role: 'user', content: 'x' }] }),
      ).rejects.toThrow();
      expect(tracing.spans()).toHaveLength(1);
    });

    it('keeps two calls at once apart', async () => {
      const { tracing } = bench();
      const router = routed(bench());
      const call = (model: string) =>
        router
          .chat({ model, chatPrompt: [{ role: 'user', content: 'x' }] }, { stream: false })
          .catch(() => undefined);
      await Promise.all([call('fast'), call('broken'), call('fast')]);
      const routers = tracing
        .spans()
        .filter((span) => span.attributes['dspy.module.type'] === 'router');
      const seen = routers.map(
        ({ attributes }) => `${attributes['dspy.options']} ${attributes['dspy.outcome']}`,
      );
      expect(seen.toSorted()).toEqual([
        '{"model":"broken"} error',
        '{"model":"fast"} completed',
        '{"model":"fast"} completed',
      ]);
      for (const span of routers) expect(span.attributes['dspy.attempts']).toBe(1);
    });
  },
  script,
);

describeMajors(
  'AxProviderRouter',
  [14, 16, 19, 23, 24],
  (bench) => {
    it('names the provider it chose, and gives back its own result', async () => {
      const { tracing, ax, service } = bench();
      const router = new ax.AxProviderRouter({
        providers: { primary: service(), alternatives: [] },
        processing: {},
        routing: {
          preferenceOrder: [],
          capability: { requireExactMatch: false, allowDegradation: true },
        },
      });
      const result = await router.chat(
        { chatPrompt: [{ role: 'user', content: 'why?' }] },
        { stream: false },
      );
      expect(result.response.results[0].content).toBe('Answer Text: because');
      expect(result.routing.provider.getName()).toBe('OpenAI');
      expect(tracing.tree()).toBe('invoke_workflow AxProviderRouter\n  chat gpt-4o-mini');
      expect(tracing.span('invoke_workflow AxProviderRouter').attributes).toMatchObject({
        'dspy.router.service': 'OpenAI',
        'dspy.attempts': 1,
      });
    });

    it('is around a streamed answer to its end', async () => {
      const { tracing, ax, service } = bench();
      const router = new ax.AxProviderRouter({
        providers: { primary: service({ stream: true }), alternatives: [] },
        processing: {},
        routing: {
          preferenceOrder: [],
          capability: { requireExactMatch: false, allowDegradation: true },
        },
      });
      const { response } = await router.chat(
        { chatPrompt: [{ role: 'user', content: 'why?' }] },
        { stream: true },
      );
      let text = '';
      for await (const chunk of response) text += chunk.results[0]?.content ?? '';
      expect(text).toBe('Answer Text: because');
      expect(tracing.spans().map((span) => span.attributes['dspy.outcome'])).toEqual([
        'completed',
        'completed',
      ]);
      expect(
        String(tracing.span('invoke_workflow AxProviderRouter').attributes['output.value']),
      ).toContain('because');
    });
  },
  script,
);

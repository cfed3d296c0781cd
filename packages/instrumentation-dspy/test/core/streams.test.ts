import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { context, SpanStatusCode, trace } from '@opentelemetry/api';
import { expect, it, vi } from 'vitest';
import type { Script } from '../../../../test/support/mock-model.js';
import { AX_MAJORS } from '../support/ax.js';
import { type Bench, describeMajors } from '../support/majors.js';

setFlagsFromString('--expose-gc');
const gc = runInNewContext('gc') as () => void;

const QUESTION = { questionText: 'count' };
const LONG = Array.from({ length: 40 }, (_, index) => `word${index}`).join(' ');

/** Long answers in many pieces; a failure in the middle is the mock's own. */
const script: Script = ({ model }) =>
  model === 'broken' ? { status: 400, message: 'no' } : `Answer Text: ${LONG}`;

function generator({ ax }: Bench, options: object = {}) {
  return new ax.AxGen('questionText:string -> answerText:string', options);
}

/** `aborted` and so on are not failures. */
function expectUnset(span: { status: { code: number }; events: readonly unknown[] }): void {
  expect(span.status.code).toBe(SpanStatusCode.UNSET);
  expect(span.events).toEqual([]);
}

describeMajors(
  'a streamed generator',
  AX_MAJORS,
  (bench) => {
    const stream = (options?: object) =>
      generator(bench()).streamingForward(bench().service({ stream: true }), QUESTION, options);
    const program = () => bench().tracing.span(/^invoke_workflow/);
    const call = () => bench().tracing.span(/^chat/);

    it('does nothing and makes no span before it is read', async () => {
      const { model, tracing } = bench();
      const before = model.requests.length;
      const iterator = stream();
      await new Promise((resolve) => setTimeout(resolve, 20));
      expect(model.requests.length).toBe(before);
      expect(await iterator.return(undefined)).toEqual({ done: true, value: undefined });
      expect(await iterator.next()).toEqual({ done: true, value: undefined });
      expect(tracing.spans()).toEqual([]);
    });

    it('ends as completed when it has been read', async () => {
      let text = '';
      for await (const { delta } of stream()) text += delta.answerText ?? '';
      expect(text).toBe(LONG);
      expect(program().attributes).toMatchObject({
        'dspy.outcome': 'completed',
        'output.value': JSON.stringify({ answerText: LONG }),
      });
      expect(program().attributes['dspy.stream.chunks']).toBeGreaterThan(1);
    });

    it('ends as early_exit on break, with the model call below and what came so far', async () => {
      let first = '';
      for await (const { delta } of stream()) {
        first += delta.answerText ?? '';
        break;
      }
      for (const span of [program(), call()]) {
        expect(span.attributes['dspy.outcome']).toBe('early_exit');
        expectUnset(span);
      }
      expect(program().attributes['output.value']).toBe(JSON.stringify({ answerText: first }));
      // The model call ended before the program around it.
      const ended = bench()
        .tracing.exporter.getFinishedSpans()
        .map(({ name }) => name.split(' ')[0]);
      expect(ended).toEqual(['chat', 'invoke_workflow']);
    });

    it('ends as early_exit when the consumer throws into it', async () => {
      const iterator = stream();
      await iterator.next();
      const own = new Error('mine');
      await expect(iterator.throw(own)).rejects.toThrow();
      expect(program().attributes['dspy.outcome']).toBe('early_exit');
    });

    it('ends as an error when the model fails', async () => {
      const iterator = generator(bench()).streamingForward(
        bench().service({ stream: true, model: 'broken' }),
        QUESTION,
      );
      await expect(iterator.next()).rejects.toThrow();
      for (const span of [program(), call()]) {
        expect(span.attributes['dspy.outcome']).toBe('error');
        expect(span.status.code).toBe(SpanStatusCode.ERROR);
        expect(span.events.map(({ name }) => name)).toContain('exception');
      }
    });

    it('ends as abandoned when it is collected half read', async () => {
      await (async () => {
        const iterator = stream();
        await iterator.next();
      })();
      await vi.waitFor(
        () => {
          gc();
          expect(program().attributes['dspy.outcome']).toBe('abandoned');
        },
        { timeout: 10_000, interval: 50 },
      );
      expectUnset(program());
      expect(call().attributes['dspy.outcome']).toBe('abandoned');
    });

    it('has its parent from where it was called, and lends nothing to its consumer', async () => {
      const { tracing } = bench();
      const tracer = trace.getTracer('user');
      const outer = tracer.startSpan('outer');
      const iterator = context.with(trace.setSpan(context.active(), outer), () => stream());
      const inLoop: unknown[] = [];
      await context.with(trace.setSpan(context.active(), tracer.startSpan('loop')), async () => {
        for await (const _ of iterator) inLoop.push(trace.getActiveSpan());
      });
      outer.end();
      const { spanId } = outer.spanContext();
      expect(program().parentSpanContext?.spanId).toBe(spanId);
      expect(call().parentSpanContext?.spanId).toBe(program().spanContext().spanId);
      expect(new Set(inLoop.map((span) => (span as { name: string }).name))).toEqual(
        new Set(['loop']),
      );
      expect(tracing.tree().split('\n')[0]).toBe('outer');
    });

    it('keeps interleaved streams apart', async () => {
      const { tracing } = bench();
      const [a, b] = [stream(), stream()];
      const ends = new Set<unknown>();
      for (let turn = 0; ends.size < 2; turn++) {
        const iterator = turn % 2 === 0 ? a : b;
        if ((await iterator.next()).done) ends.add(iterator);
      }
      const programs = tracing.spans().filter(({ name }) => name.startsWith('invoke'));
      const calls = tracing.spans().filter(({ name }) => name.startsWith('chat'));
      expect(programs).toHaveLength(2);
      expect(calls.map(({ parentSpanContext }) => parentSpanContext?.spanId)).toEqual(
        programs.map((span) => span.spanContext().spanId),
      );
      expect(new Set(programs.map((span) => span.spanContext().traceId)).size).toBe(2);
    });

    it('is an async generator to whoever looks', async () => {
      const iterator = stream();
      expect(Object.prototype.toString.call(iterator)).toBe('[object AsyncGenerator]');
      expect(iterator[Symbol.asyncIterator]()).toBe(iterator);
      expect(iterator.next()).toBeInstanceOf(Promise);
      await iterator[Symbol.asyncDispose]();
      expect(program().attributes['dspy.outcome']).toBe('early_exit');
    });
  },
  script,
);

// Up to Ax 19 an abort in the middle of a stream is an unhandled rejection of Ax's own, which ends the test run.
describeMajors(
  'an aborted stream',
  [23, 24],
  (bench) => {
    const program = () => bench().tracing.span(/^invoke_workflow/);
    const stream = (options: object) =>
      generator(bench()).streamingForward(bench().service({ stream: true }), QUESTION, options);

    it('ends as aborted when the caller aborts', async () => {
      const controller = new AbortController();
      const read = async () => {
        for await (const _ of stream({ abortSignal: controller.signal }))
          controller.abort('enough');
      };
      await expect(read()).rejects.toThrow();
      expect(program().attributes['dspy.outcome']).toBe('aborted');
      expectUnset(program());
    });

    it('ends as timeout when the signal of the caller is a deadline', async () => {
      const controller = new AbortController();
      const read = async () => {
        for await (const _ of stream({ abortSignal: controller.signal })) {
          controller.abort(new DOMException('too late', 'TimeoutError'));
        }
      };
      await expect(read()).rejects.toThrow();
      expect(program().attributes).toMatchObject({
        'dspy.outcome': 'timeout',
        'error.type': 'timeout',
      });
      expect(program().status.code).toBe(SpanStatusCode.ERROR);
    });
  },
  script,
);

describeMajors(
  'a streamed model call',
  AX_MAJORS,
  (bench) => {
    const request = {
      chatPrompt: [{ role: 'user', content: 'count' }],
      modelConfig: { stream: true },
    };
    const chat = (): Promise<ReadableStream> =>
      bench().service({ stream: true }).chat(request, { stream: true });
    const call = () => bench().tracing.span(/^chat/);

    it('is a ReadableStream of the same chunks, ended when read', async () => {
      const stream = await chat();
      expect(stream).toBeInstanceOf(ReadableStream);
      expect(bench().tracing.spans()).toEqual([]);
      let text = '';
      for await (const chunk of stream) text += chunk.results[0]?.content ?? '';
      expect(text).toBe(`Answer Text: ${LONG}`);
      expect(call().attributes).toMatchObject({
        'dspy.outcome': 'completed',
        'gen_ai.operation.name': 'chat',
        'gen_ai.response.finish_reasons': ['stop'],
      });
      expect(JSON.parse(String(call().attributes['gen_ai.output.messages']))).toMatchObject([
        { parts: [{ type: 'text', content: `Answer Text: ${LONG}` }] },
      ]);
    });

    it('ends as early_exit when it is cancelled', async () => {
      const reader = (await chat()).getReader();
      await reader.read();
      await reader.cancel('enough');
      expect(call().attributes['dspy.outcome']).toBe('early_exit');
      expectUnset(call());
    });

    it('ends as abandoned when nobody can read it any more', async () => {
      await (async () => {
        const reader = (await chat()).getReader();
        await reader.read();
      })();
      await vi.waitFor(
        () => {
          gc();
          expect(call().attributes['dspy.outcome']).toBe('abandoned');
        },
        { timeout: 10_000, interval: 50 },
      );
    });

    it('can be piped and split as before', async () => {
      const [one, two] = (await chat()).tee();
      const read = async (stream: ReadableStream) => {
        let count = 0;
        for await (const _ of stream) count++;
        return count;
      };
      const [a, b] = await Promise.all([read(one), read(two)]);
      expect(a).toBe(b);
      expect(call().attributes['dspy.outcome']).toBe('completed');
    });
  },
  script,
);

import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import * as ax from '@ax-llm/ax';
import { context, ROOT_CONTEXT, type Span, trace } from '@opentelemetry/api';
import { UndiciInstrumentation } from '@opentelemetry/instrumentation-undici';
import type { ReadableSpan } from '@opentelemetry/sdk-trace-base';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { openAI } from '../../../packages/instrumentation-dspy/test/support/service.js';
import { type MockModel, startMockModel } from '../../support/mock-model.js';
import { ANSWER, CALL, mockModel, settle, tool } from '../programs/world.js';
import { QUESTION, SIGNATURE, useTracing } from './support/tracing.js';

const traced = useTracing();
const PIECES = ['Answer Text: ', 'four', ' and ', 'a half'];
const model = (...answers: Parameters<typeof mockModel>[1]) => mockModel(() => {}, answers);
const inside = <T>(span: Span, fn: () => T): T =>
  context.with(trace.setSpan(context.active(), span), fn);
const idOf = (span: Span | ReadableSpan): string => span.spanContext().spanId;
const parentOf = (span: ReadableSpan): string | undefined => span.parentSpanContext?.spanId;
const tracer = () => trace.getTracer('app');

describe('an async generator', () => {
  it('has its tools and model calls below it, and spans of the consumer where the consumer is', async () => {
    const lookUp = tool(async () => {
      tracer().startSpan('in the tool').end();
      return 'found';
    });
    const request = tracer().startSpan('request');
    await inside(request, async () => {
      const stream = ax
        .ax(SIGNATURE, { functions: [lookUp] })
        .streamingForward(model(CALL, { pieces: PIECES }), QUESTION);
      for await (const _ of stream) tracer().startSpan('in the loop').end();
    });
    request.end();
    const { tracing } = traced;
    const program = tracing.span(/^invoke/);
    expect(parentOf(program)).toBe(idOf(request));
    const below = tracing.spans().filter((span) => parentOf(span) === idOf(program));
    expect(below.map(({ name }) => name.split(' ')[0]).sort()).toEqual([
      'chat',
      'chat',
      'execute_tool',
    ]);
    expect(parentOf(tracing.span('in the tool'))).toBe(idOf(tracing.span(/^execute_tool/)));
    const loops = tracing.spans().filter(({ name }) => name === 'in the loop');
    expect(loops.length).toBeGreaterThan(0);
    for (const loop of loops) expect(parentOf(loop)).toBe(idOf(request));
  });

  it('that is read after the span around it has ended lasts until it is read, below that span', async () => {
    const request = tracer().startSpan('request');
    const stream = inside(request, () =>
      ax.ax(SIGNATURE).streamingForward(model({ pieces: PIECES }), QUESTION),
    );
    request.end();
    let read = 0;
    for await (const _ of stream) {
      read++;
      const ended = traced.tracing.spans().map(({ name }) => name.split(' ')[0]);
      expect(ended).not.toContain('invoke_workflow');
    }
    expect(read).toBeGreaterThan(0);
    const program = traced.tracing.span(/^invoke/);
    expect(parentOf(program)).toBe(idOf(request));
    expect(parentOf(traced.tracing.span(/^chat/))).toBe(idOf(program));
    expect(program.attributes['dspy.outcome']).toBe('completed');
  });

  it('that is ended from elsewhere ends once, as left early', async () => {
    const request = tracer().startSpan('request');
    const stream = inside(request, () =>
      ax.ax(SIGNATURE).streamingForward(model({ pieces: PIECES }), QUESTION),
    );
    await inside(request, () => stream.next());
    request.end();
    // As a framework does it when the client is gone: in no context at all, and twice.
    await context.with(ROOT_CONTEXT, async () => {
      await stream.return(undefined as never);
      await stream.return(undefined as never);
    });
    const program = traced.tracing.span(/^invoke/);
    expect(program.attributes['dspy.outcome']).toBe('early_exit');
    expect(traced.tracing.span(/^chat/).attributes['dspy.outcome']).toBe('early_exit');
    expect(parentOf(program)).toBe(idOf(request));
  });
});

describe('the context of the caller', () => {
  it('is what it was after executions, between them and while they run at once', async () => {
    const request = tracer().startSpan('request');
    const seen: (Span | undefined)[] = [];
    const look = (): void => void seen.push(trace.getActiveSpan());
    await inside(request, async () => {
      const running = ['a', 'b', 'c'].map((questionText) => {
        const promise = ax.ax(SIGNATURE).forward(model(ANSWER), { questionText });
        look();
        return promise;
      });
      await settle(1);
      look();
      await Promise.all(running);
      look();
      await ax
        .ax(SIGNATURE)
        .forward(model({ throws: new Error('no') }), QUESTION)
        .catch(() => undefined);
      look();
      const stream = ax.ax(SIGNATURE).streamingForward(model({ pieces: PIECES }), QUESTION);
      await stream.next();
      look();
      await stream.return(undefined as never);
      look();
    });
    request.end();
    expect(seen).toHaveLength(8);
    expect(new Set(seen)).toEqual(new Set([request]));
    expect(context.active()).toBe(ROOT_CONTEXT);
  });
});

describe('spans of an HTTP client', () => {
  let provider: MockModel;
  const undici = new UndiciInstrumentation();
  beforeAll(async () => {
    provider = await startMockModel({ script: () => ANSWER });
    undici.setTracerProvider(traced.tracing.provider);
    undici.enable();
  });
  afterAll(async () => {
    undici.disable();
    await provider.stop();
  });

  it.each([false, true])(
    'are below the model call or the tool that makes them (streamed: %s)',
    async (stream) => {
      const site = createServer((_, response) => response.end('ok'));
      site.listen(0, '127.0.0.1');
      await once(site, 'listening');
      const url = `http://127.0.0.1:${(site.address() as AddressInfo).port}`;
      provider.play((_request, index) =>
        index === 0 ? { toolCalls: [{ name: 'lookUp', arguments: { key: 'k' } }] } : ANSWER,
      );
      const lookUp = tool(async () => (await fetch(url)).text());
      const program = ax.ax(SIGNATURE, { functions: [lookUp] });
      const service = openAI(ax, provider.apiURL, { stream });
      if (stream) for await (const _ of program.streamingForward(service, QUESTION)) void _;
      else await program.forward(service, QUESTION);
      site.close();
      const spans = traced.tracing.spans();
      const byId = new Map(spans.map((span) => [idOf(span), span]));
      const requests = spans.filter(({ name }) => /^(GET|POST)/.test(name));
      expect(
        requests.map((span) => [span.name, byId.get(parentOf(span) ?? '')?.name.split(' ')[0]]),
      ).toEqual([
        ['POST', 'chat'],
        ['GET', 'execute_tool'],
        ['POST', 'chat'],
      ]);
    },
  );
});

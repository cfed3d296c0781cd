import { describe, expect, it } from 'vitest';
import {
  AX_MAJORS,
  type AxMajor,
  loadAx,
} from '../../../packages/instrumentation-dspy/test/support/ax.js';
import { fetchTo } from '../../../packages/instrumentation-dspy/test/support/service.js';
import { startTracing } from '../../../packages/instrumentation-dspy/test/support/tracing.js';
import { startMockModel } from '../../support/mock-model.js';
import { textsOf } from './support/tracing.js';

const KEY = 'canary-key-0123456789';

async function spansOf(
  major: AxMajor,
  // biome-ignore lint/suspicious/noExplicitAny: the types of Ax differ from major to major
  run: (ax: any, service: any) => Promise<unknown>,
): Promise<string[]> {
  const ax = await loadAx(major);
  const model = await startMockModel({ script: () => 'Answer Text: four' });
  const tracing = startTracing([ax]);
  const origin = new URL(model.apiURL).origin;
  const service = new ax.AxAIOpenAI({
    apiKey: KEY,
    apiURL: `${model.apiURL}?code=${KEY}`,
    config: { model: 'gpt-4o-mini', stream: false },
    options: {
      fetch: fetchTo(origin),
      retry: { maxRetries: 0 },
      headers: async () => ({ 'x-gateway': KEY }),
    },
  });
  try {
    await run(ax, service);
    const spans = tracing.spans();
    expect(spans.length).toBeGreaterThanOrEqual(2);
    return textsOf(spans);
  } finally {
    await tracing.stop();
    await model.stop();
  }
}

describe.each(AX_MAJORS)('what gives access, Ax %i', (major) => {
  it('is in no span of a call: neither key nor headers nor address of the service', async () => {
    const texts = await spansOf(major, (ax, service) =>
      new ax.AxGen('questionText:string -> answerText:string').forward(
        service,
        { questionText: 'why?' },
        { modelConfig: { temperature: 0.5 }, customHeaders: { authorization: KEY } },
      ),
    );
    expect(texts.filter((text) => text.includes(KEY))).toEqual([]);
    expect(texts).toContain('gpt-4o-mini');
  });

  it('is in no span where the service itself, or an agent that holds it, is an input', async () => {
    const texts = await spansOf(major, (ax, service) => {
      class Agent {
        readonly name = 'helper';
        readonly ai = service;
        readonly credentials = new Map<string, unknown>([['openai', { apiKey: KEY }]]);
        readonly headers = new Headers({ Authorization: `Bearer ${KEY}` });
        readonly settings = { retries: 2, nested: [{ 'x-api-key': KEY }] };
      }
      return new ax.AxGen('questionText:string -> answerText:string').forward(service, {
        questionText: 'why?',
        agent: new Agent(),
        service,
      });
    });
    expect(texts.filter((text) => text.includes(KEY))).toEqual([]);
    expect(texts.some((text) => text.includes('helper'))).toBe(true);
  });
});

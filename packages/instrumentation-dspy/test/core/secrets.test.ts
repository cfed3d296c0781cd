import * as ax from '@ax-llm/ax';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { diagnostics } from '../../src/diagnostics.js';
import { traceCall } from '../../src/index.js';
import { mockService } from '../support/mock-service.js';
import { startTracing, type Tracing } from '../support/tracing.js';

let tracing: Tracing;
beforeAll(() => {
  tracing = startTracing([ax]);
});
afterEach(() => {
  tracing.instrumentation.setConfig({});
  tracing.reset();
  expect(diagnostics.count()).toBe(0);
});
afterAll(() => tracing.stop());

/** All that was recorded, in one text. */
const recorded = (): string =>
  JSON.stringify(
    tracing.spans().map(({ attributes, events, status }) => [attributes, events, status]),
  );

const moduleFilter = (_name: string, type: string): boolean => type !== 'AxGen';

describe('a value that was left out for its name', () => {
  it.each([
    ['apiKey', {}],
    ['userPassword', {}],
    ['ssnNumber', { redactKeys: ['ssnNumber'] }],
  ])('%s is not in the prompt below either', async (name, config) => {
    tracing.instrumentation.setConfig(config);
    const program = new ax.AxGen(`${name}:string, question:string -> answer:string`);
    await program.forward(mockService(ax), { [name]: 'hunter2-canary', question: 'why?' });
    expect(recorded()).not.toContain('hunter2-canary');
    const prompt = String(tracing.span('chat').attributes['gen_ai.input.messages']);
    expect(prompt).toContain('[REDACTED]');
    expect(prompt).toContain('why?');
  });

  it('is not in what fails below, nor around it', async () => {
    const call = { name: 'outer', type: 'own', inputs: { question: 'why?' } };
    const inner = { name: 'inner', type: 'own', inputs: { db: { password: 'hunter2-canary' } } };
    const run = traceCall(call, () =>
      traceCall(inner, async () => {
        throw new Error('cannot log in as me/hunter2-canary');
      }),
    );
    await expect(run).rejects.toThrow('hunter2-canary');
    expect(recorded()).not.toContain('hunter2-canary');
    expect(tracing.span(/outer/).status.message).toBe('cannot log in as me/[REDACTED]');
  });

  it.each([{ logInputs: false }, { logIntermediateSteps: false }, { moduleFilter }])(
    'is in no text where its inputs are not recorded: %j',
    async (config) => {
      tracing.instrumentation.setConfig(config);
      const echo = new ax.AxMockAIService<string>({
        chatResponse: async ({ chatPrompt }) => ({
          results: [{ index: 0, content: `Answer: ${JSON.stringify(chatPrompt.at(-1))}` }],
        }),
      });
      const inner = new ax.AxGen('apiKey:string, question:string -> answer:string');
      const program = traceCall({ name: 'outer', type: 'own', inputs: {} }, async () => {
        const inputs = { apiKey: 'hunter2-canary', question: 'why?' };
        const { answer } = await inner.forward(echo, inputs);
        throw new Error(answer);
      });
      await expect(program).rejects.toThrow('hunter2-canary');
      expect(recorded()).toContain('why?');
      expect(recorded()).not.toContain('hunter2-canary');
    },
  );

  it('is not remembered of the definition of a tool', async () => {
    const call = { name: 'call', type: 'own', inputs: { password: { type: 'string' } } };
    await traceCall(call, async () => 'a string');
    expect(tracing.span(/call/).attributes).toMatchObject({
      'input.value': '{"password":{"type":"string"}}',
      'output.value': 'a string',
    });
  });

  it('withholds text where there are more than can be looked for', async () => {
    const outer = { name: 'outer', type: 'own', inputs: {} };
    await traceCall(outer, async () => {
      for (let i = 0; i < 300; i++) {
        const inputs = { token: `canary-${i}-` };
        await traceCall({ name: 'inner', type: 'own', inputs }, async () => 1);
      }
      await new ax.AxGen('question:string -> answer:string').forward(mockService(ax), {
        question: 'canary-0- and canary-299-',
      });
    });
    expect(tracing.span('chat').attributes).not.toHaveProperty('gen_ai.input.messages');
  });
});

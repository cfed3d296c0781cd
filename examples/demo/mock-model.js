// A model on loopback that answers the demo's prompts in OpenAI's format: real HTTP, streaming, token usage.
import { LLMock } from '@copilotkit/aimock';

/** @import { ChatCompletionRequest, FixtureResponse } from '@copilotkit/aimock' */

/**
 * @typedef {object} Prompt
 * @property {string} system
 * @property {string} conversation
 * @property {number} toolResults
 */

/** What each program's prompt is known by, and what a model would answer. First match wins. */
const REPLIES =
  /** @type {[(prompt: Prompt) => boolean, string | { name: string, arguments: object }[]][]} */ ([
    [
      ({ system }) => system.includes('Distiller'),
      'await final("find the rule about returns", {})',
    ],
    [
      ({ system, conversation }) => /javascript/i.test(system) && conversation.includes('30 days'),
      'await final("answer", { rule: "30 days" })',
    ],
    [
      ({ system }) => /javascript/i.test(system),
      'const rule = await handbook.lookup({ topic: "returns" }); console.log(rule)',
    ],
    [
      ({ system }) => system.includes('`Urgent`'),
      'Category: delivery\nUrgent: true\nSummary: Parcel A-1042 is late and needed tomorrow.',
    ],
    [({ system }) => system.includes('`Mood`'), 'Mood: neutral'],
    [({ system }) => system.includes('`Topics`'), 'Topics: ["quality", "delivery"]'],
    [
      ({ system }) => system.includes('`Letter`'),
      'Letter: Dear Ms Ito, your order A-1042 is on its way with DHL. We are sorry that it is late. Your support desk',
    ],
    [
      ({ system }) => system.includes('`Draft`'),
      'Draft: AI safety is the work of making systems do what people mean.',
    ],
    [({ system }) => system.includes('`Iban`'), 'Iban: DE89'],
    [({ system }) => system.includes('`Query`'), 'Answer: You may return goods within 30 days.'],
    [
      ({ toolResults }) => toolResults === 0,
      [
        { name: 'findOrder', arguments: { number: 'A-1042' } },
        { name: 'convert', arguments: { amount: 89.9, currency: 'USD' } },
      ],
    ],
    [() => true, 'Answer: Order A-1042 is on its way with DHL; it cost 97.09 US dollars.'],
  ]);

/** Starts the model. @returns {Promise<{ url: string, stop: () => Promise<void> }>} */
export async function startMockModel() {
  const mock = new LLMock({ port: 0, host: '127.0.0.1', chunkSize: 12, logLevel: 'silent' });
  mock.on({ endpoint: 'chat' }, reply, { latency: 40, streamingProfile: { ttft: 60, tps: 200 } });
  await mock.start();
  return { url: `${mock.url}/v1`, stop: () => mock.stop() };
}

/**
 * @param {ChatCompletionRequest} request
 * @returns {FixtureResponse}
 */
function reply({ messages }) {
  const text = messages.map(({ content }) => (typeof content === 'string' ? content : ''));
  const prompt = {
    system: text[0] ?? '',
    conversation: text.slice(1).join('\n'),
    toolResults: messages.filter(({ role }) => role === 'tool').length,
  };
  const answer = REPLIES.find(([matches]) => matches(prompt))?.[1] ?? '';
  // About what a tokenizer counts: four characters a token.
  const tokens = (/** @type {string} */ { length }) => Math.ceil(length / 4);
  const usage = (/** @type {string} */ completion) => ({
    prompt_tokens: tokens(text.join('')),
    completion_tokens: tokens(completion),
  });
  if (typeof answer === 'string') return { content: answer, usage: usage(answer) };
  const toolCalls = answer.map((call) => ({ ...call, arguments: JSON.stringify(call.arguments) }));
  return { toolCalls, usage: usage(JSON.stringify(toolCalls)) };
}

// @ts-check
// The model of the examples: OpenAI with your OPENAI_API_KEY, else a scripted one on loopback.
import { ai } from '@ax-llm/ax';
import { LLMock } from '@copilotkit/aimock';

/**
 * @typedef {object} Model
 * @property {import('@ax-llm/ax').AxAIService} ai
 * @property {() => Promise<void>} close
 */

/**
 * @param {(prompt: { system: string, user: string }) => string} answer what the scripted model
 *   says to a prompt
 * @returns {Promise<Model>}
 */
export async function openModel(answer) {
  const { OPENAI_API_KEY } = process.env;
  if (OPENAI_API_KEY) {
    return { ai: ai({ name: 'openai', apiKey: OPENAI_API_KEY }), close: async () => {} };
  }
  const mock = new LLMock({ port: 0, host: '127.0.0.1', logLevel: 'silent' });
  mock.on({ endpoint: 'chat' }, ({ messages }) => {
    const [system, user] = [messages[0]?.content, messages.at(-1)?.content].map(String);
    const content = answer({ system: system ?? '', user: user ?? '' });
    return { content, usage: { prompt_tokens: 120, completion_tokens: 40 } };
  });
  await mock.start();
  return {
    ai: ai({ name: 'openai', apiKey: 'none', apiURL: `${mock.url}/v1` }),
    close: () => mock.stop(),
  };
}

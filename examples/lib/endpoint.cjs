// @ts-check
// Where the examples find a model: OpenAI with your OPENAI_API_KEY, else a scripted one on loopback.
const { LLMock } = require('@copilotkit/aimock');

/**
 * Options for Ax's `ai()`, and what ends the scripted model.
 * @typedef {object} Endpoint
 * @property {{ name: 'openai', apiKey: string, apiURL?: string }} options
 * @property {() => Promise<void>} close
 */

/**
 * @param {(prompt: { system: string, user: string }) => string} answer what the scripted model
 *   says to a prompt
 * @returns {Promise<Endpoint>}
 */
async function openEndpoint(answer) {
  const { OPENAI_API_KEY } = process.env;
  if (OPENAI_API_KEY) {
    return { options: { name: 'openai', apiKey: OPENAI_API_KEY }, close: async () => {} };
  }
  const mock = new LLMock({ port: 0, host: '127.0.0.1', logLevel: 'silent' });
  mock.on({ endpoint: 'chat' }, ({ messages }) => {
    const [system, user] = [messages[0]?.content, messages.at(-1)?.content].map(String);
    const content = answer({ system: system ?? '', user: user ?? '' });
    return { content, usage: { prompt_tokens: 120, completion_tokens: 40 } };
  });
  await mock.start();
  return {
    options: { name: 'openai', apiKey: 'none', apiURL: `${mock.url}/v1` },
    close: () => mock.stop(),
  };
}

module.exports = { openEndpoint };

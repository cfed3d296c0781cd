// @ts-check
// The model of the examples that are ES modules.
import { ai } from '@ax-llm/ax';
import { openEndpoint } from './endpoint.cjs';

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
  const { options, close } = await openEndpoint(answer);
  return { ai: ai(options), close };
}

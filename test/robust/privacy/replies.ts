import type { ModelRequest, Reply } from '../../support/mock-model.js';
import { canary } from './places.js';

const calls = (name: string): Reply => ({
  toolCalls: [{ name, arguments: { key: canary('the arguments of a tool') } }],
});

/** What the model of each name answers. */
const MODELS: Readonly<Record<string, (request: ModelRequest) => Reply>> = {
  plain: () => `Answer Text: ${canary('an answer')}`,
  // Longer than one chunk, so that the word comes in pieces.
  streamed: () => `Answer Text: it is ${canary('a piece of a stream')} and more`,
  left: () => `Answer Text: ${canary('a stream that was left')} ${'and on '.repeat(200)}`,
  thinking: () => ({ text: 'Answer Text: yes', reasoning: canary('a thought') }),
  tools: ({ messages }) =>
    messages.some(({ role }) => role === 'tool') ? 'Answer Text: done' : calls('lookUp'),
  refusing: () => ({
    status: 400,
    message: `no ${canary('the refusal of a model')} here`,
    type: `no ${canary('the type of a refusal that is a sentence')}, sorry`,
  }),
  balanced: () => ({ status: 503, message: `over ${canary('the error behind a balancer')}` }),
  routed: () => ({ status: 400, message: `no ${canary('the error behind a router')}` }),
  correcting: ({ messages }) =>
    messages.length < 4
      ? `Answer Number: ${canary('an answer that is corrected')}`
      : 'Answer Number: 4',
  asserted: () => 'Answer Text: no',
  evaluated: () => `Answer Text: ${canary('the answer in an evaluation')}`,
  trained: () => `Answer Text: ${canary('the answer in training')}`,
  executor: () => `Draft: ${canary('an output of the executor')}`,
  agent: ({ messages }) => {
    const [system = '', ...rest] = messages.map(({ content }) => JSON.stringify(content ?? ''));
    if (system.includes('Distiller')) return 'Javascript Code: await final("look it up", {})';
    if (!/javascript/i.test(system)) return `Answer: ${canary('the answer of an agent')}`;
    return rest.join().includes(canary('what code prints'))
      ? 'Javascript Code: await final("answer", {v: 1})'
      : `Javascript Code: const word = "${canary('code that an agent runs')}"; console.log(await kb.lookUp({ key: word }))`;
  },
};

export function replyTo(request: ModelRequest): Reply {
  const reply = MODELS[request.model];
  return reply === undefined ? { status: 404, message: 'no such model' } : reply(request);
}

import { startProviderServer } from '../../../packages/instrumentation-dspy/test/support/provider-server.js';
import type { World } from './world.js';

/** What a chat session does that the programs need; Ax's own types want a model of its list. */
interface Session {
  events(): AsyncIterable<{ type: string }>;
  submitToolResults(results: unknown): Promise<void>;
  continue(): Promise<void>;
  close(): void;
}

/** A chat session of two responses, the first of which asks for a tool, over HTTP. */
export async function runSession(
  ax: World['ax'],
  prompt: string,
  toolResult: string,
  onEvent: (type: string) => void = () => {},
): Promise<void> {
  const server = await startProviderServer();
  const service = ax.ai({
    name: 'openai-responses',
    apiKey: 'k',
    config: { model: 'gpt-6-astra' as never },
    options: { fetch: server.fetch },
  } as never) as never as { openChatSession(...args: unknown[]): Promise<Session> };
  try {
    const session = await service.openChatSession({
      model: 'gpt-6-astra',
      chatPrompt: [{ role: 'user', content: prompt }],
    });
    let responses = 0;
    for await (const { type } of session.events()) {
      onEvent(type);
      if (type !== 'response.completed') continue;
      if (++responses === 2) break;
      await session.submitToolResults([
        { role: 'function', functionId: 'c1', result: toolResult, index: 0 },
      ]);
      await session.continue();
    }
    session.close();
  } finally {
    await server.stop();
  }
}

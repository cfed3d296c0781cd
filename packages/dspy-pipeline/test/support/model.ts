import { ai } from '@ax-llm/ax';
import { afterAll, beforeAll, beforeEach } from 'vitest';
import {
  type MockModel,
  type Script,
  startMockModel,
} from '../../../../test/support/mock-model.js';

/** A mock model for the tests of one file, and an Ax service that talks to it over HTTP. */
export function useModel() {
  let model: MockModel;
  let seen = 0;
  beforeAll(async () => {
    model = await startMockModel();
  });
  afterAll(() => model.stop());
  beforeEach(() => {
    seen = model.requests.length;
  });
  return {
    play: (script: Script) => model.play(script),
    /** Chat requests of this test so far. */
    requests: () => model.requests.slice(seen),
    /** Text of the last message of a request of this test; the last request by default. */
    prompt(index = -1): string {
      const content = model.requests.slice(seen).at(index)?.messages.at(-1)?.content;
      return typeof content === 'string' ? content : JSON.stringify(content);
    },
    apiURL: () => model.apiURL,
    service: (apiURL = model.apiURL) =>
      ai({ name: 'openai', apiKey: 'test', apiURL, config: { stream: false } }),
  };
}

import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { startMockModel } from '../../support/mock-model.js';
import type { Urls } from '../programs/world.js';

export interface Servers {
  readonly urls: Urls;
  stop(): Promise<void>;
}

/** The model that the programs ask over HTTP, and one that never answers. */
export async function startServers(): Promise<Servers> {
  const model = await startMockModel({
    script: ({ model }) => {
      if (model === 'overloaded') return { status: 503, message: 'overloaded' };
      if (model === 'refused') return { status: 400, message: 'bad request', code: 'bad' };
      if (model === 'unauthorized') return { status: 401, message: 'bad key' };
      return 'Answer Text: four';
    },
  });
  const silent = createServer(() => {});
  silent.listen(0, '127.0.0.1');
  await once(silent, 'listening');
  return {
    urls: {
      model: model.apiURL,
      silent: `http://127.0.0.1:${(silent.address() as AddressInfo).port}/v1`,
    },
    async stop() {
      silent.closeAllConnections();
      silent.close();
      await model.stop();
    },
  };
}

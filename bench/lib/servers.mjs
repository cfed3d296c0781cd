// Loopback servers in processes of their own, so that their work is not measured.
import { fork } from 'node:child_process';
import { once } from 'node:events';
import { createServer } from 'node:http';
import { setImmediate, setTimeout } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';

const SELF = fileURLToPath(import.meta.url);

/** A model that answers a chat completion after `latencyMs` milliseconds. */
export const startModelServer = (latencyMs) => start('model', latencyMs);

/** A collector and MLflow server in one that accepts whatever it is sent; counts requests and bytes. */
export const startSink = () => start('sink');

async function start(kind, argument = '') {
  const child = fork(SELF, [kind, String(argument)], {
    stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
  });
  const [{ port }] = await once(child, 'message');
  const base = `http://127.0.0.1:${port}`;
  return {
    url: kind === 'model' ? `${base}/v1` : base,
    stop: () => child.kill('SIGKILL'),
    /** Bytes and requests received so far. */
    async counts() {
      child.send('counts');
      const [counts] = await once(child, 'message');
      return counts;
    },
  };
}

function modelHandler(latencyMs) {
  const body = JSON.stringify({
    id: 'chatcmpl-1',
    object: 'chat.completion',
    created: 1,
    model: 'gpt-4o-mini',
    choices: [
      { index: 0, finish_reason: 'stop', message: { role: 'assistant', content: 'Answer: four' } },
    ],
    usage: { prompt_tokens: 11, completion_tokens: 7, total_tokens: 18 },
  });
  return (request, response) => {
    request.resume();
    request.on('end', async () => {
      await elapsed(latencyMs);
      response.writeHead(200, { 'content-type': 'application/json' }).end(body);
    });
  };
}

/** Timers are a millisecond early or late, which is more than what is measured: the last of them is spent in turns. */
async function elapsed(milliseconds) {
  const until = performance.now() + milliseconds;
  await setTimeout(Math.max(0, milliseconds - 2));
  while (performance.now() < until) await setImmediate();
}

function sinkHandler(counts) {
  return (request, response) => {
    request.on('data', (chunk) => {
      counts.bytes += chunk.length;
    });
    request.on('end', () => {
      counts.requests++;
      const json = (value) =>
        response.writeHead(200, { 'content-type': 'application/json' }).end(JSON.stringify(value));
      if (request.url.startsWith('/version')) return response.writeHead(200).end('3.17.2');
      if (request.url.includes('experiments/get'))
        return json({
          experiment: { experiment_id: '1', name: 'bench', lifecycle_stage: 'active' },
        });
      if (request.url.startsWith('/v1/traces'))
        return response.writeHead(200, { 'content-type': 'application/x-protobuf' }).end();
      return json({});
    });
  };
}

if (process.argv[1] === SELF) {
  const [kind, argument] = process.argv.slice(2);
  const counts = { requests: 0, bytes: 0 };
  const server = createServer(
    kind === 'model' ? modelHandler(Number(argument)) : sinkHandler(counts),
  );
  server.keepAliveTimeout = 60_000;
  server.listen(0, '127.0.0.1', () => process.send({ port: server.address().port }));
  process.on('message', () => process.send(counts));
  process.on('disconnect', () => process.exit(0));
}

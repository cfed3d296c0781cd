import { describe, expect, it } from 'vitest';
import type { Access } from './request.js';
import { runIn, type Traces } from './run.js';
import { textsIn } from './scan.js';
import { BASIC, SECRETS, type SecretName } from './secrets.js';
import type { Answering, Received } from './sink.js';

const headerOf = ({ headers }: Received, name: string): string =>
  headers[headers.findIndex((text) => text.toLowerCase() === name) + 1] ?? 'none';

/** Says what it was given, as some gateways do. */
function echo(request: Received): { status: number; body: string } {
  const given = headerOf(request, 'authorization');
  const key = given.replace(/^\w+ /, '');
  const plain = Buffer.from(key, 'base64').toString('latin1');
  const message = `Incorrect API key provided: ${key} (authorization: ${given}; ${/^\w+:\w+$/.test(plain) ? plain : ''}). Check "${key}", then retry.`;
  const error = { message, type: 'invalid_request_error', code: 'invalid_api_key' };
  return { status: 401, body: JSON.stringify({ error, error_code: 'UNAUTHENTICATED', message }) };
}

const SECRET = SECRETS.content;
const ANSWER = `Answer Text: {"apiKey":"${SECRET}","keywords":"stay"}`;
const usage = { prompt_tokens: 11, completion_tokens: 7, total_tokens: 18 };
const completion = (message: object, finish_reason: string) => ({
  status: 200,
  body: JSON.stringify({
    id: 'c',
    object: 'chat.completion',
    created: 1,
    model: 'plain',
    choices: [{ index: 0, finish_reason, message: { role: 'assistant', ...message } }],
    usage,
  }),
});

function answerOfModel(request: Received): { status: number; body: string } {
  const { model, messages = [] } = JSON.parse(request.body.toString());
  if (model === 'refused') return echo(request);
  const isFirst = !messages.some(({ role }: { role: string }) => role === 'tool');
  if (model !== 'tools' || !isFirst) return completion({ content: ANSWER }, 'stop');
  const args = JSON.stringify({ key: 'k', password: SECRET });
  const call = { id: 'c1', type: 'function', function: { name: 'lookUp', arguments: args } };
  return completion({ content: '', tool_calls: [call] }, 'tool_calls');
}

/** Everyone takes what comes, or refuses and says what was given. */
const ACCEPTING: Answering = (request) =>
  request.name === 'model' ? answerOfModel(request) : undefined;
const REFUSING: Answering = (request) =>
  request.name === 'model' ? answerOfModel(request) : echo(request);

const EXPECTED_ENDS = {
  'a call': 'returned',
  'a call with headers': 'returned',
  'a known key that is refused': 'threw',
  'an opaque key that is refused': 'threw',
  'a refused stream': 'threw',
  'refused behind a balancer': 'threw',
  'an embedding that is refused': 'threw',
  'a service as an input': 'returned',
  values: 'returned',
  'values of a tool': 'returned',
  'an error of a tool': 'threw',
  'the client of MLflow': 'returned',
};

const ACCESS: readonly Access[] = (
  ['basic', 'token', 'token function', 'URL', 'header'] as const
).flatMap((by) => [
  { by, through: 'autolog' },
  { by, through: 'SDK' },
]);

/** Whose headers may hold what. */
const MAY_HOLD: Readonly<Record<string, readonly SecretName[]>> = {
  'mlflow head': ['mlflowPassword', 'mlflowToken', 'mlflowHeader'],
  'otlp head': ['otlpToken', 'otlpKey'],
  'webhook head': ['webhookToken'],
  'model head': ['modelKey', 'opaqueKey', 'modelHeader'],
  // What the program itself tells its model.
  model: ['content', 'opaqueKey'],
};

const ALL_TEXTS = [...Object.values(SECRETS), BASIC];

function leaksOf(traces: Traces): string[] {
  return Object.entries(traces).flatMap(([sink, bytes]) => {
    const allowed = (MAY_HOLD[sink] ?? []).map((name): string => SECRETS[name]);
    return textsIn(bytes, ALL_TEXTS)
      .filter((text) => !allowed.includes(text) && !(text === BASIC && sink === 'mlflow head'))
      .map((text) => `${text} in ${sink}`);
  });
}

const run = (access: Access, answering: Answering) =>
  runIn('privacy/credentials-program.ts', { access }, {}, answering);

describe.concurrent.each(ACCESS)('access by $by through $through', (access) => {
  it('is not in what is sent, stored or logged, and neither are the keys of others', async () => {
    const { ends, traces } = await run(access, ACCEPTING);
    expect(ends).toEqual(EXPECTED_ENDS);
    expect(leaksOf(traces)).toEqual([]);
    // They were used, and the rest of the content is there.
    expect(textsIn(traces['model head'] as Buffer, [SECRETS.modelKey])).toHaveLength(1);
    expect(textsIn(traces['otlp head'] as Buffer, [SECRETS.otlpToken])).toHaveLength(1);
    const own = { basic: BASIC, URL: BASIC, header: BASIC }[access.by as string];
    expect(textsIn(traces['mlflow head'] as Buffer, [own ?? SECRETS.mlflowToken])).toHaveLength(1);
    for (const sink of ['mlflow', 'otlp', 'stdout']) {
      expect(textsIn(traces[sink] as Buffer, ['keywords stay'])).toHaveLength(1);
    }
  });

  it('is nowhere where it is refused and repeated in the answer', async () => {
    const { ends, traces } = await run(access, REFUSING);
    expect(ends).toEqual(EXPECTED_ENDS);
    expect(leaksOf(traces)).toEqual([]);
  });

  it('is not in the spool of a dead server', async () => {
    const { traces } = await run({ ...access, dead: true }, ACCEPTING);
    expect(leaksOf(traces)).toEqual([]);
  });
});

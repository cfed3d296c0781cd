/**
 * A process of its own: programs whose services, exporters and values hold credentials.
 * `node credentials-program.mjs '{"access": …, "urls": …, "folder": …, "out": …}'`
 */
import { writeFileSync } from 'node:fs';
import * as ax from '@ax-llm/ax';
import { MlflowClient, MlflowSpanExporter } from '@hokusai/exporter-mlflow';
import { alertOn, autolog, webhookSink } from '@hokusai/mlflow-dspy';
import {
  context,
  DiagConsoleLogger,
  DiagLogLevel,
  diag,
  type TracerProvider,
  trace,
} from '@opentelemetry/api';
import { AsyncLocalStorageContextManager } from '@opentelemetry/context-async-hooks';
import { OTLPTraceExporter } from '@opentelemetry/exporter-trace-otlp-proto';
import {
  BasicTracerProvider,
  BatchSpanProcessor,
  ConsoleSpanExporter,
  SimpleSpanProcessor,
} from '@opentelemetry/sdk-trace-base';
import { tool } from '../programs/world.js';
import type { Access, Urls } from './request.js';
import { BASIC, MLFLOW_USER, SECRETS } from './secrets.js';

interface Request {
  readonly access: Access;
  readonly urls: Urls;
  readonly folder: string;
  readonly out: string;
}

const { access, urls, folder, out } = JSON.parse(process.argv[2] ?? '') as Request;
process.chdir(folder);
diag.setLogger(new DiagConsoleLogger(), { logLevel: DiagLogLevel.ALL });

const gateway = { 'x-gateway-key': SECRETS.mlflowHeader };
const uri = access.dead ? 'http://127.0.0.1:9' : urls.mlflow;
const target = {
  basic: { trackingUri: uri, username: MLFLOW_USER, password: SECRETS.mlflowPassword },
  token: { trackingUri: uri, token: SECRETS.mlflowToken },
  'token function': { trackingUri: uri, token: async () => SECRETS.mlflowToken },
  URL: { trackingUri: uri.replace('://', `://${MLFLOW_USER}:${SECRETS.mlflowPassword}@`) },
  header: { trackingUri: uri, headers: { ...gateway, authorization: `Basic ${BASIC}` } },
}[access.by];

// The application's own collector, below the same SDK.
context.setGlobalContextManager(new AsyncLocalStorageContextManager().enable());
const otlp = new OTLPTraceExporter({
  url: `${urls.otlp}/v1/traces`,
  headers: { authorization: `Bearer ${SECRETS.otlpToken}`, 'x-api-key': SECRETS.otlpKey },
});
const local = new MlflowSpanExporter({ trackingUri: `file:${folder}/store` });
// It goes on trying with a key that is refused: one may be on its way.
const remote = new MlflowSpanExporter({
  ...target,
  retryBudgetMs: 300,
  spool: access.dead ? `${folder}/spool` : false,
});
const provider = new BasicTracerProvider({
  spanProcessors: [
    new BatchSpanProcessor(otlp),
    ...(access.through === 'SDK' ? [local, remote] : []).map(
      (exporter) => new BatchSpanProcessor(exporter),
    ),
    new SimpleSpanProcessor(new ConsoleSpanExporter()),
  ],
});
trace.setGlobalTracerProvider(provider as TracerProvider);
const client = autolog({
  ...target,
  spoolDirectory: `${folder}/spool`,
  headers: { ...gateway, ...('headers' in target ? target.headers : {}) },
});
client.addTraceProcessor(
  alertOn(
    { slowerThanMs: 0 },
    webhookSink(urls.webhook, { headers: { authorization: `Bearer ${SECRETS.webhookToken}` } }),
  ),
);
// What an application may log of us.
console.log(client.config, JSON.stringify(client.config), String(client.config), client);

const service = (apiKey: string, model: string, more: object = {}): never =>
  ax.ai({
    name: 'openai',
    apiKey,
    apiURL: urls.model,
    config: { model: model as never, stream: false },
    options: { retry: { maxRetries: 0 } },
    ...more,
  } as never) as never;
const SIGNATURE = 'questionText:string -> answerText:string';
const QUESTION = { questionText: 'why?' };
const SECRET = SECRETS.content;

/** Values with credentials in them, the word `keywords` beside each. */
const values = {
  keywords: 'keywords stay',
  deep: [{ list: [{ apiKey: SECRET, 'x-api-key': SECRET, maxTokens: 5 }] }],
  auth: { Authorization: `Bearer ${SECRET}`, password: SECRET, client_secret: SECRET },
  map: new Map<string, unknown>([['refresh_token', SECRET]]),
  headers: new Headers({ cookie: SECRET }),
  json: JSON.stringify({ nested: JSON.stringify({ apiKey: SECRET }), accessToken: SECRET }),
  text: `curl -H "Authorization: Bearer ${SECRET}" 'https://ann:${SECRET}@host/x?api_key=${SECRET}&q=1'`,
  url: new URL(`https://ann:${SECRET}@host/x?access_token=${SECRET}`),
};

const call = async (name: string, work: () => unknown): Promise<[string, string]> => {
  try {
    await work();
    return [name, 'returned'];
  } catch {
    return [name, 'threw'];
  }
};
const ask = (ai: never, options: object = {}, input: object = QUESTION) =>
  ax.ax(SIGNATURE).forward(ai, input as never, options as never);

const ends = [
  await call('a call', () => ask(service(SECRETS.modelKey, 'plain'))),
  await call('a call with headers', () =>
    ask(service(SECRETS.opaqueKey, 'plain'), {
      customHeaders: { 'x-gateway-key': SECRETS.modelHeader },
    }),
  ),
  await call('a known key that is refused', () => ask(service(SECRETS.modelKey, 'refused'))),
  await call('an opaque key that is refused', () => ask(service(SECRETS.opaqueKey, 'refused'))),
  await call('a refused stream', async () => {
    const stream = ax
      .ax(SIGNATURE)
      .streamingForward(service(SECRETS.opaqueKey, 'refused'), QUESTION, {
        stream: true,
      } as never);
    for await (const _ of stream) void _;
  }),
  await call('refused behind a balancer', () =>
    ask(
      ax.AxBalancer.create(
        [service(SECRETS.opaqueKey, 'refused'), service(SECRETS.modelKey, 'plain')] as never,
        { debug: false, maxRetries: 0 },
      ) as never,
    ),
  ),
  await call('an embedding that is refused', () =>
    (service(SECRETS.opaqueKey, 'plain') as ax.AxAIService).embed({
      texts: ['a'],
      embedModel: 'refused',
    } as never),
  ),
  await call('a service as an input', () => {
    const ai = service(SECRETS.opaqueKey, 'plain');
    return ask(ai, {}, { ...QUESTION, ai, credentials: [{ apiKey: SECRETS.opaqueKey }] });
  }),
  await call('values', () =>
    ask(service(SECRETS.modelKey, 'plain'), {}, { ...QUESTION, ...values }),
  ),
  await call('values of a tool', () =>
    ax
      .ax(SIGNATURE, { functions: [tool(() => values)] })
      .forward(service(SECRETS.modelKey, 'tools'), QUESTION),
  ),
  await call('an error of a tool', () =>
    ax
      .ax(SIGNATURE, {
        functions: [
          tool(() => {
            throw new Error(`login with password=${SECRET} failed`, {
              cause: new Error(`{"apiKey":"${SECRET}"} at https://x:${SECRET}@host`),
            });
          }),
        ],
      })
      .forward(service(SECRETS.modelKey, 'tools'), QUESTION),
  ),
  await call('the client of MLflow', () =>
    // As an application would log it.
    new MlflowClient(target).getExperiment({ name: 'x' }).catch(console.error),
  ),
];
await client.flush();
await provider.forceFlush().catch(() => {});
await provider.shutdown().catch(() => {});
writeFileSync(out, JSON.stringify(Object.fromEntries(ends)));

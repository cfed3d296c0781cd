// @ts-check
// `npm run demo`: runs examples/demo against a real MLflow server and shows the traces it left there.
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { pathToFileURL } from 'node:url';
import { parseArgs } from 'node:util';
import { LOCAL_CACHE, ROOT } from './lib/cache.mjs';
import { isHealthy, MissingPythonError, startMlflow } from './lib/mlflow.mjs';
import { startGroup, stopAllGroups, stopGroupsOnSignals } from './lib/processes.mjs';
import { build, install } from './lib/toolchain.mjs';
import { drawTrace } from './lib/trace-tree.mjs';

const DEMO = join(ROOT, 'examples/demo');
const EXPERIMENT = 'support-desk';
/** Programs that the demo runs, each one trace. */
const EXECUTIONS = 7;
const ARRIVAL_MS = 30_000;

/** Variable with the key, and the model asked for. */
const PROVIDERS = /** @type {Record<string, { variable: string, model: string }>} */ ({
  openai: { variable: 'OPENAI_API_KEY', model: 'gpt-4o-mini' },
  anthropic: { variable: 'ANTHROPIC_API_KEY', model: 'claude-haiku-4-5' },
  'google-gemini': { variable: 'GOOGLE_API_KEY', model: 'gemini-2.5-flash' },
});

const HELP = `Usage: npm run demo -- [--keep] [--provider ${Object.keys(PROVIDERS).join('|')}] [--model NAME]

  --keep           leave the MLflow server running, to look at the traces in a browser
  --provider NAME  call a real model with the key in ${Object.values(PROVIDERS)
    .map(({ variable }) => variable)
    .join(', ')};
                   default: a scripted model on loopback
  --model NAME     model of that provider

MLFLOW_TRACKING_URI names a server of yours; default: one is installed, started and stopped again.
`;

stopGroupsOnSignals();
process.exitCode = await main().catch((error) => {
  process.stderr.write(`\n${error instanceof Error ? error.message : String(error)}\n`);
  return 1;
});
await stopAllGroups();

async function main() {
  const options = readOptions();
  if (options === undefined) return 2;
  if (options.help) {
    process.stdout.write(HELP);
    return 0;
  }
  const provider = readProvider(options);

  if (!(await install(progress))) throw new Error('npm ci failed; its messages are above.');
  progress('building the packages');
  const { code, output } = await build({ quiet: true });
  if (code !== 0) throw new Error(`The build failed:\n${output}`);

  const server = await findServer();
  const start = Date.now();
  await runProgram({ ...provider, MLFLOW_TRACKING_URI: server.trackingUri });
  const arrived = await showTraces(server, start);
  if (server.missing) {
    process.stderr.write(`\n${server.missing}\n`);
    return 1;
  }
  if (server.group && options.keep) {
    server.group.release();
    process.stdout.write(
      `\nMLflow keeps running on ${server.trackingUri}; stop it with: kill ${server.group.pid}\n`,
    );
  } else if (server.group) {
    process.stdout.write(
      '\nThe server is stopped now; `npm run demo -- --keep` leaves it up for the browser.\n',
    );
  }
  return arrived ? 0 : 1;
}

function readOptions() {
  try {
    return parseArgs({
      options: {
        keep: { type: 'boolean', default: false },
        provider: { type: 'string' },
        model: { type: 'string' },
        help: { type: 'boolean', short: 'h', default: false },
      },
    }).values;
  } catch (error) {
    process.stderr.write(`${/** @type {Error} */ (error).message}\n\n${HELP}`);
    return undefined;
  }
}

/**
 * @param {{ provider?: string | undefined, model?: string | undefined }} options
 * @returns {Record<string, string> | undefined} settings for the demo program; absent: the scripted model
 */
function readProvider({ provider, model }) {
  if (provider === undefined) return undefined;
  const known = PROVIDERS[provider];
  if (!known) {
    const names = Object.keys(PROVIDERS).join(', ');
    throw new Error(`--provider ${provider} is not known; use one of ${names}.`);
  }
  const key = process.env[known.variable];
  if (!key) throw new Error(`--provider ${provider} needs a key in ${known.variable}.`);
  return { DEMO_PROVIDER: provider, DEMO_API_KEY: key, DEMO_MODEL: model ?? known.model };
}

/**
 * The server that MLFLOW_TRACKING_URI names, or one of our own, or files where there is no Python.
 * @returns {Promise<{ trackingUri: string, group?: import('./lib/processes.mjs').Group, missing?: string }>}
 */
async function findServer() {
  const named = process.env.MLFLOW_TRACKING_URI?.replace(/\/+$/, '');
  if (named) {
    if (/^https?:/.test(named) && !(await isHealthy(named))) {
      throw new Error(
        `No MLflow server answers at MLFLOW_TRACKING_URI=${named}. Start it, or unset the variable to have one started here.`,
      );
    }
    return { trackingUri: named };
  }
  try {
    progress('starting MLflow');
    const server = await startMlflow({ folder: join(LOCAL_CACHE, 'demo'), progress });
    progress(`MLflow answers on ${server.url}`);
    return { trackingUri: server.url, group: server.group };
  } catch (error) {
    if (!(error instanceof MissingPythonError)) throw error;
    progress('no Python 3.10 or newer: the traces of this run go to files instead of MLflow');
    const trackingUri = pathToFileURL(join(LOCAL_CACHE, 'demo', 'traces')).href;
    return { trackingUri, missing: `Shown from ${trackingUri}. ${error.message}` };
  }
}

/** @param {Record<string, string>} env */
async function runProgram(env) {
  const model = env.DEMO_PROVIDER === undefined ? await startScriptedModel() : undefined;
  progress(`running examples/demo with ${model ? 'a scripted model' : env.DEMO_MODEL}\n`);
  const program = startGroup(process.execPath, ['--import', './instrumentation.js', 'main.js'], {
    cwd: DEMO,
    env: {
      ...process.env,
      // Ax runs agents' code in a worker behind Node's permission model, which warns of itself.
      NODE_OPTIONS:
        `${process.env.NODE_OPTIONS ?? ''} --disable-warning=ExperimentalWarning`.trim(),
      ...(model && { DEMO_API_URL: model.url, DEMO_MODEL: 'gpt-4o-mini' }),
      ...env,
    },
  });
  const code = await program.exited;
  await model?.stop();
  if (code !== 0) throw new Error(`The demo program ended with exit code ${code}.`);
}

async function startScriptedModel() {
  const { startMockModel } = await import('../examples/demo/mock-model.js');
  return startMockModel();
}

/**
 * Waits until the server answers with all traces, then draws them.
 * @param {{ trackingUri: string }} server
 * @param {number} start milliseconds since the epoch
 */
async function showTraces({ trackingUri }, start) {
  const { MlflowClient } = await import('@hokusai/exporter-mlflow');
  const client = new MlflowClient({ trackingUri, experimentName: EXPERIMENT });
  const finished = async () => {
    const traces = await client.getTraces({ maxResults: 50 }).toArray();
    return traces
      .filter(({ startTime, state }) => startTime.getTime() >= start && state !== 'IN_PROGRESS')
      .reverse();
  };
  let traces = await finished();
  for (const deadline = Date.now() + ARRIVAL_MS; traces.length < EXECUTIONS; await sleep(200)) {
    if (Date.now() > deadline) break;
    traces = await finished();
  }
  await client.close();
  process.stdout.write(`\n${traces.length} traces in the experiment "${EXPERIMENT}":\n`);
  for (const trace of traces) {
    const lines = drawTrace(trace);
    if (!trackingUri.startsWith('file:')) {
      const page = `${trackingUri}/#/experiments/${trace.experimentId}/traces?selectedEvaluationId=${trace.traceId}`;
      lines.splice(1, 0, page);
    }
    process.stdout.write(`\n${lines.join('\n')}\n`);
  }
  if (traces.length === EXECUTIONS) return true;
  process.stderr.write(`\n${traces.length} of ${EXECUTIONS} traces arrived.\n`);
  return false;
}

/** @param {string} message */
function progress(message) {
  process.stdout.write(`-- ${message}\n`);
}

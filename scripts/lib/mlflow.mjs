// @ts-check
import { existsSync, mkdirSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { LOCAL_CACHE, withLock } from './cache.mjs';
import { run, startGroup, tail } from './processes.mjs';

/** The version that the demo and the tests run by default. */
export const MLFLOW_VERSION = '3.17.2';

const READY_MS = 120_000;

/** Old releases do not bound what they need; these are the last versions they work with. */
const CONSTRAINTS = /** @type {const} */ ([
  { before: [3, 12], requirements: ['sqlalchemy<2.1', 'starlette<1'] },
]);

export class MissingPythonError extends Error {
  constructor() {
    super(
      'An MLflow server, and with it the page of each trace, needs Python 3.10 or newer with its venv module; ' +
        'none was found as python3 or python.\n' +
        'Install one (Debian and Ubuntu: `sudo apt install python3 python3-venv`; macOS: `brew install python`), ' +
        'or name it in PYTHON, or name a running server in MLFLOW_TRACKING_URI.',
    );
    this.name = 'MissingPythonError';
  }
}

/**
 * Finds a Python that can make a virtual environment.
 * @returns {Promise<string>} its command
 * @throws {MissingPythonError}
 */
export async function findPython() {
  const probe = 'import sys, venv, ensurepip; sys.exit(sys.version_info < (3, 10))';
  for (const command of [process.env.PYTHON, 'python3', 'python']) {
    if (command && (await run(command, ['-c', probe], { quiet: true })).code === 0) return command;
  }
  throw new MissingPythonError();
}

/**
 * Makes the virtual environment of an MLflow version unless it is there.
 * @param {object} [options]
 * @param {string} [options.version]
 * @param {string} [options.extra] of the pip package, such as `auth`
 * @param {(message: string) => void} [options.progress]
 * @returns {Promise<string>} folder of its executables
 */
export async function ensureMlflow({ version = MLFLOW_VERSION, extra, progress = () => {} } = {}) {
  const home = join(LOCAL_CACHE, 'mlflow', version);
  const bin = join(home, 'bin');
  // Written last: an interrupted installation is taken up again, never used.
  const done = join(home, extra ? `.installed-${extra}` : '.installed');
  if (existsSync(done)) return bin;
  await withLock(
    `${home}.lock`,
    async () => {
      if (existsSync(done)) return;
      const python = join(bin, 'python');
      if (!existsSync(join(bin, 'pip'))) {
        await must(
          await findPython(),
          ['-m', 'venv', '--clear', home],
          'make a virtual environment',
        );
      }
      progress(`installing MLflow ${version} (once, about a minute, 850 MB below ${home})`);
      const tick = setInterval(() => progress('still installing MLflow'), 15_000);
      try {
        const requirement = `mlflow${extra ? `[${extra}]` : ''}==${version}`;
        const pip = ['-m', 'pip', 'install', '--quiet', '--disable-pip-version-check'];
        await must(python, [...pip, requirement, ...constraintsOf(version)], 'install MLflow');
      } finally {
        clearInterval(tick);
      }
      writeFileSync(done, '');
    },
    progress,
  );
  return bin;
}

/**
 * A running `mlflow server`.
 * @typedef {object} MlflowServer
 * @property {string} url tracking URI, without a slash at its end
 * @property {string} logFile stdout and stderr of the server
 * @property {string} bin folder of its environment's executables
 * @property {import('./processes.mjs').Group} group
 */

/**
 * Starts an MLflow server on a free loopback port and waits until it answers.
 * @param {object} options
 * @param {string} options.folder takes database, artifacts and log
 * @param {string} [options.version]
 * @param {number} [options.port] default a free one
 * @param {string} [options.backendStoreUri] default SQLite in `folder`
 * @param {string} [options.appName] such as `basic-auth`
 * @param {NodeJS.ProcessEnv} [options.env] on top of this process's
 * @param {(message: string) => void} [options.progress]
 * @returns {Promise<MlflowServer>}
 */
export async function startMlflow(options) {
  const { folder, appName, env, version = MLFLOW_VERSION, progress = () => {} } = options;
  mkdirSync(folder, { recursive: true });
  const bin = await ensureMlflow({
    version,
    progress,
    ...(appName === 'basic-auth' && { extra: 'auth' }),
  });
  const port = options.port ?? (await freePort());
  const url = `http://127.0.0.1:${port}`;
  const logFile = join(folder, 'mlflow.log');
  const args = [
    'server',
    '--backend-store-uri',
    options.backendStoreUri ?? `sqlite:///${join(folder, 'mlflow.db')}`,
    '--artifacts-destination',
    join(folder, 'artifacts'),
    '--host',
    '127.0.0.1',
    '--port',
    String(port),
    '--workers',
    '1',
    ...(appName ? ['--app-name', appName] : []),
  ];
  const group = startGroup(join(bin, 'mlflow'), args, {
    cwd: folder,
    env: { ...serverEnvironment(), ...env },
    logFile,
  });
  const deadline = Date.now() + READY_MS;
  // The server puts its health page below its static prefix too.
  while (!(await isHealthy(`${url}${env?.MLFLOW_STATIC_PREFIX ?? ''}`))) {
    if (!group.running() || Date.now() > deadline) {
      await group.stop();
      throw new Error(`MLflow did not start on ${url}. The end of its log:\n${tail(logFile)}`);
    }
    await sleep(100);
  }
  return { url, logFile, bin, group };
}

/**
 * @param {string} url tracking URI
 * @returns {Promise<boolean>} whether a server answers there
 */
export async function isHealthy(url) {
  try {
    const response = await fetch(`${url}/health`, { signal: AbortSignal.timeout(2_000) });
    return response.ok;
  } catch {
    return false;
  }
}

/** A port that was free a moment ago. */
export function freePort() {
  return new Promise((/** @type {(port: number) => void} */ resolve, reject) => {
    const server = createServer();
    server.once('error', reject);
    server.listen(0, '127.0.0.1', () => {
      const address = server.address();
      const port = typeof address === 'object' && address ? address.port : 0;
      server.close(() => resolve(port));
    });
  });
}

/** Without the caller's MLflow settings; starts in half the time and half the memory, calls nobody. */
function serverEnvironment() {
  const inherited = Object.entries(process.env).filter(([name]) => !name.startsWith('MLFLOW_'));
  return {
    ...Object.fromEntries(inherited),
    MLFLOW_SERVER_ENABLE_JOB_EXECUTION: 'false',
    LITELLM_LOCAL_MODEL_COST_MAP: 'True',
    MLFLOW_DISABLE_TELEMETRY: 'true',
    PYTHONUNBUFFERED: '1',
  };
}

/** @param {string} version */
function constraintsOf(version) {
  const [major = 0, minor = 0] = version.split('.').map(Number);
  return CONSTRAINTS.filter(
    ({ before: [toMajor, toMinor] }) => major < toMajor || (major === toMajor && minor < toMinor),
  ).flatMap(({ requirements }) => requirements);
}

/**
 * @param {string} command
 * @param {string[]} args
 * @param {string} what
 */
async function must(command, args, what) {
  const { code, output } = await run(command, args, { quiet: true });
  if (code !== 0) throw new Error(`Could not ${what} (exit code ${code}):\n${output.trim()}`);
}

import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { MLFLOW_VERSION, startMlflow } from '../../scripts/lib/mlflow.mjs';
import { run, tail } from '../../scripts/lib/processes.mjs';

export interface MlflowServerOptions {
  /** Release of MLflow, installed once into the cache. Default `3.17.2`. */
  version?: string;
  /** Default an SQLite file in the server's own temporary folder. */
  backendStoreUri?: string;
  /** `--app-name`, such as `basic-auth`. */
  appName?: string;
  /** On top of the environment of the tests. */
  env?: Record<string, string>;
  /** Default a free port; give one to start a server again where another was. */
  port?: number;
  /** Database, artifacts and log; kept on `stop()`. Default a temporary folder, removed on `stop()`. */
  folder?: string;
}

export interface TestMlflowServer {
  /** Tracking URI, without a slash at its end. */
  readonly url: string;
  readonly port: number;
  /** Stops the process group. */
  stop(): Promise<void>;
  /** `kill -9` of the process group; give `folder` and `port` to start it again. */
  crash(): Promise<void>;
  /** Runs a Python program in the server's environment with `MLFLOW_TRACKING_URI` set; resolves with its stdout, rejects when it fails. */
  python(script: string): Promise<string>;
  /** The end of the server's log, for failures. */
  log(): string;
}

/** Starts a real MLflow server on loopback; it ends with this process at the latest. */
export async function startMlflowServer(
  options: MlflowServerOptions = {},
): Promise<TestMlflowServer> {
  const { version = MLFLOW_VERSION, ...rest } = options;
  const folder = options.folder ?? (await mkdtemp(join(tmpdir(), 'hokusai-mlflow-')));
  const server = await startMlflow({
    ...rest,
    version,
    folder,
    progress: (message) => process.stderr.write(`${message}\n`),
  });
  return {
    url: server.url,
    port: Number(new URL(server.url).port),
    log: () => tail(server.logFile, 60),
    crash: () => server.group.crash(),
    async stop() {
      await server.group.stop();
      if (options.folder === undefined) await rm(folder, { recursive: true, force: true });
    },
    async python(script) {
      const { code, stdout, output } = await run(join(server.bin, 'python'), ['-c', script], {
        quiet: true,
        env: { ...process.env, MLFLOW_TRACKING_URI: server.url, MLFLOW_DISABLE_TELEMETRY: 'true' },
      });
      if (code !== 0) throw new Error(`Python ended with ${code}:\n${output}`);
      return stdout;
    },
  };
}

import { spawn } from 'node:child_process';

export interface Ended {
  code: number | null;
  signal: NodeJS.Signals | null;
  stdout: string;
  stderr: string;
  /** Milliseconds from the program's last output (or its signal) to its end. */
  endedAfterMs: number;
}

export interface RunOptions {
  cwd?: string;
  env?: Record<string, string | undefined>;
  /** Sent when the program has printed `ready`. */
  signal?: NodeJS.Signals;
  /** After these milliseconds the program is killed, and its `signal` is SIGKILL. Default 30 000. */
  timeoutMs?: number;
  /** Default this process's Node. */
  node?: string;
}

/** Runs a Node program to its end, in an environment that configures no tracing but what is given. */
export async function runNode(args: readonly string[], options: RunOptions = {}): Promise<Ended> {
  const { signal, timeoutMs = 30_000, node = process.execPath } = options;
  const child = spawn(node, [...args], {
    cwd: options.cwd,
    env: { ...cleanEnvironment(), ...options.env },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let stdout = '';
  let stderr = '';
  let lastOutput = performance.now();
  let sent = false;
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    stderr += text;
  });
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    stdout += text;
    lastOutput = performance.now();
    if (signal === undefined || sent || !stdout.includes('ready')) return;
    sent = true;
    child.kill(signal);
  });
  const killer = setTimeout(() => child.kill('SIGKILL'), timeoutMs);
  const [code, endedBy] = await new Promise<[number | null, NodeJS.Signals | null]>(
    (resolve, reject) => {
      child.once('error', reject);
      child.once('close', (...how) => resolve(how));
    },
  );
  clearTimeout(killer);
  return { code, signal: endedBy, stdout, stderr, endedAfterMs: performance.now() - lastOutput };
}

/** Without what configures tracing, and without what the test runner gives its own processes. */
function cleanEnvironment(): NodeJS.ProcessEnv {
  return Object.fromEntries(
    Object.entries(process.env).filter(([name]) => !/^(OTEL_|MLFLOW_|NODE_|VITEST)/.test(name)),
  );
}

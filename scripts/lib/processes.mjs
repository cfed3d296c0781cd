// @ts-check
import { spawn } from 'node:child_process';
import { closeSync, openSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

const KEEPER = fileURLToPath(new URL('./keeper.mjs', import.meta.url));

/**
 * A running process group.
 * @typedef {object} Group
 * @property {number} pid process to signal from outside: SIGTERM stops the whole group
 * @property {Promise<number>} exited resolves with the exit code; never rejects
 * @property {() => boolean} running
 * @property {() => Promise<void>} stop SIGTERM to the whole group, SIGKILL to what is left
 * @property {() => Promise<void>} crash SIGKILL to the whole group at once
 * @property {() => void} release lets it outlive this process
 */

/** @type {Set<Group>} */
const groups = new Set();

/**
 * Starts a command in a process group of its own, which ends with this process at the latest.
 * @param {string} command
 * @param {readonly string[]} args
 * @param {object} [options]
 * @param {string} [options.cwd]
 * @param {NodeJS.ProcessEnv} [options.env] whole environment; default this process's
 * @param {string} [options.logFile] takes stdout and stderr; default inherited
 * @param {(chunk: string, stream: 'stdout' | 'stderr') => void} [options.onOutput] receives the output instead
 * @returns {Group}
 */
export function startGroup(command, args, options = {}) {
  const { cwd, env = process.env, logFile, onOutput } = options;
  const log = logFile === undefined ? undefined : openSync(logFile, 'a');
  const sink = log ?? (onOutput ? 'pipe' : 'inherit');
  const child = spawn(process.execPath, [KEEPER, command, ...args], {
    cwd,
    env,
    detached: true,
    stdio: ['pipe', sink, sink],
  });
  if (log !== undefined) closeSync(log);
  if (onOutput) {
    child.stdout?.setEncoding('utf8').on('data', (chunk) => onOutput(chunk, 'stdout'));
    child.stderr?.setEncoding('utf8').on('data', (chunk) => onOutput(chunk, 'stderr'));
  }
  child.stdin?.on('error', () => {});

  let running = true;
  /** @type {Promise<number>} */
  const exited = new Promise((resolve) => {
    // 'close' and not 'exit': the output is complete by then.
    child.once('close', (code) => settle(code ?? 1));
    child.once('error', () => settle(127));
    /** @param {number} code */
    function settle(code) {
      running = false;
      groups.delete(group);
      resolve(code);
    }
  });
  /** @type {Group} */
  const group = {
    pid: child.pid ?? 0,
    exited,
    running: () => running,
    async stop() {
      if (running) child.kill('SIGTERM');
      await exited;
    },
    async crash() {
      if (running) child.kill('SIGUSR2');
      await exited;
    },
    release() {
      groups.delete(group);
      child.stdin?.end('release');
      child.unref();
    },
  };
  groups.add(group);
  return group;
}

/**
 * Runs a command to its end.
 * @param {string} command
 * @param {readonly string[]} args
 * @param {{ cwd?: string, env?: NodeJS.ProcessEnv, quiet?: boolean }} [options] `quiet` collects the output instead of showing it
 * @returns {Promise<{ code: number, stdout: string, output: string }>} `output` is stdout and stderr as they came
 */
export async function run(command, args, options = {}) {
  const { quiet = false, ...rest } = options;
  let stdout = '';
  let output = '';
  const group = startGroup(command, args, {
    ...rest,
    ...(quiet && {
      onOutput: (chunk, stream) => {
        output += chunk;
        if (stream === 'stdout') stdout += chunk;
      },
    }),
  });
  return { code: await group.exited, stdout, output };
}

/** Stops every group that this process started. */
export async function stopAllGroups() {
  await Promise.all([...groups].map((group) => group.stop()));
}

/** Makes Ctrl-C and SIGTERM stop every group before this process ends with the usual code. */
export function stopGroupsOnSignals() {
  for (const [signal, code] of /** @type {const} */ ([
    ['SIGINT', 130],
    ['SIGTERM', 143],
    ['SIGHUP', 129],
  ])) {
    process.once(signal, () => {
      void stopAllGroups().finally(() => process.exit(code));
    });
  }
}

/**
 * Last lines of a log file, for error messages.
 * @param {string} file
 * @param {number} [lines]
 */
export function tail(file, lines = 30) {
  try {
    return readFileSync(file, 'utf8').trimEnd().split('\n').slice(-lines).join('\n');
  } catch {
    return '(no log)';
  }
}

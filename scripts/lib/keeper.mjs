// @ts-check
// Runs one command in a process group of its own and takes the whole group down when the command
// ends, when it is told to stop, and when the process that started it is gone: that one holds the
// other end of our stdin, which closes however it died, SIGKILL included. A byte on stdin releases
// us: from then on the command may outlive its starter.
// Usage: node keeper.mjs COMMAND [ARGUMENT...]
import { spawn } from 'node:child_process';
import { constants } from 'node:os';

const GRACE_MS = 5_000;
const [command = '', ...args] = process.argv.slice(2);

const child = spawn(command, args, { detached: true, stdio: ['ignore', 'inherit', 'inherit'] });
let stopping = false;

child.once('error', (error) => {
  process.stderr.write(`${command}: ${error.message}\n`);
  process.exit(127);
});
child.once('exit', (code, signal) => {
  // What the command leaves behind (some servers orphan their workers) goes with it.
  signalGroup('SIGKILL');
  process.exit(code ?? 128 + (signal ? constants.signals[signal] : 0));
});
for (const signal of /** @type {const} */ (['SIGINT', 'SIGTERM', 'SIGHUP'])) {
  process.on(signal, stop);
}
// For crash tests: the command gets no chance to end well.
process.on('SIGUSR2', () => signalGroup('SIGKILL'));
process.stdin.on('error', stop).once('close', stop);
process.stdin.once('data', () => {
  process.stdin
    .off('error', stop)
    .off('close', stop)
    .on('error', () => {});
});

function stop() {
  if (stopping) return;
  stopping = true;
  signalGroup('SIGTERM');
  setTimeout(() => signalGroup('SIGKILL'), GRACE_MS);
}

/** @param {NodeJS.Signals} signal */
function signalGroup(signal) {
  try {
    if (child.pid) process.kill(-child.pid, signal);
  } catch {
    // Nobody is left in it.
  }
}

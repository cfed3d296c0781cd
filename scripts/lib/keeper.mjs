// @ts-check
// Runs one command as the leader of its own process group and takes the whole group down when the
// command ends, when it is told to stop, and when the process that started it is gone: that one
// holds the other end of our stdin, which closes however it died, SIGKILL included.
// Usage: node keeper.mjs COMMAND [ARGUMENT...]
import { spawn } from 'node:child_process';
import { constants } from 'node:os';

const GRACE_MS = 5_000;
const [command = '', ...args] = process.argv.slice(2);

const child = spawn(command, args, { stdio: ['ignore', 'inherit', 'inherit'] });
let stopping = false;

/** @param {number} code */
function end(code) {
  // What the command leaves behind (some servers orphan their workers) goes with it.
  process.exitCode = code;
  process.removeAllListeners('SIGTERM');
  process.once('SIGTERM', () => process.exit(code));
  process.kill(-process.pid, 'SIGTERM');
}

function stop() {
  if (stopping) return;
  stopping = true;
  child.kill('SIGTERM');
  setTimeout(() => process.kill(-process.pid, 'SIGKILL'), GRACE_MS);
}

child.once('error', (error) => {
  process.stderr.write(`${command}: ${error.message}\n`);
  end(127);
});
child.once('exit', (code, signal) => {
  end(code ?? 128 + (signal ? constants.signals[signal] : 0));
});
for (const signal of /** @type {const} */ (['SIGINT', 'SIGTERM', 'SIGHUP'])) {
  process.on(signal, stop);
}
process.stdin.on('error', stop).once('close', stop).resume();

import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { afterEach, describe, expect, it } from 'vitest';
import { type Group, run, startGroup } from '../../scripts/lib/processes.mjs';

const LIBRARY = fileURLToPath(new URL('../../scripts/lib/processes.mjs', import.meta.url));

/** A program that starts a child, tells both ids, and ignores SIGTERM where asked to. */
const family = (stubborn = false) => `
  import { spawn } from 'node:child_process';
  ${stubborn ? "process.on('SIGTERM', () => {});" : ''}
  const child = spawn(process.execPath, ['-e', 'setInterval(() => {}, 1000)']);
  console.log(process.pid + ' ' + child.pid);
  setInterval(() => {}, 1000);
`;
const node = (program: string) => ['--input-type=module', '-e', program];

function alive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
}

async function gone(pids: number[]): Promise<void> {
  for (const deadline = Date.now() + 10_000; pids.some(alive); await sleep(20)) {
    if (Date.now() > deadline) throw new Error(`still running: ${pids.filter(alive)}`);
  }
}

const started: Group[] = [];
afterEach(() => Promise.all(started.splice(0).map((group) => group.stop())));

async function startFamily(stubborn = false): Promise<{ group: Group; pids: number[] }> {
  const line = await new Promise<string>((onOutput) => {
    started.push(startGroup(process.execPath, node(family(stubborn)), { onOutput }));
  });
  return { group: started.at(-1) as Group, pids: line.trim().split(' ').map(Number) };
}

describe('a process group', () => {
  it('ends with all its children when it is stopped', async () => {
    const { group, pids } = await startFamily();
    expect(pids.map(alive)).toEqual([true, true]);
    await group.stop();
    expect(group.running()).toBe(false);
    await gone(pids);
  });

  it('is killed when it does not end on SIGTERM', async () => {
    const { group, pids } = await startFamily(true);
    await group.stop();
    await gone(pids);
  });

  it('takes the children with it when the command ends by itself', async () => {
    const { pids, group } = await startFamily();
    process.kill(pids[0] as number, 'SIGTERM');
    await group.exited;
    await gone(pids);
  });

  it('ends when the process that started it is killed', async () => {
    const starter = spawn(
      process.execPath,
      node(`
        import { startGroup } from ${JSON.stringify(LIBRARY)};
        startGroup(process.execPath, ${JSON.stringify(node(family()))}, {
          onOutput: (text) => process.stdout.write(text),
        });
      `),
    );
    const [output] = (await once(starter.stdout, 'data')) as [Buffer];
    const pids = output.toString().trim().split(' ').map(Number);
    expect(pids.map(alive)).toEqual([true, true]);
    starter.kill('SIGKILL');
    await gone(pids);
  });

  it('outlives the process that started it once it is released', async () => {
    const starter = spawn(
      process.execPath,
      node(`
        import { writeSync } from 'node:fs';
        import { startGroup } from ${JSON.stringify(LIBRARY)};
        const group = startGroup(process.execPath, ['-e', 'setInterval(() => {}, 1000)'], {
          logFile: '/dev/null',
        });
        writeSync(1, String(group.pid));
        group.release();
      `),
    );
    const [output] = (await once(starter.stdout, 'data')) as [Buffer];
    const pid = Number(output.toString());
    expect(await once(starter, 'exit')).toEqual([0, null]);
    await sleep(200);
    expect(alive(pid)).toBe(true);
    process.kill(pid, 'SIGTERM');
    await gone([pid]);
  });

  it('passes on the exit code and both outputs', async () => {
    const program = "console.log('out'); console.error('err'); process.exitCode = 7;";
    const { code, stdout, output } = await run(process.execPath, node(program), { quiet: true });
    expect({ code, stdout }).toEqual({ code: 7, stdout: 'out\n' });
    expect(output).toContain('err');
  });

  it('reports a command that does not exist as 127 with its name', async () => {
    const { code, output } = await run('no-such-command', [], { quiet: true });
    expect(code).toBe(127);
    expect(output).toContain('no-such-command');
  });
});

import { execFileSync } from 'node:child_process';
import { chownSync, existsSync, mkdtempSync, readdirSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { ensureMlflow, freePort } from '../../scripts/lib/mlflow.mjs';
import { run, startGroup, tail } from '../../scripts/lib/processes.mjs';

export interface TestPostgres {
  /** For `--backend-store-uri`. */
  readonly uri: string;
  /** Immediate shutdown, as after a crash. */
  stop(): Promise<void>;
  /** Again, with its data. */
  start(): Promise<void>;
  /** Stops it and removes its data. */
  remove(): Promise<void>;
}

/** A real Postgres of the machine on loopback, and its driver in MLflow's environment. Fails where there is none. */
export async function startPostgres(): Promise<TestPostgres> {
  const bin = findPostgres();
  const python = join(await ensureMlflow(), 'python');
  if ((await run(python, ['-c', 'import psycopg2'], { quiet: true })).code !== 0) {
    const pip = ['-m', 'pip', 'install', '--quiet', '--disable-pip-version-check'];
    const { code, output } = await run(python, [...pip, 'psycopg2-binary'], { quiet: true });
    if (code !== 0) throw new Error(`Could not install psycopg2-binary:\n${output}`);
  }
  const folder = mkdtempSync(join(tmpdir(), 'postgres-'));
  const data = join(folder, 'data');
  const port = await freePort();
  const logFile = join(folder, 'log');
  const as = otherUser(folder);
  execFileSync(
    ...command(as, [
      join(bin, 'initdb'),
      '-D',
      data,
      '-U',
      'mlflow',
      '-A',
      'trust',
      '-N',
      '-E',
      'UTF8',
    ]),
    { stdio: 'pipe' },
  );
  let group: ReturnType<typeof startGroup>;
  const start = async (): Promise<void> => {
    const server = [join(bin, 'postgres'), '-D', data, '-p', String(port), '-k', folder];
    const [file, args] = command(as, [...server, '-c', 'listen_addresses=127.0.0.1']);
    group = startGroup(file, args, { logFile });
    const ready = [join(bin, 'pg_isready'), '-h', '127.0.0.1', '-p', String(port), '-q'];
    while ((await run(ready[0] as string, ready.slice(1), { quiet: true })).code !== 0) {
      if (!group.running()) throw new Error(`Postgres did not start:\n${tail(logFile)}`);
      await sleep(50);
    }
  };
  const stop = () => group.crash();
  await start();
  return {
    uri: `postgresql+psycopg2://mlflow@127.0.0.1:${port}/postgres`,
    start,
    stop,
    async remove() {
      await stop();
      await rm(folder, { recursive: true, force: true });
    },
  };
}

function findPostgres(): string {
  const debian = '/usr/lib/postgresql';
  const versions = existsSync(debian)
    ? readdirSync(debian).sort((a, b) => Number(b) - Number(a))
    : [];
  const folders = [
    ...versions.map((version) => join(debian, version, 'bin')),
    ...(process.env.PATH ?? '').split(':'),
  ];
  const found = folders.find((folder) =>
    ['initdb', 'postgres', 'pg_isready'].every((name) => existsSync(join(folder, name))),
  );
  if (found) return found;
  throw new Error(
    'This test needs a Postgres server (initdb, postgres, pg_isready) on the PATH. Debian and Ubuntu: `sudo apt install postgresql`; macOS: `brew install postgresql`.',
  );
}

interface User {
  uid: number;
  gid: number;
}

/** Postgres refuses to run as root: then its folder is given to `nobody`. */
function otherUser(folder: string): User | undefined {
  if (process.getuid?.() !== 0) return undefined;
  const id = (flag: string) => Number(execFileSync('id', [flag, 'nobody'], { encoding: 'utf8' }));
  const user = { uid: id('-u'), gid: id('-g') };
  chownSync(folder, user.uid, user.gid);
  return user;
}

function command(user: User | undefined, line: string[]): [string, string[]] {
  const whole = user
    ? ['setpriv', `--reuid=${user.uid}`, `--regid=${user.gid}`, '--clear-groups', ...line]
    : line;
  return [whole[0] as string, whole.slice(1)];
}

import { randomBytes } from 'node:crypto';
import { mkdirSync, writeFileSync } from 'node:fs';
import { readFile, rm, stat, utimes, writeFile } from 'node:fs/promises';
import { hostname } from 'node:os';
import { join } from 'node:path';

/** Milliseconds between two signs of life. */
const BEAT_MS = 10_000;
/** Silence after which an owner counts as dead whatever its process id says: it may run in another container. */
const SILENCE_MS = 60_000;
/** Two processes of one id that began this close together are the same one. */
const SAME_START_MS = 2_000;

interface OwnerFile {
  pid: number;
  host: string;
  /** Start of the process, milliseconds since the epoch: process ids are used again. */
  startedAtMs: number;
}

const SUFFIX = '.owner';
const processStart = (): number => Math.round(Date.now() - process.uptime() * 1000);

/**
 * One user of a shared folder. Its file's time is renewed while it lives; others take over what it
 * owned when the file is gone or silent, or when its process has ended.
 */
export class Owner {
  readonly id = `${process.pid}-${randomBytes(6).toString('hex')}`;
  readonly #directory: string;
  readonly #path: string;
  #timer: NodeJS.Timeout | undefined;

  /** Creates folder and owner file. Throws when the folder cannot be written to. */
  constructor(directory: string, onBeat: () => void) {
    this.#directory = directory;
    this.#path = join(directory, this.id + SUFFIX);
    mkdirSync(directory, { recursive: true, mode: 0o700 });
    writeFileSync(this.#path, this.#content(), { mode: 0o600 });
    this.#timer = setInterval(() => {
      void this.#beat().then(onBeat, onBeat);
    }, BEAT_MS);
    this.#timer.unref();
  }

  #content(): string {
    const owner: OwnerFile = {
      pid: process.pid,
      host: hostname(),
      startedAtMs: processStart(),
    };
    return JSON.stringify(owner);
  }

  async #beat(): Promise<void> {
    const now = new Date();
    try {
      await utimes(this.#path, now, now);
    } catch {
      // Removed with the folder, or by a process that took this one for dead while it was stopped.
      if (this.#timer) await writeFile(this.#path, this.#content(), { mode: 0o600 });
    }
  }

  /** Whether what `id` owns may be taken over. */
  async isDead(id: string): Promise<boolean> {
    if (id === this.id) return false;
    const path = join(this.#directory, id + SUFFIX);
    let owner: OwnerFile;
    try {
      const { mtimeMs } = await stat(path);
      if (Date.now() - mtimeMs > SILENCE_MS) return true;
      owner = JSON.parse(await readFile(path, 'utf8')) as OwnerFile;
    } catch (error) {
      // Otherwise just being written, or not ours to read: not yet.
      return (error as NodeJS.ErrnoException).code === 'ENOENT';
    }
    if (owner.host !== hostname()) return false;
    if (owner.pid === process.pid) {
      return Math.abs(owner.startedAtMs - processStart()) > SAME_START_MS;
    }
    return !processExists(owner.pid);
  }

  /** Forgets a dead owner once nothing of it is left. */
  async bury(id: string): Promise<void> {
    await rm(join(this.#directory, id + SUFFIX), { force: true });
  }

  async resign(): Promise<void> {
    clearInterval(this.#timer);
    this.#timer = undefined;
    await rm(this.#path, { force: true });
  }
}

export function ownerIdOf(fileName: string): string | undefined {
  return fileName.endsWith(SUFFIX) ? fileName.slice(0, -SUFFIX.length) : undefined;
}

function processExists(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM';
  }
}

import { Identities, shapeOf } from '../support/shape.js';
import { type Program, settle, type Urls, type World, worldOf } from './world.js';

const TIME_LIMIT_MS = 20_000;

/** Runs programs one after the other and writes down all that each of them sees and causes. */
export class Journalist {
  /** What tracing itself said, behind the name of the program that ran. */
  readonly said: string[] = [];
  #note: World['note'] = () => {};
  #current = 'start';

  /** Takes over the process's output, warnings and unhandled failures. */
  constructor(private readonly urls: Urls) {
    process.on('unhandledRejection', (reason) => this.#note('unhandled rejection', reason));
    process.on('rejectionHandled', () => this.#note('rejection handled late'));
    process.on('uncaughtException', (error) => this.#note('uncaught', error));
    process.on('warning', (warning) => this.#note('warning', warning.message));
    for (const name of ['stdout', 'stderr'] as const) {
      process[name].write = ((text: string | Uint8Array) => {
        this.#written(name, String(text));
        return true;
      }) as typeof process.stdout.write;
    }
  }

  /** @returns everything that happened, in its order */
  async journalOf(name: string, program: Program): Promise<unknown[]> {
    const ids = new Identities();
    const journal: unknown[] = [];
    const note: World['note'] = (what, value) => {
      journal.push([what, stable(shapeOf(value, ids))]);
    };
    this.#note = note;
    this.#current = name;
    let timer: NodeJS.Timeout | undefined;
    const limit = new Promise<'hung'>((resolve) => {
      timer = setTimeout(() => resolve('hung'), TIME_LIMIT_MS);
    });
    try {
      note('result', await Promise.race([program(worldOf(this.urls, note)), limit]));
    } catch (error) {
      note('threw', error);
    }
    clearTimeout(timer);
    await settle();
    return journal;
  }

  #written(name: string, text: string): void {
    if (text.startsWith('@hokusai/')) this.said.push(`${this.#current}: ${text}`);
    // Node warns in the worker that runs an agent's code, at its own time.
    else if (!text.includes('ExperimentalWarning')) this.#note(name, text);
  }
}

/** Without what differs from run to run anyway. */
function stable(value: unknown): unknown {
  if (typeof value === 'string') {
    return value
      .replace(/[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}/g, '<uuid>')
      .replace(/\d{4}-\d\d-\d\dT[\d:.]+Z/g, '<time>')
      .replace(/127\.0\.0\.1:\d+/g, '<host>');
  }
  // Milliseconds since the epoch.
  if (typeof value === 'number' && value > 1e12) return '<time>';
  if (Array.isArray(value)) return value.map(stable);
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(Object.entries(value).map(([key, item]) => [key, stable(item)]));
}

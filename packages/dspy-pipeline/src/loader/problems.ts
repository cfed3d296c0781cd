import { toSnakeCase } from '../signatures/names.js';

/** Something wrong in a config file. */
export interface ConfigProblem {
  /** First line of the place, counted from 1; absent when the file as a whole is meant. */
  readonly line?: number;
  /** Path in the file, as written there: `signatures.Draft.inputs[1]`. Empty for the whole file. */
  readonly path: string;
  readonly message: string;
}

/** Problems that a message lists; all of them are in `problems`. */
const MAX_LISTED = 50;

/** A config file cannot be used; its message lists the problems. */
export class ConfigError extends Error {
  override readonly name = 'ConfigError';
  constructor(
    /** Path or URL of the file. */
    readonly file: string,
    readonly problems: readonly ConfigProblem[],
  ) {
    const count = problems.length === 1 ? '1 problem' : `${problems.length} problems`;
    const lines = problems.slice(0, MAX_LISTED).map((problem) => `  ${describe(problem)}`);
    const more = problems.length - lines.length;
    super([`${file}: ${count}`, ...lines, ...(more > 0 ? [`  and ${more} more`] : [])].join('\n'));
  }
}

function describe({ line, path, message }: ConfigProblem): string {
  const place = [line === undefined ? '' : `line ${line}`, path].filter((part) => part !== '');
  return place.length === 0 ? message : `${place.join(', ')}: ${message}`;
}

/** A place in the file, by the keys and indexes that lead to it, keys in camelCase. */
export type ConfigPath = readonly (string | number)[];

/** Where a place is and how it is written there. */
export interface Position {
  readonly line: number;
  readonly path: string;
}

/** Collects what is wrong, and knows where everything stands. */
export class Problems {
  readonly #found: ConfigProblem[] = [];
  readonly #positions: ReadonlyMap<string, Position>;

  constructor(positions: ReadonlyMap<string, Position> = new Map()) {
    this.#positions = positions;
  }

  /** Notes a problem. A place that is not in the file is shown by the nearest one around it. */
  add(path: ConfigPath, message: string): void {
    for (let length = path.length; length >= 0; length--) {
      const position = this.#positions.get(positionKey(path.slice(0, length)));
      if (!position) continue;
      const missing = path.slice(length).map(asWritten);
      const text = missing.reduce<string>(appendKey, position.path);
      this.#found.push({ line: position.line, path: text, message });
      return;
    }
    this.#found.push({ path: path.map(asWritten).reduce<string>(appendKey, ''), message });
  }

  /** Notes a problem of a place that is known by its position alone. */
  addAt(position: Position, message: string): void {
    this.#found.push({ ...position, message });
  }

  get any(): boolean {
    return this.#found.length > 0;
  }

  /** All problems in the order of the file. */
  list(): ConfigProblem[] {
    return [...this.#found].sort((a, b) => (a.line ?? 0) - (b.line ?? 0));
  }
}

function asWritten(key: string | number): string | number {
  return typeof key === 'number' ? key : toSnakeCase(key);
}

export function positionKey(path: ConfigPath): string {
  return JSON.stringify(path);
}

/** `inputs` and `1` behind `signatures.Draft` make `signatures.Draft.inputs[1]`. */
export function appendKey(path: string, key: string | number): string {
  if (typeof key === 'number') return `${path}[${key}]`;
  return path === '' ? key : `${path}.${key}`;
}

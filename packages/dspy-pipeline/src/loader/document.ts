import {
  isAlias,
  isMap,
  isScalar,
  isSeq,
  Lexer,
  LineCounter,
  type Node,
  type Pair,
  parseDocument,
} from 'yaml';
import { own } from '../own.js';
import { toCamelCase } from '../signatures/names.js';
import { appendKey, type ConfigPath, type Position, Problems, positionKey } from './problems.js';

const MAX_NODES = 20_000;
const MAX_DEPTH = 64;
/** Words and signs of a file. Some megabytes of them would keep the parser, and the process, busy for minutes. */
const MAX_WORDS = 150_000;
/** After the first syntax errors most others follow from them. */
const MAX_FAULTS = 20;
const TOO_LARGE = 'the file is too large or nested too deeply';

/** Paths whose values may read the environment: never text that goes to a model or into a trace. */
const EXPANDED = new Set(['source', 'modelConfig']);

/** Whether the keys of the map at a path are names that people chose, or belong to their data. */
function keepsKeys(path: ConfigPath): boolean {
  const [section, , part, , inner] = path;
  if (section !== 'signatures' && section !== 'chains') return false;
  const inExample = part === 'examples' && path.length > 5;
  return path.length === 1 || inExample || inner === 'default';
}

const VARIABLE = /\$\{([A-Za-z_][A-Za-z0-9_]*)\}/g;

export interface ParsedDocument {
  /** Plain values with keys in camelCase. */
  readonly value: unknown;
  readonly problems: Problems;
}

/**
 * Reads YAML, of which JSON is a part. Keys become camelCase, `${NAME}` becomes the environment's
 * value where that is allowed, and every place keeps its line.
 *
 * @param env the environment, or `undefined` where the file may not read it.
 */
export function parseConfigDocument(
  text: string,
  env: Readonly<Record<string, string | undefined>> | undefined,
): ParsedDocument {
  if (isTooLong(text)) {
    const problems = new Problems();
    problems.add([], TOO_LARGE);
    return { value: undefined, problems };
  }
  const lines = new LineCounter();
  // The parser holds every key against every other one of its map; the reader below does better.
  const options = { lineCounter: lines, prettyErrors: false, uniqueKeys: false };
  const document = parseDocument(text, options);
  // A warning is a tag that nothing here gives a meaning to.
  const faults = [...document.errors, ...document.warnings];
  if (faults.length > 0) {
    const problems = new Problems();
    const deep = faults.find(({ message }) => isTooDeep(message));
    for (const { pos, message } of deep ? [deep] : faults.slice(0, MAX_FAULTS)) {
      const { line } = lines.linePos(pos[0]);
      problems.addAt({ line, path: '' }, wording(message));
    }
    return { value: undefined, problems };
  }
  return new Reader(document.contents, lines, env).read();
}

function isTooLong(text: string): boolean {
  let words = 0;
  for (const _ of new Lexer().lex(text)) if (++words > MAX_WORDS) return true;
  return false;
}

function wording(fault: string): string {
  if (isTooDeep(fault)) return TOO_LARGE;
  // What stands there may be a secret.
  return `not YAML or JSON: ${fault.replace(/: ".*"$/s, '')}`;
}

/** The parser goes down by recursion and says so when it has come to its end. */
const isTooDeep = (fault: string): boolean => /call stack/.test(fault);

class TooLarge extends Error {}

class Reader {
  readonly #positions = new Map<string, Position>();
  readonly #problems = new Problems(this.#positions);
  /** What stands behind each anchor, as far as the file is read: the last one of a name counts. */
  readonly #anchors = new Map<string, Node>();
  #nodes = 0;
  /** Aliases around the node that is read: what it holds was read before. */
  #copying = 0;

  constructor(
    private readonly contents: Node | null,
    private readonly lines: LineCounter,
    private readonly env: Readonly<Record<string, string | undefined>> | undefined,
  ) {}

  read(): ParsedDocument {
    try {
      return { value: this.#node(this.contents, [], ''), problems: this.#problems };
    } catch (error) {
      if (!(error instanceof TooLarge)) throw error;
      return { value: undefined, problems: this.#problems };
    }
  }

  #node(node: Node | null, path: ConfigPath, text: string): unknown {
    const position = this.#locate(node, path, text);
    // A file of a few lines can unfold into gigabytes, or into itself, through aliases.
    if (++this.#nodes > MAX_NODES || path.length > MAX_DEPTH) {
      this.#problems.add(path, TOO_LARGE);
      throw new TooLarge();
    }
    if (!isAlias(node)) {
      this.#remember(node);
      return this.#value(node, path, text);
    }
    const target = this.#anchors.get(node.source);
    if (target === undefined && position) {
      this.#problems.addAt(position, `no anchor is named ${node.source} before *${node.source}`);
    }
    this.#copying++;
    const value = this.#value(target ?? null, path, text);
    this.#copying--;
    return value;
  }

  #remember(node: Node | null): void {
    const anchor = isMap(node) || isSeq(node) || isScalar(node) ? node.anchor : undefined;
    if (node && anchor !== undefined && this.#copying === 0) this.#anchors.set(anchor, node);
  }

  #value(node: Node | null, path: ConfigPath, text: string): unknown {
    if (isMap(node)) return this.#map(node.items as Pair[], path, text);
    if (isSeq(node)) {
      return node.items.map((item, index) =>
        this.#node(item as Node, [...path, index], appendKey(text, index)),
      );
    }
    return isScalar(node) ? this.#scalar(node.value, path) : undefined;
  }

  #map(pairs: readonly Pair[], path: ConfigPath, text: string): Record<string, unknown> {
    const values: [string, unknown][] = [];
    const written = new Map<string, string>();
    for (const { key: keyNode, value } of pairs) {
      this.#remember(keyNode as Node);
      const original = String(isScalar(keyNode) ? keyNode.value : keyNode);
      const key = keepsKeys(path) ? original : toCamelCase(original);
      const place = [...path, key];
      const other = written.get(key);
      written.set(key, original);
      const position = this.#locate(keyNode as Node, place, appendKey(text, original));
      if (other !== undefined && position) {
        const fault = other === original ? 'is given twice' : `is the same setting as ${other}`;
        this.#problems.addAt(position, fault);
      }
      values.push([key, this.#node(value as Node | null, place, appendKey(text, original))]);
    }
    // Entries become own properties whatever their names: `__proto__` is a key like any other.
    return Object.fromEntries(values);
  }

  #scalar(value: unknown, path: ConfigPath): unknown {
    if (typeof value !== 'string' || !EXPANDED.has(String(path[0]))) return value;
    let unset = false;
    const text = value.replace(VARIABLE, (reference, name: string) => {
      const found = this.env && own(this.env, name);
      if (found !== undefined && found !== '') return found;
      unset = true;
      const reason = this.env
        ? `the environment variable ${name} is not set`
        : `${reference}: a downloaded file cannot read the environment`;
      this.#problems.add(path, reason);
      return reference;
    });
    // Reported; a check of what stands in its place would only repeat it.
    return unset ? undefined : text;
  }

  #locate(node: Node | null, path: ConfigPath, text: string): Position | undefined {
    const offset = node?.range?.[0];
    if (offset === undefined) return undefined;
    const position = { line: this.lines.linePos(offset).line, path: text };
    const key = positionKey(path);
    if (!this.#positions.has(key)) this.#positions.set(key, position);
    return position;
  }
}

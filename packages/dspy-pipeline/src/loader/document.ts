import {
  type Document,
  isAlias,
  isMap,
  isScalar,
  isSeq,
  LineCounter,
  type Node,
  type Pair,
  parseDocument,
} from 'yaml';
import { toCamelCase } from '../signatures/names.js';
import { appendKey, type ConfigPath, type Position, Problems, positionKey } from './problems.js';

const MAX_NODES = 20_000;
const MAX_DEPTH = 64;

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
  const lines = new LineCounter();
  const document = parseDocument(text, { lineCounter: lines, prettyErrors: false });
  // A warning is a tag that nothing here gives a meaning to.
  const faults = [...document.errors, ...document.warnings];
  if (faults.length > 0) {
    const problems = new Problems();
    for (const { pos, message } of faults) {
      const { line } = lines.linePos(pos[0]);
      problems.addAt({ line, path: '' }, `not YAML or JSON: ${message}`);
    }
    return { value: undefined, problems };
  }
  return new Reader(document, lines, env).read();
}

class Reader {
  readonly #positions = new Map<string, Position>();
  readonly #problems = new Problems(this.#positions);
  #nodes = 0;

  constructor(
    private readonly document: Document,
    private readonly lines: LineCounter,
    private readonly env: Readonly<Record<string, string | undefined>> | undefined,
  ) {}

  read(): ParsedDocument {
    const value = this.#node(this.document.contents, [], '');
    return { value, problems: this.#problems };
  }

  #node(node: Node | null, path: ConfigPath, text: string): unknown {
    const position = this.#locate(node, path, text);
    const resolved = isAlias(node) ? node.resolve(this.document) : node;
    if (isAlias(node) && resolved === undefined && position) {
      this.#problems.addAt(position, `no anchor is named ${node.source} before *${node.source}`);
    }
    // A file of a few lines can unfold into gigabytes, or into itself, through aliases.
    if (++this.#nodes > MAX_NODES || path.length > MAX_DEPTH) {
      if (this.#nodes === MAX_NODES + 1 || path.length === MAX_DEPTH + 1) {
        this.#problems.add(path, 'the file is too large or nested too deeply');
      }
      this.#nodes = MAX_NODES + 1;
      return undefined;
    }
    if (isMap(resolved)) return this.#map(resolved.items as Pair[], path, text);
    if (isSeq(resolved)) {
      return resolved.items.map((item, index) =>
        this.#node(item as Node, [...path, index], appendKey(text, index)),
      );
    }
    return isScalar(resolved) ? this.#scalar(resolved.value, path) : undefined;
  }

  #map(pairs: readonly Pair[], path: ConfigPath, text: string): Record<string, unknown> {
    const values: [string, unknown][] = [];
    const written = new Map<string, string>();
    for (const { key: keyNode, value } of pairs) {
      const original = String(isScalar(keyNode) ? keyNode.value : keyNode);
      const key = keepsKeys(path) ? original : toCamelCase(original);
      const place = [...path, key];
      const other = written.get(key);
      written.set(key, original);
      const position = this.#locate(keyNode as Node, place, appendKey(text, original));
      if (other !== undefined && position) {
        this.#problems.addAt(position, `is the same setting as ${other}`);
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
      const found = this.env?.[name];
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
